"""What people say reaches the service with its next look: acknowledged, silenced; and nothing that is owed is lost by it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest

import repwatch
from repwatch.adapters.store.people import People
from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.errors import StoreError, UsageError
from repwatch.flows.book import Book
from repwatch.flows.watch import advance
from repwatch.health.incident import Incident, Look, LookKind
from repwatch.health.notice import Audience
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.model.settings import Receiver, WebhookReceiver
from repwatch.model.silence import Silence, matches
from repwatch.ports.store import Fate, Settled
from repwatch.render.incidents import incidents_json, incidents_text, silences_text
from tests.unit.watch.handclock import HandClock

RECEIVER = Receiver(name="oncall", channel=WebhookReceiver(url="http://127.0.0.1:1/"))
AUDIENCE = Audience(receivers=(RECEIVER,), names={"a:1": "db1"})
SUBJECT = Subject("shop", "a:1", "", FindingCode.APPLIER_ERROR)
FINDING = Finding(subject=SUBJECT, severity=Severity.CRITICAL, summary="s", meaning="m", remedy="r")
SERVERS = frozenset({"a:1"})
WORSE = replace(FINDING, evidence={"error_class": "duplicate-key"})


class Desk:
    """A book whose looks are a second apart, and the people beside it."""

    def __init__(self, url: str) -> None:
        self.clock = HandClock()
        self.store = SqlStore.open(url)
        self.people = People(url)
        self.book = Book(self.store, self.clock, "shop")

    def look(self, *findings: Finding) -> None:
        self.clock.sleep(1)
        incidents, _ = self.book.read()
        look = Look(at=self.clock.now(), kind=LookKind.POLL, asked=SERVERS, observed=SERVERS, ended=self.book.ended)
        self.book.record(advance(incidents, findings, look, replace(AUDIENCE, silences=self.book.silences), {}))

    def told(self) -> list[Notice]:
        """What has been sent since it was asked last."""
        found = []
        now = self.clock.now()
        while due := self.store.due(RECEIVER.id, now, 1):
            assert isinstance(due[0].notice, Notice)
            found.append(due[0].notice)
            self.store.settle([Settled(envelope=due[0], fate=Fate.DELIVERED, at=now, thread={})])
        return found

    def events(self) -> list[NoticeEvent]:
        return [notice.event for notice in self.told()]

    def silence(self, target: str = "shop/db1", seconds: float = 60) -> int:
        now = self.clock.now()
        until = now + timedelta(seconds=seconds)
        return self.people.silence(Silence(target=target, author="ann", reason="new disks", since=now, until=until))

    def only(self) -> Incident:
        (incident,) = self.store.known("shop", self.clock.now()).incidents
        return incident


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(f"sqlite:///{tmp_path}/s.db")
    yield made
    made.store.close()


def test_who_was_told_is_told_who_has_it_once(desk: Desk) -> None:
    for _ in range(2):
        desk.look(FINDING)
    assert desk.events() == [NoticeEvent.OPENED]
    assert desk.people.acknowledge(SUBJECT.key, "ann", desk.clock.now()) == "ann"
    desk.look(FINDING)
    (notice,) = desk.told()
    assert (notice.event, notice.evidence) == (NoticeEvent.ACKNOWLEDGED, {"acknowledged_by": "ann"})
    assert desk.people.acknowledge(desk.only().id, "bob", desk.clock.now()) == "ann"
    desk.look(FINDING)
    assert desk.events() == []
    desk.look(WORSE)
    assert desk.events() == [NoticeEvent.UPDATED]
    for _ in range(2):
        desk.look()
    assert desk.events() == [NoticeEvent.RESOLVED]
    with pytest.raises(UsageError):
        desk.people.acknowledge(SUBJECT.key, "bob", desk.clock.now())


def test_the_next_occurrence_is_acknowledged_by_nobody(desk: Desk) -> None:
    for _ in range(2):
        desk.look(FINDING)
    desk.people.acknowledge(SUBJECT.key, "ann", desk.clock.now())
    for findings in ([FINDING], [], [], [FINDING], [FINDING]):
        desk.look(*findings)
    assert not desk.only().acknowledged


def test_a_silence_withholds_what_is_new_and_tells_it_when_it_ends(desk: Desk) -> None:
    desk.silence(seconds=10)
    desk.look(FINDING)
    since = desk.clock.now()
    desk.look(FINDING)
    assert desk.events() == []
    assert desk.only().silenced_by == "ann: new disks"
    desk.clock.sleep(10)
    desk.look(FINDING)
    (notice,) = desk.told()
    assert (notice.event, notice.since) == (NoticeEvent.OPENED, since)
    assert desk.only().silenced_until is None


def test_what_was_told_before_a_silence_is_resolved_in_it_and_nothing_else_said(desk: Desk) -> None:
    for _ in range(2):
        desk.look(FINDING)
    assert desk.events() == [NoticeEvent.OPENED]
    desk.silence()
    desk.people.acknowledge(SUBJECT.key, "ann", desk.clock.now())
    desk.look(WORSE)
    assert desk.events() == []
    for _ in range(2):
        desk.look()
    assert desk.events() == [NoticeEvent.RESOLVED]


def test_what_came_and_went_in_a_silence_is_told_to_nobody(desk: Desk) -> None:
    desk.silence()
    for findings in ([FINDING], [FINDING], [], []):
        desk.look(*findings)
    desk.clock.sleep(100)
    desk.look()
    assert desk.events() == []


def test_a_silence_ends_when_somebody_ends_it(desk: Desk) -> None:
    number = desk.silence()
    desk.silence("shop/db1/lagging")
    for _ in range(2):
        desk.look(FINDING)
    desk.people.end_silence(number, desk.clock.now())
    desk.look(FINDING)
    assert desk.events() == [NoticeEvent.OPENED]
    assert [silence.target for silence in desk.people.silences(desk.clock.now())] == ["shop/db1/lagging"]
    with pytest.raises(UsageError):
        desk.people.end_silence(number, desk.clock.now())


def test_incidents_are_listed_while_open_and_afterwards_on_request(desk: Desk) -> None:
    desk.look(FINDING)
    assert desk.people.incidents() == ()  # nobody has confirmed it yet
    desk.look(FINDING)
    desk.people.acknowledge(SUBJECT.key, "ann", desk.clock.now())
    desk.silence()
    desk.look(FINDING)
    (filed,) = desk.people.incidents()
    assert filed.acknowledged == desk.clock.now() - timedelta(seconds=1)
    schema = json.loads((Path(repwatch.__file__).parent / "schemas" / "incidents.schema.json").read_text(encoding="utf-8"))
    document = json.loads(incidents_json([filed.incident], {"a:1": "db1"}, {filed.incident.id: filed.acknowledged}))
    jsonschema.validate(document, schema)
    assert (document["incidents"][0]["acknowledged_by"], document["incidents"][0]["name"]) == ("ann", "db1")
    assert "new disks" in incidents_text([filed.incident], {}, desk.clock.now())
    assert "new disks" in silences_text(desk.people.silences(desk.clock.now()), desk.clock.now())
    for _ in range(2):
        desk.look()
    assert desk.people.incidents() == ()
    (filed,) = desk.people.incidents(desk.clock.now() - timedelta(days=1))
    assert filed.incident.resolved == desk.clock.now()


def test_people_make_no_store(tmp_path: Path) -> None:
    people = People(f"sqlite:///{tmp_path}/s.db")
    with pytest.raises(StoreError):
        people.acknowledge("x", "ann", HandClock().now())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("pattern", "covered"),
    [
        ("shop", True),
        ("shop/db1", True),
        ("shop/a:1", True),
        ("*/*/applier-error", True),
        ("shop/db1/lagging", False),
        ("shop/db2", False),
        ("other", False),
    ],
)
def test_targets(pattern: str, covered: bool) -> None:
    assert matches((pattern,), SUBJECT, "db1") is covered
    now = HandClock().now()
    silence = Silence(target=pattern, author="a", reason="r", since=now, until=now + timedelta(seconds=1))
    assert silence.covers(SUBJECT, "db1", now) is covered
    assert not silence.covers(SUBJECT, "db1", silence.until)
    assert not silence.covers(SUBJECT, "db1", now - timedelta(seconds=1))


def test_a_restart_does_not_forget_what_came_back(desk: Desk) -> None:
    for findings in ([FINDING], [FINDING], [], []):
        desk.look(*findings)
    desk.book = Book(desk.store, desk.clock, "shop")
    for findings in ([FINDING], [FINDING], [], []):
        desk.look(*findings)
    assert desk.only().flaps == 1
    desk.clock.sleep(60)
    desk.look()
    desk.book = Book(desk.store, desk.clock, "shop")
    desk.clock.sleep(7200)
    desk.look(FINDING)
    assert desk.only().flaps == 0
