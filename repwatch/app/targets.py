"""From the command line to values: which servers are meant, from a configuration or from URLs."""

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from repwatch.app.passwords import ask_on_terminal, default_state_dir, environment_password
from repwatch.app.urls import endpoint_of, parse_url
from repwatch.errors import UsageError
from repwatch.model.endpoint import LiteralSecret, SecretSource
from repwatch.model.server import Address
from repwatch.model.settings import Settings
from repwatch.model.topology import AUTO, ClusterSpec, ReplicaTarget, ServerSpec

ADHOC = "adhoc"
Ask = Callable[[str], str | None]


def load_settings(
    config: Path | None, source: str | None, replicas: tuple[str, ...], state: Path | None, *, ask: Ask = ask_on_terminal
) -> Settings:
    """The settings of a run: one cluster named `adhoc` where URLs are given, else those of the configuration.

    Raises UsageError, and ConfigError with all problems of a configuration.
    """
    if source is None and not replicas:
        from repwatch.app.config import find_config, load_config  # noqa: PLC0415 - a third of the start of a verb that needs none

        return load_config(find_config(config), state)
    return _adhoc(source, replicas, (state or default_state_dir()).absolute(), ask)


def choose_cluster(settings: Settings, name: str | None) -> ClusterSpec:
    """The cluster of that name, or the only one. Raises UsageError."""
    _no_url(name)
    names = [cluster.name for cluster in settings.clusters]
    if name is None:
        if len(names) == 1:
            return settings.clusters[0]
        raise UsageError("there are several clusters; name one", hint=f"one of {', '.join(names)}")
    for cluster in settings.clusters:
        if cluster.name == name:
            return cluster
    raise UsageError(f"there is no cluster {name!r}", hint=_hint(name, names))


def choose_clusters(settings: Settings, name: str | None) -> tuple[ClusterSpec, ...]:
    """The cluster of that name, or all of them. Raises UsageError."""
    return settings.clusters if name is None else (choose_cluster(settings, name),)


def choose_replica(settings: Settings, replica: str | None) -> tuple[ClusterSpec, ServerSpec]:
    """The replica called `name`, `cluster/name` or `host:port`, or the only one. Raises UsageError."""
    _no_url(replica)
    every = [(cluster, server) for cluster in settings.clusters for server in cluster.servers]
    candidates = [(cluster, server) for cluster, server in every if cluster.upstream(server)]
    known = [f"{cluster.name}/{server.label}" for cluster, server in candidates]
    if replica is None:
        if len(candidates) == 1:
            return candidates[0]
        why = "there are several replicas; name one" if candidates else "no replica is given"
        raise UsageError(
            why, hint=f"one of {', '.join(known)}" if known else "give --replica URL, or a name of the configuration"
        )
    found = [(cluster, server) for cluster, server in every if replica in _names(cluster, server)]
    if len(found) > 1:
        raise UsageError(
            f"{replica!r} is ambiguous", hint=f"one of {', '.join(f'{cluster.name}/{server.label}' for cluster, server in found)}"
        )
    if not found:
        raise UsageError(
            f"there is no replica {replica!r}", hint=_hint(replica, known, [server.label for _, server in candidates])
        )
    if not found[0][0].upstream(found[0][1]):
        raise UsageError(f"{replica!r} is a source in {found[0][0].name}, not a replica", hint=f"one of {', '.join(known)}")
    return found[0]


def source_of(cluster: ClusterSpec, replica: ServerSpec, channel: str) -> ServerSpec:
    """The server that `replica` should replicate from on `channel`.

    Raises UsageError where the cluster's source is still AUTO; `flows.discover.settle_source` settles it.
    """
    label = replica.channels.get(channel) or replica.replicates_from or cluster.source
    if label == AUTO:
        raise UsageError(f"the source of cluster {cluster.name} is not settled", hint="name it: --source URL, or source = …")
    try:
        return cluster.server(label)
    except KeyError:
        raise UsageError(f"cluster {cluster.name} has no server {label!r}", hint="name the source: --source URL") from None


class Ends(NamedTuple):
    """What a repair or a reseed works between; `others` are the further servers of the inventory."""

    source: ServerSpec
    replica: ReplicaTarget
    others: tuple[ServerSpec, ...]


def ends_of(cluster: ClusterSpec, replica: ServerSpec, channel: str | None) -> Ends:
    """Both ends of the channel, by default the replica's first. Raises UsageError as `source_of` does."""
    name = channel if channel is not None else next(iter(replica.channels), "")
    source = source_of(cluster, replica, name)
    others = tuple(other for other in cluster.servers if other not in (replica, source))
    return Ends(source, ReplicaTarget(server=replica, channel=name), others)


def named_inventory(settings: Settings, cluster: ClusterSpec) -> ClusterSpec | None:
    """A cluster, not settled yet, whose source a configuration names: what its servers show of that counts."""
    return cluster if settings.path is not None and cluster.source != AUTO else None


def donor_of(cluster: ClusterSpec, replica: ReplicaTarget, name: str) -> ReplicaTarget:
    """The replica of that name or address, with the channel by which it follows the source of `replica`. Raises UsageError."""
    _, donor = choose_replica(Settings(clusters=(cluster,)), name)
    if donor is replica.server:
        raise UsageError(f"{donor.label} is itself the one that is to be made right", hint="name another replica with --from")
    source = source_of(cluster, replica.server, replica.channel)
    for channel in cluster.upstream(donor):
        if source_of(cluster, donor, channel) is source:
            return ReplicaTarget(server=donor, channel=channel)
    raise UsageError(f"{donor.label} is no replica of {source.label}", hint="name a replica of the same source with --from")


