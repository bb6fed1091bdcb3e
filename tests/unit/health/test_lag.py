"""What is known of a lag, beside what the server says of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from repwatch.health.lag import true_lag, whole_lag
from repwatch.health.movement import ChannelProgress, Movement, Progress
from repwatch.health.rules import diagnose
from repwatch.health.view import build_cluster_view
from repwatch.health.world import World
from repwatch.model.observation import Lag, LagBasis, LagQuality
from repwatch.model.server import Flavour
from repwatch.model.view import ClusterView, State, View
from repwatch.render.status import status_text
from tests.unit.health.worlds import NOW, address, channel, observation, spec, uuid, world

FLAVOURS = pytest.mark.parametrize("flavour", list(Flavour))


def gtids(flavour: Flavour, last: int) -> str:
    return f"{uuid(flavour, 1)}:1-{last}" if flavour is Flavour.MYSQL else f"0-1-{last}"


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def made(
    flavour: Flavour,
    shown: float | None,
    *,
    written: int = 9,
    owed: float | None = None,
    work: float | None = None,
    remembered: bool = True,
) -> World:
    """db2 has received 9; something is owed or waits to be applied since so long; the source had `written` at the look before."""
    lag = Lag(seconds=shown, basis=LagBasis.STATUS)
    own = channel(flavour, 1, gtid_received=gtids(flavour, 9), gtid_executed=gtids(flavour, 9), lag=lag)
    source = observation(flavour, 1, gtid_executed=gtids(flavour, written))
    stood = Movement(mark="x", looked=NOW, since=NOW - timedelta(days=1))
    progress = ChannelProgress(
        receiver=stood,
        applier=stood,
        source_mark="",
        source_then=gtids(flavour, written),
        owed_since=None if owed is None else NOW - seconds(owed),
        work_since=None if work is None else NOW - seconds(work),
    )
    looked = world([source, observation(flavour, 2, own, gtid_executed=gtids(flavour, 9))])
    return replace(looked, progress=Progress(channels={("db2", ""): progress} if remembered else {}))


def lag_of(looked: World) -> tuple[float | None, LagBasis, LagQuality]:
    server = looked.servers[1]
    assert server.observation
    lag = true_lag(looked, server, server.observation.channels[0])
    return (lag.seconds, lag.basis, lag.quality)


@FLAVOURS
@pytest.mark.parametrize(
    ("looked", "seconds_known", "quality"),
    [
        ({"shown": 0.0}, 0.0, LagQuality.EXACT),
        ({"shown": 7.0}, 7.0, LagQuality.EXACT),
        ({"shown": None}, None, LagQuality.UNKNOWN),
        ({"shown": 0.0, "written": 10}, 0.0, LagQuality.LOWER_BOUND),
        ({"shown": 0.0, "written": 10, "remembered": False}, 0.0, LagQuality.LOWER_BOUND),
        ({"shown": 0.0, "remembered": False}, 0.0, LagQuality.EXACT),
        ({"shown": None, "written": 10}, None, LagQuality.UNKNOWN),
        ({"shown": 0.0, "owed": 20.0}, 20.0, LagQuality.LOWER_BOUND),
        ({"shown": 30.0, "owed": 20.0}, 30.0, LagQuality.EXACT),
        ({"shown": 30.0, "owed": 20.0, "written": 10}, 30.0, LagQuality.LOWER_BOUND),
        ({"shown": None, "owed": 20.0}, 20.0, LagQuality.LOWER_BOUND),
        ({"shown": None, "work": 5.0}, 5.0, LagQuality.LOWER_BOUND),
        ({"shown": 1.0, "work": 5.0, "owed": 2.0}, 5.0, LagQuality.LOWER_BOUND),
        ({"shown": 0.0, "work": 0.0}, 0.0, LagQuality.EXACT),
        ({"shown": None, "work": 0.0}, None, LagQuality.UNKNOWN),
    ],
)
def test_a_lag_and_what_may_be_concluded_from_it(
    flavour: Flavour, looked: dict[str, float], seconds_known: float | None, quality: LagQuality
) -> None:
    known, basis, found = lag_of(made(flavour, **looked))  # type: ignore[arg-type]
    assert (known, found) == (seconds_known, quality)
    assert (basis is LagBasis.MOVEMENT) is (known != looked["shown"])


LATE, UNKNOWN, WHOLE = 3600.0, LagQuality.UNKNOWN, LagQuality.LOWER_BOUND


@FLAVOURS
@pytest.mark.parametrize(
    ("middle", "leaf", "basis", "whole"),
    [
        (LATE, 0.0, LagBasis.STATUS, (LATE, WHOLE)),
        (LATE, None, LagBasis.STATUS, (LATE, WHOLE)),
        (LATE, 7200.0, LagBasis.STATUS, (7200.0, WHOLE)),
        (LATE, 0.0, LagBasis.HEARTBEAT, (0.0, LagQuality.EXACT)),
        (None, 0.0, LagBasis.STATUS, (0.0, WHOLE)),
        (0.0, 0.0, LagBasis.STATUS, (0.0, LagQuality.EXACT)),
        (0.0, None, LagBasis.STATUS, (None, UNKNOWN)),
    ],
)
def test_who_replicates_from_a_replica_is_as_far_behind(
    flavour: Flavour, middle: float | None, leaf: float | None, basis: LagBasis, whole: tuple[float | None, LagQuality]
) -> None:
    above = channel(flavour, 1, lag=Lag(seconds=middle, basis=LagBasis.STATUS))
    below = channel(flavour, 2, lag=Lag(seconds=leaf, basis=basis))
    looks = [observation(flavour, 1), observation(flavour, 2, above), observation(flavour, 3, below)]
    looked = world(looks, spec(1), spec(2), spec(3, replicates_from="db2"))
    lag = whole_lag(looked, looked.servers[2], below)
    assert (lag.seconds, lag.quality) == whole
    assert [finding.subject.server for finding in diagnose(looked) if finding.subject.server == str(address(3))] == (
        [] if leaf == 0.0 else [str(address(3))]
    )


@FLAVOURS
def test_a_ring_has_no_head(flavour: Flavour) -> None:
    late = Lag(seconds=LATE, basis=LagBasis.STATUS)
    one, two = channel(flavour, 2), channel(flavour, 1, lag=late)
    looked = world([observation(flavour, 1, one), observation(flavour, 2, two)])
    assert [whole_lag(looked, *each).seconds for each in zip(looked.servers, (one, two), strict=True)] == [LATE, LATE]


def test_without_gtids_what_is_not_received_is_not_known() -> None:
    named = made(Flavour.MYSQL, 0.0)
    server = named.servers[1]
    assert server.observation
    bare = replace(server.observation.channels[0], uses_gtid=False, gtid_received="", gtid_executed="")
    assert true_lag(named, server, bare).quality is LagQuality.LOWER_BOUND


def test_no_memory_and_no_source_leave_what_the_server_says() -> None:
    looked = made(Flavour.MYSQL, 3.0, owed=20.0)
    assert lag_of(replace(looked, progress=Progress()))[0] == 3.0
    alone = replace(looked, servers=looked.servers[1:], progress=Progress())
    server = alone.servers[0]
    assert server.observation
    assert true_lag(alone, server, server.observation.channels[0]) == server.observation.channels[0].lag


def test_a_lower_bound_is_shown_as_one() -> None:
    looked = made(Flavour.MYSQL, 0.0, owed=20.0)
    cluster = build_cluster_view(looked, (), ())
    assert (cluster.servers[1].lag_seconds, cluster.servers[1].channels[0].lag_at_least) == (20.0, True)
    view = View(as_of=NOW, state=State.OK, clusters=(cluster,))
    assert status_text(view, NOW) != status_text(View(as_of=NOW, state=State.OK, clusters=(exact(looked),)), NOW)


def exact(looked: World) -> ClusterView:
    """The same view, with a lag of the same size that the server itself tells."""
    source, replica = looked.servers
    assert replica.observation
    own = replace(replica.observation.channels[0], lag=Lag(seconds=20.0, basis=LagBasis.STATUS))
    seen = replace(replica.observation, channels=(own,))
    told = replace(replica, result=seen, last_good=seen)
    return build_cluster_view(replace(looked, servers=(source, told), progress=Progress()), (), ())
