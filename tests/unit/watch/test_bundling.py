"""Bundles over the real store: what is put into one stays in it, whatever happens, and nothing is told twice or lost."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.flows.deliver import Courier, undeliverable
from repwatch.flows.sorting import Bundling
from repwatch.health.storm import EVERY, FIRST
from repwatch.model.digest import Digest
from repwatch.model.notice import Bundle, NoticeEvent
from repwatch.ports.notifier import BUNDLE, Delivery, DeliveryOutcome, Letter, Thread
from tests.unit.watch.handclock import HandClock
from tests.unit.watch.test_deliver import BUSY, NO, clock, put, store, writing

__all__ = ["clock", "put", "store"]  # fixtures
ACKNOWLEDGED, OPENED, UPDATED, RESOLVED = (
    NoticeEvent.ACKNOWLEDGED,
    NoticeEvent.OPENED,
    NoticeEvent.UPDATED,
    NoticeEvent.RESOLVED,
)


@dataclass
class People:
    """A notifier that answers as told, then well; what it gets by message, and the thread of each notice in it."""

    script: list[Delivery] = field(default_factory=list)
    got: list[tuple[str, dict[str, Thread]]] = field(default_factory=list)
    killing: bool = False  # the service is killed before it knows the answer

    def send(self, letter: Letter, thread: Thread) -> Delivery:
        assert not isinstance(letter, Digest)
        if isinstance(letter, Bundle):
            assert thread == {}
            told = {member.notice.id: member.thread for member in letter.members}
        else:
            told = {letter.id: thread}
        self.got.append((letter.id, told))
        if self.killing:
            raise KeyboardInterrupt
        if self.script:
            return self.script.pop(0)
        first = {"ts": letter.id} | ({BUNDLE: letter.id} if isinstance(letter, Bundle) else {})
        return Delivery(outcome=DeliveryOutcome.DELIVERED, thread=thread or first)

    @property
    def told(self) -> list[list[str]]:
        """The notices of each message."""
        return [sorted(notices) for _, notices in self.got]


def courier_to(people: People, store: SqlStore, clock: HandClock, rewrites: int = 1000) -> Courier:
    return Courier("r", people, store, Bundling("r", store, clock, rewrites), clock, beside=lambda call: call())


def pass_time(courier: Courier, clock: HandClock, seconds: int) -> None:
    for _ in range(seconds):
        while courier.turn():
            pass
        clock.sleep(1)


def ids(numbers: range, notice: int = 1) -> list[str]:
    return sorted(f"i{number}-{notice}" for number in numbers)


def test_the_first_come_alone_and_what_waits_comes_as_one(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    for number in range(250):
        put(number, OPENED)
    people = People()
    courier = courier_to(people, store, clock)
    pass_time(courier, clock, 5)
    assert people.told == [*([f"i{n}-1"] for n in range(FIRST)), ids(range(FIRST, 250))]
    for number in range(250, 260):
        put(number, OPENED)
    pass_time(courier, clock, int(EVERY))
    assert people.told[FIRST + 1 :] == [ids(range(250, 260))]
    assert (store.waiting(), courier.delivered) == (0, 260)


def test_few_come_as_they_are(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    people = People()
    courier = courier_to(people, store, clock)
    for number in range(0, 20, 2):
        put(number, OPENED)
        put(number + 1, OPENED)
        pass_time(courier, clock, 1)
        clock.sleep(29)
    assert people.told == [[f"i{number}-1"] for number in range(20)]


def test_a_later_notice_of_a_member_finds_the_thread_of_the_bundle(
    store: SqlStore, clock: HandClock, put: Callable[..., None]
) -> None:
    for number in range(9):
        put(number, OPENED, UPDATED, RESOLVED)
    people = People()
    pass_time(courier_to(people, store, clock), clock, 120)
    assert sorted(name for told in people.told for name in told) == sorted(ids(range(9)) + ids(range(9), 2) + ids(range(9), 3))
    first: dict[str, str] = {}
    for message, told in people.got:
        for name, thread in told.items():
            assert thread.get("ts", message) == first.setdefault(name.partition("-")[0], message)
    bundle, told = people.got[FIRST]
    assert len(told) > 1
    threads = [thread for _, notices in people.got for thread in notices.values()]
    assert all((each.get(BUNDLE) == bundle) == (each.get("ts") == bundle) for each in threads)


def test_killed_after_it_was_put_together_it_is_the_same_bundle(
    store: SqlStore, clock: HandClock, put: Callable[..., None]
) -> None:
    for number in range(8):
        put(number, ACKNOWLEDGED if number == FIRST else OPENED)
    people = People()
    courier = courier_to(people, store, clock)
    while courier.turn():
        pass
    clock.sleep(5)
    people.killing = True
    with pytest.raises(KeyboardInterrupt):
        courier.turn()
    people.killing = False
    put(8, OPENED)
    store.begin_service(["r"], [], clock.now())
    pass_time(courier_to(people, store, clock), clock, 60)
    assert people.told[FIRST:] == [ids(range(FIRST, 8)), ids(range(FIRST, 8)), ["i8-1"]]
    (message, first), (repeated, second) = people.got[FIRST : FIRST + 2]
    assert repeated == message
    assert list(first) == list(second) == ["i6-1", "i7-1", "i5-1"], "the most urgent come first, as they did"
    assert store.waiting() == 0


def test_killed_before_a_single_notice_was_recorded_it_never_becomes_part_of_a_bundle(
    store: SqlStore, clock: HandClock, put: Callable[..., None]
) -> None:
    put(0, OPENED)
    people = People(killing=True)
    with pytest.raises(KeyboardInterrupt):
        courier_to(people, store, clock).turn()
    people.killing = False
    for number in range(1, 20):
        put(number, OPENED)
    store.begin_service(["r"], [], clock.now())
    pass_time(courier_to(people, store, clock), clock, 60)
    assert [told for told in people.told if "i0-1" in told] == [["i0-1"], ["i0-1"]]


def test_a_bundle_that_does_not_get_through_is_sent_again_as_it_was(
    store: SqlStore, clock: HandClock, put: Callable[..., None]
) -> None:
    people = People()
    courier = courier_to(people, store, clock)
    for number in range(9):
        put(number, OPENED)
    while courier.turn():
        pass
    people.script = [BUSY] * 4
    for number in range(9, 30):
        put(number, OPENED)
        pass_time(courier, clock, 2)
    pass_time(courier, clock, 120)
    assert len({message for message, _ in people.got[FIRST : FIRST + 4]}) <= 3, "a dead receiver is no reason for many messages"
    assert all(told == dict(people.got)[message] for message, told in people.got)
    assert sorted({name for told in people.told for name in told}) == ids(range(30))
    assert store.waiting() == 0


def test_while_a_receiver_is_dead_what_comes_is_put_into_few_messages(
    store: SqlStore, clock: HandClock, put: Callable[..., None]
) -> None:
    people = People(script=[BUSY] * 10_000)
    courier = courier_to(people, store, clock)
    for number in range(60):
        put(number, OPENED)
        for _ in range(4):
            pass_time(courier, clock, 1)
            clock.sleep(14)
    people.script = []
    people.got.clear()
    for _ in range(60):
        pass_time(courier, clock, 1)
        clock.sleep(9)
    assert sorted(name for told in people.told for name in told) == ids(range(60))
    assert len(people.got) < 25


def test_a_refused_bundle_is_told_of_and_after_a_start_put_together_anew(
    store: SqlStore, clock: HandClock, put: Callable[..., None]
) -> None:
    for number in range(9):
        put(number, OPENED)
    people = People()
    courier = courier_to(people, store, clock)
    while courier.turn():
        pass
    clock.sleep(5)
    people.script = [NO]
    pass_time(courier, clock, 1)
    assert [finding.subject for finding in store.standing("")] == [undeliverable("r")]
    assert store.waiting() == 0
    for number in range(9, 12):
        put(number, OPENED)
    store.begin_service(["r"], [], clock.now())
    people.got.clear()
    pass_time(courier_to(people, store, clock), clock, 60)
    assert sorted(name for told in people.told for name in told) == ids(range(FIRST, 12))


def test_what_was_refused_does_not_come_after_a_later_notice_that_was_under_way(
    store: SqlStore, clock: HandClock, put: Callable[..., None]
) -> None:
    put(0, OPENED, UPDATED)
    people = People(script=[NO])
    courier = courier_to(people, store, clock)
    courier.turn()
    people.killing = True
    with pytest.raises(KeyboardInterrupt):
        courier.turn()
    people.killing = False
    store.begin_service(["r"], [], clock.now())
    pass_time(courier_to(people, store, clock), clock, 5)
    assert people.told == [["i0-1"], ["i0-2"], ["i0-2"]]


def test_the_end_of_what_never_arrived_is_in_no_bundle(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    for number in range(8):
        put(number, OPENED, RESOLVED)
    people = People(script=[NO] * 6)
    pass_time(courier_to(people, store, clock), clock, 90)
    assert sorted(name for told in people.told for name in told) == ids(range(8))
    assert store.waiting() == 0


def test_a_bundle_brings_no_more_messages_up_to_date_than_slack_allows(
    store: SqlStore, clock: HandClock, put: Callable[..., None]
) -> None:
    people = People()
    courier = courier_to(people, store, clock, rewrites=2)
    for number in range(20):
        put(number, OPENED)
        pass_time(courier, clock, 1)
        clock.sleep(19)
    people.got.clear()
    for number in range(20):
        put(100 + number, OPENED)
    with store._write() as connection:  # what was told goes on: later notices of all twenty wait
        connection.exec_driver_sql(
            "INSERT INTO outbox (notice_id, receiver, incident_id, body, state, attempts, next_attempt, last_error)"
            " SELECT replace(notice_id, '-1', '-2'), receiver, incident_id, replace(body, '-1\"', '-2\"'), 'waiting', 0,"
            " next_attempt, '' FROM outbox WHERE state = 'delivered'"
        )
    for _ in range(60):
        pass_time(courier, clock, 1)
        clock.sleep(4)
    own = [[thread for thread in told.values() if thread and BUNDLE not in thread] for _, told in people.got]
    assert max(map(len, own)) == 2
    assert sum(map(len, own)) == 20
    assert store.waiting() == 0


@given(
    lives=st.lists(st.integers(0, 3), min_size=1, max_size=14),
    lanes=st.integers(1, 2),
    script=st.lists(st.sampled_from([None, BUSY, BUSY, NO]), max_size=20),
    kills=st.sets(st.integers(0, 12), max_size=4),
    pause=st.integers(1, 20),
)
@settings(max_examples=15, deadline=None)
def test_whatever_comes_back_each_notice_is_in_one_message_and_in_order(
    lives: list[int], lanes: int, script: list[Delivery | None], kills: set[int], pause: int
) -> None:
    """Killed right after the n-th call, for each n of `kills`; what is refused may be put into another message."""
    with tempfile.TemporaryDirectory() as folder:
        clock, store = HandClock(), SqlStore.open(f"sqlite:///{folder}/s.db")
        put = writing(store, clock)
        for number, updates in enumerate(lives):
            put(number, OPENED, *[UPDATED] * updates, RESOLVED)
        people = People()
        courier = courier_to(people, store, clock)
        courier.lanes = lanes
        for _ in range(600):
            if not store.waiting():
                break
            people.killing = len(people.got) in kills
            people.script = [each for each in script[len(people.got) : len(people.got) + 1] if each]
            try:
                courier.turn()
            except KeyboardInterrupt:
                people.killing = False
                kills = kills - {len(people.got) - 1}
                store.begin_service(["r"], [], clock.now())
                courier = courier_to(people, store, clock)
                courier.lanes = lanes
            clock.sleep(pause)
        assert store.waiting() == 0
        if NO not in script:
            holds = dict(people.got)
            assert all(set(holds[message]) == set(told) for message, told in people.got)
            names = [name for told in holds.values() for name in told]
            assert len(names) == len(set(names))
            assert set(names) == {f"i{n}-{k}" for n, updates in enumerate(lives) for k in range(1, updates + 3)}
        for number in range(len(lives)):
            mine = [name for told in people.told for name in told if name.startswith(f"i{number}-")]
            assert [name for at, name in enumerate(mine) if name not in mine[:at]] == sorted(set(mine))
        store.close()


def test_a_message_that_never_gets_through_keeps_no_other_waiting(
    store: SqlStore, clock: HandClock, put: Callable[..., None]
) -> None:
    people = People()
    refused = Delivery(outcome=DeliveryOutcome.RETRY, text="it takes all but this one")
    send = people.send

    def picky(letter: Letter, thread: Thread) -> Delivery:
        return refused if letter.id == "i0-1" else send(letter, thread)

    people.send = picky  # type: ignore[method-assign]
    put(0, OPENED)
    put(1, OPENED)
    courier = courier_to(people, store, clock)
    pass_time(courier, clock, 60)
    for number in range(2, 6):
        put(number, OPENED)
    pass_time(courier, clock, 900)
    assert sorted(name for told in people.told for name in told) == ids(range(1, 6))
    assert store.waiting() == 1
