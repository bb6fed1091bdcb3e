"""Where lag is heading: how fast, until when, and what of it somebody is told before the limit."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.health.lag import caught_up_in, follow_lags, lag_of, true_lag
from repwatch.health.movement import Progress
from repwatch.health.progress import remember
from repwatch.health.rules import diagnose
from repwatch.health.trend import FEWEST, MOST, SOON, LagTrend, Trend
from repwatch.health.view import build_cluster_view
from repwatch.health.world import World
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.observation import Lag, LagBasis
from repwatch.model.server import Flavour
from repwatch.model.view import State, View
from repwatch.render.status import status_text
from tests.unit.health.worlds import NOW, channel, observation, world

FLAVOURS = pytest.mark.parametrize("flavour", list(Flavour))


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


@given(st.integers(-500, 500).map(lambda hundredths: hundredths / 100), st.integers(1, 60), st.integers(FEWEST, 60))
def test_the_rate_is_that_of_the_figures(slope: float, poll: int, looks: int) -> None:
    trend = Trend(step=SOON)
    for look in range(looks):
        trend = trend.then(NOW + seconds(look * poll), 1000 + slope * look * poll)
    assert len(trend.figures) <= MOST
    if trend.rate is not None:
        assert abs(trend.rate - slope) < 1e-6
    assert trend.only_grows == (len(trend.figures) == MOST and trend.figures[0][1] < trend.figures[-1][1])


def test_what_comes_too_soon_is_left_out_and_nothing_is_no_trend() -> None:
    trend = Trend(step=SOON)
    for look in range(100):
        trend = trend.then(NOW + seconds(look), look)
    assert [figure for _, figure in trend.figures] == [35.0 + 5 * number for number in range(MOST)]
    for look in range(100, 200):
        trend = trend.then(NOW + seconds(look), 0)
    assert trend.figures == ((NOW + seconds(199), 0),)


def grown(flavour: Flavour, lags: list[float | None], *, poll: float = 60, **cluster: Any) -> World:
    """db2 has been looked at every `poll` seconds and was so far behind."""
    known: dict[tuple[str, str], LagTrend] = {}
    looked = world([])
    for number, lag in enumerate(lags):
        moment = NOW + seconds(number * poll)
        own = channel(flavour, 1, lag=Lag(seconds=lag, basis=LagBasis.STATUS))
        made = world([observation(flavour, 1, at=moment), observation(flavour, 2, own, at=moment)], **cluster)
        made = replace(made, now=moment, cluster=replace(made.cluster, poll_interval=seconds(poll)))
        known = dict(follow_lags(known, made))
        looked = replace(made, lags=known)
    return looked


@FLAVOURS
@pytest.mark.parametrize("each", [1, 3, 100])
def test_a_long_transaction_is_no_load_that_is_too_much(flavour: Flavour, each: int) -> None:
    """A limit of half an hour, and lag that grows by a minute each minute: a transaction ends with every look, some, or none."""
    looked, progress, lags = world([]), Progress(), dict[tuple[str, str], LagTrend]()
    for number in range(18):
        moment, done = NOW + seconds(60 * number), f"0-1-{number // each + 1}"
        own = channel(flavour, 1, lag=Lag(seconds=60 * number, basis=LagBasis.STATUS), gtid_executed=done)
        made = world([observation(flavour, 1, at=moment), observation(flavour, 2, own, at=moment)], max_lag=timedelta(minutes=30))
        made = replace(made, now=moment, cluster=replace(made.cluster, poll_interval=seconds(60)), progress=progress)
        progress, lags = remember(made), dict(follow_lags(lags, made))
        looked = replace(made, progress=progress, lags=lags)
    assert (lagging(looked) is not None) is (each < 100)


def lagging(looked: World) -> Finding | None:
    return next((finding for finding in diagnose(looked) if finding.subject.code is FindingCode.LAGGING), None)


@FLAVOURS
@pytest.mark.parametrize(
    ("lags", "told"),
    [
        ([300 + 10 * number for number in range(MOST)], True),  # 420 s of 600 s
        ([100 + 10 * number for number in range(MOST)], False),  # not half of it
        ([300 + 10 * number for number in range(MOST - 1)], False),  # not for long enough
        ([300 + 10 * number for number in range(9)] + [380, 390, 400, 410], False),  # it stood for a while
        ([500 - 10 * number for number in range(MOST)], False),
        ([400] * MOST, False),
        ([300 + 10 * number for number in range(9)] + [None] + [390 + 10 * number for number in range(3)], False),
    ],
)
def test_lag_that_only_grows_is_told_before_its_limit(flavour: Flavour, lags: list[float | None], told: bool) -> None:
    found = lagging(grown(flavour, lags, max_lag=timedelta(minutes=10)))
    assert (found is not None) is told
    if found is not None:
        assert found.severity is Severity.WARNING
        assert found.evidence["lag_change_each_second"] == "+0.17"


@FLAVOURS
@pytest.mark.parametrize(
    ("lags", "left"),
    [
        ([700 - 5 * number for number in range(6)], 675.0),  # by a second each second
        ([700 - number for number in range(6)], 3475.0),
        ([700 + number for number in range(6)], None),
        ([700] * 6, None),
        ([700, 690], None),
        ([30, 20, 10, 0, 0, 0], None),
    ],
)
def test_when_it_will_be_gone(flavour: Flavour, lags: list[float | None], left: float | None) -> None:
    looked = grown(flavour, lags, poll=5, max_lag=timedelta(minutes=10))
    server = looked.servers[1]
    assert server.observation
    own = server.observation.channels[0]
    assert caught_up_in(looked, server, own, true_lag(looked, server, own)) == (left and pytest.approx(left))
    found = lagging(looked)
    assert (found.evidence.get("caught_up_in_seconds") if found else None) == (f"{left:.0f}" if left else None)
    cluster = build_cluster_view(looked, (), ())
    text = status_text(View(as_of=looked.now, state=State.OK, clusters=(cluster,)), looked.now)
    assert ("caught up in" in text) is (left is not None)


def test_an_intended_delay_stays() -> None:
    looked = grown(Flavour.MYSQL, [700 - 5 * number for number in range(6)], poll=5)
    server = looked.servers[1]
    assert server.observation
    own = replace(server.observation.channels[0], delay=seconds(600))
    assert caught_up_in(looked, server, own, own.lag) == pytest.approx(75)


def test_looks_that_are_far_apart_begin_it_anew() -> None:
    def lag(seconds: float | None) -> Lag:
        return Lag(seconds=seconds, basis=LagBasis.STATUS)

    trend = LagTrend()
    for look in range(FEWEST):
        trend = trend.then(NOW + seconds(10 * look), lag(100 - look), seconds(20))
    assert trend.soon.rate is not None
    assert trend.then(NOW + seconds(40), lag(90), seconds(20)).soon.rate is not None
    assert trend.then(NOW + seconds(40), lag(None), seconds(20)).soon.rate is None
    assert trend.then(NOW + seconds(100), lag(90), seconds(20)).soon.rate is None
    assert trend.then(NOW - seconds(100), lag(90), seconds(20)).soon.rate is None


@FLAVOURS
def test_lag_is_worked_out_once_for_a_look_and_anew_for_the_next(flavour: Flavour) -> None:
    looked = grown(flavour, [700, 650])
    server = looked.servers[1]
    assert server.observation
    own = server.observation.channels[0]
    assert lag_of(looked, server, own) is looked.lags["db2", ""].lag
    assert lag_of(looked, server, own) == true_lag(looked, server, own)
    later = replace(server.observation, at=looked.now + seconds(1))
    newer = replace(own, lag=Lag(seconds=1.0, basis=LagBasis.STATUS))
    assert lag_of(looked, replace(server, result=later), newer).seconds == 1.0