def state_name(server: ServerSpec) -> str:
    """The server's address as the name of a file or folder of its state."""
    return re.sub(r"[^A-Za-z0-9.-]", "_", str(server.endpoint.address))


def replica_targets(cluster: ClusterSpec, channel: str | None = None) -> tuple[ReplicaTarget, ...]:
    """Every channel of every replica of the cluster, or those named `channel`; a server is a target once for each."""
    targets = [ReplicaTarget(server=server, channel=name) for server in cluster.servers for name in cluster.upstream(server)]
    return tuple(target for target in targets if channel is None or target.channel == channel)


def by_source(cluster: ClusterSpec, targets: Sequence[ReplicaTarget]) -> list[tuple[ServerSpec, tuple[ReplicaTarget, ...]]]:
    """The replicas by the server that each replicates from, those of the cluster's source first. Raises UsageError."""
    if not targets:
        raise UsageError("there is no replica to check", hint="give --replica URL, or another CLUSTER or --channel")
    groups: dict[str, tuple[ServerSpec, list[ReplicaTarget]]] = {}
    for target in targets:
        head = source_of(cluster, target.server, target.channel)
        groups.setdefault(head.label, (head, []))[1].append(target)
    ordered = sorted(groups.values(), key=lambda group: not group[0].is_called(cluster.source))
    return [(head, tuple(members)) for head, members in ordered]


class Comparison(NamedTuple):
    """Replicas that are compared with one server: their source, or the replica that stands for it."""

    source: ServerSpec
    replicas: tuple[ReplicaTarget, ...]
    reference: ReplicaTarget | None = None


def compared_with(
    cluster: ClusterSpec, groups: Sequence[tuple[ServerSpec, tuple[ReplicaTarget, ...]]], reference: str | None
) -> list[Comparison]:
    """The groups of `by_source`; those of the source of `reference`, a replica's name or address, with it instead.

    Replicas of replicas stay with theirs. Raises UsageError.
    """
    if reference is None:
        return [Comparison(source, replicas) for source, replicas in groups]
    _, trusted = choose_replica(Settings(clusters=(cluster,)), reference)
    found = []
    for source, replicas in groups:
        if not any(target.server is trusted for target in replicas):
            if not cluster.upstream(source):
                raise UsageError(
                    f"{trusted.label} is no replica of {source.label}, and cannot stand for it", hint="choose one --channel"
                )
            found.append(Comparison(source, replicas))
            continue
        others = tuple(target for target in replicas if target.server is not trusted)
        if not others:
            raise UsageError(f"{source.label} has no replica beside {trusted.label}", hint="give another --replica, or no --from")
        found.append(Comparison(source, others, next(target for target in replicas if target.server is trusted)))
    return found


def _no_url(name: str | None) -> None:
    if name and "://" in name:  # it may hold a password, so that no message may repeat it
        raise UsageError("a URL stands where a name belongs", hint="give it as --source URL or --replica URL")


def _names(cluster: ClusterSpec, server: ServerSpec) -> tuple[str, ...]:
    address = str(server.endpoint.address)
    named = (server.name, f"{cluster.name}/{server.name}") if server.name else ()
    return (*named, address, f"{cluster.name}/{address}")


def _hint(name: str, *known: Sequence[str]) -> str:
    everything = [word for words in known for word in words]
    near = get_close_matches(name, everything, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known[0]) or 'none'}"


def _adhoc(source: str | None, replicas: tuple[str, ...], state: Path, ask: Ask) -> Settings:
    head = given_server(source, "--source", "REPWATCH_SOURCE_PASSWORD", ask=ask) if source is not None else None
    label = head.label if head else AUTO
    servers = [head] if head else []
    for text in replicas:
        server = given_server(text, "--replica", "REPWATCH_REPLICA_PASSWORD", ask=ask, source=label)
        twin = next((other for other in servers if other.endpoint.address == server.endpoint.address), None)
        if twin is not None:
            raise UsageError(f"--replica: {server.label} is given twice", hint="a server cannot replicate from itself")
        servers.append(server)
    cluster = ClusterSpec(name=ADHOC, source=label, servers=tuple(servers))
    return Settings(clusters=(cluster,), store_url=f"sqlite:///{state / 'repwatch.db'}", state_dir=state)


def given_server(text: str, option: str, variable: str, *, ask: Ask = ask_on_terminal, source: str = "") -> ServerSpec:
    """The server of a URL given as `option`; a missing password comes from `variable`, REPWATCH_PASSWORD or a prompt.

    `source` is the label of the server that its channel leads to. Raises UsageError.
    """
    url = parse_url(text, option)
    if url.channel is not None and not source:
        raise UsageError(f"{option}: channel names a channel of a replica", hint="give it with --replica")

    def fallback(user: str, address: Address) -> SecretSource | None:
        secret = environment_password(variable)
        typed = ask(f"Password of {user} on {address} (empty: none): ") if secret is None else None
        return secret or (LiteralSecret(typed) if typed else None)

    endpoint = endpoint_of(url, option, fallback=fallback)
    return ServerSpec(endpoint=endpoint, channels={url.channel: source} if url.channel else {})
