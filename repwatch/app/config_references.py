"""Checks that span keys: names that must exist, loops, one server under two names.

They read the document as it was parsed, not the models, so that they speak even where a single key is wrong: a person
wants to see every problem at once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from repwatch.app.urls import config_url
from repwatch.model.topology import AUTO

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and the key it is wrong about."""

    path: Path
    text: str


def reference_problems(document: Mapping[str, object]) -> Iterator[Problem]:
    """Every broken reference of the configuration."""
    for name, cluster in _tables(document.get("clusters")).items():
        at: Path = ("clusters", name)
        servers = _tables(cluster.get("servers"))
        yield from _unknown_names(at, cluster, servers)
        yield from _loops(at, cluster, servers)
        yield from _same_address(at, servers)
        yield from _restarts_without_operator(at, cluster, servers)


def unknown(word: str, known: list[str]) -> str:
    """`did you mean …`, or what there is."""
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"there is {', '.join(sorted(known)) or 'none'}"


def _table(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _tables(value: object) -> dict[str, dict[str, object]]:
    return {name: table for name, table in _table(value).items() if isinstance(table, dict)}


def _unknown_names(at: Path, cluster: Mapping[str, object], servers: dict[str, dict[str, object]]) -> Iterator[Problem]:
    source = cluster.get("source", AUTO)
    known = list(servers)
    if isinstance(source, str) and source != AUTO and source not in servers:
        yield Problem((*at, "source"), f"no server of this cluster is named {source!r}; {unknown(source, known)}")
    if AUTO in servers:
        yield Problem((*at, "servers", AUTO), f"a server cannot be named {AUTO!r}: source = {AUTO!r} has a meaning of its own")
    for name, server in servers.items():
        here = (*at, "servers", name)
        for key, target in _upstream(server):
            if not isinstance(target, str):
                continue
            if target == name:
                yield Problem((*here, *key), "a server cannot replicate from itself")
            elif target not in servers:
                yield Problem((*here, *key), f"no server of this cluster is named {target!r}; {unknown(target, known)}")


def _upstream(server: Mapping[str, object]) -> Iterator[tuple[tuple[str, ...], object]]:
    if "replicates_from" in server:
        yield ("replicates_from",), server["replicates_from"]
    for channel, target in _table(server.get("channels")).items():
        yield ("channels", channel), target


def _loops(at: Path, cluster: Mapping[str, object], servers: dict[str, dict[str, object]]) -> Iterator[Problem]:
    source = cluster.get("source", AUTO)
    told: set[str] = set()
    for name in servers:
        seen: list[str] = []
        step: object = name
        # The source replicates from nobody unless it says so; a replica that says nothing replicates from the source.
        while isinstance(step, str) and step in servers and step not in seen:
            seen.append(step)
            step = servers[step].get("replicates_from", None if step == source else source)
        if isinstance(step, str) and step in seen[:-1] and step not in told:
            loop = seen[seen.index(step) :]
            told.update(loop)
            key = next((member for member in loop if "replicates_from" in servers[member]), name)
            yield Problem(
                (*at, "servers", key, "replicates_from"),
                f"these servers replicate from each other in a ring: {' <- '.join([*loop, loop[0]])}; "
                "repwatch supervises one source and what follows it",
            )


def _restarts_without_operator(
    at: Path, cluster: Mapping[str, object], servers: dict[str, dict[str, object]]
) -> Iterator[Problem]:
    """A server that replicates, or may with `auto`, is started by its operator; sources that the configuration names are not."""
    sources = {cluster.get("source", AUTO)} | {
        target for server in servers.values() for target in _table(server.get("channels")).values() if isinstance(target, str)
    }
    for name, server in servers.items():
        own = "restart_transient" in server
        wanted = (server if own else cluster).get("restart_transient", False)
        follows = name not in sources or any(True for _ in _upstream(server))
        if wanted is True and follows and not server.get("operator"):
            where: Path = (*at, "servers", name)
            told = "restart_transient needs an account that may start threads: give operator = { user = …, password = … }, "
            yield Problem((*where, "restart_transient") if own else where, told + "or restart_transient = false for this server")


def _same_address(at: Path, servers: dict[str, dict[str, object]]) -> Iterator[Problem]:
    first: dict[object, str] = {}
    for name, server in servers.items():
        try:
            url = config_url(server.get("url"))
        except ValueError:
            continue
        place = url.socket or (url.host and (url.host, url.port or 3306))
        if place and first.setdefault(place, name) != name:
            yield Problem((*at, "servers", name, "url"), f"this is the address of {first[place]!r} already")
