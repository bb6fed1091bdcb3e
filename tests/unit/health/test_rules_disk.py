"""A disk without space, as the server says it itself and as only its process list shows it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from repwatch.health.causes import causes
from repwatch.health.incident import Incident, Look, LookKind, Phase, step
from repwatch.health.movement import ChannelProgress, Movement, Progress
from repwatch.health.rules import diagnose
from repwatch.model.finding import FindingCode
from repwatch.model.observation import NoSpace, ProbeFailure, ThreadError, ThreadState, ThreadWait
from repwatch.model.server import Flavour
from tests.unit.health.worlds import NOW, channel, observation, star, unobserved, world

MY = Flavour.MYSQL


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"receiver_wait": ThreadWait.DISK}, ["disk-full"]),
        ({"applier_text": "Waiting for disk space"}, ["disk-full"]),
        ({"applier_text": "Waiting for someone to free space"}, ["disk-full"]),
        ({"receiver_wait": ThreadWait.RELAY_SPACE}, ["relay-space-full"]),
        ({"applier_text": "Waiting for the next event in relay log"}, []),
    ],
)
def test_a_server_that_says_it(changes: dict[str, Any], found: list[str]) -> None:
    source, _, other = star(MY)
    made = world([source, observation(MY, 2, channel(MY, 1, **changes)), other])
    assert [each.subject.code.value for each in diagnose(made)] == found


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


STUCK = ThreadError(errno=1114, text="The table 't' is full", at=NOW - minutes(600))
STOPPED = {"applier": ThreadState.STOPPED, "applier_error": STUCK}


@pytest.mark.parametrize(
    ("ago", "stands", "changes", "told"),
    [
        (10, None, {}, True),
        (12, None, {}, False),
        (12, 13, {}, True),  # InnoDB complains once, and then it tries again in silence
        (12, 2, {}, False),  # it has moved since
        (601, None, STOPPED, True),
        (500, None, STOPPED, True),  # others went on trying
        (612, None, STOPPED, False),  # it was over when the applier failed: a table of MEMORY is full, too
        (601, None, STOPPED | {"applier_error": replace(STUCK, errno=1062)}, False),
    ],
)
def test_what_innodb_says(ago: float, stands: float | None, changes: dict[str, Any], told: bool) -> None:
    """So many minutes ago; an applier that has had work stands where it is for so many."""
    source, _, other = star(MY)
    replica = observation(MY, 2, channel(MY, 1, **changes), no_space=NoSpace(at=NOW - minutes(ago), text="error number 28."))
    since = NOW - minutes(stands or 0)
    moved = Movement(mark="x", looked=NOW, since=since, before=since - minutes(0.1))
    progress = ChannelProgress(receiver=moved, applier=moved, source_mark="", work_since=since if stands else None)
    made = replace(world([source, replica, other]), progress=Progress(channels={("db2", ""): progress}))
    found = {each.subject.code: each.subject for each in diagnose(made)}
    assert (FindingCode.DISK_FULL in found) is told
    if told and FindingCode.APPLIER_ERROR in found:
        assert causes(made, diagnose(made))[found[FindingCode.APPLIER_ERROR]] == found[FindingCode.DISK_FULL]


@pytest.mark.parametrize(("ago", "told"), [(12, True), (60, False)])
def test_who_was_never_seen_to_move_is_only_told_of_if_it_was_seen_soon_afterwards(ago: float, told: bool) -> None:
    """As after a restart of repwatch, two minutes ago."""
    source, _, other = star(MY)
    replica = observation(MY, 2, channel(MY, 1), no_space=NoSpace(at=NOW - minutes(ago), text="error number 28."))
    stood = Movement(mark="x", looked=NOW, since=NOW - minutes(2))
    progress = ChannelProgress(receiver=stood, applier=stood, source_mark="", work_since=stood.since)
    made = replace(world([source, replica, other]), progress=Progress(channels={("db2", ""): progress}))
    assert (FindingCode.DISK_FULL in {each.subject.code for each in diagnose(made)}) is told


def test_a_source_whose_disk_is_full() -> None:
    source, replica, other = star(MY)
    made = world([replace(source, no_space=NoSpace(at=NOW, text="error number 28.")), replica, other])
    assert [each.subject.code for each in diagnose(made)] == [FindingCode.DISK_FULL]


@pytest.mark.parametrize(("executed", "told"), [("a:1-7", True), ("a:1-8", False)])
def test_a_source_that_waits_to_write_its_binary_log(executed: str, told: bool) -> None:
    """It commits nothing while it waits."""
    said = NoSpace(at=NOW, text="Disk is full writing", stuck_at="a:1-7")
    source, replica, other = star(MY)
    made = world([replace(source, no_space=said, gtid_executed=executed), replica, other])
    assert (FindingCode.DISK_FULL in {each.subject.code for each in diagnose(made)}) is told


def test_a_server_whose_status_hangs() -> None:
    source, _, other = star(Flavour.MARIADB)
    (found,) = diagnose(world([source, unobserved(ProbeFailure.DISK_FULL), other]))
    assert (found.subject.code, found.evidence["status"]) == (FindingCode.DISK_FULL, "hangs")


def test_it_takes_the_place_of_a_timeout() -> None:
    """Blindness with a reason is more than blindness; and what hides behind it is not resolved by it."""
    source, _, other = star(MY)
    everyone = frozenset(f"10.0.0.{n}:3306" for n in (1, 2, 3))
    look = Look(at=NOW, kind=LookKind.POLL, asked=everyone, observed=everyone - {"10.0.0.2:3306"})
    late = diagnose(world([source, unobserved(ProbeFailure.TIMED_OUT), other]))
    full = diagnose(world([source, unobserved(ProbeFailure.DISK_FULL), other]))
    known: list[Incident] = []
    for findings in (late, late, full, full):
        known = [change.after for change in step(known, findings, look, {}) if change.after is not None]
    phases = {incident.subject.code: incident.phase for incident in known}
    assert phases == {FindingCode.SERVER_UNREACHABLE: Phase.RESOLVED, FindingCode.DISK_FULL: Phase.OPEN}
