"""What an incident means for its cluster: nothing is said that is not seen, and nobody is called good who is not."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.health.impact import UNRELIABLE, impact_of
from repwatch.health.movement import ChannelProgress, Movement, Progress
from repwatch.health.rules import diagnose
from repwatch.health.world import World
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.impact import Impact, Names
from repwatch.model.observation import (
    BinlogKeep,
    ChannelObservation,
    Lag,
    LagBasis,
    Observation,
    ProbeFailure,
    ThreadError,
    ThreadState,
    Unobserved,
)
from repwatch.model.server import Flavour
from tests.unit.health.worlds import NOW, channel, observation, spec, unobserved, uuid, world

MY, MA = Flavour.MYSQL, Flavour.MARIADB
FLAVOURS = pytest.mark.parametrize("flavour", list(Flavour))
STOPPED, CONNECTING = ThreadState.STOPPED, ThreadState.CONNECTING
NO_ROW = ThreadError(errno=1032, text="Can't find record in 't'")
NETWORK = ThreadError(errno=2003, text="error reconnecting to source")


def gtids(flavour: Flavour, last: int) -> str:
    return f"{uuid(flavour, 1)}:1-{last}" if flavour is MY else f"0-1-{last}"


def source(flavour: Flavour, **changes: Any) -> Observation:
    return observation(flavour, 1, gtid_executed=gtids(flavour, 9), **changes)


def replica(
    flavour: Flavour, number: int, upstream: int = 1, *, applied: int = 9, received: int = 9, **changes: Any
) -> Observation:
    """A replica that has applied and received so many of the source's nine transactions."""
    here = gtids(flavour, applied)
    made = channel(flavour, upstream, gtid_received=gtids(flavour, received), gtid_executed=here, **changes)
    return observation(flavour, number, made, gtid_executed=here)


def broken(flavour: Flavour, number: int, upstream: int = 1, **changes: Any) -> Observation:
    unknown = Lag(seconds=None, basis=LagBasis.STATUS)
    return replica(flavour, number, upstream, applier=STOPPED, applier_error=NO_ROW, **({"lag": unknown} | changes))


def told(made: World, code: FindingCode, server: int = 2, *more: Finding) -> Impact:
    """The impact of the finding with that code on db2, or another one."""
    found = (*diagnose(made), *more)
    finding = next(each for each in found if each.subject.code is code and each.subject.server == f"10.0.0.{server}:3306")
    impact = impact_of(made, found, finding)
    assert impact is not None
    return impact


@FLAVOURS
def test_a_replica_that_stands(flavour: Flavour) -> None:
    made = world([source(flavour), broken(flavour, 2, applied=6), replica(flavour, 3), replica(flavour, 4)])
    impact = told(made, FindingCode.APPLIER_ERROR)
    assert impact == Impact(transactions_missing=3, good=Names.of(["db3", "db4"]), others=2)


@FLAVOURS
@pytest.mark.parametrize(
    ("other", "good"),
    [
        ({}, ["db3"]),
        ({"applier": STOPPED}, []),
        ({"receiver": STOPPED}, []),
        ({"receiver": CONNECTING, "receiver_error": NETWORK}, []),
        ({"lag": Lag(seconds=31.0, basis=LagBasis.STATUS)}, []),
        ({"lag": Lag(seconds=29.0, basis=LagBasis.STATUS)}, ["db3"]),
        ({"lag": Lag(seconds=None, basis=LagBasis.STATUS)}, []),
        ({"receiver": ThreadState.UNKNOWN}, []),
    ],
)
def test_who_is_good(flavour: Flavour, other: dict[str, Any], good: list[str]) -> None:
    made = world([source(flavour), broken(flavour, 2), replica(flavour, 3, **other)])
    assert told(made, FindingCode.APPLIER_ERROR).good == Names.of(good)


@FLAVOURS
@pytest.mark.parametrize("failure", list(ProbeFailure))
def test_who_is_not_seen_is_not_good(flavour: Flavour, failure: ProbeFailure) -> None:
    made = world([source(flavour), broken(flavour, 2), unobserved(failure), replica(flavour, 4)])
    impact = told(made, FindingCode.APPLIER_ERROR)
    assert (impact.good, impact.others) == (Names.of(["db4"]), 2)


@pytest.mark.parametrize("code", sorted(UNRELIABLE))
def test_whom_something_speaks_against_is_not_good(code: FindingCode) -> None:
    made = world([source(MY), broken(MY, 2), replica(MY, 3)])
    against = Finding(
        subject=Subject("shop", "10.0.0.3:3306", "", code), severity=Severity.WARNING, summary="", meaning="", remedy=""
    )
    assert told(made, FindingCode.APPLIER_ERROR, 2, against).good == Names()
    assert told(made, FindingCode.APPLIER_ERROR).good == Names.of(["db3"])


