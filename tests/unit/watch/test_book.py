"""What cannot be written waits, in order and merged, and is written as soon as it can be."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.errors import StoreError
from repwatch.flows.book import Book, living, merge
from repwatch.flows.watch import advance
from repwatch.health.incident import Change, Incident, Look, LookKind
from repwatch.health.notice import Audience
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.model.settings import Receiver, WebhookReceiver
from repwatch.ports.store import Entry, Fate, Known, Settled
from tests.unit.watch.handclock import HandClock

RECEIVER = Receiver(name="oncall", channel=WebhookReceiver(url="http://127.0.0.1:1/"))
FINDING = Finding(
    subject=Subject("shop", "a:1", "", FindingCode.APPLIER_ERROR),
    severity=Severity.CRITICAL,
    summary="s",
    meaning="m",
    remedy="r",
)


class Flaky(SqlStore):
    """The real store, which cannot be written or read at times."""

    full = False
    gone = False

    def record(self, entry: Entry, now: datetime) -> None:
        if self.full:
            raise StoreError("full", hint="make room")
        super().record(entry, now)

    def known(self, cluster: str, now: datetime) -> Known:
        if self.gone:
            raise StoreError("gone")
        return super().known(cluster, now)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Flaky]:
    opened = Flaky.open(f"sqlite:///{tmp_path}/s.db")
    yield opened
    opened.close()


class Desk:
    """A book and its looks, a second apart."""

    def __init__(self, store: Flaky) -> None:
        self.clock = HandClock()
        self.store = store
        self.book = Book(store, self.clock, "shop")

    def look(self, *findings: Finding) -> Entry:
        self.clock.sleep(1)
        incidents, _ = self.book.read()
        servers = frozenset({"a:1"})
        look = Look(at=self.clock.now(), kind=LookKind.POLL, asked=servers, observed=servers)
        entry = advance(incidents, findings, look, Audience(receivers=(RECEIVER,)), {})
        self.book.record(entry)
        return entry

    def outbox(self) -> list[NoticeEvent]:
        events = []
        now = self.clock.now()
        while due := self.store.due(RECEIVER.id, now, 9):
            events += [each.notice.event for each in due if isinstance(each.notice, Notice)]
            self.store.settle([Settled(envelope=each, fate=Fate.DELIVERED, at=now, thread={}) for each in due])
        return events


def test_an_outage_that_comes_and_goes_on_a_full_disk_is_told_afterwards(store: Flaky) -> None:
    desk = Desk(store)
    store.full = True
    for findings in ([FINDING], [FINDING], [FINDING], [], []):
        desk.look(*findings)
    assert "make room" in desk.book.problem
    assert desk.outbox() == []
    store.full = False
    desk.look()
    assert desk.book.problem == ""
    assert desk.outbox() == [NoticeEvent.OPENED, NoticeEvent.RESOLVED]
    assert store.known("shop", desk.clock.now()).incidents == ()


def test_an_outage_keeps_its_start_over_a_full_disk(store: Flaky) -> None:
    desk = Desk(store)
    desk.look(FINDING)
    begun = desk.clock.now()
    store.full = True
    for _ in range(5):
        desk.look(replace(FINDING, evidence={"n": "new every time"}))
    store.full = False
    desk.look(FINDING)
    (incident,) = store.known("shop", desk.clock.now()).incidents
    assert incident.since == begun
    assert desk.outbox() == [NoticeEvent.OPENED]


def test_two_outages_of_one_subject_on_a_full_disk(store: Flaky) -> None:
    desk = Desk(store)
    store.full = True
    for findings in ([FINDING], [FINDING], [], [], [FINDING], [FINDING]):
        desk.look(*findings)
    store.full = False
    desk.look(FINDING)
    assert desk.outbox() == [NoticeEvent.OPENED, NoticeEvent.RESOLVED, NoticeEvent.OPENED]


def test_a_store_that_cannot_be_read_stops_no_look(store: Flaky) -> None:
    desk = Desk(store)
    desk.look(FINDING)
    store.gone = True
    assert [change.after is not None for change in desk.look(FINDING).changes] == [True]
    assert desk.outbox() == [NoticeEvent.OPENED]


def test_what_waits_does_not_grow_with_time(store: Flaky) -> None:
    desk = Desk(store)
    store.full = True
    for number in range(50):
        desk.look(replace(FINDING, evidence={"n": str(number)}))
    assert len(desk.book._unwritten.changes) == 1


def test_merging_what_was_never_stored_and_is_gone_leaves_nothing(store: Flaky) -> None:
    desk = Desk(store)
    entry = desk.look(FINDING)
    after = entry.changes[0].after
    assert merge(entry, Entry(changes=(Change(after, None),))).changes == ()


def test_the_notice_of_a_cause_lists_its_symptoms_which_are_not_told() -> None:
    down = replace(FINDING, subject=Subject("shop", "a:1", "", FindingCode.SERVER_UNREACHABLE), settled=True)
    retrying = replace(FINDING, subject=Subject("shop", "b:1", "", FindingCode.RECEIVER_RETRYING), settled=True)
    clock = HandClock()
    incidents: tuple[Incident, ...] = ()
    audience = Audience(receivers=(RECEIVER,), names={"b:1": "db2"})
    for _ in range(2):
        clock.sleep(1)
        look = Look(at=clock.now(), kind=LookKind.POLL, asked=frozenset({"a:1", "b:1"}), observed=frozenset({"b:1"}))
        entry = advance(incidents, [retrying, down], look, audience, {retrying.subject: down.subject})
        incidents = living(incidents, entry.changes)
    (posting,) = entry.postings
    assert posting.notice.subject == down.subject
    assert posting.notice.evidence["symptoms"] == "receiver-retrying on db2"
