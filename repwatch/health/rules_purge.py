"""Rules about binary logs of a source that are gone, or soon will be, before a replica has received them."""

from collections.abc import Iterator
from datetime import timedelta

from repwatch.health import commands
from repwatch.health.horizon import Horizon, KeptBy, horizon, own_files, says_purged, upstream
from repwatch.health.inventory import label
from repwatch.health.places import is_gone
from repwatch.health.received import unreceived
from repwatch.health.rules_common import channels, evidence, of_channel, subject
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.observation import ChannelObservation, Observation, ThreadState

WARN_BELOW = timedelta(days=1)
WAKE_BELOW = timedelta(hours=4)
"""Time left; where binary logs are kept for two days or less, a half and an eighth of that."""


def binlog_purged(world: World) -> Iterator[Finding]:
    """The source no longer has what the replica needs next; its receiver may not know yet."""
    for server, channel in channels(world):
        source = upstream(world, server, channel)
        missing, oldest = _gone(server, channel, source), _oldest(world, channel)
        told = says_purged(channel)
        if not missing and not oldest and not told:
            continue
        fields = commands.fields(world, server, channel.name)
        yield Finding(
            subject=subject(world, server, FindingCode.BINLOG_PURGED, channel.name),
            severity=Severity.CRITICAL,
            summary=f"{label(server)}{of_channel(channel)}: its source {channel.source} has deleted binary logs that it has "
            "not received",
            meaning="It cannot catch up from this source any more, whether its receiver has noticed or not. What is read from it "
            "stays as old as it is.",
            remedy=f"Attach it to a server that still has the transactions, or rebuild it: {fields.get('reseed', '')}",
            avoid="Do not set the replica to the source's present position: all in between would be missing without a trace.",
            evidence=evidence(
                {
                    "transactions_gone": missing or "",
                    "source_purged": source.binlog.purged if source else "",
                    "source_log": channel.source_log if oldest else "",
                    "oldest_log": oldest,
                    "gtid_received": channel.gtid_received,
                    "gtid_executed": channel.gtid_executed,
                    "receiver": channel.receiver.value,
                    "error": channel.receiver_error.text if told and channel.receiver_error else "",
                    "source": channel.source,
                }
            ),
            settled=False,
        )


def _gone(server: ServerNow, channel: ChannelObservation, source: Observation | None) -> int:
    """How many purged transactions this replica lacks. Not while its receiver runs: a log that is being sent stays."""
    seen = server.observation
    if seen is None or source is None or not channel.uses_gtid or channel.receiver is ThreadState.RUNNING:
        return 0
    try:
        return unreceived(seen, channel, source.binlog.purged)
    except ValueError:
        return 0


def _oldest(world: World, channel: ChannelObservation) -> str:
    """The source's oldest file, if a channel that goes by file and position needs an older one; as `_gone`."""
    files = own_files(world, channel)
    if files is None or channel.receiver is ThreadState.RUNNING or not is_gone(files, channel):
        return ""
    return files.sizes[0][0]


def purge_horizon(world: World) -> Iterator[Finding]:
    """The source will delete by itself what the replica has not received, and there is not much time left."""
    for server, channel in channels(world):
        found = horizon(world, server, channel)
        if found is None or _gone(server, channel, found.source) or _oldest(world, channel):
            continue
        if found.left < min(WARN_BELOW, found.keep / 2):
            yield _soon(world, server, channel, found)


def _soon(world: World, server: ServerNow, channel: ChannelObservation, found: Horizon) -> Finding:
    left, keep = found.left, found.keep
    fields = commands.fields(world, server, channel.name)
    when = f"in {_duration(left)}" if left > timedelta(0) else "at any time now"
    return Finding(
        subject=subject(world, server, FindingCode.PURGE_HORIZON, channel.name),
        severity=Severity.CRITICAL if left < min(WAKE_BELOW, keep / 8) else Severity.WARNING,
        summary=f"{label(server)}{of_channel(channel)}: its source {channel.source} may delete binary logs that it has not "
        f"received, {when}",
        meaning=f"{_KEEPS[found.by].format(keep=_duration(keep))} Once they are gone, this replica can only be rebuilt."
        + (_SENT if channel.receiver is ThreadState.RUNNING else ""),
        remedy=f"Let it receive again, or faster, before that: {fields.get('start_receiver', '')}. If that takes longer, keep "
        f"the logs: on the source, {_keep_longer(found)}.",
        avoid="Do not purge binary logs on the source meanwhile.",
        evidence=evidence(
            {
                "seconds_left": f"{max(0.0, left.total_seconds()):.0f}",
                "deleted_by": found.by.value,
                "keep_seconds": f"{keep.total_seconds():.0f}",
                "keep_bytes": found.source.binlog.most if found.by is KeptBy.SIZE else "",
                "bytes_written_each_second": _rate(found),
                "seconds_received_each_second": f"{found.pace:.2f}" if found.pace is not None else "",
                "needed_since": found.since.isoformat() if found.since else "",
                "transactions_missing": "" if found.by_place else found.missing,
                "bytes_missing": found.missing if found.by_place else "",
                "receiver": channel.receiver.value,
                "gtid_received": channel.gtid_received,
                "source_log": channel.source_log,
                "source": channel.source,
            }
        ),
        settled=False,
    )


_KEEPS = {
    KeptBy.AGE: "The source keeps binary logs for {keep}.",
    KeptBy.SIZE: "The source keeps binary logs up to a size that it writes in {keep} at its present rate.",
}
_SENT = " Logs that are being sent stay: it is the next break of the connection that loses them."


def _rate(found: Horizon) -> str:
    files = found.source.binlog.files
    return f"{files.rate:.0f}" if found.by is KeptBy.SIZE and files and files.rate else ""


def _keep_longer(found: Horizon) -> str:
    days, source = 2 * max(1, found.keep.days), found.source
    if found.by is KeptBy.SIZE:
        return f"`SET GLOBAL max_binlog_total_size = {2 * (source.binlog.most or 0)}`, where the disk has room"
    if source.version.is_mariadb or not source.version.at_least(8, 0):
        return f"`SET GLOBAL expire_logs_days = {days}`"
    return f"`SET GLOBAL binlog_expire_logs_seconds = {days * 86400}`"


def _duration(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}s"
    return f"{seconds} seconds"
