"""Which server of a cluster is the source, where the configuration leaves it to the replicas (`source = "auto"`)."""

from collections import Counter
from collections.abc import Iterator, Sequence

from repwatch.health.world import ServerNow
from repwatch.model.observation import ChannelObservation
from repwatch.model.topology import AUTO, ClusterSpec


def settle(cluster: ClusterSpec, servers: Sequence[ServerNow], previous: str | None) -> str | None:
    """The label of the source in force: the configured one, or the one server that the others replicate from.

    In a chain that is the one that replicates from nobody. Where it is not clear, the one that was in force stays.
    """
    if cluster.source != AUTO:
        return cluster.source
    named = Counter(label for server in servers for label in _sources_of(server, servers))
    replicating = {server.spec.label for server in servers if server.last_good is not None and server.last_good.channels}
    heads = [label for label in named if label not in replicating]
    return heads[0] if len(heads) == 1 else previous


def _sources_of(server: ServerNow, servers: Sequence[ServerNow]) -> Iterator[str]:
    for channel in server.last_good.channels if server.last_good else ():
        yield from (other.spec.label for other in servers if other is not server and _is(other, channel))


def _is(server: ServerNow, channel: ChannelObservation) -> bool:
    """Whether a channel's source is this server. Addresses may differ in spelling, so identities count first."""
    seen = server.last_good
    if seen is not None and channel.source_uuid and seen.server_uuid:
        return channel.source_uuid == seen.server_uuid
    if seen is not None and channel.source_server_id:
        return channel.source_server_id == seen.server_id
    return channel.source == server.spec.endpoint.address
