"""Rules about what should replicate from where."""

from collections.abc import Iterator

from repwatch.health import commands
from repwatch.health.errant import errant_transactions
from repwatch.health.inventory import agreed_source, find, is_identity, label, same_server, source_of, wanted_channels
from repwatch.health.rules_common import channels, evidence, of_channel, seen, subject
from repwatch.health.rules_source import disputes
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.observation import ChannelObservation, Observation, ThreadState
from repwatch.model.topology import AUTO


def replication_missing(world: World) -> Iterator[Finding]:
    """A server should replicate and has no channel for it."""
    for server, observation in seen(world):
        if same_server(world, server):
            continue
        for name, wanted in wanted_channels(world, server).items():
            if not _candidates(server, observation, name):
                yield _missing(world, server, observation, name, find(world, wanted))
    yield from _nobody_replicates(world)


def _candidates(server: ServerNow, observation: Observation, name: str) -> list[ChannelObservation]:
    """The channels that may be the wanted one. Where the inventory names none, a channel may have any name."""
    exact = [channel for channel in observation.channels if channel.name == name]
    return exact or ([] if server.spec.channels else list(observation.channels))


def _missing(world: World, server: ServerNow, observation: Observation, channel: str, source: ServerNow | None) -> Finding:
    wanted = label(source) if source else "its source"
    named = f" over channel {channel}" if channel else ""
    return Finding(
        subject=subject(world, server, FindingCode.REPLICATION_MISSING, channel),
        severity=Severity.CRITICAL,
        summary=f"{label(server)} should replicate from {wanted}{named}, and has no such channel",
        meaning="Replication was reset away, or never set up, or the server was restored from a copy without it. "
        + ("Its data stands still" if observation.read_only else "It gets nothing, and takes writes of its own")
        + ", and no server shows an error for it.",
        remedy=f"{_way_back(world, server, observation, channel, source)} If it is no replica any more, take it out of the "
        "configuration.",
        avoid="Do not attach it at the source's present position: everything in between would be missing without a trace.",
        evidence=evidence(
            {
                "wanted_source": wanted,
                "gtid_executed": observation.gtid_executed,
                "read_only": "" if observation.read_only else "off",
            }
        ),
        settled=False,
    )


_BY_PLACE = (
    "Without GTIDs (gtid_mode is off) no server tells where in the source's binary logs its data stands. If file and position "
    "are known for sure, {change} there; if not, copy its data anew."
)


def _way_back(world: World, server: ServerNow, observation: Observation, channel: str, source: ServerNow | None) -> str:
    """A server with data of its own must not be attached: it would keep it, and stop or differ in silence."""
    reseed = commands.fields(world, server, channel)["reseed"]
    if errant_transactions(world, server):
        return f"It has transactions that its source does not have (errant-transactions). When they are dealt with: {reseed}."
    if not observation.read_only and not server.spec.writable:
        stop = commands.set_read_only(observation.version)
        return (
            f"It takes writes: stop them first: {stop}. What was written here is missing everywhere else; see whether there is "
            f"any before it replicates again: {commands.compare(source, server) if source else reseed}."
        )
    if commands.without_gtid(observation, source.last_good if source else None):
        return _BY_PLACE.format(change="attach it")
    attach = (commands.attach_to(observation, channel, source) if source else "") or "CHANGE … TO"
    return f"If its GTID position is still that of its data, attach it again: {attach}. If you are not sure: {reseed}."


def wrong_source(world: World) -> Iterator[Finding]:
    """A channel reads from another server than the inventory says."""
    for server, observation in seen(world):
        if same_server(world, server):
            continue
        for name, wanted in wanted_channels(world, server).items():
            source = find(world, wanted)
            found = _candidates(server, observation, name)
            if source is not None and found and all(_is_elsewhere(world, channel, source) for channel in found):
                yield _wrong(world, server, found[0], source)
    yield from _sources_disagree(world)
    yield from disputes(world)


