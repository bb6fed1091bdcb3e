"""Clocks that do not agree: who is told of, what a reading's error hides, and what becomes of lag."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.health.clocks import OWN, surely_ahead, usual
from repwatch.health.lag import true_lag
from repwatch.health.rules_clock import clock_skew
from repwatch.health.world import World
from repwatch.model.observation import ClockReading, Lag, LagBasis, ProbeFailure
from repwatch.model.server import Flavour
from tests.unit.health.worlds import channel, observation, unobserved, world

FLAVOURS = pytest.mark.parametrize("flavour", list(Flavour))
AHEAD = st.floats(-1e6, 1e6).map(lambda seconds: timedelta(seconds=seconds))
READINGS = st.builds(ClockReading, ahead=AHEAD, error=st.floats(0, 10).map(lambda seconds: timedelta(seconds=seconds)))


def clock(ahead: float, error: float = 0.001) -> ClockReading:
    return ClockReading(ahead=timedelta(seconds=ahead), error=timedelta(seconds=error))


def cluster(flavour: Flavour, *clocks: ClockReading | None, lag: Lag | None = None) -> World:
    """db1 with its replicas."""
    own = channel(flavour, 1, lag=lag or Lag(seconds=1.0, basis=LagBasis.PERFORMANCE_SCHEMA))
    looked = [observation(flavour, 1), *(observation(flavour, number + 2, own) for number in range(len(clocks) - 1))]
    return world([replace(each, reading=reading) for each, reading in zip(looked, clocks, strict=True)])


@FLAVOURS
@pytest.mark.parametrize(
    ("clocks", "told"),
    [
        ((0, 0, 0), []),
        ((0, 1.9, -1.9), []),
        ((0, 2.1, 0), ["db2"]),
        ((0, -2.1, 0), ["db2"]),
        ((5, 0, 0), ["db1"]),  # it is one finding, not one for each replica
        ((0, 9), ["db2"]),  # repwatch's own clock is the third
        ((9, 9), []),  # repwatch's own clock is wrong
        ((0, 9, 9), ["db2", "db3"]),  # two against two: repwatch's is taken for right
        ((3600, 0, -3600), ["db1", "db3"]),
        ((9,), []),
        ((9, None), []),
        ((0, None, 0), []),
    ],
)
def test_who_is_away_from_the_others_is_told_of(flavour: Flavour, clocks: tuple[float | None, ...], told: list[str]) -> None:
    looked = cluster(flavour, *(None if ahead is None else clock(ahead) for ahead in clocks))
    found = list(clock_skew(looked))
    names = {server.address: server.spec.label for server in looked.servers}
    assert [names[finding.subject.server] for finding in found] == told


def test_what_a_slow_answer_explains_is_no_difference() -> None:
    assert list(clock_skew(cluster(Flavour.MYSQL, clock(0), clock(3, error=0.9), clock(0)))) != []
    assert list(clock_skew(cluster(Flavour.MYSQL, clock(0), clock(3, error=1.1), clock(0)))) == []


def test_what_was_not_seen_is_not_judged() -> None:
    looked = cluster(Flavour.MYSQL, clock(0), clock(9), clock(0))
    lost = replace(looked.servers[1], result=unobserved(ProbeFailure.UNREACHABLE))
    assert list(clock_skew(replace(looked, servers=(looked.servers[0], lost, looked.servers[2])))) == []


@FLAVOURS
@pytest.mark.parametrize(
    ("source", "replica", "at_least"),
    [(0, 0, False), (0, -9, True), (9, 0, True), (0, 9, False), (0, -1.9, False), (None, -9, False), (0, None, False)],
)
def test_lag_that_a_late_clock_shows_is_a_lower_bound(
    flavour: Flavour, source: float | None, replica: float | None, at_least: bool
) -> None:
    looked = cluster(flavour, *(None if ahead is None else clock(ahead) for ahead in (source, replica)))
    server = looked.servers[1]
    assert server.observation
    assert true_lag(looked, server, server.observation.channels[0]).at_least is at_least


@given(READINGS, READINGS)
def test_no_more_is_claimed_than_the_readings_say(one: ClockReading, other: ClockReading) -> None:
    sure, apart = surely_ahead(one, other), one.ahead - other.ahead
    assert abs(sure) <= abs(apart)
    assert sure == -surely_ahead(other, one)
    assert abs(abs(apart) - abs(sure)) <= one.error + other.error


@given(st.lists(READINGS, max_size=6))
def test_the_usual_clock_is_one_of_them_and_most_are_not_on_one_side(readings: list[ClockReading]) -> None:
    chosen, everyone = usual(readings), [*readings, OWN]
    assert chosen in everyone
    assert sum(each.ahead < chosen.ahead for each in everyone) <= len(everyone) / 2
    assert sum(each.ahead > chosen.ahead for each in everyone) <= len(everyone) / 2
