"""The inventory against what is seen: which server a channel reads from, which one it should, and whom AUTO settles on."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from repwatch.health.agreement import agreed_root
from repwatch.health.world import ServerNow, World
from repwatch.model.observation import ChannelObservation, Observation, ThreadState
from repwatch.model.topology import AUTO, ClusterSpec, ServerSpec
from repwatch.model.view import Role


def label(server: ServerNow) -> str:
    """How the inventory calls a server."""
    return server.spec.label


def find(world: World, name: str | None) -> ServerNow | None:
    """The server with that label or address."""
    return next((server for server in world.servers if server.spec.is_called(name)), None)


def is_source(world: World, server: ServerNow) -> bool:
    """True for the cluster's source in force."""
    return server.spec.is_called(world.source)


def role_of(cluster: ClusterSpec, server: ServerSpec, source: str | None) -> Role:
    """What a server is in its cluster; `source` is the label of the source in force, None while AUTO is not settled."""
    if server.is_called(source) or not cluster.upstream(server):  # a further source, of a channel
        return Role.SOURCE
    # Of those who should replicate from anybody else than the source. In a large cluster `upstream` of each of them takes long.
    named = (set(other.channels.values()) or {other.replicates_from or ""} for other in cluster.servers)
    return Role.INTERMEDIATE if any(server.is_called(label) for labels in named for label in labels) else Role.REPLICA


def wanted_channels(world: World, server: ServerNow) -> Mapping[str, str]:
    """Channel name -> label of the source it should have. Empty for sources, and while AUTO is not settled."""
    upstream = world.cluster.upstream(server.spec)
    wanted = {channel: world.source if label == AUTO else label for channel, label in upstream.items()}
    if AUTO in upstream.values() and is_source(world, server):
        return {}
    return {channel: label for channel, label in wanted.items() if label is not None}


def wanted_source(world: World, server: ServerNow, channel: str) -> ServerNow | None:
    """The server that a channel should read from. A single channel may have any name, as long as the inventory gives it none."""
    wanted = wanted_channels(world, server)
    return find(world, wanted.get(channel) or (next(iter(wanted.values())) if len(wanted) == 1 else None))


def is_replica(world: World, server: ServerNow) -> bool:
    """True if this server should replicate, or does while nobody has said who should."""
    if wanted_channels(world, server):
        return True
    known = server.last_good
    return world.source is None and known is not None and bool(known.channels)


def same_server(world: World, server: ServerNow) -> ServerNow | None:
    """The earlier entry of the inventory that is this very server under another address."""
    own = server.observation
    if own is None or not own.instance:
        return None
    for other in world.servers:
        if other is server:
            return None
        if other.observation and other.observation.instance == own.instance and _same_identity(other.observation, own):
            return other
    return None


def _same_identity(one: Observation, two: Observation) -> bool:
    return (one.server_id, one.server_uuid) == (two.server_id, two.server_uuid)


def source_of(world: World, channel: ChannelObservation) -> ServerNow | None:
    """The server of the inventory that a channel reads from, None if it is another one or cannot be told.

    By identity where the channel is connected, for one server has many addresses. A channel that is not connected may still
    carry the identity of its last source (MariaDB keeps Master_Server_Id over CHANGE MASTER), so there its address comes first.
    """
    ways = (_by_identity, _by_address) if channel.receiver is ThreadState.RUNNING else (_by_address, _by_identity)
    found = ways[0](world, channel) or ways[1](world, channel)
    return found[0] if len(found) == 1 else None


def _by_identity(world: World, channel: ChannelObservation) -> list[ServerNow]:
    return [server for server in world.servers if server.last_good and is_identity(channel, server.last_good)]


def _by_address(world: World, channel: ChannelObservation) -> list[ServerNow]:
    return [server for server in world.servers if server.spec.endpoint.address == channel.source]


def is_identity(channel: ChannelObservation, source: Observation) -> bool:
    """True if what the channel says of its source is this server."""
    if channel.source_uuid and source.server_uuid:
        return channel.source_uuid == source.server_uuid
    return channel.source_server_id != 0 and channel.source_server_id == source.server_id


def agreed_source(world: World) -> str | None:
    """The label of the server that all replication in the cluster comes from, as `agreed_root` tells.

    Servers that cannot be seen now count as they were seen last, so that a source that goes down stays the source.
    """
    links = {(label(server), label(source)) for server, source in _links(world) if source is not server}
    return agreed_root(links, [label(server) for server in world.servers if server.last_good and not server.last_good.read_only])


def is_settled(world: World) -> bool:
    """True if it is seen now that replication comes from the source in force, and nothing known says otherwise.

    Then nothing is wrong with the cluster as a whole, though a server be out of sight, as the old source is after a failover.
    """
    source = find(world, world.source)
    if source is None or source.observation is None or find(world, agreed_source(world)) is not source:
        return False
    observed = (server.observation for server in world.servers)
    return any(source_of(world, channel) is source for look in observed if look is not None for channel in look.channels)


class Dispute(NamedTuple):
    """The source that the configuration names, and the one that the replicas have."""

    configured: ServerNow
    agreed: ServerNow


def disputed_source(world: World) -> Dispute | None:
    """Set if all that replicates in the cluster comes from one server, and the configuration names another one."""
    source, agreed = find(world, world.source), find(world, agreed_source(world))
    if world.cluster.source == AUTO or source is None or world.cluster.upstream(source.spec):
        return None
    if agreed is None or agreed is source or same_server(world, agreed) is source or same_server(world, source) is agreed:
        return None
    return Dispute(source, agreed)


def _links(world: World) -> Iterator[tuple[ServerNow, ServerNow]]:
    for server in world.servers:
        for channel in server.last_good.channels if server.last_good else ():
            source = source_of(world, channel)
            if source is not None:
                yield server, source
