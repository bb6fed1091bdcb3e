"""The watch remembers where lag is heading, from tick to tick."""

from dataclasses import replace
from datetime import timedelta

from repwatch.flows.recording import Round, Tick, replay
from repwatch.health.rules import diagnose
from repwatch.health.trend import MOST
from repwatch.model.observation import Lag, LagBasis
from repwatch.model.server import Flavour
from tests.unit.health.worlds import NOW, channel, observation, uuid, world

POLL = timedelta(minutes=1)


def test_lag_that_only_grows_is_told_before_its_limit() -> None:
    ticks = []
    for number in range(MOST + 1):
        at = NOW + number * POLL
        lag, done = Lag(seconds=300.0 + 10 * number, basis=LagBasis.STATUS), f"{uuid(Flavour.MYSQL, 1)}:1-{100 + number}"
        own = channel(Flavour.MYSQL, 1, lag=lag, gtid_executed=done)
        looked = {"db1": observation(Flavour.MYSQL, 1, at=at), "db2": observation(Flavour.MYSQL, 2, own, at=at)}
        ticks.append(Tick(rounds=(Round(at=at, results=looked),)))
    cluster = world([*ticks[0].rounds[0].results.values()], max_lag=timedelta(minutes=10)).cluster
    seen = list(replay(replace(cluster, poll_interval=POLL), diagnose, ticks))
    assert [len(tick.findings) for tick in seen] == [0] * (MOST - 1) + [1, 1]
    assert [notice.subject.code.value for tick in seen for notice in tick.notices] == ["lagging"]
