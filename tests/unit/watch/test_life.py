"""The life of incidents and notices against every order of events: sights, blindness, kills, a full disk, deafness, people.

Invariants: a receiver that drops repeated ids hears of each occurrence *opened* once and *resolved* once, in that order, and
of an acknowledgement once; nobody hears *resolved* of what was not opened; what was recorded as confirmed while nobody
silenced it is told in the end; nothing unconfirmed is ever told; the second receiver hears of nothing that was acknowledged in
its time.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from repwatch.adapters.store.people import People
from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.adapters.store.tables import outbox
from repwatch.errors import StoreError
from repwatch.flows.book import Book
from repwatch.flows.deliver import Courier
from repwatch.flows.sorting import Singly
from repwatch.flows.watch import advance
from repwatch.health.flaps import LONGEST_HOLD
from repwatch.health.incident import Incident, Look, LookKind, Phase
from repwatch.health.notice import Audience
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.model.settings import Receiver, WebhookReceiver
from repwatch.model.silence import Silence
from repwatch.ports.notifier import Delivery, DeliveryOutcome, Letter, Thread
from repwatch.ports.store import Entry, Settled
from tests.unit.watch.handclock import HandClock

SERVERS = ("a:1", "b:1")
CODES = (FindingCode.APPLIER_ERROR, FindingCode.LAGGING)
SUBJECTS = [Subject("shop", server, "", code) for server in SERVERS for code in CODES]
HOOK = WebhookReceiver(url="http://127.0.0.1:1/")
FIRST = Receiver(name="oncall", channel=HOOK, remind_every=timedelta(minutes=30))
SECOND = Receiver(name="chief", channel=HOOK, escalate_after=timedelta(minutes=1))
RECEIVERS = (FIRST, SECOND)
LANES = 3


class Ear:
    """A receiver that hears, is deaf, or hears and cannot answer."""

    def __init__(self) -> None:
        self.heard: list[Notice] = []
        self.deaf = False

    def send(self, notice: Letter, thread: Thread) -> Delivery:
        assert isinstance(notice, Notice)
        if self.deaf:
            return Delivery(outcome=DeliveryOutcome.RETRY, text="deaf")
        self.heard.append(notice)
        return Delivery(outcome=DeliveryOutcome.DELIVERED, thread={"first": thread.get("first", notice.id)})


class FullDisk(SqlStore):
    """The real store on a disk that is full at times."""

    full = False

    def record(self, entry: Entry, now: datetime) -> None:
        self._check()
        super().record(entry, now)

    def settle(self, settled: Sequence[Settled]) -> None:
        self._check()
        super().settle(settled)

    def _check(self) -> None:
        if self.full:
            raise StoreError("database or disk is full")


class Life(RuleBasedStateMachine):
    """See the module's invariants."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.clock = HandClock()
        self.ears = {receiver.id: Ear() for receiver in RECEIVERS}
        self.answered: set[str] = set()  # ids of incidents that were acknowledged before the second receiver's time
        self.true: set[Subject] = set()
        self.blind: set[str] = set()
        self.owed: set[str] = set()  # ids of incidents that were recorded as open
        self.start()

    def start(self) -> None:
        self.store = FullDisk.open(f"sqlite:///{self.folder}/s.db")
        self.store.begin_service(list(self.ears), [], self.clock.now())
        self.people = People(f"sqlite:///{self.folder}/s.db")
        self.book = Book(self.store, self.clock, "shop")
        self.couriers = [
            Courier(name, ear, self.store, Singly(name, self.store), self.clock, LANES, beside=lambda call: call())
            for name, ear in self.ears.items()
        ]

    @rule(subject=st.sampled_from(SUBJECTS))
    def break_or_mend(self, subject: Subject) -> None:
        self.true ^= {subject}

    @rule(server=st.sampled_from(SERVERS))
    def see_or_not(self, server: str) -> None:
        self.blind ^= {server}

    def entry(self, kind: LookKind, asked: frozenset[str]) -> Entry:
        self.clock.sleep(1)
        incidents, _ = self.book.read()
        observed = asked - self.blind
        findings = [finding(subject) for subject in SUBJECTS if subject in self.true and subject.server in observed]
        look = Look(at=self.clock.now(), kind=kind, asked=asked, observed=observed, ended=self.book.ended)
        return advance(incidents, findings, look, Audience(receivers=RECEIVERS, silences=self.book.silences), {})

    @rule(kind=st.sampled_from(LookKind), asked=st.sets(st.sampled_from(SERVERS), min_size=1))
    def look(self, kind: LookKind, asked: set[str]) -> None:
        entry = self.entry(kind, frozenset(asked))
        self.book.record(entry)
        told = [c.after for c in entry.changes if c.after and c.after.phase is Phase.OPEN and not c.after.silenced_until]
        self.owed |= {incident.id for incident in told}

    @rule()
    def killed_before_the_record(self) -> None:
        self.entry(LookKind.POLL, frozenset(SERVERS))
        self.kill()

    @rule()
    def kill(self) -> None:
        """What is in memory is gone; with it what could not be written on a full disk, also if that was cleaned since."""
        unwritten = self.store.full or bool(self.book._unwritten.changes)
        self.store.close()
        self.start()
        if unwritten:
            with self.store._read() as connection:
                self.owed = set(connection.execute(select(outbox.c.incident_id).distinct()).scalars())

    def stored(self) -> tuple[Incident, ...]:
        return self.store.known("shop", self.clock.now()).incidents

    @rule()
    def fill_or_clean_the_disk(self) -> None:
        self.store.full = not self.store.full

    @rule(receiver=st.sampled_from(RECEIVERS))
    def deafen_or_heal(self, receiver: Receiver) -> None:
        self.ears[receiver.id].deaf ^= True

    @rule(minutes=st.sampled_from([1, 40, 120]))
    def wait(self, minutes: int) -> None:
        self.clock.sleep(60 * minutes)

    @precondition(lambda self: bool(self.stored()))
    @rule()
    def acknowledge(self) -> None:
        incident = self.stored()[0]
        self.people.acknowledge(incident.subject.key, "ann", self.clock.now())
        if SECOND.id not in incident.told_to and not self.book._unwritten.changes:
            self.answered.add(incident.id)

    @rule(what=st.sampled_from(["shop", "shop/a:1", "shop/*/lagging"]))
    def silence_or_not(self, what: str) -> None:
        now = self.clock.now()
        if held := self.people.silences(now):
            self.people.end_silence(held[0].id, now)
        else:
            until = now + timedelta(minutes=10)
            self.people.silence(Silence(target=what, author="bob", reason="r", since=now, until=until))

    @rule()
    def deliver(self) -> None:
        self.clock.sleep(1)
        for courier in self.couriers:
            courier._safely(courier.turn)

    @rule(number=st.sampled_from([0, 1]))
    def killed_between_delivery_and_record(self, number: int) -> None:
        courier = self.couriers[number]
        due = self.store.due(courier.receiver, self.clock.now(), LANES)
        if due and not courier._out and not self.ears[courier.receiver].deaf:
            for envelope in due:
                courier.notifier.send(envelope.notice, envelope.thread)
            self.kill()

    @invariant()
    def heard_once_and_in_order(self) -> None:
        for ear in getattr(self, "ears", {}).values():
            for events in lives(ear).values():
                counts = Counter(events)
                assert counts[NoticeEvent.OPENED] == 1
                assert events[0] is NoticeEvent.OPENED
                assert counts[NoticeEvent.ACKNOWLEDGED] <= 1
                assert counts[NoticeEvent.RESOLVED] <= 1
                assert NoticeEvent.RESOLVED not in events[:-1]
                if NoticeEvent.ACKNOWLEDGED in events:
                    assert NoticeEvent.REMINDER not in events[events.index(NoticeEvent.ACKNOWLEDGED) :]

    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        self.store.full = False
        self.true.clear()
        self.blind.clear()
        for _ in range(4):
            self.look(LookKind.POLL, set(SERVERS))
        self.clock.sleep(LONGEST_HOLD.total_seconds())
        self.look(LookKind.POLL, set(SERVERS))
        self.clock.sleep(3600)
        for courier in self.couriers:
            self.ears[courier.receiver].deaf = False
            assert any(not courier.turn() for _ in range(500)), "it never rests"
        first, second = (lives(self.ears[receiver.id]) for receiver in RECEIVERS)
        assert {name for name, events in first.items() if NoticeEvent.RESOLVED in events} == set(first) == self.owed
        assert {name for name, events in second.items() if NoticeEvent.RESOLVED in events} == set(second) <= self.owed
        assert not set(second) & self.answered
        assert self.store.waiting() == 0
        assert self.stored() == ()
        self.heard_once_and_in_order()
        self.store.close()
        shutil.rmtree(self.folder)


def lives(ear: Ear) -> dict[str, list[NoticeEvent]]:
    """What a receiver that drops repeated ids heard, by incident."""
    heard: dict[str, list[NoticeEvent]] = {}
    for notice in {notice.id: notice for notice in reversed(ear.heard)}.values():
        heard.setdefault(notice.id.partition("-")[0], []).insert(0, notice.event)
    return heard


def finding(subject: Subject) -> Finding:
    """Errors are settled, lag is not."""
    settled = subject.code is FindingCode.APPLIER_ERROR
    return Finding(subject=subject, severity=Severity.CRITICAL, summary="s", meaning="m", remedy="r", settled=settled)


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
