"""Digests over the real store: each time once, whenever the service was killed, stopped or had no store."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.errors import StoreError
from repwatch.flows.deliver import Courier
from repwatch.flows.digest import Digester
from repwatch.flows.sorting import Singly
from repwatch.health.incident import Change, Incident, Phase
from repwatch.model.digest import Digest
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.settings import EmailReceiver, Receiver
from repwatch.model.view import State, View
from repwatch.ports.notifier import Delivery, DeliveryOutcome, Letter, Thread
from repwatch.ports.store import Entry
from tests.unit.watch.handclock import HandClock

MAIL = EmailReceiver(to=("a@example.com",), sender="b@example.com", host="m", port=25)
RECEIVERS = (Receiver(name="a", channel=MAIL, digest="08:00"), Receiver(name="b", channel=MAIL, digest="sun 12:00"))
OK, BUSY, NO = (Delivery(outcome=outcome, text="x") for outcome in DeliveryOutcome)


@dataclass
class Ear:
    """Writes down the times of the digests that it takes; answers as told, then well."""

    answers: list[Delivery] = field(default_factory=list)
    heard: list[Digest] = field(default_factory=list)

    def send(self, notice: Letter, thread: Thread) -> Delivery:
        assert isinstance(notice, Digest)
        assert thread == {}
        self.heard.append(notice)
        return self.answers.pop(0) if self.answers else OK


class Bench:
    """A store, and the digests of two receivers; 2026-11-22 is a Sunday, and the clock begins at its midnight."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/s.db"
        self.clock = HandClock()
        self.ears = {receiver.id: Ear() for receiver in RECEIVERS}
        self.start()

    def start(self, *receivers: Receiver) -> None:
        self.receivers = receivers or RECEIVERS
        self.store = SqlStore.open(self.url)
        self.store.begin_service([], [receiver.id for receiver in self.receivers], self.clock.now())
        self.digester = Digester(
            receivers=self.receivers, clusters=(), ledger=self.store.digests, records=self.store, clock=self.clock
        )

    def restart(self, *receivers: Receiver) -> None:
        self.store.close()
        self.start(*receivers)

    def at(self, text: str) -> None:
        self.clock.moment = datetime.fromisoformat(text).replace(tzinfo=UTC)

    def turn(self) -> int:
        return self.digester.turn(View(as_of=self.clock.now(), state=State.OK))

    def deliver(self) -> None:
        for receiver in self.receivers:
            ear = self.ears[receiver.id]
            sorter = Singly(receiver.id, self.store.digests)
            courier = Courier(receiver.id, ear, self.store.digests, sorter, self.clock, beside=lambda call: call())
            while courier.turn():
                pass

    def heard(self, name: str = "a/email") -> list[str]:
        return [f"{digest.at:%d %H:%M}" for digest in self.ears[name].heard]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.store.close()


def test_each_at_its_time_and_once(bench: Bench) -> None:
    assert bench.turn() == 0  # a new receiver hears nothing of a time before it was known
    for day in (22, 23, 24):
        for clock in ("07:59:59", "08:00:00", "08:00:05", "12:00:00", "12:00:05", "23:59:00"):
            bench.at(f"2026-11-{day}T{clock}")
            bench.turn()
            bench.deliver()
    assert bench.heard() == ["22 08:00", "23 08:00", "24 08:00"]
    assert bench.heard("b/email") == ["22 12:00"]
    assert len({digest.id for digest in bench.ears["a/email"].heard}) == 3


