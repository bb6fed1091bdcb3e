"""Rules about binary logs of a source that are gone, or soon will be, before a replica has received them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from repwatch.health import commands
from repwatch.health.errors_catalogue import ErrorClass, advise
from repwatch.health.errors_receiver import RECEIVER_ERRORS
from repwatch.health.inventory import label, source_of, wanted_source
from repwatch.health.rules_common import channels, evidence, of_channel, subject
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.gtid import MariadbPosition, missing_count
from repwatch.model.observation import ChannelObservation, Observation, ThreadState
from repwatch.model.server import Flavour

WARN_BELOW = timedelta(days=1)
WAKE_BELOW = timedelta(hours=4)
"""Time left; where binary logs are kept for two days or less, a half and an eighth of that."""


def binlog_purged(world: World) -> Iterator[Finding]:
    """The source no longer has what the replica needs next; its receiver may not know yet."""
    for server, channel in channels(world):
        source = _source(world, server, channel)
        missing = _gone(server, channel, source)
        told = _says_so(channel)
        if not missing and not told:
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
                    "gtid_received": channel.gtid_received,
                    "gtid_executed": channel.gtid_executed,
                    "receiver": channel.receiver.value,
                    "error": channel.receiver_error.text if told and channel.receiver_error else "",
                    "source": channel.source,
                }
            ),
            settled=False,
        )


def _source(world: World, server: ServerNow, channel: ChannelObservation) -> Observation | None:
    source = source_of(world, channel) or wanted_source(world, server, channel.name)
    return source.observation if source else None


def _says_so(channel: ChannelObservation) -> bool:
    error = channel.receiver_error
    if error is None or channel.receiver is not ThreadState.STOPPED:
        return False
    return advise(error.errno, error.text, RECEIVER_ERRORS).error_class is ErrorClass.PURGED


def _gone(server: ServerNow, channel: ChannelObservation, source: Observation | None) -> int:
    """How many purged transactions this replica lacks. Not while its receiver runs: a log that is being sent stays."""
    seen = server.observation
    if seen is None or source is None or not channel.uses_gtid or channel.receiver is ThreadState.RUNNING:
        return 0
    try:
        here = _here(seen, channel)
        purged = source.binlog.purged
        if source.version.flavour is Flavour.MARIADB:
            # A domain that the replica knows nothing of may be one that it leaves out on purpose.
            known = dict(MariadbPosition.parse(here).last)
            purged = str(MariadbPosition(tuple(p for p in MariadbPosition.parse(purged).last if p[0] in known)))
        return missing_count(source.version.flavour, here, purged)
    except ValueError:
        return 0


def _here(seen: Observation, channel: ChannelObservation) -> str:
    return ",".join(filter(None, (seen.gtid_executed, channel.gtid_received)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Horizon:
    source: Observation
    keep: timedelta
    since: datetime  # at or after which the first transaction that the replica lacks was committed
    left: timedelta
    missing: int


def purge_horizon(world: World) -> Iterator[Finding]:
    """The source will delete by age what the replica has not received, and there is not much time left."""
    for server, channel in channels(world):
        horizon = _horizon(world, server, channel)
        if horizon and horizon.missing and horizon.left < min(WARN_BELOW, horizon.keep / 2):
            yield _soon(world, server, channel, horizon)


def _horizon(world: World, server: ServerNow, channel: ChannelObservation) -> _Horizon | None:
    source, seen = _source(world, server, channel), server.observation
    since = _needed_since(world, server, channel)
    if source is None or source.binlog.keep is None or seen is None or since is None:
        return None
    if _gone(server, channel, source) or _says_so(channel):
        return None
    keep = source.binlog.keep
    try:
        missing = missing_count(source.version.flavour, _here(seen, channel), source.gtid_executed)
    except ValueError:
        return None
    return _Horizon(source=source, keep=keep, since=since, left=since + keep - world.now, missing=missing)


def _needed_since(world: World, server: ServerNow, channel: ChannelObservation) -> datetime | None:
    """A time at which, or after which, the first transaction that the replica lacks was committed; None where nothing is owed.

    MySQL tells when the last received one was. Else it is the look that first saw the source ahead; of a stop that is older than
    repwatch's memory nobody knows.
    """
    known = world.progress.channels.get((label(server), channel.name))
    owed, told = (known.owed_since if known else None), channel.pulse.last_commit
    if channel.receiver is ThreadState.RUNNING and owed is None:
        return None
    remembered = known is not None and known.receiver.before is not None
    return owed if remembered and owed else told or owed


def _soon(world: World, server: ServerNow, channel: ChannelObservation, horizon: _Horizon) -> Finding:
    left, keep = horizon.left, horizon.keep
    fields = commands.fields(world, server, channel.name)
    when = f"in {_duration(left)}" if left > timedelta(0) else "at any time now"
    return Finding(
        subject=subject(world, server, FindingCode.PURGE_HORIZON, channel.name),
        severity=Severity.CRITICAL if left < min(WAKE_BELOW, keep / 8) else Severity.WARNING,
        summary=f"{label(server)}{of_channel(channel)}: its source {channel.source} may delete binary logs that it has not "
        f"received, {when}",
        meaning=f"The source keeps binary logs for {_duration(keep)}. Once they are gone, this replica can only be rebuilt.",
        remedy=f"Let it receive again before that: {fields.get('start_receiver', '')}. If that takes longer, keep the logs: on "
        f"the source, {_keep_longer(horizon)}.",
        avoid="Do not purge binary logs on the source meanwhile.",
        evidence=evidence(
            {
                "seconds_left": f"{max(0.0, left.total_seconds()):.0f}",
                "keep_seconds": f"{keep.total_seconds():.0f}",
                "needed_since": horizon.since.isoformat(),
                "transactions_missing": horizon.missing,
                "receiver": channel.receiver.value,
                "gtid_received": channel.gtid_received,
                "source": channel.source,
            }
        ),
        settled=False,
    )


def _keep_longer(horizon: _Horizon) -> str:
    days, source = 2 * max(1, horizon.keep.days), horizon.source
    if source.version.is_mariadb or not source.version.at_least(8, 0):
        return f"`SET GLOBAL expire_logs_days = {days}`"
    return f"`SET GLOBAL binlog_expire_logs_seconds = {days * 86400}`"


def _duration(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}s"
    return f"{seconds} seconds"
