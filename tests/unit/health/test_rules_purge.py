"""Binary logs that are gone before a replica has received them, and the time that is left before."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from repwatch.health.causes import causes
from repwatch.health.movement import ChannelProgress, Movement, Progress
from repwatch.health.reach import Reach
from repwatch.health.rules import diagnose
from repwatch.health.view import build_cluster_view
from repwatch.health.world import World
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.observation import BinlogFiles, BinlogKeep, Pulse, ThreadError, ThreadState
from repwatch.model.server import Flavour
from tests.unit.health.worlds import NOW, address, channel, observation, star, uuid, world

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


@pytest.mark.parametrize("filters", ["", "ignore_domain_ids=7"])
def test_a_domain_that_is_gone_is_missed_though_the_replica_leaves_it_out(filters: str) -> None:
    """Its source refuses to send anything then: 1236."""
    assert "binlog-purged" in codes(behind(MA, keep=BinlogKeep(purged="0-1-5,7-7-900"), filters=filters))


@pytest.mark.parametrize("purged", ["nonsense", "0-1", "::"])
def test_what_cannot_be_read_is_not_claimed(purged: str) -> None:
    assert codes(behind(MA, keep=BinlogKeep(purged=purged))) == ["receiver-stopped"]


@FLAVOURS
def test_an_error_that_says_so_is_a_part_of_it(flavour: Flavour) -> None:
    made = behind(flavour, keep=BinlogKeep(), receiver_error=ERROR)
    by_code = {found.subject.code: found.subject for found in diagnose(made)}
    assert set(by_code) == {FindingCode.BINLOG_PURGED, FindingCode.RECEIVER_ERROR}
    assert causes(made, diagnose(made))[by_code[FindingCode.RECEIVER_ERROR]] == by_code[FindingCode.BINLOG_PURGED]


def remembering(made: World, owed: timedelta | None, *, watched: bool = True, speed: float | None = None) -> World:
    """repwatch has seen the source ahead of db2's receiver for so long, and whether it saw it level with the source before."""
    day = NOW - timedelta(days=90)
    moved = Movement(mark="x", looked=NOW, since=day)
    behind_since = NOW - owed if owed is not None else None
    reach = Reach(source="db1", mark="", marked=NOW, level=behind_since, at=NOW, speed=speed) if watched else None
    progress = ChannelProgress(receiver=moved, applier=moved, source_mark="", owed_since=behind_since, reach=reach)
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
        (True, 9 * HOUR, HOUR, False),  # it has received more since it was level
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


@FLAVOURS
@pytest.mark.parametrize(
    ("speed", "level", "left"),
    [
        (0.0, 10 * HOUR, 6 * HOUR),
        (0.5, 10 * HOUR, None),  # twelve hours
        (0.5, 13 * HOUR, 6 * HOUR),
        (1.0, 13 * HOUR, None),  # it falls back no further
        (1.0, 17 * HOUR, -HOUR),  # but may not lose its connection
        (None, 13 * HOUR, 3 * HOUR),  # nobody knows: as if it stood
        (0.0, timedelta(seconds=29), None),
    ],
)
def test_who_receives_too_slowly_falls_back_to_where_logs_are_deleted(
    flavour: Flavour, speed: float | None, level: timedelta, left: timedelta | None
) -> None:
    made = behind(flavour, keep=BinlogKeep(keep=16 * HOUR), receiver=RUN)
    found = horizon(remembering(made, level, speed=speed))
    assert (found.evidence["seconds_left"] if found else None) == (f"{max(0, left.total_seconds()):.0f}" if left else None)


@FLAVOURS
@pytest.mark.parametrize(("keep", "left"), [(16 * HOUR, 14 * 3600.0), (HOUR, 0.0), (None, None)])
def test_the_time_that_is_left_is_shown_long_before_it_is_a_finding(
    flavour: Flavour, keep: timedelta, left: float | None
) -> None:
    shown = build_cluster_view(remembering(behind(flavour, keep=BinlogKeep(keep=keep)), 2 * HOUR), (), ())
    assert [channel.purge_seconds_left for server in shown.servers for channel in server.channels] == [left, None]


