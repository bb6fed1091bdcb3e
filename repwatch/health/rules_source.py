"""Rules about the source in force: that it has changed, that replicas have another, that it replicates from its own replicas."""

from collections.abc import Iterator

from repwatch.health import commands
from repwatch.health.inventory import disputed_source, find, label, same_server, source_of, wanted_source
from repwatch.health.rules_common import evidence, of_channel, seen, subject
from repwatch.health.settled import ANNOUNCED
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.observation import ChannelObservation, ThreadState
from repwatch.model.topology import AUTO


def source_changed(world: World) -> Iterator[Finding]:
    """With source = "auto", the replicas have come to agree on another server."""
    change = world.source_change
    if change is None or world.now - change.at >= ANNOUNCED:
        return
    new, old = find(world, change.after), find(world, change.before)
    if new is not None and old is not None:
        yield Finding(
            subject=subject(world, new, FindingCode.SOURCE_CHANGED),
            severity=Severity.WARNING,
            summary=f"{label(new)} is the source of {world.cluster.name} now, in the place of {label(old)}",
            meaning=f"The replicas replicate from it; at {change.last_known:%Y-%m-%d %H:%M:%S} UTC it was still {label(old)}. "
            "If nobody has switched over, somebody has pointed them to the wrong server.",
            remedy=f"See that applications write to {label(new)}, and that {label(old)} takes no writes any more.",
            avoid=f"Do not start {label(old)} again as a source: it may have transactions that the others never got.",
            evidence=evidence(
                {
                    "before": old.address,
                    "after": new.address,
                    "at": change.at.isoformat(),
                    "last_known": change.last_known.isoformat(),
                }
            ),
            settled=False,
        )


def disputes(world: World) -> Iterator[Finding]:
    """Why the source that the configuration names may not be the source. While there is any, nothing is taken from it."""
    yield from disagreement(world)
    yield from loops(world)


def disagreement(world: World) -> Iterator[Finding]:
    """All that replicates in the cluster comes from one server, and the configuration names another one."""
    disputed = disputed_source(world)
    if disputed is None:
        return
    source, agreed = disputed
    if not _moved(world, source, agreed):
        return
    yield Finding(
        subject=subject(world, None, FindingCode.WRONG_SOURCE),
        severity=Severity.CRITICAL,
        summary=f"all that replicates in {world.cluster.name} comes from {label(agreed)}, not from {label(source)}",
        meaning="Somebody has switched over and not changed the configuration, or the replicas were pointed to the wrong server. "
        "What else is found of the two follows from it.",
        remedy=f'If {label(agreed)} is right, name it in the configuration (source = …, or "auto" to follow by itself), and see '
        f"that {label(source)} takes no writes. If not, compare the GTIDs of both before anything is moved back.",
        avoid="Do not let both take writes: each then has what the other never gets.",
        evidence=evidence({"source": source.address, "agreed": agreed.address}),
        settled=False,
    )


def _moved(world: World, source: ServerNow, agreed: ServerNow) -> bool:
    """True if somebody has pointed to the agreed server what should read from the source, or the source itself.

    The middle of a chain is all that is seen to be read from when its own channel was reset, or leads to an address that nobody
    knows; but that its replicas read from it is as it should be.
    """
    if any(source_of(world, channel) is None for channel in _channels(agreed)):
        return False
    return any(
        source_of(world, channel) is agreed
        and (wanted_source(world, server, channel.name) is source or (server is source and _is_on(channel)))
        for server in world.servers
        for channel in _channels(server)
    )


def _channels(server: ServerNow) -> tuple[ChannelObservation, ...]:
    return server.last_good.channels if server.last_good else ()


def _is_on(channel: ChannelObservation) -> bool:
    return channel.receiver is not ThreadState.STOPPED


def loops(world: World) -> Iterator[Finding]:
    """The source that the configuration names replicates from a server of its own cluster, and nobody has said that it should."""
    source = find(world, world.source)
    if world.cluster.source == AUTO or source is None or world.cluster.upstream(source.spec):
        return
    for server, observation in seen(world):
        for channel in observation.channels if server is source else ():
            other = source_of(world, channel)
            alone = other is None or other is source or same_server(world, other) is source
            if other is None or alone or not _is_on(channel):
                continue
            stop = commands.stop(observation.version, channel.name)
            yield Finding(
                subject=subject(world, server, FindingCode.WRONG_SOURCE, channel.name),
                severity=Severity.CRITICAL,
                summary=f"{label(server)} is the source, and{of_channel(channel)} replicates from its own replica {label(other)}",
                meaning="Replication runs in a loop: what is written to the replicas comes back to the source.",
                remedy=f"If it is intended, say so: replicates_from = … and writable = true at {label(server)}. If not: {stop}",
                avoid="Do not write to both: the same keys are given twice, and each overwrites the other.",
                evidence=evidence(
                    {"source": channel.source, "source_server_id": channel.source_server_id, "loop": other.address}
                ),
                settled=False,
            )