@pytest.mark.parametrize("killed", ["before", "made", "sent"])
def test_a_kill_neither_loses_nor_doubles_it(bench: Bench, killed: str) -> None:
    bench.turn()
    bench.at("2026-11-22T07:59:00")
    if killed == "before":
        bench.restart()
        bench.at("2026-11-22T09:30:00")  # nothing ran at eight
        bench.restart()
    bench.at("2026-11-22T09:30:00")
    assert bench.turn() == 1
    if killed == "made":
        bench.restart()
        assert bench.turn() == 0
    if killed == "sent":  # and not recorded
        (envelope,) = bench.store.digests.due("a/email", bench.clock.now(), 1)
        bench.ears["a/email"].send(envelope.notice, {})
        bench.restart()
        bench.turn()
    bench.deliver()
    assert set(bench.heard()) == {"22 08:00"}
    assert len(bench.heard()) == (2 if killed == "sent" else 1)
    assert len({digest.id for digest in bench.ears["a/email"].heard}) == 1
    assert bench.store.waiting() == 0


def test_a_busy_receiver_gets_it_later_and_a_refusing_one_is_told_of(bench: Bench) -> None:
    bench.turn()
    bench.ears["a/email"].answers = [BUSY, NO]
    bench.at("2026-11-22T08:00:00")
    bench.turn()
    bench.deliver()
    assert bench.store.waiting() == 1
    bench.clock.sleep(60)
    bench.deliver()
    assert bench.store.waiting() == 0
    assert [finding.subject.channel for finding in bench.store.standing("")] == ["a/email"]
    bench.restart()  # the configuration may have been put right
    bench.deliver()
    assert bench.heard() == ["22 08:00"] * 3
    assert bench.store.waiting() == 0


def test_after_days_without_service_there_is_one_digest(bench: Bench) -> None:
    bench.turn()
    bench.at("2026-11-25T10:00:00")
    bench.restart()
    bench.turn()
    bench.deliver()
    assert bench.heard() == ["25 08:00"]


@pytest.mark.parametrize("back", [timedelta(hours=3), timedelta(days=400)])
def test_a_clock_that_jumps(bench: Bench, back: timedelta) -> None:
    bench.turn()
    bench.at("2026-11-22T09:00:00")
    bench.turn()
    bench.clock.moment -= back
    assert bench.turn() <= (1 if back > timedelta(days=1) else 0)
    bench.at("2026-11-22T09:00:00")
    assert bench.turn() == 0
    bench.deliver()
    assert bench.heard().count("22 08:00") == 1


def test_who_gets_no_digests_any_more_gets_none(bench: Bench) -> None:
    bench.turn()
    bench.at("2026-11-22T12:00:00")
    assert bench.turn() == 2
    bench.restart(RECEIVERS[0])
    bench.deliver()
    bench.restart()
    bench.at("2026-11-22T13:00:00")
    bench.turn()
    assert bench.heard("b/email") == []
    bench.deliver()
    assert bench.heard() == ["22 08:00"]


def test_no_store_for_a_while(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.turn()
    bench.at("2026-11-22T08:00:00")

    def gone(*_: object) -> None:
        raise StoreError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(bench.store.digests, "add", gone)
        assert bench.turn() == 0
    assert bench.turn() == 1


def test_it_tells_of_incidents_that_the_store_has(bench: Bench) -> None:
    bench.turn()
    since = bench.clock.now() - timedelta(hours=20)
    finding = Finding(
        subject=Subject("shop", "db:1", "", FindingCode.LAGGING), severity=Severity.WARNING, summary="s", meaning="", remedy=""
    )
    opened = Incident(id="i1", finding=finding, since=since, phase=Phase.OPEN, revision=1)
    other = replace(finding, subject=replace(finding.subject, code=FindingCode.DRIFTED))
    over = replace(opened, id="i2", finding=other, phase=Phase.RESOLVED, resolved=bench.clock.now())
    unsure = replace(opened, id="i3", finding=replace(finding, subject=replace(finding.subject, server="x")), phase=Phase.PENDING)
    bench.store.record(Entry(changes=tuple(Change(None, each) for each in (opened, over, unsure))), bench.clock.now())
    bench.at("2026-11-22T08:00:00")
    bench.turn()
    bench.deliver()
    (digest,) = bench.ears["a/email"].heard
    assert [(each.code, each.resolved) for each in digest.incidents] == [("lagging", None), ("drifted", over.resolved)]
