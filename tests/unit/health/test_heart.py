"""The heartbeat: where it beats, what it tells of lag, and that a heart that stands still tells nothing."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from repwatch.health.beating import Beating
from repwatch.health.causes import causes
from repwatch.health.heart import STOPPED_AFTER, beat_lag, heartbeat_stopped, targets
from repwatch.health.inventory import label
from repwatch.health.lag import true_lag
from repwatch.health.movement import ChannelProgress, Movement, Progress
from repwatch.health.rules import diagnose
from repwatch.health.world import Heart, World
from repwatch.model.applier import ApplierWork, WaitKind
from repwatch.model.finding import FindingCode, Severity
from repwatch.model.observation import BeatsUnread, Lag, LagBasis, Observation, ProbeFailure
from repwatch.model.server import Flavour
from tests.unit.health.worlds import NOW, channel, observation, spec, unobserved, uuid, world

SECOND = timedelta(seconds=1)
SKEW = timedelta(hours=3)  # the source's clock is ahead
FLAVOURS = pytest.mark.parametrize("flavour", list(Flavour))


def beating(*gaps: tuple[float, float], since: float = 7200.0) -> Heart:
    """Beats each second up to now, but for gaps; all as seconds ago."""
    marks = tuple((NOW + SKEW - last * SECOND, NOW + SKEW - first * SECOND) for last, first in gaps)
    return Heart(since=NOW - since * SECOND, beats={"db1": Beating(NOW + SKEW - since * SECOND, NOW + SKEW - SECOND / 2, marks)})


def source(flavour: Flavour, beat: float | None = 0.5, **changes: object) -> Observation:
    """Its last beat is so many seconds old; None: there is none."""
    beats = {} if beat is None else {1: NOW + SKEW - beat * SECOND}
    return observation(flavour, 1, clock=NOW + SKEW, beats=beats, **changes)


def replica(flavour: Flavour, beat: float | None, number: int = 2, of: int = 1, **changes: object) -> Observation:
    """The last beat that is here was written so many seconds ago."""
    beats: Mapping[int, datetime] = {} if beat is None else {1: NOW + SKEW - beat * SECOND}
    lag = Lag(seconds=0.0, basis=LagBasis.STATUS)
    return observation(flavour, number, channel(flavour, of, lag=lag), beats=beats, clock=NOW - SKEW, **changes)


def made(*seen: Observation, **changes: object) -> World:
    hearty: dict[str, object] = {"heart": beating()}
    return replace(world(seen, heartbeat="repwatch"), **(hearty | changes))  # type: ignore[arg-type]


def lag_of(looked: World, number: int = 1) -> Lag:
    server = looked.servers[number]
    assert server.observation
    return true_lag(looked, server, server.observation.channels[0])


@FLAVOURS
@pytest.mark.parametrize(
    ("written", "arrived", "seconds"),
    [
        (0.5, 0.5, 0.0),
        (0.5, 1.0, 0.0),  # beats come once a second
        (0.5, 2.5, 1.5),
        (0.5, 3600.0, 3599.0),
        (9.0, 9.0, 0.0),  # the writer is held up: nothing newer can be here
        (0.5, -2.0, 0.0),  # it was looked at later than the source
        (11.0, 11.0, None),  # the heart does not beat
        (11.0, 600.0, None),
        (None, 5.0, None),
        (0.5, None, None),  # no beat has ever arrived: filtered, or the table is new
    ],
)
def test_the_lag_behind_the_beats(flavour: Flavour, written: float | None, arrived: float | None, seconds: float | None) -> None:
    looked = made(source(flavour, written), replica(flavour, arrived))
    found = lag_of(looked)
    assert (found.seconds, found.basis) == ((0.0, LagBasis.STATUS) if seconds is None else (seconds, LagBasis.HEARTBEAT))


@FLAVOURS
@pytest.mark.parametrize(
    ("arrived", "heart", "basis"),
    [
        (3600.0, beating(since=2.0), LagBasis.STATUS),  # repwatch was down, and its first beat is on its way
        (3600.0, beating((3600.0, 2.0)), LagBasis.STATUS),  # the source was read-only: likewise
        (3601.0, beating((3600.0, 2.0)), LagBasis.HEARTBEAT),  # before the gap there was a beat that it lacks
        (3600.0, beating((3000.0, 1800.0)), LagBasis.HEARTBEAT),
        (1801.0, beating((3000.0, 1800.0)), LagBasis.STATUS),  # a delayed replica crosses the gap
        (1800.0, beating((3000.0, 1800.0)), LagBasis.HEARTBEAT),  # it is over it
        (7201.0, beating(), LagBasis.STATUS),  # the row came with a copy
        (9.0, beating((9.0, 0.5)), LagBasis.STATUS),  # held up for a moment
        (600.0, Heart(since=NOW - timedelta(hours=1)), LagBasis.STATUS),  # it has not beaten yet; whoever did
        (600.0, None, LagBasis.STATUS),  # nobody here writes one: gaps are not known
        (0.5, None, LagBasis.HEARTBEAT),  # the newest beat has arrived
    ],
)
def test_a_gap_in_the_beats_is_no_lag(flavour: Flavour, arrived: float, heart: Heart | None, basis: LagBasis) -> None:
    lag = lag_of(made(source(flavour), replica(flavour, arrived), heart=heart))
    assert (lag.basis, lag.seconds) == (basis, max(0.0, arrived - 1) if basis is LagBasis.HEARTBEAT else 0.0)


@FLAVOURS
def test_a_beat_of_which_the_writer_had_no_answer_ends_a_gap(flavour: Flavour) -> None:
    stale = Heart(beats={"db1": Beating(NOW + SKEW - 7200 * SECOND, NOW + SKEW - 9 * SECOND)})
    assert lag_of(made(source(flavour), replica(flavour, 9.0), heart=stale)).basis is LagBasis.STATUS
    assert lag_of(made(source(flavour), replica(flavour, 20.0), heart=stale)).seconds == 19.0


@FLAVOURS
@pytest.mark.parametrize(("beat", "at_least"), [(0.5, False), (3.0, False), (3.5, True), (9.0, True)])
def test_who_has_an_old_newest_beat_may_be_behind(flavour: Flavour, beat: float, at_least: bool) -> None:
    looked = made(source(flavour, beat), replica(flavour, beat))
    assert lag_of(looked) == Lag(seconds=0.0, basis=LagBasis.HEARTBEAT, at_least=at_least)
    server = looked.servers[1]
    assert server.observation
    slow = replace(server.observation.channels[0], lag=Lag(seconds=5.0, basis=LagBasis.STATUS))
    assert true_lag(looked, server, slow).seconds == (5.0 if at_least else 0.0)


@FLAVOURS
@pytest.mark.parametrize(
    ("uses_gtid", "executed", "basis"),
    [(True, 8, LagBasis.STATUS), (True, 7, LagBasis.HEARTBEAT), (False, 8, LagBasis.HEARTBEAT)],
)
def test_a_beat_that_came_with_a_copy_and_is_filtered_since(
    flavour: Flavour, uses_gtid: bool, executed: int, basis: LagBasis
) -> None:
    """All that the source had is executed, and yet the beat is old."""

    def gtids(last: int) -> str:
        return f"{uuid(flavour, 1)}:1-{last}" if flavour is Flavour.MYSQL else f"0-1-{last}"

    here = replica(flavour, 600.0, gtid_executed=gtids(executed))
    here = replace(here, channels=(replace(here.channels[0], uses_gtid=uses_gtid),))
    still = Movement(mark="m", looked=NOW, since=NOW)
    known = ChannelProgress(receiver=still, applier=still, source_mark="", source_now=gtids(9), source_then=gtids(8))
    progress = Progress(channels={(name, ""): known for name in ("db2", "db3")})
    assert lag_of(made(source(flavour), here, progress=progress)).basis is basis
    below = replica(flavour, 600.0, 3, of=2, gtid_executed=gtids(8))  # its own source may be behind: nothing is known
    assert lag_of(made(source(flavour), here, below, progress=progress), 2).basis is LagBasis.HEARTBEAT


@FLAVOURS
def test_looks_at_different_moments_are_allowed_for(flavour: Flavour) -> None:
    looked = made(source(flavour), replica(flavour, 3.0, at=NOW + 2 * SECOND))
    assert lag_of(looked).seconds == 4.0


@FLAVOURS
def test_a_chain_is_measured_from_its_head(flavour: Flavour) -> None:
    looked = made(source(flavour), replica(flavour, 1.0), replica(flavour, 7.0, 3, of=2))
    assert [lag_of(looked, number).seconds for number in (1, 2)] == [0.0, 6.0]


@FLAVOURS
def test_nothing_is_told_by_a_source_that_is_not_seen_or_by_a_ring(flavour: Flavour) -> None:
    blind = replace(made(source(flavour), replica(flavour, 7.0)), servers=(
        world([unobserved(ProbeFailure.UNREACHABLE)]).servers[0], made(source(flavour), replica(flavour, 7.0)).servers[1]
    ))  # fmt: skip
    assert lag_of(blind).basis is LagBasis.STATUS
    ring = made(replica(flavour, 7.0, 1, of=2), replica(flavour, 7.0, 2, of=1))
    assert lag_of(ring).basis is LagBasis.STATUS


@FLAVOURS
def test_what_waits_for_longer_than_the_beats_say_counts(flavour: Flavour) -> None:
    """As where the table goes another way than what waits."""
    looked = made(source(flavour), replica(flavour, 1.0))
    for waits, basis in ((1, LagBasis.HEARTBEAT), (60, LagBasis.MOVEMENT)):
        since = NOW - waits * SECOND
        still = Movement(mark="m", looked=NOW, since=since, before=since - SECOND)
        known = ChannelProgress(receiver=still, applier=still, source_mark="", owed_since=since)
        assert lag_of(replace(looked, progress=Progress(channels={("db2", ""): known}))).basis is basis


@FLAVOURS
def test_a_heart_beats_on_writable_sources_alone(flavour: Flavour) -> None:
    def beats_on(*seen: Observation, **changes: object) -> list[str]:
        return [label(server) for server in targets(made(*seen, **changes))]

    assert beats_on(source(flavour), replica(flavour, 1.0)) == ["db1"]
    assert beats_on(source(flavour, read_only=True), replica(flavour, 1.0)) == []
    assert beats_on(source(flavour, log_bin=False), replica(flavour, 1.0)) == []
    assert beats_on(replica(flavour, 1.0, 1, of=2), replica(flavour, 1.0)) == []
    assert beats_on(source(flavour), replica(flavour, 1.0), now=NOW + timedelta(hours=1)) == []  # it was seen too long ago
    assert beats_on(source(flavour), replica(flavour, 1.0), source=None, cluster=replace(made().cluster, source="auto")) == []
    two = world(
        [source(flavour), observation(flavour, 2), replica(flavour, 1.0, 3)],
        spec(1), spec(2), spec(3, channels={"a": "db1", "b": "db2"}),
    )  # fmt: skip
    assert [label(server) for server in targets(two)] == ["db1", "db2"]


@FLAVOURS
def test_no_heart_beats_on_a_source_that_the_replicas_have_left(flavour: Flavour) -> None:
    """It comes back after a switch-over, writable, and the configuration names it still."""
    old, new, third = source(flavour), observation(flavour, 2), replica(flavour, 1.0, 3, of=2)
    assert list(targets(made(old, new, third))) == []
    meant = [spec(1), spec(2), spec(3, channels={"a": "db1", "b": "db2"})]
    assert [label(server) for server in targets(world([old, new, third], *meant))] == ["db2"]
    followed = made(old, new, third, source="db2")
    assert [label(server) for server in targets(replace(followed, cluster=replace(followed.cluster, source="auto")))] == ["db2"]


@FLAVOURS
@pytest.mark.parametrize(
    ("beat", "heart", "found"),
    [
        (0.5, Heart(since=NOW - timedelta(hours=1)), 0),
        (STOPPED_AFTER.total_seconds(), Heart(since=NOW - timedelta(hours=1)), 0),
        (11.0, Heart(since=NOW - timedelta(hours=1)), 1),
        (None, Heart(since=NOW - timedelta(hours=1), problems={"db1": "1142 denied"}), 1),
        (-20.0, Heart(since=NOW - timedelta(hours=1)), 0),
        (11.0, Heart(since=NOW - 5 * SECOND), 0),  # it has only just begun
        (None, Heart(), 0),
        (None, None, 0),  # nobody here writes one
    ],
)
def test_a_heart_that_stopped(flavour: Flavour, beat: float | None, heart: Heart | None, found: int) -> None:
    looked = made(source(flavour, beat), replica(flavour, 11.0), heart=heart)
    findings = list(heartbeat_stopped(looked))
    assert len(findings) == found
    assert list(heartbeat_stopped(replace(looked, cluster=replace(looked.cluster, heartbeat=None)))) == []
    if findings and heart:
        assert findings[0].evidence.get("writer") == heart.problems.get("db1")


@FLAVOURS
def test_a_beat_that_stands_still_is_never_lag_0(flavour: Flavour) -> None:
    looked = made(source(flavour, 60.0), replica(flavour, 60.0))
    server = looked.servers[1]
    assert server.observation
    assert beat_lag(looked, server, server.observation.channels[0]) is None


@FLAVOURS
def test_why_the_beats_could_not_be_read(flavour: Flavour) -> None:
    unread = source(flavour, None, beats_unread=BeatsUnread.TIMED_OUT)
    (finding,) = heartbeat_stopped(made(unread, replica(flavour, None)))
    assert finding.evidence["reader"] == BeatsUnread.TIMED_OUT
    (finding,) = heartbeat_stopped(made(source(flavour, None), replica(flavour, None)))
    assert "reader" not in finding.evidence


@FLAVOURS
@pytest.mark.parametrize("wait", [None, WaitKind.ROW_LOCK])
def test_what_explains_a_lag_is_as_bad_as_that(flavour: Flavour, wait: WaitKind | None) -> None:
    """Invariant: who wants to hear of what is critical alone hears of the cause where the lag is withheld for it."""
    work = ApplierWork(connection=13, stage="", wait=wait)
    seen = replica(flavour, 3600.0)
    behind = replace(seen, channels=(replace(seen.channels[0], work=work),))
    stood = Movement(mark="x", looked=NOW, since=NOW - 40 * SECOND)  # repwatch has just been started
    progress = ChannelProgress(receiver=replace(stood, since=NOW), applier=stood, source_mark="", work_since=stood.since)
    looked = made(source(flavour), behind, progress=Progress(channels={("db2", ""): progress}))
    found = {finding.subject: finding.severity for finding in diagnose(looked)}
    explained = causes(looked, diagnose(looked))
    (lagging,) = [subject for subject in found if subject.code is FindingCode.LAGGING]
    assert found[lagging] is Severity.CRITICAL
    assert found[explained[lagging]] is Severity.CRITICAL
