"""The life of incidents and notices against every order of events: sights, blindness, kills, a full disk, a deaf receiver.

Invariants: a receiver that drops repeated ids hears of each occurrence *opened* once and *resolved* once, in that order; nobody
hears *resolved* of what was not opened; what was recorded as confirmed is told in the end; nothing unconfirmed is ever told.
"""

import shutil
import tempfile
from collections import Counter
from datetime import datetime
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.errors import StoreError
from repwatch.flows.book import Book
from repwatch.flows.deliver import Courier
from repwatch.flows.watch import advance
from repwatch.health.incident import Incident, Look, LookKind, Phase
from repwatch.health.notice import Audience
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.model.settings import Receiver, WebhookReceiver
from repwatch.ports.notifier import Delivery, DeliveryOutcome, Thread
from repwatch.ports.store import Entry
from tests.unit.watch.handclock import HandClock

SERVERS = ("a:1", "b:1")
CODES = (FindingCode.APPLIER_ERROR, FindingCode.LAGGING)
SUBJECTS = [Subject("shop", server, "", code) for server in SERVERS for code in CODES]
RECEIVER = Receiver(name="oncall", channel=WebhookReceiver(url="http://127.0.0.1:1/"))


class Ear:
    """A receiver that hears, is deaf, or hears and cannot answer."""

    def __init__(self) -> None:
        self.heard: list[Notice] = []
        self.deaf = False

    def send(self, notice: Notice, thread: Thread) -> Delivery:
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

    def delivered(self, *args: object) -> None:
        self._check()
        super().delivered(*args)  # type: ignore[arg-type]

    def _check(self) -> None:
        if self.full:
            raise StoreError("database or disk is full")


class Life(RuleBasedStateMachine):
    """See the module's invariants."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.clock = HandClock()
        self.ear = Ear()
        self.true: set[Subject] = set()
        self.blind: set[str] = set()
        self.owed: set[str] = set()  # ids of incidents that were recorded as open
        self.start()

    def start(self) -> None:
        self.store = FullDisk.open(f"sqlite:///{self.folder}/s.db")
        self.store.begin_service([RECEIVER.id], self.clock.now())
        self.book = Book(self.store, self.clock, "shop")
        self.courier = Courier(RECEIVER.id, self.ear, self.store, self.clock)

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
        look = Look(at=self.clock.now(), kind=kind, asked=asked, observed=observed)
        return advance(incidents, findings, look, Audience(receivers=(RECEIVER,)), {})

    @rule(kind=st.sampled_from(LookKind), asked=st.sets(st.sampled_from(SERVERS), min_size=1))
    def look(self, kind: LookKind, asked: set[str]) -> None:
        entry = self.entry(kind, frozenset(asked))
        self.book.record(entry)
        self.owed |= {c.after.id for c in entry.changes if c.after and c.after.phase is Phase.OPEN}

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
            self.owed = {i.id for i in self.stored() if i.phase is Phase.OPEN} | {n.id.partition("-")[0] for n in self.ear.heard}

    def stored(self) -> tuple[Incident, ...]:
        return self.store.open_incidents("shop")

    @rule()
    def fill_or_clean_the_disk(self) -> None:
        self.store.full = not self.store.full

    @rule()
    def deafen_or_heal(self) -> None:
        self.ear.deaf = not self.ear.deaf

    @rule()
    def deliver(self) -> None:
        self.clock.sleep(1)
        self.courier._safe_turn()

    @precondition(lambda self: not self.ear.deaf)
    @rule()
    def killed_between_delivery_and_record(self) -> None:
        envelope = self.store.due(RECEIVER.id, self.clock.now())
        if envelope is not None and self.courier._unrecorded is None:
            self.ear.send(envelope.notice, envelope.thread)
            self.kill()

    @invariant()
    def heard_once_and_in_order(self) -> None:
        if not hasattr(self, "ear"):
            return
        seen: set[str] = set()
        lives: dict[str, list[NoticeEvent]] = {}
        for notice in self.ear.heard:
            if notice.id not in seen:
                seen.add(notice.id)
                lives.setdefault(notice.id.partition("-")[0], []).append(notice.event)
        for events in lives.values():
            counts = Counter(events)
            assert counts[NoticeEvent.OPENED] == 1
            assert events[0] is NoticeEvent.OPENED
            assert counts[NoticeEvent.RESOLVED] <= 1
            assert NoticeEvent.RESOLVED not in events[:-1]

    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        self.store.full = self.ear.deaf = False
        self.true.clear()
        self.blind.clear()
        for _ in range(4):
            self.look(LookKind.POLL, set(SERVERS))
        self.clock.sleep(3600)
        assert any(not self.courier.turn() for _ in range(500)), "it never rests"
        resolved = {n.id.partition("-")[0] for n in self.ear.heard if n.event is NoticeEvent.RESOLVED}
        assert resolved == {n.id.partition("-")[0] for n in self.ear.heard} == self.owed
        assert self.store.waiting() == 0
        assert self.stored() == ()
        self.heard_once_and_in_order()
        self.store.close()
        shutil.rmtree(self.folder)


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
