"""Find a whole topology from one of its servers: up its channels, down to the replicas that read from it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from repwatch.errors import RepwatchError, Unreachable, UsageError
from repwatch.flows.look import all_at_once, look_at
from repwatch.health.checkup import Failed, Look
from repwatch.health.discovery import Discovery, Node, assemble
from repwatch.health.upstream import LOOPBACK, agreed_source, leads_to, same_place
from repwatch.model.endpoint import Endpoint
from repwatch.model.server import Address
from repwatch.model.topology import AUTO, ClusterSpec
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect
from repwatch.sql.privileges import discovery_needs

MAX_SERVERS = 100
STANDARD_PORT = 3306


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lead:
    """A server that must be somewhere: the addresses to try, in order, and how to tell that it is the one."""

    addresses: tuple[Address, ...]
    is_it: Callable[[Look], bool]
    known: bool  # the first address is certain, so that the server is listed even if it is not reached
    told: str  # what it is, for a note


def settle_source(cluster: ClusterSpec, *, connect: Connect, clock: Clock) -> ClusterSpec:
    """The cluster with its source named; looks at the servers only where it is AUTO. Raises UsageError if they do not agree."""
    if cluster.source != AUTO:
        return cluster
    results = all_at_once({server.label: partial(look_at, server.endpoint, connect) for server in cluster.servers}, clock)
    looks = {label: result for label, result in results.items() if isinstance(result, Look)}
    source = agreed_source(looks)
    if source is None:
        sources = sorted({str(channel.source) for look in looks.values() for channel in look.channels or ()})
        said = f"; they replicate from {', '.join(sources)}" if sources else ""
        raise UsageError(
            f"the servers of {cluster.name} agree on no source among themselves{said}",
            hint="name it: --source URL, or source = … in the configuration",
        )
    return replace(cluster, source=source)


def discover(endpoint: Endpoint, *, connect: Connect, clock: Clock) -> Discovery:
    """Everything that can be reached from `endpoint` with its account. Raises ServerError if `endpoint` itself cannot."""
    nodes = [Node(endpoint=endpoint, look=look_at(endpoint, connect))]
    notes: list[str] = []
    done = 0
    while done < len(nodes) <= MAX_SERVERS:
        node = nodes[done]
        done += 1
        if node.look is None:
            continue
        leads = [*_upward(node, node.look, nodes, notes), *_downward(node, node.look, nodes)]
        results = all_at_once({str(number): partial(_try, lead, endpoint, connect) for number, lead in enumerate(leads)}, clock)
        tried = [(lead, results[str(number)]) for number, lead in enumerate(leads)]
        nodes += _follow(tried, endpoint, nodes, notes)
        notes += _missed(node, node.look, nodes)
    return assemble(nodes, notes)


def _upward(node: Node, look: Look, nodes: Sequence[Node], notes: list[str]) -> list[_Lead]:
    if look.channels is None:
        notes.append(f"the account may not see what {node.endpoint} replicates from")
        return []
    return [
        _Lead(
            addresses=_places(channel.source, look),
            is_it=partial(leads_to, channel),
            known=True,
            told=f"the source of {node.endpoint}, {channel.source}",
        )
        for channel in look.channels
        if not any(other.look is not None and leads_to(channel, other.look) for other in nodes)
    ]


def _downward(node: Node, look: Look, nodes: Sequence[Node]) -> list[_Lead]:
    def reads_from_here(other: Look) -> bool:
        return any(leads_to(channel, look) for channel in other.channels or ())

    leads = []
    hosts = tuple(dict.fromkeys(client if client not in LOOPBACK else look.address.host for client in look.clients))
    for replica in look.replicas:
        here = [other for other in nodes if other.look is not None and same_place(replica, other.look)]
        if here:
            continue
        places = _places(replica, look) if replica.host else tuple(Address(host, replica.port) for host in hosts)
        told = f"a replica of {node.endpoint}, {replica if replica.host else f'port {replica.port}'}"
        leads.append(_Lead(addresses=places, is_it=reads_from_here, known=bool(replica.host), told=told))
    if not look.replicas:
        # Nothing but the client's end of the connections is known; servers of one cluster mostly share their port.
        for host in hosts:
            ports = dict.fromkeys((look.address.port, STANDARD_PORT))
            places = tuple(Address(host, port) for port in ports if not any(other.is_at(Address(host, port)) for other in nodes))
            leads.append(_Lead(addresses=places, is_it=reads_from_here, known=False, told=""))
    return leads


def _places(address: Address, look: Look) -> tuple[Address, ...]:
    """An address as a server sees it; a loopback one is on that server's machine."""
    if address.host in LOOPBACK and look.address.host not in LOOPBACK and not look.address.socket:
        return (Address(look.address.host, address.port),)
    return (address,)


def _follow(
    tried: Sequence[tuple[_Lead, Look | Failed]], endpoint: Endpoint, nodes: Sequence[Node], notes: list[str]
) -> list[Node]:
    found: list[Node] = []
    for lead, result in tried:
        known = {other.look.identity for other in (*nodes, *found) if other.look is not None}
        if isinstance(result, Look):
            if result.identity not in known:
                found.append(Node(endpoint=_at(endpoint, result.address), look=result))
        elif lead.told:
            notes.append(f"{lead.told}: {result.text}")
            if lead.known and not any(other.is_at(lead.addresses[0]) for other in (*nodes, *found)):
                found.append(Node(endpoint=_at(endpoint, lead.addresses[0]), look=None))
    return found


def _at(endpoint: Endpoint, address: Address) -> Endpoint:
    return replace(endpoint, address=address)


def _try(lead: _Lead, endpoint: Endpoint, connect: Connect) -> Look | Failed:
    failure = Failed(text="no address of it is known")
    for address in lead.addresses:
        try:
            look = look_at(_at(endpoint, address), connect)
        except Unreachable as error:
            failure = Failed(text=error.text)
        except RepwatchError as error:
            return Failed(text=getattr(error, "text", str(error)))
        else:
            if lead.is_it(look):
                return look
            failure = Failed(text=f"{address} is another server")
    return failure


def _missed(node: Node, look: Look, nodes: Sequence[Node]) -> list[str]:
    reached = [
        other
        for other in nodes
        if other.look is not None and any(leads_to(channel, look) for channel in other.look.channels or ())
    ]
    if look.replicas or len(reached) >= len(look.clients):
        return []
    grant = discovery_needs(look.version)[0]
    count = f"{len(look.clients)} replicas read from {node.endpoint}, and {len(reached)} of them were found"
    return [f"{count}; an account with {', '.join(grant.privileges)} can list them"]
