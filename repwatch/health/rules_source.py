"""Rules about the source in force: that it has changed, that replicas have another, that it replicates from its own replicas."""

from collections.abc import Iterator
from datetime import timedelta

from repwatch.health import commands
from repwatch.health.inventory import disputed_source, find, label, same_server, source_of
from repwatch.health.rules_common import evidence, of_channel, seen, subject
from repwatch.health.world import World
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.observation import ThreadState
from repwatch.model.topology import AUTO

ANNOUNCED = timedelta(minutes=10)
"""For so long a change of the source is told of."""


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
            meaning="The replicas replicate from it. If nobody has switched over, somebody has pointed them to the wrong server.",
            remedy=f"See that applications write to {label(new)}, and that {label(old)} takes no writes any more.",
            avoid=f"Do not start {label(old)} again as a source: it may have transactions that the others never got.",
            evidence=evidence({"before": old.address, "after": new.address, "at": change.at.isoformat()}),
            settled=False,
        )


def disagreement(world: World) -> Iterator[Finding]:
    """All that replicates in the cluster comes from one server, and the configuration names another one."""
    disputed = disputed_source(world)
    if disputed is None:
        return
    source, agreed = disputed
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


def loops(world: World) -> Iterator[Finding]:
    """The source that the configuration names replicates from a server of its own cluster, and nobody has said that it should."""
    source = find(world, world.source)
    if world.cluster.source == AUTO or source is None or world.cluster.upstream(source.spec):
        return
    for server, observation in seen(world):
        for channel in observation.channels if server is source else ():
            other = source_of(world, channel)
            alone = other is None or other is source or same_server(world, other) is source
            if other is None or alone or channel.receiver is ThreadState.STOPPED:
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
