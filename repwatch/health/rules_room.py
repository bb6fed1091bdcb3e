"""Rules about room that runs out: on a disk, for relay logs, and for the numbers of new rows."""

from collections.abc import Iterator
from datetime import timedelta

from repwatch.health import commands
from repwatch.health.inventory import label
from repwatch.health.rules_common import evidence, of_channel, seen, subject
from repwatch.health.world import ServerNow, World
from repwatch.model.backlog import has_work
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.observation import ChannelObservation, DiskSpace, ThreadWait
from repwatch.model.sequence import AutoIncrement

DISK_WARN, DISK_WAKE = 0.1, 0.03
"""Shares of a disk that are still free."""

FULL_SOON, FULL_NOW = timedelta(hours=4), timedelta(hours=1)
"""Time until it is full at its present rate, where more is used each minute, for twelve in a row."""

RELAY_WARN = 0.8
NUMBERS_WAKE = 0.95
SHOWN = 10


def disk_nearly_full(world: World) -> Iterator[Finding]:
    """Little is free on a disk that a server has its data or logs on, or it fills so fast that it soon will be."""
    for server, observation in seen(world):
        spaces = observation.disks.spaces if observation.disks else ()
        found = [(space, _time_left(world, server, space)) for space in spaces if space.used + space.free > 0]
        short = [(space, left) for space, left in found if _share(space) < DISK_WARN or (left is not None and left < FULL_SOON)]
        if short:
            yield _disk(world, server, min(short, key=_rank), len(short) - 1)


def disks_unknown(world: World) -> Iterator[Subject]:
    """Where nothing is told of disks, which may be since the plugin or the privilege went: that makes no room."""
    for server, observation in seen(world):
        if observation.disks is None or not observation.disks.spaces:
            yield subject(world, server, FindingCode.DISK_NEARLY_FULL)


def _rank(short: tuple[DiskSpace, timedelta | None]) -> tuple[bool, timedelta, float]:
    """The least is the worst."""
    space, left = short
    return not _wakes(space, left), timedelta.max if left is None else left, _share(space)


def _wakes(space: DiskSpace, left: timedelta | None) -> bool:
    return _share(space) < DISK_WAKE or (left is not None and left < FULL_NOW)


def _share(space: DiskSpace) -> float:
    return space.free / (space.used + space.free)


def _time_left(world: World, server: ServerNow, space: DiskSpace) -> timedelta | None:
    """Until it is full; None if it does not fill steadily, or is not known to."""
    trend = world.progress.disks.get((label(server), space.path))
    if trend is None or not trend.only_grows or not trend.rate:
        return None
    return timedelta(seconds=min(space.free / trend.rate, timedelta(days=3650).total_seconds()))


def _disk(world: World, server: ServerNow, short: tuple[DiskSpace, timedelta | None], more: int) -> Finding:
    space, left = short
    soon = f", and it is full in {left.total_seconds() / 60:.0f} minutes at its present rate" if left else ""
    return Finding(
        subject=subject(world, server, FindingCode.DISK_NEARLY_FULL),
        severity=Severity.CRITICAL if _wakes(space, left) else Severity.WARNING,
        summary=f"{label(server)}: {_share(space):.0%} of the disk at {space.path} are free ({space.free / 2**30:.1f} GiB){soon}"
        + (f" (and {more} more)" if more else ""),
        meaning="When it is full, commits and replication wait without an error, or fail, until somebody makes room.",
        remedy=f"See on {label(server)}'s host what fills it. Binary logs that every replica has received go with `PURGE BINARY "
        "LOGS`; relay logs that pile up mean an applier that is behind; a large temporary table ends with its session.",
        avoid="Do not delete files of InnoDB, binary logs or relay logs by hand.",
        evidence=evidence(
            {
                "path": space.path,
                "free_bytes": space.free,
                "used_bytes": space.used,
                "full_in_seconds": f"{left.total_seconds():.0f}" if left is not None else "",
            }
        ),
        settled=False,
    )


