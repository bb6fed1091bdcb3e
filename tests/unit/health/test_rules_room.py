"""Room that runs out: relay logs, numbers of new rows, attempts of a receiver."""

from dataclasses import replace
from datetime import timedelta

import pytest

from repwatch.health.causes import causes
from repwatch.health.movement import Progress
from repwatch.health.progress import remember
from repwatch.health.rules import diagnose
from repwatch.health.rules_room import auto_increment_exhaustion, disk_nearly_full, numbers_unknown, relay_space_full
from repwatch.health.unjudged import unjudged
from repwatch.health.world import World
from repwatch.model.finding import FindingCode, Severity
from repwatch.model.observation import Attempts, Disks, DiskSpace, ProbeFailure, ProbeResult, ThreadError, ThreadState, ThreadWait
from repwatch.model.risks import Risks
from repwatch.model.schema import TableName
from repwatch.model.sequence import AutoIncrement, AutoIncrements
from repwatch.model.server import Flavour
from tests.unit.health.worlds import NOW, channel, observation, unobserved, world

FLAVOURS = pytest.mark.parametrize("flavour", list(Flavour))


@FLAVOURS
@pytest.mark.parametrize(
    ("space", "limit", "wait", "severity"),
    [
        (100, "1000", None, None),
        (799, "1000", None, None),
        (800, "1000", None, Severity.WARNING),
        (1500, "1000", None, Severity.WARNING),
        (1500, "1000", ThreadWait.RELAY_SPACE, Severity.CRITICAL),
        (1, "0", ThreadWait.RELAY_SPACE, Severity.CRITICAL),
        (10**12, "0", None, None),
        (10**12, "", None, None),
        (None, "1000", None, None),
        (900, "odd", None, None),
        (900, "1000", ThreadWait.DISK, Severity.WARNING),
    ],
)
def test_relay_space(flavour: Flavour, space: int | None, limit: str, wait: ThreadWait | None, severity: Severity | None) -> None:
    behind = channel(flavour, 1, relay_space=space, receiver_wait=wait, source_log="b.1:9", applied_log="b.1:1")
    risks = Risks(settings={"relay_log_space_limit": limit} if limit else {})
    looked = world([observation(flavour, 1), observation(flavour, 2, behind, risks=risks)])
    assert [finding.severity for finding in relay_space_full(looked)] == ([severity] if severity else [])
    assert list(relay_space_full(world([observation(flavour, 1), observation(flavour, 2, behind)]))) == [] or wait is not None


@FLAVOURS
@pytest.mark.parametrize(("applied", "found"), [("b.1:1", 1), ("b.1:9", 0)])
def test_relay_logs_that_are_applied_make_room_with_the_next_file(flavour: Flavour, applied: str, found: int) -> None:
    full = channel(flavour, 1, relay_space=900, source_log="b.1:9", applied_log=applied)
    risks = Risks(settings={"relay_log_space_limit": "1000"})
    looked = world([observation(flavour, 1), observation(flavour, 2, full, risks=risks)])
    assert len(list(relay_space_full(looked))) == found


def sequence(number: int, most: int = 1000, table: str = "orders") -> AutoIncrement:
    return AutoIncrement(table=TableName("shop", table), column="id", kind="int", next=number, most=most)


@FLAVOURS
@pytest.mark.parametrize(("number", "severity"), [(801, Severity.WARNING), (951, Severity.CRITICAL), (1001, Severity.CRITICAL)])
def test_numbers_that_run_out(flavour: Flavour, number: int, severity: Severity) -> None:
    asked = AutoIncrements(asked=NOW, found=(sequence(number), sequence(801, table="other")))
    looked = world([observation(flavour, 1, auto_increments=asked), observation(flavour, 2, channel(flavour, 1))])
    (finding,) = auto_increment_exhaustion(looked)
    assert finding.severity is severity
    assert "shop.orders" in finding.evidence["tables"]
    assert "shop.other" in finding.evidence["tables"]
    replica = observation(flavour, 2, channel(flavour, 1), auto_increments=asked)  # it was a source a moment ago
    assert list(auto_increment_exhaustion(world([observation(flavour, 1), replica]))) == []


