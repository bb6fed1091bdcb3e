"""A courier over the real store: in order, as often as needed, and not once more."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.errors import StoreError
from repwatch.flows.deliver import LONGEST_PAUSE, Courier, pause_after, undeliverable
from repwatch.health.incident import Change, Incident, Phase
from repwatch.health.notice import Posting, Reason
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.ports.notifier import Delivery, DeliveryOutcome, Letter, Thread
from repwatch.ports.store import Entry
from tests.unit.watch.handclock import HandClock

OK = Delivery(outcome=DeliveryOutcome.DELIVERED, thread={"ts": "1"})
BUSY = Delivery(outcome=DeliveryOutcome.RETRY, text="busy")
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


def drain(courier: Courier) -> None:
    """Until there is nothing to do."""
    assert any(not courier.turn() for _ in range(20)), "it never rests"


def test_pauses_grow_and_end_growing() -> None:
    pauses = [pause_after(n) for n in range(100)]
    assert pauses[:4] == [timedelta(seconds=s) for s in (1, 2, 4, 8)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE


def test_it_delivers_in_order_and_hands_the_thread_on(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    put(1, NoticeEvent.OPENED, NoticeEvent.UPDATED, NoticeEvent.RESOLVED)
    ear = Scripted()
    courier = Courier("r", ear, store, clock)
    assert [courier.turn() for _ in range(4)] == [True, True, True, False]
    assert ear.sent == [("i1-1", {}), ("i1-2", {"ts": "1"}), ("i1-3", {"ts": "1"})]
    assert courier.delivered == 3


def test_a_failed_attempt_holds_up_its_own_incident_alone(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    put(1, NoticeEvent.OPENED, NoticeEvent.RESOLVED)
    put(2, NoticeEvent.OPENED)
    ear = Scripted([BUSY])
    courier = Courier("r", ear, store, clock)
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
    courier = Courier("r", ear, store, clock)
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
    courier = Courier("r", ear, store, clock)
    courier.turn()
    clock.sleep(3600)
    assert courier.turn()
    assert ear.ids == ["i1-1", "i1-1"]


def test_a_refusal_stands_until_something_arrives(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    put(1, NoticeEvent.OPENED, NoticeEvent.RESOLVED)
    ear = Scripted([NO])
    courier = Courier("r", ear, store, clock)
    drain(courier)
    assert ear.ids == ["i1-1"], "the end of what never arrived is not told"
    assert [finding.subject for finding in store.standing("")] == [undeliverable("r")]
    put(2, NoticeEvent.OPENED)
    drain(courier)
    assert store.standing("") == ()


def test_after_a_start_what_was_refused_is_tried_again(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    put(1, NoticeEvent.OPENED, NoticeEvent.RESOLVED)
    ear = Scripted([NO])
    drain(Courier("r", ear, store, clock))
    store.begin_service(["r"], clock.now())
    again = Courier("r", ear, store, clock, refusing=True)
    drain(again)
    assert ear.ids == ["i1-1", "i1-1", "i1-2"]
    assert store.standing("") == ()


def test_one_receiver_s_trouble_is_not_another_s(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    put(1, NoticeEvent.OPENED, receivers=("r", "s"))
    deaf, ear = Scripted([BUSY] * 9), Scripted()
    Courier("r", deaf, store, clock).turn()
    Courier("s", ear, store, clock).turn()
    assert ear.ids == ["i1-1"]
    assert store.waiting() == 1


class Full:
    """The store on a disk that is full once a notice was sent."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.full = True
        self.due = store.due

    def delivered(self, *details: object) -> None:
        if self.full:
            raise StoreError("full")
        self.store.delivered(*details)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)


def test_a_full_disk_makes_nobody_hear_it_twice(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    put(1, NoticeEvent.OPENED)
    ear, full = Scripted(), Full(store)
    courier = Courier("r", ear, full, clock)  # type: ignore[arg-type]
    for _ in range(3):
        with pytest.raises(StoreError):
            courier.turn()
    full.full = False
    assert not courier.turn()
    assert ear.ids == ["i1-1"]
    assert store.waiting() == 0
