"""The watcher over looks that are made by hand: what is told when, without a server or a store."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from repwatch.flows.recording import Round, Seen, Tick, replay
from repwatch.health.rules import diagnose
from repwatch.model.notice import NoticeEvent
from repwatch.model.observation import Observation, ThreadState
from repwatch.model.server import Flavour
from repwatch.model.topology import ClusterSpec
from tests.unit.health.worlds import NOW, channel, observation, world  # NOW is a Sunday, 03:00

SOURCE = observation(Flavour.MYSQL, 1)
WELL = observation(Flavour.MYSQL, 2, channel(Flavour.MYSQL, 1))
STOPPED = observation(Flavour.MYSQL, 2, channel(Flavour.MYSQL, 1, applier=ThreadState.STOPPED))
CLUSTER = world((SOURCE, WELL)).cluster
MINUTE = timedelta(minutes=1)


def seen_at(at: datetime, *replicas: Observation) -> Tick:
    """One tick; each replica is what a round saw, a second apart."""
    rounds = []
    for number, each in enumerate(replicas):
        now = at + timedelta(seconds=number)
        source = {} if number else {"db1": replace(SOURCE, at=now)}
        rounds.append(Round(at=now, results=source | {"db2": replace(each, at=now)}))
    return Tick(rounds=tuple(rounds))


def told(cluster: ClusterSpec, ticks: Iterable[Tick]) -> Iterator[tuple[datetime, NoticeEvent]]:
    for each in replay(cluster, diagnose, ticks):
        yield from ((each.at, notice.event) for notice in each.notices)


def test_a_second_look_that_was_recorded_confirms() -> None:
    assert list(told(CLUSTER, [seen_at(NOW, STOPPED, STOPPED)])) == [(NOW + timedelta(seconds=1), NoticeEvent.OPENED)]


def test_where_none_was_recorded_the_next_poll_does() -> None:
    ticks = [seen_at(NOW + n * MINUTE, STOPPED) for n in range(2)]
    assert list(told(CLUSTER, ticks)) == [(NOW + MINUTE, NoticeEvent.OPENED)]


def test_a_second_look_that_nobody_wants_any_more_is_left_out() -> None:
    """Rules change: what was doubtful when it was recorded may be clear to those of today."""
    (seen,) = replay(CLUSTER, diagnose, [seen_at(NOW, WELL, WELL)])
    assert seen == Seen(at=NOW, findings=(), notices=())


def test_in_a_maintenance_window_nobody_is_told_and_afterwards_of_what_is_left() -> None:
    cluster = replace(CLUSTER, maintenance=("sun 03:00-03:10",))
    ticks = [seen_at(NOW + n * MINUTE, STOPPED) for n in range(12)]
    assert list(told(cluster, ticks)) == [(NOW + 10 * MINUTE, NoticeEvent.OPENED)]
    over = [*ticks[:8], *(seen_at(NOW + n * MINUTE, WELL) for n in range(8, 12))]
    assert list(told(cluster, over)) == []
