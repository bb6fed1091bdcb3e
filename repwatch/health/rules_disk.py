"""Rules about a disk without space."""

from collections.abc import Iterator

from repwatch.health.inventory import label
from repwatch.health.rules_common import evidence, seen, subject, unseen
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.observation import ChannelObservation, ProbeFailure, ThreadWait
from repwatch.sql.status_texts import thread_wait


def disk_full(world: World) -> Iterator[Finding]:
    """A thread waits for space: its server says so itself, or only its process list still answers."""
    for server, result in unseen(world):
        if result.failure is ProbeFailure.DISK_FULL:
            known = server.last_good.at.isoformat() if server.last_good else "never"
            yield _full(world, server, {"status": "hangs", "error": result.text, "seen_last": known})
    for server, observation in seen(world):
        waiting = [channel for channel in observation.channels if _waits_for_space(channel)]
        if waiting:
            states = {"receiver_state": waiting[0].receiver_text, "applier_state": waiting[0].applier_text}
            yield _full(world, server, states | {"channels": ", ".join(channel.name for channel in waiting)})


def _waits_for_space(channel: ChannelObservation) -> bool:
    return ThreadWait.DISK in (channel.receiver_wait, thread_wait(channel.applier_text))


def _full(world: World, server: ServerNow, found: dict[str, str]) -> Finding:
    return Finding(
        subject=subject(world, server, FindingCode.DISK_FULL),
        severity=Severity.CRITICAL,
        summary=f"{label(server)}: the disk is full, and replication waits for space",
        meaning="The server cannot write a relay log or binary log and waits until somebody makes room. Both threads still say "
        "Yes, and no error is shown. On MariaDB every status statement about replication hangs as well.",
        remedy=f"Make room on {label(server)} where its relay logs and binary logs lie; its error log names the file. It tries "
        "again every 60 seconds and goes on by itself.",
        avoid="Do not delete relay log or binary log files by hand, and do not restart the server before there is room: it may "
        "not come up.",
        evidence=evidence(found),
        settled=False,
    )
