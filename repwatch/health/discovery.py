"""A topology as it was found: who is there, who replicates from whom, and what to call them. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from repwatch.health.checkup import Look
from repwatch.health.upstream import leads_to
from repwatch.model.endpoint import Endpoint
from repwatch.model.server import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundServer:
    """One server of a discovered topology. `look` None: known from others, not reached."""

    name: str
    endpoint: Endpoint
    look: Look | None
    upstream: dict[str, str]  # channel -> name


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """A whole topology. `notes` say what could not be found out, and are not empty where something is missing."""

    source: str
    servers: tuple[FoundServer, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A server as it was come upon."""

    endpoint: Endpoint
    look: Look | None

    def is_at(self, address: Address) -> bool:
        """True if it was come upon at this address."""
        return self.endpoint.address == address


def assemble(nodes: Sequence[Node], notes: Sequence[str]) -> Discovery:
    """Name the servers, link them, and choose the source: the root that most others lead up to."""
    names = names_of(nodes)
    links = {name: _links(node, nodes, names) for name, node in zip(names, nodes, strict=True)}
    source, more = _source(names, nodes, links)
    found = tuple(
        FoundServer(name=name, endpoint=node.endpoint, look=node.look, upstream={} if name == source else links[name])
        for name, node in zip(names, nodes, strict=True)
    )
    ordered = tuple(sorted(found, key=lambda server: (server.name != source, bool(server.upstream), server.name)))
    return Discovery(source=source, servers=ordered, notes=(*notes, *more))


def names_of(nodes: Sequence[Node]) -> list[str]:
    """The short host name where it tells the servers apart, else host and port; letters, digits, _ and - alone."""
    short = [_short(node) for node in nodes]
    names = [name if short.count(name) == 1 else f"{name}-{_port(node)}" for name, node in zip(short, nodes, strict=True)]
    return [name if names.count(name) == 1 else f"{name}-{number}" for number, name in enumerate(names, start=1)]


def _short(node: Node) -> str:
    host = node.look.variables.get("hostname", "") if node.look else ""
    host = host or node.endpoint.address.host
    if not re.fullmatch(r"[0-9.:]+", host):
        host = host.partition(".")[0]
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", host).strip("-_").lower()
    return name if name not in ("", "auto") else "server"


def _port(node: Node) -> str:
    return (node.look.variables.get("port") if node.look else None) or str(node.endpoint.address.port)


def _links(node: Node, nodes: Sequence[Node], names: Sequence[str]) -> dict[str, str]:
    links = {}
    for channel in (node.look.channels if node.look else None) or ():
        for name, other in zip(names, nodes, strict=True):
            reached = other.look is not None and leads_to(channel, other.look)
            if other is not node and (reached or (other.look is None and other.is_at(channel.source))):
                links[channel.channel] = name
                break
    return links


def _source(names: Sequence[str], nodes: Sequence[Node], links: dict[str, dict[str, str]]) -> tuple[str, list[str]]:
    roots = [name for name in names if not links[name]]
    if roots:
        return max(roots, key=lambda root: (sum(root in _above(name, links) for name in names), -names.index(root))), []
    # A ring. Its writable server is the one that applications use.
    writable = [
        name for name, node in zip(names, nodes, strict=True) if node.look is not None and not node.look.is_on("read_only")
    ]
    chosen = writable[0] if len(writable) == 1 else names[0]
    note = f"the servers replicate in a ring; {chosen} is taken as the source, and what it replicates itself is left out"
    return chosen, [note]


def _above(name: str, links: dict[str, dict[str, str]]) -> set[str]:
    seen: set[str] = set()
    todo: list[str] = list(links[name].values())
    while todo:
        step = todo.pop()
        if step not in seen:
            seen.add(step)
            todo.extend(links[step].values())
    return seen
