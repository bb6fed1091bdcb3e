"""Topologies as data: which servers there are, and who replicates from whom."""

from dataclasses import dataclass, field
from itertools import pairwise

SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Link:
    """One replication channel; "" is the default one."""

    replica: str
    source: str
    channel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """One server of a topology. `domain` is MariaDB's gtid_domain_id: one for each source that takes writes."""

    name: str
    server_id: int
    domain: int = 0
    read_only: bool = False
    replicates_from: str | None = None  # None: the first source, or nobody
    channels: dict[str, str] = field(default_factory=dict)


def star(replicas: int) -> tuple[Link, ...]:
    """`replicas` replicas of one source."""
    return tuple(Link(f"replica{number}", SOURCE) for number in range(1, replicas + 1))


def chain(replicas: int) -> tuple[Link, ...]:
    """source → replica1 → replica2 → …"""
    names = [SOURCE, *(f"replica{number}" for number in range(1, replicas + 1))]
    return tuple(Link(replica, source) for source, replica in pairwise(names))


def multi_source() -> tuple[Link, ...]:
    """One replica with two named channels from two sources."""
    return (Link("replica1", SOURCE, "first"), Link("replica1", "source2", "second"))


def seats(links: tuple[Link, ...]) -> tuple[Seat, ...]:
    """The servers that the links name, sources first; without a link one source alone."""
    replicas = {link.replica for link in links}
    sources = list(dict.fromkeys(link.source for link in links if link.source not in replicas)) or [SOURCE]
    names = list(dict.fromkeys([*sources, *(link.replica for link in links)]))
    return tuple(_seat(name, number, links, sources) for number, name in enumerate(names, 1))


def _seat(name: str, number: int, links: tuple[Link, ...], sources: list[str]) -> Seat:
    incoming = [link for link in links if link.replica == name]
    upstream = [link.source for link in incoming if not link.channel and link.source != SOURCE]
    return Seat(
        name=name,
        server_id=number,
        domain=sources.index(name) if name in sources else 0,
        read_only=bool(incoming),
        replicates_from=upstream[0] if upstream else None,
        channels={link.channel: link.source for link in incoming if link.channel},
    )