@FLAVOURS
@pytest.mark.parametrize("found", [(), (sequence(801),)])
def test_a_source_that_did_not_answer_resolves_nothing(flavour: Flavour, found: tuple[AutoIncrement, ...]) -> None:
    def seen(failure: str) -> World:
        known = AutoIncrements(asked=NOW, found=found, failure=failure)
        return world([observation(flavour, 1, auto_increments=known), observation(flavour, 2, channel(flavour, 1))])

    (unknown,) = numbers_unknown(seen("3024 it took too long"))
    assert (unknown.server, unknown.code) == ("10.0.0.1:3306", FindingCode.AUTO_INCREMENT_EXHAUSTION)
    assert [finding.subject for finding in auto_increment_exhaustion(seen("3024 it took too long"))] == [unknown] * len(found)
    assert list(numbers_unknown(seen(""))) == []
    assert list(numbers_unknown(world([observation(flavour, 1)]))) == []


def retrying(made: int, most: int, source: ProbeResult | None = None) -> World:
    error = ThreadError(errno=2003, text="Error connecting to source")
    attempts = Attempts(made=made, most=most, pause=timedelta(minutes=1)) if most else None
    stuck = channel(Flavour.MYSQL, 1, receiver=ThreadState.CONNECTING, receiver_error=error, attempts=attempts)
    return world([source or observation(Flavour.MYSQL, 1), observation(Flavour.MYSQL, 2, stuck)])


@pytest.mark.parametrize(
    ("made", "most", "left", "soon"),
    [
        (2, 10, "480", False),
        (5, 10, "300", True),
        (12, 10, "0", True),
        (86384, 86400, "960", False),
        (86385, 86400, "900", True),
        (0, 0, None, False),
    ],
)
def test_attempts_that_run_out(made: int, most: int, left: str | None, soon: bool) -> None:
    findings = {finding.subject.code: finding for finding in diagnose(retrying(made, most))}
    evidence = findings[FindingCode.RECEIVER_RETRYING].evidence
    assert evidence.get("gives_up_in_seconds") == left
    assert ("nearly_used_up" in evidence) is soon
    lost = {finding.subject.code: finding for finding in diagnose(retrying(made, most, unobserved(ProbeFailure.UNREACHABLE)))}
    assert lost[FindingCode.RECEIVER_RETRYING].evidence["cause"] == "server-unreachable"
    assert (lost[FindingCode.RECEIVER_RETRYING].severity is Severity.CRITICAL) is soon


def test_what_was_not_asked_is_no_finding() -> None:
    looked = world([observation(Flavour.MYSQL, 1, auto_increments=AutoIncrements(asked=NOW)), observation(Flavour.MYSQL, 2)])
    assert list(auto_increment_exhaustion(looked)) == []
    assert list(auto_increment_exhaustion(replace(looked, servers=looked.servers[1:]))) == []


GIB = 2**30


def disk_world(*spaces: DiskSpace, growing: float = 0.0, minutes: int = 12, also: int = 0) -> World:
    """A MariaDB source with these disks, which have filled by so many bytes a minute for so long; `also`: once less."""
    progress = Progress()
    for ago in range(minutes, -1, -1):
        past = tuple(replace(space, used=space.used - int(growing * ago) - (also if ago == 3 else 0)) for space in spaces)
        looked = NOW - timedelta(minutes=ago)
        seen = observation(Flavour.MARIADB, 1, at=looked, disks=Disks(asked=looked, spaces=past))
        made = replace(world([seen]), progress=progress)
        progress = remember(made)
    return replace(made, progress=progress)