def relay_space_full(world: World) -> Iterator[Finding]:
    """The relay logs have, or nearly have, the size that relay_log_space_limit allows: the receiver pauses then.

    What is applied makes room with the next file: a server keeps the one that it writes, however large.
    """
    for server, observation in seen(world):
        for channel in observation.channels:
            limit = _relay_limit(server)
            used = channel.relay_space / limit if limit and channel.relay_space is not None else None
            waits = channel.receiver_wait is ThreadWait.RELAY_SPACE
            fills = used is not None and used >= RELAY_WARN and has_work(observation.version.flavour, channel)
            if waits or fills:
                yield _relay_space(world, server, channel, waits, used)


def _relay_limit(server: ServerNow) -> int:
    """Bytes; 0: there is none, or it is not known."""
    risks = server.observation.risks if server.observation else None
    text = risks.settings.get("relay_log_space_limit", "") if risks else ""
    return int(text) if text.isdigit() else 0


def _relay_space(world: World, server: ServerNow, channel: ChannelObservation, waits: bool, used: float | None) -> Finding:
    what = "the receiver has stopped reading until the applier makes room" if waits else f"{used:.0%} of their limit are used"
    restart = commands.fields(world, server, channel.name)
    return Finding(
        subject=subject(world, server, FindingCode.RELAY_SPACE_FULL, channel.name),
        severity=Severity.CRITICAL if waits else Severity.WARNING,
        summary=f"{label(server)}{of_channel(channel)}: relay logs: {what}",
        meaning="What the receiver does not read is safe on the source alone, for as long as the source keeps its binary logs. "
        "The server's own lag says nothing of it.",
        remedy="See why the applier is slow or stands (its other findings). If it only needs time, raise "
        "`relay_log_space_limit` in the option file, where the disk has room; that takes a restart of the server.",
        avoid="Do not delete relay logs by hand.",
        evidence=evidence(
            {
                "relay_log_space": channel.relay_space,
                "relay_log_space_limit": _relay_limit(server) or "",
                "receiver_state": channel.receiver_text,
                "applier": channel.applier.value,
                "applier_state": channel.applier_text,
                "reseed": restart.get("reseed", "") if waits else "",
            }
        ),
        settled=False,
    )


def auto_increment_exhaustion(world: World) -> Iterator[Finding]:
    """Tables of a source whose next rows will soon get no number."""
    for server, observation in seen(world):
        known = observation.auto_increments
        found = known.found if known else ()
        if not found or observation.channels:
            continue
        worst = found[0]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        yield Finding(
            subject=subject(world, server, FindingCode.AUTO_INCREMENT_EXHAUSTION),
            severity=Severity.CRITICAL if worst.used >= NUMBERS_WAKE else Severity.WARNING,
            summary=f"{label(server)}: {_said(worst)}{more}",
            meaning="When the last number is used, every INSERT into the table fails (1062 or 167). An ALTER to a larger type "
            "copies the table, here and on each replica, and may take hours.",
            remedy="Plan the larger type now: on the source, `ALTER TABLE … MODIFY … BIGINT UNSIGNED NOT NULL AUTO_INCREMENT`, "
            "or a tool that does it online; columns that refer to it need the larger type as well.",
            avoid="Do not alter a replica alone: it would differ from its source.",
            evidence=evidence(
                {
                    "tables": "; ".join(map(_said, found[:SHOWN])),
                    "asked": known and known.asked,
                    "failure": known and known.failure,
                }
            ),
            settled=False,
        )


def numbers_unknown(world: World) -> Iterator[Subject]:
    """Where nothing can be said of numbers that run out: the source was asked, and did not answer."""
    for server, observation in seen(world):
        if observation.auto_increments is not None and observation.auto_increments.failure:
            yield subject(world, server, FindingCode.AUTO_INCREMENT_EXHAUSTION)


def _said(each: AutoIncrement) -> str:
    return f"{each.table}.{each.column} ({each.kind}) has used {each.used:.1%} of its numbers"
