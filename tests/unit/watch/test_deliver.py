"""A courier over the real store: in order, as often as needed, and not once more."""

import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repwatch.adapters.notifiers import build
from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.errors import StoreError
from repwatch.flows.deliver import Courier, undeliverable
from repwatch.flows.sorting import Singly
from repwatch.health.incident import Change, Incident, Phase
from repwatch.health.notice import Posting, Reason
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.model.settings import EmailReceiver, Receiver
from repwatch.ports.notifier import Delivery, DeliveryOutcome, Letter, Notifier, Thread
from repwatch.ports.store import Entry, Outbox, Settled
from repwatch.sandbox.standins_mail import MailCatcher
from tests.unit.watch.handclock import HandClock

PATIENT = 60
OK = Delivery(outcome=DeliveryOutcome.DELIVERED, thread={"ts": "1"})
BUSY = Delivery(outcome=DeliveryOutcome.RETRY, text="busy")
MISSED = Delivery(outcome=DeliveryOutcome.DELIVERED, text="gone@example.com: 550 no such user", thread={"ts": "1"})
NO = Delivery(outcome=DeliveryOutcome.REFUSED, text="unknown channel")


@dataclass
class Scripted:
    """A notifier that answers as told, then well."""

    script: list[Delivery] = field(default_factory=list)
    sent: list[tuple[str, Thread]] = field(default_factory=list)

    def send(self, notice: Letter, thread: Thread) -> Delivery:
        self.sent.append((notice.id, thread))
        return self.script.pop(0) if self.script else OK

    @property
    def ids(self) -> list[str]:
        return [name for name, _ in self.sent]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = SqlStore.open(f"sqlite:///{tmp_path}/s.db")
    yield opened
    opened.close()


@pytest.fixture
def put(store: SqlStore, clock: HandClock) -> Callable[..., None]:
    return writing(store, clock)


def writing(store: SqlStore, clock: HandClock) -> Callable[..., None]:
    """Puts notices of an incident into the outbox."""

    def write(number: int, *events: NoticeEvent, receivers: tuple[str, ...] = ("r",)) -> None:
        subject = Subject("shop", f"db:{number}", "", FindingCode.LAGGING)
        finding = Finding(subject=subject, severity=Severity.WARNING, summary="s", meaning="m", remedy="r")
        incident = Incident(id=f"i{number}", finding=finding, since=clock.now(), phase=Phase.OPEN, revision=1)
        postings = [
            Posting(
                incident_id=incident.id, notice=notice(f"i{number}-{n}", subject, event), receivers=receivers, reason=Reason.FIRST
            )
            for n, event in enumerate(events, 1)
        ]
        store.record(Entry(changes=(Change(None, incident),), postings=tuple(postings)), clock.now())

    return write


def notice(name: str, subject: Subject, event: NoticeEvent) -> Notice:
    at = HandClock().now()
    return Notice(
        id=name, subject=subject, event=event, server_name=None, severity=Severity.WARNING, since=at, at=at, summary="s",
        meaning="m", remedy="r", avoid="", evidence={},
    )  # fmt: skip


def courier_to(ear: Notifier, store: Outbox, clock: HandClock, lanes: int = 1, refusing: bool = False) -> Courier:
    """Its calls are over when they return."""
    return Courier("r", ear, store, Singly("r", store), clock, lanes, refusing, beside=lambda call: call())


def drain(courier: Courier) -> None:
    """Until there is nothing to do."""
    assert any(not courier.turn() for _ in range(20)), "it never rests"


