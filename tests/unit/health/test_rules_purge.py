"""Binary logs that are gone before a replica has received them, and the time that is left before."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from repwatch.health.causes import causes
from repwatch.health.movement import ChannelProgress, Movement, Progress
from repwatch.health.rules import diagnose
from repwatch.health.world import World
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.observation import BinlogKeep, Pulse, ThreadError, ThreadState
from repwatch.model.server import Flavour
from tests.unit.health.worlds import NOW, channel, observation, star, uuid, world

MY, MA = Flavour.MYSQL, Flavour.MARIADB
FLAVOURS = pytest.mark.parametrize("flavour", list(Flavour))
STOP, CONNECT, RUN = ThreadState.STOPPED, ThreadState.CONNECTING, ThreadState.RUNNING
HOUR = timedelta(hours=1)
ERROR = ThreadError(
    errno=1236, text="Could not find GTID state requested by slave in any binlog files. Probably the slave state is too old"
)


def gtids(flavour: Flavour, last: int) -> str:
    return f"{uuid(flavour, 1)}:1-{last}" if flavour is MY else f"0-1-{last}"


def behind(flavour: Flavour, *, keep: BinlogKeep, written: int = 9, received: int = 5, **changes: Any) -> World:
    """db2 has received so many transactions of so many."""
    _, _, other = star(flavour)
    source = observation(flavour, 1, gtid_executed=gtids(flavour, written), binlog=keep)
    here = gtids(flavour, received)
    own = channel(flavour, 1, **({"gtid_received": here, "gtid_executed": here, "receiver": STOP} | changes))
    return world([source, observation(flavour, 2, own, gtid_executed=own.gtid_executed), other])


def codes(made: World) -> list[str]:
    return [found.subject.code.value for found in diagnose(made)]


@FLAVOURS
@pytest.mark.parametrize(
    ("purged", "changes", "gone"),
    [
        (5, {}, False),
        (6, {}, True),
        (6, {"receiver": CONNECT}, True),
        (6, {"receiver": RUN}, False),  # what is being sent stays
        (6, {"uses_gtid": False}, False),
        (0, {}, False),
    ],
)
def test_what_the_replica_needs_is_gone(flavour: Flavour, purged: int, changes: dict[str, Any], gone: bool) -> None:
    keep = BinlogKeep(purged=gtids(flavour, purged) if purged else "")
    assert ("binlog-purged" in codes(behind(flavour, keep=keep, **changes))) is gone


def test_a_domain_that_the_replica_leaves_out_is_not_missed() -> None:
    assert "binlog-purged" not in codes(behind(MA, keep=BinlogKeep(purged="0-1-5,7-7-900")))
    assert "binlog-purged" in codes(behind(MA, keep=BinlogKeep(purged="0-1-6,7-7-900")))


@pytest.mark.parametrize("purged", ["nonsense", "0-1", "::"])
def test_what_cannot_be_read_is_not_claimed(purged: str) -> None:
    assert codes(behind(MA, keep=BinlogKeep(purged=purged))) == ["receiver-stopped"]


@FLAVOURS
def test_an_error_that_says_so_is_a_part_of_it(flavour: Flavour) -> None:
    made = behind(flavour, keep=BinlogKeep(), receiver_error=ERROR)
    by_code = {found.subject.code: found.subject for found in diagnose(made)}
    assert set(by_code) == {FindingCode.BINLOG_PURGED, FindingCode.RECEIVER_ERROR}
    assert causes(made, diagnose(made))[by_code[FindingCode.RECEIVER_ERROR]] == by_code[FindingCode.BINLOG_PURGED]


def remembering(made: World, owed: timedelta | None, *, watched: bool = True) -> World:
    """repwatch has seen the source ahead of db2's receiver for so long, and whether it saw the receiver move before."""
    day = NOW - timedelta(days=90)
    moved = Movement(mark="x", looked=NOW, since=day, before=day if watched else None)
    progress = ChannelProgress(receiver=moved, applier=moved, source_mark="", owed_since=NOW - owed if owed is not None else None)
    return replace(made, progress=Progress(channels={("db2", ""): progress}))


def horizon(made: World) -> Finding | None:
    return next((found for found in diagnose(made) if found.subject.code is FindingCode.PURGE_HORIZON), None)


@FLAVOURS
@pytest.mark.parametrize(
    ("keep", "owed", "severity"),
    [
        (240 * HOUR, 200 * HOUR, None),
        (240 * HOUR, 216.5 * HOUR, Severity.WARNING),
        (240 * HOUR, 236.5 * HOUR, Severity.CRITICAL),
        (240 * HOUR, 400 * HOUR, Severity.CRITICAL),
        (16 * HOUR, 7.9 * HOUR, None),
        (16 * HOUR, 8.1 * HOUR, Severity.WARNING),
        (16 * HOUR, 14.1 * HOUR, Severity.CRITICAL),
        (None, 400 * HOUR, None),
        (240 * HOUR, None, None),
    ],
)
def test_time_left(flavour: Flavour, keep: timedelta | None, owed: timedelta | None, severity: Severity | None) -> None:
    found = horizon(remembering(behind(flavour, keep=BinlogKeep(keep=keep)), owed))
    assert (found.severity if found else None) is severity


@pytest.mark.parametrize(
    ("watched", "owed", "committed", "found"),
    [
        (True, HOUR, 9 * HOUR, False),  # the source was quiet for eight hours
        (False, HOUR, 9 * HOUR, True),  # for all that repwatch knows it was not
        (False, None, 9 * HOUR, True),
        (False, None, HOUR, False),
        (False, None, None, False),
        (False, 9 * HOUR, None, True),
        (True, 9 * HOUR, 10 * HOUR, True),
    ],
)
def test_since_when_it_is_needed(watched: bool, owed: timedelta | None, committed: timedelta | None, found: bool) -> None:
    pulse = Pulse(last_commit=None if committed is None else NOW - committed)
    made = remembering(behind(MY, keep=BinlogKeep(keep=16 * HOUR), pulse=pulse), owed, watched=watched)
    assert (horizon(made) is not None) is found


@FLAVOURS
def test_nothing_is_near_for_who_has_all_or_receives(flavour: Flavour) -> None:
    keep = BinlogKeep(keep=HOUR)
    assert horizon(remembering(behind(flavour, keep=keep, received=9), 2 * HOUR)) is None
    old = Pulse(last_commit=NOW - 3 * HOUR)
    assert horizon(remembering(behind(flavour, keep=keep, receiver=RUN, pulse=old), None)) is None
    assert horizon(remembering(behind(flavour, keep=keep, receiver=RUN), 2 * HOUR)) is not None  # it says that it runs


@FLAVOURS
def test_what_is_gone_has_no_time_left(flavour: Flavour) -> None:
    made = remembering(behind(flavour, keep=BinlogKeep(keep=HOUR, purged=gtids(flavour, 7))), 2 * HOUR)
    assert codes(made) == ["binlog-purged", "receiver-stopped"]