@FLAVOURS
def test_below_one_that_stands_nobody_is_good(flavour: Flavour) -> None:
    """db3 reads from db2, and shows no lag: db2 writes nothing new."""
    chain = [spec(1), spec(2), spec(3, replicates_from="db2"), spec(4)]
    below = replica(flavour, 3, 2, applied=6, received=6)
    made = world([source(flavour), broken(flavour, 2, applied=6), below, replica(flavour, 4)], *chain)
    impact = told(made, FindingCode.APPLIER_ERROR)
    assert (impact.below, impact.good, impact.others) == (Names.of(["db3"]), Names.of(["db4"]), 2)


@FLAVOURS
def test_a_ring_is_good_as_long_as_all_of_it_is(flavour: Flavour) -> None:
    ring = [spec(1, replicates_from="db2"), spec(2, replicates_from="db1"), spec(3, replicates_from="db1"), spec(4)]
    servers = [replica(flavour, 1, 2), replica(flavour, 2), replica(flavour, 3)]
    whole = world([*servers, broken(flavour, 4)], *ring, source=None)
    assert told(whole, FindingCode.APPLIER_ERROR, 4).good == Names.of(["db1", "db2", "db3"])
    halted = world([servers[0], broken(flavour, 2), servers[2], broken(flavour, 4)], *ring, source=None)
    assert told(halted, FindingCode.APPLIER_ERROR, 4).good == Names()


def lost(made: World, *, receiving: bool) -> World:
    """db1 has not been seen for a minute; its replicas have received something since, or have not."""
    since = NOW - timedelta(minutes=1)
    moved = NOW - timedelta(seconds=2) if receiving else since - timedelta(minutes=2)
    movement = Movement(mark="", looked=NOW, since=moved, before=moved - timedelta(seconds=1))
    known = ChannelProgress(receiver=movement, applier=movement, source_mark="")
    channels = {(each.spec.label, ""): known for each in made.servers[1:]}
    return replace(made, progress=Progress(channels=channels, unseen_since={"db1": since}))


DOWN: Unobserved = unobserved(ProbeFailure.UNREACHABLE)


@FLAVOURS
def test_a_source_that_is_lost_leaves_those_who_have_applied_all(flavour: Flavour) -> None:
    away: dict[str, Any] = {"receiver": CONNECTING, "receiver_error": NETWORK, "lag": Lag(seconds=None, basis=LagBasis.STATUS)}
    servers: list[Observation | Unobserved]
    servers = [DOWN, replica(flavour, 2, **away), replica(flavour, 3, applied=7, **away), broken(flavour, 4, **away), DOWN]
    impact = told(lost(world(servers), receiving=False), FindingCode.SERVER_UNREACHABLE, 1)
    assert impact.complete == Names.of(["db2"])
    assert (impact.good, impact.others) == (Names(), 4)
    assert impact.below == Names.of(["db2", "db3", "db4"])  # of db5 nothing was ever seen
    assert (impact.lag_seconds, impact.transactions_missing, impact.purge_seconds_left) == (None, None, None)


@FLAVOURS
def test_replicas_that_have_not_noticed_yet_are_not_good(flavour: Flavour) -> None:
    """The source's machine is gone, and both threads run: for a minute, by default, nobody tells them."""
    made = lost(world([DOWN, replica(flavour, 2), replica(flavour, 3)]), receiving=False)
    impact = told(made, FindingCode.SERVER_UNREACHABLE, 1)
    assert (impact.good, impact.complete) == (Names(), Names.of(["db2", "db3"]))


@FLAVOURS
def test_a_source_out_of_sight_whose_replicas_go_on_is_not_lost(flavour: Flavour) -> None:
    made = lost(world([DOWN, replica(flavour, 2), replica(flavour, 3)]), receiving=True)
    impact = told(made, FindingCode.SERVER_UNREACHABLE, 1)
    assert (impact.good, impact.complete) == (Names.of(["db2", "db3"]), None)


@pytest.mark.parametrize("changes", [{"gtid_received": ""}, {"gtid_received": "nonsense"}, {"uses_gtid": False}])
def test_who_is_not_known_to_have_applied_all_is_not_said_to(changes: dict[str, Any]) -> None:
    away = channel(MY, 1, receiver=CONNECTING, receiver_error=NETWORK, **changes)
    made = world([DOWN, observation(MY, 2, away)])
    assert told(made, FindingCode.SERVER_UNREACHABLE, 1).complete == Names()


def test_a_replica_without_gtids_has_applied_all_where_its_two_places_are_one() -> None:
    def impact(applied: str) -> Names | None:
        away = channel(MA, 1, receiver=CONNECTING, uses_gtid=False, source_log="log.1:500", applied_log=applied)
        return told(world([DOWN, observation(MA, 2, away)]), FindingCode.SERVER_UNREACHABLE, 1).complete

    assert impact("log.1:500") == Names.of(["db2"])
    assert impact("log.1:400") == Names()