@pytest.mark.parametrize(
    ("used", "free", "growing", "minutes", "severity"),
    [
        (91, 9, 0, 1, Severity.WARNING),
        (90, 10, 0, 1, None),
        (98, 2, 0, 1, Severity.CRITICAL),
        (100, 0, 0, 1, Severity.CRITICAL),
        (0, 0, 0, 1, None),
        (50, 50, 0.1, 12, None),  # in more than eight hours
        (50, 50, 0.25, 12, Severity.WARNING),
        (50, 50, 1, 12, Severity.CRITICAL),
        (50, 50, 1, 11, None),  # not known for long enough
        (50, 50, -1, 12, None),
    ],
)
def test_a_disk_that_is_nearly_full(used: int, free: int, growing: float, minutes: int, severity: Severity | None) -> None:
    made = disk_world(DiskSpace(path="/srv", used=used * GIB, free=free * GIB), growing=growing * GIB, minutes=minutes)
    assert [each.severity for each in disk_nearly_full(made)] == ([severity] if severity else [])


def test_a_disk_that_does_not_only_fill_is_no_trend() -> None:
    space = DiskSpace(path="/srv", used=50 * GIB, free=50 * GIB)
    assert not [*disk_nearly_full(disk_world(space, growing=GIB, also=3 * GIB))]


def test_one_finding_a_server_and_the_worst_disk_in_it() -> None:
    made = disk_world(*(DiskSpace(path=path, used=98 - free, free=free) for path, free in (("/a", 8), ("/b", 2), ("/c", 50))))
    (found,) = disk_nearly_full(made)
    assert found.evidence["path"] == "/b"


@pytest.mark.parametrize("filling", [(50, 50, GIB / 4), (91, 9, GIB / 64)], ids=["fast", "slowly"])
@pytest.mark.parametrize("order", [1, -1])
def test_a_disk_that_must_wake_is_told_before_one_that_fills(filling: tuple[int, int, float], order: int) -> None:
    used, free, growing = filling
    critical, other = DiskSpace(path="/a", used=99 * GIB, free=GIB), DiskSpace(path="/b", used=used * GIB, free=free * GIB)
    made = disk_world(critical, other)
    trends = {(where, path): trend for (where, path), trend in disk_world(other, growing=growing).progress.disks.items()}
    seen = made.servers[0].observation
    assert seen is not None
    assert seen.disks is not None
    disks = replace(seen.disks, spaces=seen.disks.spaces[::order])
    made = replace(made, servers=world([replace(seen, disks=disks)]).servers, progress=Progress(disks=trends))
    (found,) = disk_nearly_full(made)
    assert (found.severity, found.evidence["path"]) == (Severity.CRITICAL, "/a")


@pytest.mark.parametrize("disks", [None, Disks(asked=NOW, spaces=())], ids=["no plugin", "no privilege"])
def test_a_disk_that_is_not_told_of_has_no_room_yet(disks: Disks | None) -> None:
    hidden = world([observation(Flavour.MARIADB, 1, disks=disks)])
    shown = world([observation(Flavour.MARIADB, 1, disks=Disks(asked=NOW, spaces=(DiskSpace(path="/", used=1, free=1),)))])
    assert FindingCode.DISK_NEARLY_FULL in {each.code for each in unjudged(hidden)}
    assert FindingCode.DISK_NEARLY_FULL not in {each.code for each in unjudged(shown)}


@pytest.mark.parametrize("jump", [timedelta(hours=-3), timedelta(minutes=6)], ids=["clock set back", "gap"])
def test_how_a_disk_fills_begins_anew(jump: timedelta) -> None:
    filled = disk_world(DiskSpace(path="/srv", used=50 * GIB, free=50 * GIB), growing=GIB)
    disks = Disks(asked=NOW + jump, spaces=(DiskSpace(path="/srv", used=51 * GIB, free=49 * GIB),))
    after = remember(replace(world([observation(Flavour.MARIADB, 1, disks=disks)]), progress=filled.progress))
    (trend,) = after.disks.values()
    assert len(trend.figures) == 1


def test_a_full_disk_explains_that_it_is_nearly_full() -> None:
    made = disk_world(DiskSpace(path="/srv", used=100, free=0))
    (found,) = disk_nearly_full(made)
    assert causes(made, diagnose(made))[found.subject].code is FindingCode.DISK_FULL