@FLAVOURS
@pytest.mark.parametrize(("receiver", "told"), [(RUN, False), (STOP, True)])
def test_a_receiver_that_was_level_a_moment_ago_keeps_up(flavour: Flavour, receiver: ThreadState, told: bool) -> None:
    """Looks at both ends are never at one moment; and logs that are kept for less than a few looks are no trouble to it."""
    made = behind(flavour, keep=BinlogKeep(keep=timedelta(seconds=30)), receiver=receiver)
    assert (horizon(remembering(made, timedelta(seconds=29), speed=0.0)) is not None) is told


def files(rate: float | None, *sizes: int) -> BinlogFiles:
    return BinlogFiles(asked=NOW, sizes=tuple((f"bin.{number}", size) for number, size in enumerate(sizes, 1)), rate=rate)


@pytest.mark.parametrize(
    ("logs", "place", "left"),
    [
        (files(1.0, 10000, 10000, 10000, 4000), "bin.2:44", 12000),
        (files(2.0, 10000, 10000, 10000, 4000), "bin.2:44", 6000),
        (files(1.0, 10000, 10000, 10000, 4000), "bin.3:44", None),  # more than the half
        (files(1.0, 9000, 9000, 9000, 9001), "bin.1:44", 0),
        (files(None, 9000, 9000, 9000, 9001), "bin.1:44", None),
        (files(0.0, 9000, 9000, 9000, 9001), "bin.1:44", None),
        (files(1.0, 9000, 9000, 9000, 9001), "bin.9:44", None),
        (files(1.0, 9000, 9000, 9000, 9001), "", None),
        (files(1.0), "bin.1:44", None),
        (None, "bin.1:44", None),
    ],
)
def test_bytes_that_are_left(logs: BinlogFiles | None, place: str, left: int | None) -> None:
    """36,000 of them are kept, and what is missing is not known to be old."""
    made = behind(MA, keep=BinlogKeep(most=36000, files=logs), source_log=place)
    found = horizon(made)
    assert (found.evidence["seconds_left"] if found else None) == (None if left is None else str(left))
    assert found is None or found.evidence["deleted_by"] == "size"


def test_the_nearer_limit_counts() -> None:
    by_size = files(1.0, 10000, 10000, 10000, 4000)
    for keep, nearer in ((4 * HOUR, "age"), (90 * HOUR, "size")):
        made = behind(MA, keep=BinlogKeep(keep=keep, most=36000, files=by_size), source_log="bin.2:4")
        found = horizon(remembering(made, 3 * HOUR))
        assert found is not None
        assert found.evidence["deleted_by"] == nearer


@pytest.mark.parametrize(
    ("least", "clients", "told"), [(0, 0, True), (1, 0, False), (1, 1, True), (2, 1, False), (2, None, True)]
)
def test_nothing_is_deleted_while_too_few_replicas_are_connected(least: int, clients: int | None, told: bool) -> None:
    made = behind(MA, keep=BinlogKeep())
    looked = observation(
        MA, 1, gtid_executed=gtids(MA, 9), binlog=BinlogKeep(keep=HOUR, least_clients=least), dump_clients=clients
    )
    source = replace(made.servers[0], result=looked)
    made = replace(made, servers=(source, *made.servers[1:]))
    assert (horizon(remembering(made, 2 * HOUR)) is not None) is told


def by_place(flavour: Flavour, place: str, logs: BinlogFiles | None, **changes: Any) -> World:
    """db2 goes by file and position. Nothing shows in GTIDs (MySQL), or not what it has received (MariaDB)."""
    changes = {"uses_gtid": False, "source_log": place, "gtid_received": "", **changes}
    received, keep = (9 if flavour is MY else 5), BinlogKeep(keep=changes.pop("keep", 16 * HOUR), files=logs)
    return behind(flavour, keep=keep, received=received, **changes)


def at_place(made: World, level: timedelta | None, *, marked: timedelta = timedelta(0), speed: float | None = None) -> World:
    """When it was level with its source's list of logs, and which look at that it has not come to."""
    made = remembering(made, level, speed=speed)
    progress = made.progress.channels["db2", ""]
    reach = Reach(
        source="db1",
        mark="bin.4:4000",
        marked=NOW - marked,
        is_place=True,
        level=NOW - level if level is not None else None,
        at=NOW if level is not None else None,
        speed=speed,
    )
    return replace(made, progress=Progress(channels={("db2", ""): replace(progress, owed_since=None, reach=reach)}))


