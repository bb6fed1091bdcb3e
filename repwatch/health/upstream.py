"""Who replicates from whom, told by identity: addresses differ with the network that one looks from."""

from collections.abc import Mapping

from repwatch.health.checkup import Look
from repwatch.model.server import Address
from repwatch.model.topology import AUTO, ClusterSpec, ServerSpec
from repwatch.sql.replication import ChannelState

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def leads_to(channel: ChannelState, look: Look) -> bool:
    """True if `look` is the server that the channel replicates from.

    MySQL forgets the source's UUID with its address. MariaDB keeps the old server id (up to 12.x), so that it only tells
    something while the channel is connected.
    """
    if channel.source_uuid and look.server_uuid:
        return channel.source_uuid == look.server_uuid
    connected = channel.receiver_running and not channel.receiver_errno
    return same_place(channel.source, look) or (connected and channel.source_id == look.server_id != 0)


def same_place(address: Address, look: Look) -> bool:
    """True if the address is one of those that the server is known by."""
    port = int(look.variables.get("port") or 0)
    report = (look.variables.get("report_host", "").lower(), int(look.variables.get("report_port") or 0) or port)
    places = {(look.address.host, look.address.port), report, (look.variables.get("hostname", "").lower(), port)}
    return (address.host.lower(), address.port) in places


def agreed_source(cluster: ClusterSpec, looks: Mapping[str, Look]) -> str | None:
    """The label of the server that most others lead up to, None if there is none or two have as many.

    Only a server that replicates from no other server of the cluster can be it.
    """
    votes: dict[str, int] = {}
    for label in looks:
        top = _top(label, looks)
        if top is not None and top != label:
            votes[top] = votes.get(top, 0) + 1
    best = sorted(votes, key=lambda label: -votes[label])
    if not best or (len(best) > 1 and votes[best[0]] == votes[best[1]]):
        return None
    return next((server.label for server in cluster.servers if server.label == best[0]), None)


def wanted_source(cluster: ClusterSpec, server: ServerSpec, channel: str, settled: str | None) -> str | None:
    """The label of the server that the channel should lead to; None if nothing is said, or AUTO is not settled."""
    wanted = cluster.upstream(server).get(channel)
    return settled if wanted == AUTO else wanted


def _top(label: str, looks: Mapping[str, Look]) -> str | None:
    seen: set[str] = set()
    while label not in seen:
        seen.add(label)
        channels = looks[label].channels or ()
        above = [other for other, look in looks.items() for channel in channels if other != label and leads_to(channel, look)]
        if not above:
            return label
        label = above[0]
    return None