def _is_elsewhere(world: World, channel: ChannelObservation, wanted: ServerNow) -> bool:
    """True if the channel surely reads from another server: an address that nobody knows proves nothing."""
    found = source_of(world, channel)
    if found is not None:
        return found is not wanted and same_server(world, found) is not wanted
    known = wanted.last_good
    if known is None or channel.source == wanted.spec.endpoint.address:
        return False
    # MariaDB keeps the last source's id while a changed channel is not connected; there the id proves nothing either.
    has_identity = bool(channel.source_uuid) or (channel.source_server_id and channel.receiver is ThreadState.RUNNING)
    return bool(has_identity) and not is_identity(channel, known)


def _wrong(world: World, server: ServerNow, channel: ChannelObservation, wanted: ServerNow) -> Finding:
    seen_now = server.observation
    actual = source_of(world, channel)
    reads_from = label(actual) if actual else str(channel.source)
    move = commands.point_to(seen_now, channel.name, wanted) if seen_now else ""
    if commands.without_gtid(seen_now, wanted.last_good):
        back = f"If not: {_BY_PLACE.format(change='point it')}"
    else:
        back = (
            f"If not, see first whether the replica took transactions that {label(wanted)} does not have (compare their GTIDs). "
            f"If it did: {commands.fields(world, server, channel.name)['reseed']}; if not: {move or 'CHANGE … TO'}"
        )
    return Finding(
        subject=subject(world, server, FindingCode.WRONG_SOURCE, channel.name),
        severity=Severity.CRITICAL,
        summary=f"{label(server)}{of_channel(channel)} replicates from {reads_from}, not from {label(wanted)}",
        meaning="Either the topology was changed and the configuration was not, or somebody pointed the replica to the wrong "
        "server. Then it receives another history than its cluster's.",
        remedy=f"If {reads_from} is right, say so in the configuration (source, replicates_from). {back}",
        avoid="Do not move a replica that has foreign transactions: it would stop, or differ in silence.",
        evidence=evidence(
            {
                "source": channel.source,
                "source_server_id": channel.source_server_id,
                "source_uuid": channel.source_uuid,
                "wanted_source": wanted.address,
                "wanted_server_id": wanted.last_good.server_id if wanted.last_good else None,
                "wanted_uuid": wanted.last_good.server_uuid if wanted.last_good else None,
            }
        ),
        settled=False,
    )


def _unsettled(world: World) -> bool:
    return world.cluster.source == AUTO and world.source is None and len(world.servers) > 1


def _nobody_replicates(world: World) -> Iterator[Finding]:
    """source = "auto", every server is seen, and none replicates."""
    observations = [observation for _, observation in seen(world)]
    if not _unsettled(world) or len(observations) < len(world.servers) or any(o.channels for o in observations):
        return
    yield Finding(
        subject=subject(world, None, FindingCode.REPLICATION_MISSING),
        severity=Severity.CRITICAL,
        summary=f"no server of {world.cluster.name} replicates",
        meaning="None of the cluster's servers has a replication channel, so that nothing tells which one is the source.",
        remedy="Set replication up, or name the source in the configuration, so that its replicas are known as such.",
        evidence=evidence({"servers": ", ".join(server.address for server in world.servers)}),
        settled=False,
    )


def _sources_disagree(world: World) -> Iterator[Finding]:
    """source = "auto", and what replicates does not come from one server."""
    sources = {str(channel.source) for _, channel in channels(world)}
    if not _unsettled(world) or not sources or agreed_source(world) is not None:
        return
    yield Finding(
        subject=subject(world, None, FindingCode.WRONG_SOURCE),
        severity=Severity.WARNING,
        summary=f"the replicas of {world.cluster.name} do not agree on one source of the configuration",
        meaning="They replicate from different servers, in a ring, or from a server that the configuration does not list.",
        remedy="List the source in the configuration and name it (source = …), or point the replicas to one source.",
        evidence=evidence({"sources": ", ".join(sorted(sources))}),
        settled=False,
    )