@FLAVOURS
@pytest.mark.parametrize(
    ("place", "missing"),
    [
        ("bin.4:4000", None),
        ("bin.4:3990", "10"),
        ("bin.3:10000", "4000"),
        ("bin.1:4", "33996"),
        ("bin.4:9000", None),  # the list is as old as that
        ("bin.5:4", None),
        ("other.1:4", None),
    ],
)
def test_what_is_missing_is_told_by_the_place(flavour: Flavour, place: str, missing: str | None) -> None:
    made = at_place(by_place(flavour, place, files(None, 10000, 10000, 10000, 4000)), 9 * HOUR)
    found = horizon(made)
    assert (found.evidence["bytes_missing"] if found else None) == missing
    assert found is None or "transactions_missing" not in found.evidence
    assert found is None or found.evidence["seconds_left"] == str(7 * 3600)


@FLAVOURS
@pytest.mark.parametrize(
    ("receiver", "level", "marked", "left"),
    [
        (STOP, None, 9 * HOUR, 7 * HOUR),  # the look that first saw the source ahead
        (STOP, 10 * HOUR, 9 * HOUR, 6 * HOUR),
        (CONNECT, 10 * HOUR, 9 * HOUR, 6 * HOUR),
        (STOP, HOUR, HOUR, None),
        (RUN, None, 9 * HOUR, None),
        (RUN, 10 * HOUR, 9 * HOUR, 6 * HOUR),
    ],
)
def test_since_when_a_place_is_needed(
    flavour: Flavour, receiver: ThreadState, level: timedelta | None, marked: timedelta, left: timedelta | None
) -> None:
    made = by_place(flavour, "bin.4:44", files(None, 100, 100, 100, 100), receiver=receiver)
    found = horizon(at_place(made, level, marked=marked))
    assert (found.evidence["seconds_left"] if found else None) == (f"{left.total_seconds():.0f}" if left else None)


@FLAVOURS
@pytest.mark.parametrize(("level", "told"), [(timedelta(seconds=110), False), (timedelta(seconds=130), True)])
def test_who_had_the_list_before_keeps_up(flavour: Flavour, level: timedelta, told: bool) -> None:
    """It is not asked for in each look."""
    logs = replace(files(None, 100, 100), before=NOW - timedelta(seconds=120))
    made = by_place(flavour, "bin.2:44", logs, receiver=RUN, keep=timedelta(seconds=150))
    assert (horizon(at_place(made, level, speed=0.0)) is not None) is told


@FLAVOURS
@pytest.mark.parametrize(
    ("place", "changes", "gone"),
    [
        ("bin.6:4", {}, True),
        ("bin.6:4", {"receiver": CONNECT}, True),
        ("bin.6:4", {"receiver": RUN}, False),
        ("bin.6:4", {"source": address(9)}, False),  # no server of the inventory: those have logs of other numbers
        ("bin.7:4", {}, False),
        ("bin.12:4", {}, False),
        ("other.6:4", {}, False),
        ("bin.x:4", {}, False),
    ],
)
def test_a_file_that_the_replica_needs_is_gone(flavour: Flavour, place: str, changes: dict[str, Any], gone: bool) -> None:
    logs = BinlogFiles(asked=NOW, sizes=(("bin.7", 100), ("bin.8", 100), ("bin.10", 100)))
    identity = {"source_server_id": 9, "source_uuid": uuid(flavour, 9)} if "source" in changes else {}
    found = [each for each in diagnose(by_place(flavour, place, logs, **changes, **identity)) if "oldest_log" in each.evidence]
    assert [(each.subject.code, each.evidence["oldest_log"]) for each in found] == (
        [(FindingCode.BINLOG_PURGED, "bin.7")] if gone else []
    )


@FLAVOURS
def test_who_goes_by_gtids_needs_no_file(flavour: Flavour) -> None:
    logs = BinlogFiles(asked=NOW, sizes=(("bin.7", 100),))
    assert "binlog-purged" not in codes(behind(flavour, keep=BinlogKeep(files=logs), source_log="bin.6:4"))
