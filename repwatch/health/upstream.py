"""Who replicates from whom, told by identity: addresses differ with the network that one looks from."""

from collections.abc import Mapping

from repwatch.health.agreement import agreed_root
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


def agreed_source(looks: Mapping[str, Look]) -> str | None:
    """The label of the server that all replication among these comes from, as `agreed_root` tells."""
    links = {
        (label, source)
        for label, look in looks.items()
        for channel in look.channels or ()
        if (source := _upstream(label, channel, looks)) is not None
    }
    return agreed_root(links, [label for label, look in looks.items() if not look.is_on("read_only")])


def _upstream(label: str, channel: ChannelState, looks: Mapping[str, Look]) -> str | None:
    return next((other for other, look in looks.items() if other != label and leads_to(channel, look)), None)


def wanted_source(cluster: ClusterSpec, server: ServerSpec, channel: str, settled: str | None) -> str | None:
    """The label of the server that the channel should lead to; None if nothing is said, or AUTO is not settled."""
    wanted = cluster.upstream(server).get(channel)
    return settled if wanted == AUTO else wanted