def test_it_delivers_in_order_and_hands_the_thread_on(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    put(1, NoticeEvent.OPENED, NoticeEvent.UPDATED, NoticeEvent.RESOLVED)
    ear = Scripted()
    courier = courier_to(ear, store, clock)
    assert [courier.turn() for _ in range(4)] == [True, True, True, False]
    assert ear.sent == [("i1-1", {}), ("i1-2", {"ts": "1"}), ("i1-3", {"ts": "1"})]
    assert courier.delivered == 3


def test_a_failed_attempt_holds_up_its_own_incident_alone(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    put(1, NoticeEvent.OPENED, NoticeEvent.RESOLVED)
    put(2, NoticeEvent.OPENED)
    ear = Scripted([BUSY])
    courier = courier_to(ear, store, clock)
    drain(courier)
    assert ear.ids == ["i1-1", "i2-1"]
    clock.sleep(1)
    drain(courier)
    assert ear.ids == ["i1-1", "i2-1", "i1-1", "i1-2"]


def test_what_a_receiver_asks_for_holds_for_all_its_notices(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    put(1, NoticeEvent.OPENED)
    put(2, NoticeEvent.OPENED)
    wait = Delivery(outcome=DeliveryOutcome.RETRY, text="rate limit", retry_after=timedelta(seconds=40))
    ear = Scripted([wait])
    courier = courier_to(ear, store, clock)
    assert courier.turn()
    for _ in range(39):
        clock.sleep(1)
        assert not courier.turn()
    clock.sleep(1)
    drain(courier)
    assert ear.ids == ["i1-1", "i1-1", "i2-1"]


def test_an_absurd_wish_is_bounded(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    put(1, NoticeEvent.OPENED)
    ear = Scripted([Delivery(outcome=DeliveryOutcome.RETRY, retry_after=timedelta(days=300))])
    courier = courier_to(ear, store, clock)
    courier.turn()
    clock.sleep(3600)
    assert courier.turn()
    assert ear.ids == ["i1-1", "i1-1"]


def test_a_refusal_stands_until_something_arrives(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    put(1, NoticeEvent.OPENED, NoticeEvent.RESOLVED)
    ear = Scripted([NO])
    courier = courier_to(ear, store, clock)
    drain(courier)
    assert ear.ids == ["i1-1"], "the end of what never arrived is not told"
    assert [finding.subject for finding in store.standing("")] == [undeliverable("r")]
    put(2, NoticeEvent.OPENED)
    drain(courier)
    assert store.standing("") == ()


@pytest.mark.parametrize("answer", [NO, MISSED], ids=["refused", "not by all"])
def test_a_refusal_is_told_though_another_notice_arrived_at_the_same_time(
    store: SqlStore, clock: HandClock, put: Callable[..., None], answer: Delivery
) -> None:
    ear = Scripted([OK, answer, OK])
    courier = courier_to(ear, store, clock, lanes=2)
    put(1, NoticeEvent.OPENED)
    drain(courier)
    put(2, NoticeEvent.OPENED)
    put(3, NoticeEvent.OPENED)
    courier.turn()
    assert ear.ids == ["i1-1", "i2-1", "i3-1"]
    assert [finding.subject for finding in store.standing("")] == [undeliverable("r")]


def test_what_does_not_vouch_neither_sets_nor_clears_the_finding(
    store: SqlStore, clock: HandClock, put: Callable[..., None]
) -> None:
    put(1, NoticeEvent.OPENED)
    drain(courier_to(Scripted([NO]), store, clock))
    (told,) = store.standing("")
    put(2, NoticeEvent.OPENED)
    put(3, NoticeEvent.OPENED)
    mute = courier_to(Scripted([OK, NO]), store, clock, refusing=True)
    mute.vouches = False
    drain(mute)
    assert store.standing("") == (told,)


def test_who_is_left_out_is_told_until_a_mail_reaches_all(
    store: SqlStore, clock: HandClock, put: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """And nothing is sent again: the others have it."""
    ear = Scripted([MISSED, NO, MISSED, OK])
    courier = courier_to(ear, store, clock)
    severities = []
    for number in range(1, 5):
        put(number, NoticeEvent.OPENED)
        drain(courier)
        severities.append([(finding.subject, finding.severity) for finding in store.standing("")])
    subject = undeliverable("r")
    assert severities == [[(subject, Severity.WARNING)], [(subject, Severity.CRITICAL)], [(subject, Severity.WARNING)], []]
    assert ear.ids == ["i1-1", "i2-1", "i3-1", "i4-1"]
    assert (courier.delivered, store.waiting()) == (3, 0)
    assert [record.levelname for record in caplog.records if MISSED.text in record.getMessage()] == ["WARNING"] * 2
    store.begin_service(["r"], [], clock.now())
    drain(courier)
    assert ear.ids[4:] == ["i2-1"], "what was refused by all alone"


def test_a_recipient_whom_the_mail_server_refuses_is_named(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    with MailCatcher() as server:
        mail = EmailReceiver(
            to=("dba@example.com", "gone@example.com"), sender="repwatch@example.com", host=server.host, port=server.port
        )
        courier = courier_to(build(Receiver(name="r", channel=mail), seconds=PATIENT), store, clock)
        server.refusals.recipients = {"gone@example.com": "550 no such user"}
        put(1, NoticeEvent.OPENED, NoticeEvent.RESOLVED)
        drain(courier)
        (finding,) = store.standing("")
        assert "gone@example.com" in finding.evidence["answer"]
        assert "dba@example.com" not in finding.evidence["answer"]
        assert [mail.recipients for mail in server.mails] == [("dba@example.com",)] * 2
        server.refusals.recipients = {}
        put(2, NoticeEvent.OPENED)
        drain(courier)
        assert store.standing("") == ()
        assert [mail.recipients for mail in server.mails[2:]] == [("dba@example.com", "gone@example.com")]


class Broken:
    """A notifier with a mistake in it, once."""

    def __init__(self) -> None:
        self.calls = 0

    def send(self, notice: Letter, thread: Thread) -> Delivery:
        del notice, thread
        self.calls += 1
        if self.calls == 1:
            raise ValueError("secret")
        return OK


def test_a_mistake_holds_nothing_up_for_ever(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    """Neither one in the notifier, nor a thread that cannot be started, nor one in the store."""
    put(1, NoticeEvent.OPENED)
    courier = courier_to(Broken(), store, clock)
    drain(courier)
    clock.sleep(5)

    def too_many(_: object) -> None:
        raise RuntimeError("can't start new thread")

    courier.beside, kept = too_many, courier.beside
    assert not courier._safely(courier.turn)
    assert courier.problem
    assert "secret" not in courier.problem
    courier.beside = kept
    assert courier._safely(courier.turn)
    assert (courier.problem, courier.delivered) == ("", 1)


def test_after_a_start_what_was_refused_is_tried_again(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    put(1, NoticeEvent.OPENED, NoticeEvent.RESOLVED)
    ear = Scripted([NO])
    drain(courier_to(ear, store, clock))
    store.begin_service(["r"], [], clock.now())
    again = courier_to(ear, store, clock, refusing=True)
    drain(again)
    assert ear.ids == ["i1-1", "i1-1", "i1-2"]
    assert store.standing("") == ()


@pytest.mark.parametrize("then", [OK, NO], ids=["taken-at-last", "refused-at-last"])
def test_what_was_refused_does_not_come_after_a_later_notice_whose_answer_was_lost(
    store: SqlStore, clock: HandClock, put: Callable[..., None], then: Delivery
) -> None:
    """However many starts there are: the later one may have been heard."""
    put(1, NoticeEvent.OPENED, NoticeEvent.UPDATED)
    ear = Scripted([NO, BUSY, then])
    courier_to(ear, store, clock).turn()
    courier_to(ear, store, clock).turn()
    for _ in range(3):
        store.begin_service(["r"], [], clock.now())
        drain(courier_to(ear, store, clock))
    assert ear.ids[:2] == ["i1-1", "i1-2"]
    assert set(ear.ids[2:]) == {"i1-2"}


def test_one_receiver_s_trouble_is_not_another_s(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    put(1, NoticeEvent.OPENED, receivers=("r", "s"))
    deaf, ear = Scripted([BUSY] * 9), Scripted()
    courier_to(deaf, store, clock).turn()
    Courier("s", ear, store, Singly("s", store), clock, beside=lambda call: call()).turn()
    assert ear.ids == ["i1-1"]
    assert store.waiting() == 1


class Full:
    """The store on a disk that is full once a notice was sent."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.full = True
        self.due = store.due

    def settle(self, settled: Sequence[Settled]) -> None:
        if self.full:
            raise StoreError("full")
        self.store.settle(settled)

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)


def test_a_full_disk_makes_nobody_hear_it_twice(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    put(1, NoticeEvent.OPENED)
    ear, full = Scripted(), Full(store)
    courier = Courier("r", ear, full, Singly("r", full), clock)  # type: ignore[arg-type]
    for _ in range(3):
        with pytest.raises(StoreError):
            courier.turn()
    full.full = False
    drain(courier)
    assert ear.ids == ["i1-1"]
    assert store.waiting() == 0


@dataclass
class Hall:
    """Where calls wait until a test lets them happen."""

    calls: list[Callable[[], None]] = field(default_factory=list)

    def serve(self) -> int:
        """Let them happen; how many that were."""
        served = self.calls[:]
        self.calls.clear()
        for call in served:
            call()
        return len(served)


def test_lanes_open_with_what_arrives_and_close_with_what_does_not(
    store: SqlStore, clock: HandClock, put: Callable[..., None]
) -> None:
    for number in range(20):
        put(number, NoticeEvent.OPENED)
    ear, hall = Scripted(), Hall()
    courier = Courier("r", ear, store, Singly("r", store), clock, lanes=4, beside=hall.calls.append)
    made = []
    for script in ([], [], [OK, OK, OK, BUSY], [], [], [NO, NO, NO, NO], []):
        courier.turn()
        ear.script = [*script]
        made.append(hall.serve())
    assert made == [1, 2, 4, 1, 2, 4, 1]


def test_after_a_failure_no_call_is_begun_beside_those_that_are_still_out(
    store: SqlStore, clock: HandClock, put: Callable[..., None]
) -> None:
    for number in range(20):
        put(number, NoticeEvent.OPENED)
    ear, hall = Scripted(), Hall()
    courier = Courier("r", ear, store, Singly("r", store), clock, lanes=4, beside=hall.calls.append)
    for _ in range(2):
        courier.turn()
        hall.serve()
    courier.turn()
    assert len(hall.calls) == 4
    ear.script = [BUSY]
    hall.calls.pop(0)()
    for _ in range(3):
        courier.turn()
        clock.sleep(1)
    assert len(hall.calls) == 3


def test_a_dead_receiver_meets_one_call_at_a_time(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    for number in range(9):
        put(number, NoticeEvent.OPENED)
    hall = Hall()
    courier = Courier("r", Scripted([BUSY] * 50), store, Singly("r", store), clock, lanes=8, beside=hall.calls.append)
    for _ in range(30):
        courier.turn()
        assert hall.serve() <= 1
        clock.sleep(1)


@given(
    lives=st.lists(st.integers(0, 3), min_size=1, max_size=5),
    lanes=st.integers(1, 4),
    failing=st.sets(st.integers(0, 20), max_size=8),
    picks=st.lists(st.integers(0, 3), min_size=1, max_size=30),
)
@settings(max_examples=20, deadline=None)
def test_whatever_comes_back_when_each_subject_hears_its_own_in_order(
    lives: list[int], lanes: int, failing: set[int], picks: list[int]
) -> None:
    """No more calls than lanes, none for a subject that has one under way, everything once where all is recorded.

    `lives` are the numbers of updates of incidents, `failing` the calls that do not arrive, `picks` which call ends next.
    """
    with tempfile.TemporaryDirectory() as folder:
        clock, store = HandClock(), SqlStore.open(f"sqlite:///{folder}/s.db")
        put = writing(store, clock)
        for number, updates in enumerate(lives):
            put(number, NoticeEvent.OPENED, *[NoticeEvent.UPDATED] * updates, NoticeEvent.RESOLVED)
        ear, hall = Scripted([BUSY if n in failing else OK for n in range(21)]), Hall()
        courier = Courier("r", ear, store, Singly("r", store), clock, lanes, beside=hall.calls.append)
        for step in range(200):
            if not courier.turn() and not hall.calls:
                if not store.waiting():
                    break
                clock.sleep(301)
            assert len(hall.calls) <= lanes
            if hall.calls:
                hall.calls.pop(picks[step % len(picks)] % len(hall.calls))()
        assert store.waiting() == 0
        heard = [name for n, name in enumerate(ear.ids) if n not in failing]
        for number, updates in enumerate(lives):
            mine = [name for name in heard if name.startswith(f"i{number}-")]
            assert mine == [f"i{number}-{n}" for n in range(1, updates + 3)]
        store.close()


@dataclass
class Slow:
    """Holds calls until it is opened; notes how many were in it at once."""

    gate: threading.Event = field(default_factory=threading.Event)
    inside: int = 0
    most: int = 0
    heard: list[str] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)
    closes_after: int | None = None  # it has heard so many: the gate closes by itself, once

    def send(self, notice: Letter, thread: Thread) -> Delivery:
        with self.news:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.news.notify_all()
        assert self.gate.wait(PATIENT)
        with self.news:
            self.inside -= 1
            self.heard.append(notice.id)
            if len(self.heard) == self.closes_after:
                self.gate.clear()
            self.news.notify_all()
        return OK

    def wait_for(self, holds: Callable[[], bool]) -> None:
        with self.news:
            assert self.news.wait_for(holds, PATIENT)


@contextmanager
def running(courier: Courier) -> Iterator[threading.Event]:
    """A courier at work; the event stops it, and so does the end."""
    stop = threading.Event()
    thread = threading.Thread(target=courier.run, args=(stop,))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        courier.wake.set()
        thread.join(PATIENT)
        assert not thread.is_alive()


def test_calls_are_made_side_by_side(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    for number in range(30):
        put(number, NoticeEvent.OPENED, NoticeEvent.RESOLVED)
    ear = Slow(closes_after=5)
    ear.gate.set()
    with running(Courier("r", ear, store, Singly("r", store), clock, lanes=3)):
        ear.wait_for(lambda: len(ear.heard) >= 5 and ear.inside == 3)
        ear.gate.set()
        ear.wait_for(lambda: len(ear.heard) == 60)
    assert ear.most == 3
    assert len(set(ear.heard)) == 60
    assert all(ear.heard.index(f"i{n}-1") < ear.heard.index(f"i{n}-2") for n in range(30))
    assert store.waiting() == 0


def test_who_is_told_to_stop_still_records_what_is_under_way(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    for number in (1, 2, 3):
        put(number, NoticeEvent.OPENED)
    ear = Slow()
    with running(Courier("r", ear, store, Singly("r", store), clock)) as stop:
        ear.wait_for(lambda: ear.inside == 1)
        stop.set()
        ear.gate.set()
    assert ear.heard in (["i1-1"], ["i1-1", "i2-1"]), "the turn that has begun may send one more"
    heard = len(ear.heard)
    assert [envelope.notice.id for envelope in store.due("r", clock.now(), 9)] == ["i1-1", "i2-1", "i3-1"][heard:]


def test_a_store_that_is_held_by_another_process_makes_nobody_hear_it_twice(
    store: SqlStore, clock: HandClock, put: Callable[..., None], tmp_path: Path
) -> None:
    for number in range(12):
        put(number, NoticeEvent.OPENED)
    ear = Slow()
    ear.gate.set()
    courier = Courier("r", ear, store, Singly("r", store), clock, lanes=4)
    other = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with running(courier):
        deadline = time.monotonic() + PATIENT
        while not courier.problem:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert ear.heard == ["i0-1"], "what cannot be recorded holds its lane"
        other.execute("ROLLBACK")
        ear.wait_for(lambda: len(ear.heard) == 12)
    other.close()
    assert courier.problem == ""
    assert sorted(ear.heard) == sorted(f"i{number}-1" for number in range(12))
    assert store.waiting() == 0
