"""What an incident means for its cluster: how far behind, how long until it cannot catch up any more, who still replicates well.

Told of what makes a server one that nobody should rely on. Nothing is said of a server that is not seen now.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from repwatch.health.horizon import horizon, source_of_channel, upstream
from repwatch.health.inventory import find, is_replica, label, same_server
from repwatch.health.lag import lag_of, whole_lag
from repwatch.health.progress import progressing
from repwatch.health.received import unapplied
from repwatch.health.rules_common import seen
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding, FindingCode
from repwatch.model.gtid import missing_count
from repwatch.model.impact import Impact, Names
from repwatch.model.observation import ChannelObservation, Observation, ThreadState
from repwatch.model.server import Flavour

_OF_A_LOST_SOURCE = frozenset(
    {
        FindingCode.RECEIVER_STOPPED,
        FindingCode.RECEIVER_RETRYING,
        FindingCode.RECEIVER_ERROR,
        FindingCode.RECEIVER_STALLED,
        FindingCode.LAGGING,
    }
)
"""What its replicas show when a source is gone, whatever they have of it."""

UNRELIABLE = _OF_A_LOST_SOURCE | {
    FindingCode.SERVER_UNREACHABLE,
    FindingCode.LOGIN_REFUSED,
    FindingCode.PRIVILEGE_MISSING,
    FindingCode.OBSERVATION_STALE,
    FindingCode.DISK_FULL,
    FindingCode.COMMITS_BLOCKED,
    FindingCode.RELAY_SPACE_FULL,
    FindingCode.DUPLICATE_SERVER_ID,
    FindingCode.HALF_LOADED,
    FindingCode.REPLICATION_MISSING,
    FindingCode.WRONG_SOURCE,
    FindingCode.BINLOG_PURGED,
    FindingCode.PURGE_HORIZON,
    FindingCode.APPLIER_STOPPED,
    FindingCode.APPLIER_ERROR,
    FindingCode.APPLIER_BLOCKED,
    FindingCode.APPLIER_STALLED,
    FindingCode.ERRANT_TRANSACTIONS,
    FindingCode.SKIPPED_TRANSACTIONS,
    FindingCode.SUSPECT_DATA,
    FindingCode.DRIFTED,
}
"""What speaks against reading from a server, or failing over to it.

It does not replicate, takes no writes to the end, is not seen, or may hold other data.
"""


def impact_of(world: World, findings: Collection[Finding], finding: Finding) -> Impact | None:
    """The impact of one finding, with all that is found at that moment; None if it leaves its server reliable, or is of none."""
    subject = finding.subject
    server = find(world, subject.server)
    if server is None or subject.code not in UNRELIABLE:
        return None
    visible = {each.address for each, _ in seen(world)}
    below = [each for each in world.servers if each is not server and _reads_from(world, each, server)]
    others = [
        each for each in world.servers if each is not server and is_replica(world, each) and same_server(world, each) is None
    ]
    doubted = {each.subject.server for each in findings if each.subject.code in UNRELIABLE}
    lost = bool(below) and subject.code is FindingCode.SERVER_UNREACHABLE and not progressing(world, server)
    found = Impact(
        below=Names.of([label(each) for each in below]),
        complete=Names.of([label(each) for each in below if _is_complete(world, each, server, findings)]) if lost else None,
        good=Names.of([label(each) for each in others if _is_good(world, each, visible - doubted, ())]),
        others=len(others),
    )
    channel = _channel(world, server, subject.channel) if server.address in visible else None
    return _with_lag(found, world, server, channel, subject.code) if channel else found


def _with_lag(found: Impact, world: World, server: ServerNow, channel: ChannelObservation, code: FindingCode) -> Impact:
    lag = whole_lag(world, server, channel)
    purge = horizon(world, server, channel) if code is not FindingCode.BINLOG_PURGED else None
    return replace(
        found,
        lag_seconds=lag.seconds,
        lag_at_least=lag.at_least,
        transactions_missing=_missing(server.observation, channel, upstream(world, server, channel)),
        purge_seconds_left=max(0.0, purge.left.total_seconds()) if purge else None,
    )


def _channel(world: World, server: ServerNow, name: str) -> ChannelObservation | None:
    """The one that the finding is about; of a finding about the whole server the one that is furthest behind, as far as known."""
    channels = server.observation.channels if server.observation else ()
    named = [channel for channel in channels if channel.name == name] or channels
    return max(named, key=lambda each: lag_of(world, server, each).seconds or 0.0, default=None)


def _missing(seen: Observation | None, channel: ChannelObservation, source: Observation | None) -> int | None:
    """How much its source has that it has not applied; not of one that leaves something out, for that is never applied.

    A look at the source that is older than that at the replica does not show that nothing is missing.
    """
    if seen is None or source is None or not source.gtid_offered or not channel.uses_gtid or channel.filters:
        return None
    try:
        missing = unapplied(seen, channel, source.gtid_offered)
    except ValueError:
        return None
    return missing if missing or source.at >= seen.at else None


def _reads_from(world: World, server: ServerNow, source: ServerNow) -> bool:
    return any(source_of_channel(world, server, channel) is source for channel in _known_channels(server))


def _known_channels(server: ServerNow) -> Sequence[ChannelObservation]:
    return server.last_good.channels if server.last_good else ()


def _is_good(world: World, server: ServerNow, sound: Collection[str], above: tuple[str, ...]) -> bool:
    """True if it and everything between it and the source replicates well. A ring is fine if all its members are."""
    if server.address not in sound or not _known_channels(server):
        return False
    above = (*above, server.address)
    return all(_is_fed(world, server, source, sound, above) for source in _sources(world, server))


def _is_fed(world: World, server: ServerNow, source: ServerNow, sound: Collection[str], above: tuple[str, ...]) -> bool:
    """True if what this source has comes through to the server, as far as that can be seen."""
    if source.address in above:
        return True
    if is_replica(world, source):
        return _is_good(world, source, sound, above)
    return source.observation is not None or label(server) in progressing(world, source)


def _sources(world: World, server: ServerNow) -> Iterator[ServerNow]:
    for channel in _known_channels(server):
        source = source_of_channel(world, server, channel)
        if source is not None:
            yield source


def _is_complete(world: World, server: ServerNow, lost: ServerNow, findings: Collection[Finding]) -> bool:
    """True if it is seen to have applied all that it received of the lost server, and nothing but the loss speaks against it."""
    against = UNRELIABLE - _OF_A_LOST_SOURCE
    if server.observation is None or any(f.subject.server == server.address and f.subject.code in against for f in findings):
        return False
    flavour = server.observation.version.flavour
    channels = [each for each in server.observation.channels if source_of_channel(world, server, each) is lost]
    return all(each.applier is ThreadState.RUNNING and _has_applied_all(flavour, each) for each in channels)


def _has_applied_all(flavour: Flavour, channel: ChannelObservation) -> bool:
    """True if it surely has applied what it received."""
    if not (channel.uses_gtid and channel.gtid_received):
        return channel.applied_log == channel.source_log != ""
    try:
        return not missing_count(flavour, channel.gtid_executed, channel.gtid_received)
    except ValueError:
        return False
