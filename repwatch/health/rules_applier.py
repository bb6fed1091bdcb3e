"""Rules about an applier that runs and does not get on: a lock that somebody holds, or work that takes too long."""

from collections.abc import Iterator
from datetime import timedelta

from repwatch.health.inventory import label
from repwatch.health.lag import true_lag
from repwatch.health.limits import MANY_LIMITS, due_delay, intended_delay, lag_limit
from repwatch.health.rules_common import channels, evidence, of_channel, subject
from repwatch.health.world import ServerNow, World
from repwatch.model.applier import ApplierWork, Holder, WaitKind
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.observation import ChannelObservation, ThreadState
from repwatch.sql.applier_rows import lock_wait

_WAITS = {
    WaitKind.METADATA_LOCK: "a table's metadata lock",
    WaitKind.GLOBAL_LOCK: "a lock on the whole server",
    WaitKind.ROW_LOCK: "a row lock",
}


def applier_blocked(world: World) -> Iterator[Finding]:
    """It waits for a lock that a session on the replica holds."""
    for server, channel in channels(world):
        wait, work = _waits_for(world, server, channel), channel.work
        if wait is None:
            continue
        seconds = _standing(world, server, channel).total_seconds()
        place = f" on {work.table}" if work and work.table and wait is not WaitKind.GLOBAL_LOCK else ""
        yield Finding(
            subject=subject(world, server, FindingCode.APPLIER_BLOCKED, channel.name),
            severity=_severity(world, server, channel),
            summary=f"{label(server)}{of_channel(channel)}: the applier waits for {_WAITS[wait]}{place}, {_by(work)}",
            meaning="Nothing is applied until that session lets go. What is read from this replica gets older by the second.",
            remedy=_release(server, work),
            avoid="Do not stop or skip the transaction: it is in order, and it goes on as soon as the lock is free.",
            evidence=evidence(
                {
                    "wait": wait.value,
                    "table": work.table if work else "",
                    "standing_seconds": f"{seconds:.0f}" if work or seconds else "",
                }
                | _blockers(work)
                | _work(channel, work)
            ),
            settled=False,
        )


def _waits_for(world: World, server: ServerNow, channel: ChannelObservation) -> WaitKind | None:
    """By its thread; or by the channel's own text, where the account may not see the sessions, or there is the text alone.

    One that is seen to move waits for a moment only.
    """
    if channel.work is not None or channel.applier is not ThreadState.RUNNING:
        return channel.work.wait if channel.work else None
    watched = (label(server), channel.name) in world.progress.channels
    return None if watched and not _standing(world, server, channel) else lock_wait(channel.applier_text)


def _blockers(work: ApplierWork | None) -> dict[str, str]:
    return {"blocker" if work.certain else "blocker_candidates": "; ".join(map(_told, work.holders))} if work else {}


def _by(work: ApplierWork | None) -> str:
    if work is None or not work.holders:
        return "and the server does not tell who holds it"
    first = work.holders[0]
    more = f" and {len(work.holders) - 1} more" if len(work.holders) > 1 else ""
    if work.certain:
        return f"held by connection {first.connection} of {first.account}{more}"
    return f"perhaps held by connection {first.connection} of {first.account}{more}"


def _told(holder: Holder) -> str:
    since = "" if holder.seconds is None else f" for {holder.seconds} s"
    doing = f"{holder.command}{since}" + (f": {holder.statement}" if holder.statement else "")
    return f"connection {holder.connection} of {holder.account} ({doing})"


def _release(server: ServerNow, work: ApplierWork | None) -> str:
    if work and work.holders and work.certain:
        first = work.holders[0].connection
        return f"Find out what connection {first} is for. If it may go: on {label(server)} `KILL {first}`."
    plugin = "" if work is None or work.certain else " To have it named the next time: `INSTALL SONAME 'metadata_lock_info'`."
    return (
        "See in the process list who may hold it: a session in a transaction, LOCK TABLES, FLUSH TABLES WITH READ LOCK or a "
        f"backup. Ask its owner before you kill it.{plugin}"
    )


def applier_stalled(world: World) -> Iterator[Finding]:
    """It has work, waits for nobody, and its position has not moved for longer than its delay and its limit allow."""
    for server, channel in channels(world):
        standing = _standing(world, server, channel)
        if channel.applier is not ThreadState.RUNNING or _waits_for(world, server, channel):
            continue
        if standing <= lag_limit(world, server) + due_delay(server, channel):
            continue
        work = channel.work
        place = f" in {work.table}" if work and work.table else ""
        without = ", which has no primary key" if work and work.keyless else ""
        yield Finding(
            subject=subject(world, server, FindingCode.APPLIER_STALLED, channel.name),
            severity=_severity(world, server, channel),
            summary=f"{label(server)}{of_channel(channel)}: the applier has been at one transaction for "
            f"{standing.total_seconds():.0f} s{place}{without}",
            meaning="One transaction takes very long here: a large one, DDL, or row changes in a table where each row has to be "
            "searched for. All that comes after it waits.",
            remedy=_quicken(work),
            avoid="Do not restart the applier: it would begin that transaction again.",
            evidence=evidence(
                {
                    "standing_seconds": f"{standing.total_seconds():.0f}",
                    "table": work.table if work else "",
                    "primary_key": "none" if work and work.keyless else "",
                }
                | _work(channel, work)
            ),
            settled=False,
        )


def _quicken(work: ApplierWork | None) -> str:
    if work and work.keyless:
        return (
            f"Let it finish, and then give {work.table} a primary key on the source: without one the replica reads the table "
            "for every changed row."
        )
    return (
        "See whether it gets on (rows_changed grows). If it does, let it finish; large changes are better made in small "
        "transactions. If it does not, look at the replica's disks and at its process list."
    )


def _standing(world: World, server: ServerNow, channel: ChannelObservation) -> timedelta:
    """For how long the applier has been seen to have work and not to move."""
    known = world.progress.channels.get((label(server), channel.name))
    return known.applier.still_since(known.work_since) if known else timedelta(0)


def _severity(world: World, server: ServerNow, channel: ChannelObservation) -> Severity:
    """As bad as the lag that it makes: what is withheld as its symptom would else be worse than what is told."""
    delay = intended_delay(server, channel)
    behind = timedelta(seconds=min(true_lag(world, server, channel).seconds or 0.0, _LONG)) - delay
    worst = max(behind, _standing(world, server, channel) - delay)
    return Severity.CRITICAL if worst > MANY_LIMITS * lag_limit(world, server) else Severity.WARNING


_LONG = timedelta(days=36500).total_seconds()


def _work(channel: ChannelObservation, work: ApplierWork | None) -> dict[str, object]:
    return {
        "statement": work.statement if work else "",
        "rows_changed": work.rows_changed if work else None,
        "applier_state": work.stage if work else channel.applier_text,
        "applier_connection": work.connection if work else None,
        "gtid_executed": channel.gtid_executed,
        "source": channel.source,
    }
