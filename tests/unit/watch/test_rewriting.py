"""A bundle's message is brought up to date over the real store: true in the end, seldom rewritten, whatever happens between."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.adapters.store.tables import KEEP
from repwatch.errors import StoreError
from repwatch.flows.rewriting import TURN, Rewriter
from repwatch.health.bundled import Tally, as_it_is, tally
from repwatch.health.incident import Change, Incident, Phase
from repwatch.health.storm import FIRST
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.notice import Bundle, NoticeEvent
from repwatch.ports.notifier import BUNDLE, Delivery, DeliveryOutcome, Letter, Thread
from repwatch.ports.store import Entry, ToldBundle
from tests.unit.watch.handclock import HandClock
from tests.unit.watch.test_bundling import People, courier_to, pass_time
from tests.unit.watch.test_deliver import BUSY, NO, clock, notice, put, store

__all__ = ["clock", "put", "store"]  # fixtures
OPENED, ACKNOWLEDGED, RESOLVED = NoticeEvent.OPENED, NoticeEvent.ACKNOWLEDGED, NoticeEvent.RESOLVED
MEMBERS = range(FIRST, 9)


class Crowd(People):
    """People whose messages can be changed, unless they are not `changeable`."""

    changeable = True

    def send(self, letter: Letter, thread: Thread) -> Delivery:
        return replace(super().send(letter, thread), rewritable=self.changeable)


@dataclass
class Board:
    """Messages that are changed; it answers as told, then well."""

    script: list[Delivery] = field(default_factory=list)
    shown: list[tuple[str, Tally]] = field(default_factory=list)
    killing: bool = False

    def rewrite(self, bundle: Bundle, thread: Thread) -> Delivery:
        assert thread[BUNDLE] == bundle.id
        self.shown.append((bundle.id, tally(member.notice for member in bundle.members)))
        if self.killing:
            raise KeyboardInterrupt
        return self.script.pop(0) if self.script else Delivery(outcome=DeliveryOutcome.DELIVERED)


def told(store: SqlStore, clock: HandClock, put: Callable[..., None], crowd: Crowd, numbers: range) -> None:
    """These come as one bundle, behind the first ones."""
    for number in (*range(FIRST), *numbers) if numbers == MEMBERS else numbers:
        put(number, OPENED)
    pass_time(courier_to(crowd, store, clock), clock, 30)


@pytest.fixture
def bundle(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> str:
    """A bundle of the incidents MEMBERS has arrived."""
    crowd = Crowd()
    told(store, clock, put, crowd, MEMBERS)
    return crowd.got[-1][0]


def end(store: SqlStore, clock: HandClock, numbers: Sequence[int]) -> None:
    for incident in store.known("shop", clock.now()).incidents:
        if int(incident.id.removeprefix("i")) in numbers:
            over = replace(incident, phase=Phase.RESOLVED, resolved=clock.now(), revision=incident.revision + 1)
            store.record(Entry(changes=(Change(incident, over),)), clock.now())


def run(rewriter: Rewriter, clock: HandClock, turns: int = 5) -> None:
    for _ in range(turns):
        rewriter.turn()
        clock.sleep(TURN.total_seconds())


def test_it_shows_how_many_are_over_in_few_updates_and_is_left_alone_when_all_are(
    store: SqlStore, clock: HandClock, bundle: str
) -> None:
    board = Board()
    rewriter = Rewriter("r", board, store, clock)
    run(rewriter, clock)
    assert not board.shown, "what is true needs no update"
    end(store, clock, [0, 1])
    run(rewriter, clock)
    assert not board.shown, "those have messages of their own"
    end(store, clock, MEMBERS[:2])
    run(rewriter, clock)
    end(store, clock, MEMBERS)
    run(rewriter, clock)
    assert board.shown == [(bundle, Tally(2, 0)), (bundle, Tally(len(MEMBERS), 0))]
    with store._read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM bundles").scalar() == 0


def test_a_message_whose_history_is_forgotten_stays_as_it_is(store: SqlStore, clock: HandClock, bundle: str) -> None:
    """One of its incidents is open for longer than the others are kept."""
    board = Board()
    rewriter = Rewriter("r", board, store, clock)
    end(store, clock, MEMBERS[1:])
    run(rewriter, clock)
    assert board.shown == [(bundle, Tally(len(MEMBERS) - 1, 0))]
    clock.sleep((KEEP + timedelta(days=1)).total_seconds())
    store.forget_old(clock.now())
    run(rewriter, clock)
    assert len(board.shown) == 1


def test_it_shows_that_somebody_has_it(store: SqlStore, clock: HandClock, bundle: str) -> None:
    board = Board()
    with store._write() as connection:
        connection.exec_driver_sql("UPDATE incidents SET acknowledged = '2026', acknowledged_by = 'eve' WHERE id IN ('i0', 'i6')")
    run(Rewriter("r", board, store, clock), clock)
    assert board.shown == [(bundle, Tally(0, 1))]
    end(store, clock, [6])
    run(Rewriter("r", board, store, clock), clock)
    assert board.shown[1:] == [(bundle, Tally(1, 0))]


def test_killed_before_it_is_recorded_it_is_written_once_more(store: SqlStore, clock: HandClock, bundle: str) -> None:
    end(store, clock, MEMBERS)
    board = Board(killing=True)
    with pytest.raises(KeyboardInterrupt):
        Rewriter("r", board, store, clock).turn()
    board.killing = False
    store.begin_service(["r"], [], clock.now())
    run(Rewriter("r", board, store, clock), clock)
    assert board.shown == [(bundle, Tally(len(MEMBERS), 0))] * 2


def test_a_store_that_cannot_be_written_is_no_reason_to_forget_it(
    store: SqlStore, clock: HandClock, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end(store, clock, MEMBERS)
    board = Board()
    rewriter = Rewriter("r", board, store, clock)

    def full(told: ToldBundle, shown: Tally, now: object) -> None:
        raise StoreError("full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "shows", full)
        with pytest.raises(StoreError):
            rewriter.turn()
    run(rewriter, clock)
    assert board.shown == [(bundle, Tally(len(MEMBERS), 0))] * 2


def test_what_is_put_off_comes_later_and_keeps_no_other_waiting(
    store: SqlStore, clock: HandClock, bundle: str, put: Callable[..., None]
) -> None:
    crowd = Crowd()
    told(store, clock, put, crowd, range(20, 40))
    other = crowd.got[-1][0]
    assert other.startswith("bundle-")
    end(store, clock, [*MEMBERS, *range(20, 40)])
    board = Board([BUSY])
    run(Rewriter("r", board, store, clock), clock)
    assert [name for name, _ in board.shown] == [bundle, other, bundle]


def test_a_receiver_that_wants_to_hear_nothing_is_left_in_peace(store: SqlStore, clock: HandClock, bundle: str) -> None:
    end(store, clock, MEMBERS)
    board = Board([replace(BUSY, retry_after=6 * TURN)])
    rewriter = Rewriter("r", board, store, clock)
    run(rewriter, clock, 6)
    assert len(board.shown) == 1
    run(rewriter, clock, 1)
    assert board.shown == [(bundle, Tally(len(MEMBERS), 0))] * 2


def test_a_message_that_is_gone_is_left_alone(store: SqlStore, clock: HandClock, bundle: str) -> None:
    end(store, clock, [6])
    board = Board([NO])
    rewriter = Rewriter("r", board, store, clock)
    run(rewriter, clock)
    end(store, clock, MEMBERS)
    run(rewriter, clock)
    assert board.shown == [(bundle, Tally(1, 0))]


def test_what_cannot_be_changed_is_not_kept(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    crowd = Crowd()
    crowd.changeable = False
    told(store, clock, put, crowd, MEMBERS)
    end(store, clock, MEMBERS)
    assert len(crowd.got[-1][1]) == len(MEMBERS)
    assert store.outdated("r") is None


def test_a_bundle_that_answers_one_changes_only_that(store: SqlStore, clock: HandClock, put: Callable[..., None]) -> None:
    for number in range(9):
        put(number, OPENED, RESOLVED)
    crowd = Crowd()
    pass_time(courier_to(crowd, store, clock), clock, 90)
    assert [len(notices) > 1 for _, notices in crowd.got].count(True) > 1
    with store._read() as connection:
        assert connection.exec_driver_sql("SELECT message FROM bundles").scalars().all() == [crowd.got[FIRST][0]]
    end(store, clock, range(9))
    board = Board()
    run(Rewriter("r", board, store, clock), clock)
    assert board.shown == [(crowd.got[FIRST][0], Tally(9, 0))], "also what had a message of its own ended in it"


WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL


@pytest.mark.parametrize(
    ("event", "now", "acknowledged", "over", "expected"),
    [
        (OPENED, WARNING, False, False, (OPENED, WARNING)),
        (OPENED, CRITICAL, False, False, (OPENED, CRITICAL)),
        (NoticeEvent.UPDATED, CRITICAL, False, False, (NoticeEvent.UPDATED, CRITICAL)),
        (OPENED, WARNING, True, False, (ACKNOWLEDGED, WARNING)),
        (OPENED, CRITICAL, True, False, (ACKNOWLEDGED, CRITICAL)),
        (ACKNOWLEDGED, WARNING, True, False, (ACKNOWLEDGED, WARNING)),
        (OPENED, WARNING, False, True, (RESOLVED, WARNING)),
        (OPENED, WARNING, True, True, (RESOLVED, WARNING)),
        (RESOLVED, WARNING, False, True, (RESOLVED, WARNING)),
    ],
)
def test_what_was_told_is_shown_as_it_is(
    event: NoticeEvent, now: Severity, acknowledged: bool, over: bool, expected: tuple[NoticeEvent, Severity]
) -> None:
    at = HandClock().now()
    subject = Subject("shop", "db:1", "", FindingCode.LAGGING)
    finding = Finding(subject=subject, severity=now, summary="s", meaning="m", remedy="r")
    incident = Incident(id="i1", finding=finding, since=at, acknowledged=acknowledged, acknowledged_by="eve" * acknowledged)
    shown = as_it_is(notice("i1-1", subject, event), replace(incident, resolved=at + TURN if over else None))
    assert (shown.event, shown.severity) == expected
    assert shown.at == (at + TURN if over else at)
    assert shown.evidence.get("acknowledged_by") == ("eve" if shown.event is ACKNOWLEDGED else None)