@FLAVOURS
def test_how_far_behind_and_for_how_long_it_can_still_catch_up(flavour: Flavour) -> None:
    keep = BinlogKeep(keep=timedelta(hours=2))
    stopped = replica(flavour, 2, applied=5, received=5, receiver=STOPPED, lag=Lag(seconds=None, basis=LagBasis.STATUS))
    made = world([source(flavour, binlog=keep), stopped, replica(flavour, 3)])
    since = NOW - timedelta(minutes=30)
    movement = Movement(mark="", looked=NOW, since=since)
    known = ChannelProgress(receiver=movement, applier=movement, source_mark="", owed_since=since)
    made = replace(made, progress=Progress(channels={("db2", ""): known}))
    impact = told(made, FindingCode.RECEIVER_STOPPED)
    assert (impact.lag_seconds, impact.lag_at_least, impact.transactions_missing) == (1800.0, True, 4)
    assert impact.purge_seconds_left == timedelta(minutes=90).total_seconds()


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ({"uses_gtid": False}, {}),
        ({"filters": "do_db=x"}, {}),
        ({}, {"gtid_executed": ""}),
        ({}, {"gtid_executed": "nonsense"}),
        ({"gtid_executed": "nonsense"}, {}),
    ],
)
@FLAVOURS
def test_what_is_missing_is_counted_where_it_can_be(flavour: Flavour, here: dict[str, Any], there: dict[str, Any]) -> None:
    found = broken(flavour, 2)
    changed = replace(found, channels=tuple(replace(each, **here) for each in found.channels))
    made = world([replace(source(flavour), **there), changed])
    assert told(made, FindingCode.APPLIER_ERROR).transactions_missing is None


@FLAVOURS
@pytest.mark.parametrize(("age", "applied", "missing"), [(0, 9, 0), (1, 9, None), (1, 8, 1), (0, 8, 1)])
def test_an_older_look_at_the_source_does_not_show_that_nothing_is_missing(
    flavour: Flavour, age: int, applied: int, missing: int | None
) -> None:
    made = world([source(flavour, at=NOW - timedelta(seconds=age)), broken(flavour, 2, applied=applied)])
    assert told(made, FindingCode.APPLIER_ERROR).transactions_missing == missing


@FLAVOURS
def test_of_several_channels_the_one_that_it_is_about(flavour: Flavour) -> None:
    def of(name: str, number: int, seconds: float, **changes: Any) -> ChannelObservation:
        return channel(flavour, number, name=name, lag=Lag(seconds=seconds, basis=LagBasis.STATUS), **changes)

    specs = [spec(1), spec(2), spec(3, channels={"a": "db1", "b": "db2"})]
    slow = observation(flavour, 3, of("a", 1, 100.0), of("b", 2, 200.0), half_loaded=True)
    made = world([source(flavour), observation(flavour, 2), slow], *specs)
    found = diagnose(made)
    by_channel = {
        (each.subject.code, each.subject.channel): impact_of(made, found, each) for each in found if each.subject.server[7] == "3"
    }
    lags = {key: impact.lag_seconds for key, impact in by_channel.items() if impact}
    assert lags[FindingCode.LAGGING, "a"] == 100.0
    assert lags[FindingCode.LAGGING, "b"] == 200.0
    assert lags[FindingCode.HALF_LOADED, ""] == 200.0


@pytest.mark.parametrize("code", list(FindingCode))
@pytest.mark.parametrize("server", ["", "10.9.9.9:3306", "10.0.0.1:3306", "10.0.0.2:3306"])
def test_any_finding_has_one_or_none(code: FindingCode, server: str) -> None:
    """Invariant: one of a server that is known, if it makes that one unreliable."""
    made = world([source(MY), replica(MY, 2), replica(MY, 3)])
    finding = Finding(subject=Subject("shop", server, "x", code), severity=Severity.WARNING, summary="", meaning="", remedy="")
    impact = impact_of(made, [finding], finding)
    assert (impact is not None) == (code in UNRELIABLE and server.startswith("10.0.0."))


@given(st.lists(st.sampled_from([None, "broken", "silent"]), min_size=1, max_size=30))
def test_who_is_named_is_well(states: list[str | None]) -> None:
    """Invariant: of any star the good ones are exactly those with nothing wrong, in the inventory's order; few are named."""

    def made(number: int, state: str | None) -> Observation | Unobserved:
        return DOWN if state == "silent" else broken(MY, number) if state else replica(MY, number)

    servers = [source(MY), broken(MY, 2), *(made(number, state) for number, state in enumerate(states, start=3))]
    impact = told(world(servers), FindingCode.APPLIER_ERROR)
    well = [f"db{number}" for number, state in enumerate(states, start=3) if state is None]
    assert impact.good.count == len(well)
    assert list(impact.good.first) == well[: len(impact.good.first)]
    assert len(impact.good.first) == min(8, len(well))
    assert impact.others == len(states)
