"""Rules about a disk without space."""

from collections.abc import Iterator
from datetime import timedelta

from repwatch.health.inventory import label
from repwatch.health.rules_common import evidence, seen, subject, unseen
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.observation import ChannelObservation, NoSpace, Observation, ProbeFailure, ThreadState, ThreadWait
from repwatch.sql.status_texts import thread_wait

RECENT = timedelta(minutes=11)
"""So long after its last failed write a server is told of, where nothing else tells how it is now. It says it again after ten."""

NO_ROOM = {1114, 1021, 3, 28}
"""Errors of an applier whose table or disk is full."""


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
        elif observation.no_space is not None and _holds(world, server, observation, observation.no_space):
            yield _said(world, server, observation.no_space)


def _waits_for_space(channel: ChannelObservation) -> bool:
    return ThreadWait.DISK in (channel.receiver_wait, thread_wait(channel.applier_text))


def _holds(world: World, server: ServerNow, observation: Observation, said: NoSpace) -> bool:
    """True shortly after a write that failed for want of space, and for as long as an applier has not got on since.

    Who waits to write the binary log commits nothing: it is over as soon as anything is committed.
    """
    if said.stuck_at is not None and said.stuck_at != observation.gtid_executed:
        return False
    return world.now - said.at <= RECENT or any(_stands(world, server, channel, said) for channel in observation.channels)


def _stands(world: World, server: ServerNow, channel: ChannelObservation, said: NoSpace) -> bool:
    error, known = channel.applier_error, world.progress.channels.get((label(server), channel.name))
    if channel.applier is ThreadState.STOPPED:
        return error is not None and error.errno in NO_ROOM and (error.at is None or error.at - said.at <= RECENT)
    if known is None or known.work_since is None or known.applier.moved_after(said.at):
        return False
    return known.applier.since - said.at <= RECENT  # else nobody has seen where it stood then


def _said(world: World, server: ServerNow, said: NoSpace) -> Finding:
    return Finding(
        subject=subject(world, server, FindingCode.DISK_FULL),
        severity=Severity.CRITICAL,
        summary=f"{label(server)}: it could not write, because a disk is full",
        meaning="Its error log says so. Writes fail (1114), or commits wait without an error; an applier does the same.",
        remedy=f"Make room on {label(server)}; the evidence has its own words. Then start the applier, if it has stopped.",
        avoid="Do not delete files of InnoDB or binary logs by hand, and do not restart the server before there is room: it may "
        "not come up.",
        evidence=evidence({"told_at": said.at.isoformat(), "error": said.text}),
        settled=False,
    )


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
