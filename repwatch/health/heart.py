"""The heartbeat that repwatch writes on a source: whether it beats, and how far behind it a replica is.

A beat carries the time of its source. It is compared with the source's own clock as of the same cycle of looks, so that the
clocks of source and replica need not agree. A heart that does not beat says nothing of lag, and a gap in the beats is no lag.
"""

from collections.abc import Iterator
from datetime import timedelta

from repwatch.health.beating import BEAT, LATE
from repwatch.health.inventory import disputed_source, label, role_of, source_of
from repwatch.health.rules_common import evidence, seen, subject
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.observation import ChannelObservation, Lag, LagBasis, Observation
from repwatch.model.view import Role
from repwatch.sql.heartbeat import make_table, table_name

STOPPED_AFTER = timedelta(seconds=10)
"""Age of the last beat, by the clock of its source, from which the heart has stopped."""


def targets(world: World) -> Iterator[ServerNow]:
    """The sources that a heart may beat on: seen now, writable, and no replicas: a beat there would be an errant transaction.

    So would it be on a source that the configuration still names after a switch-over.
    """
    disputed = disputed_source(world)
    for server, observation in seen(world):
        is_source = role_of(world.cluster, server.spec, world.source) is Role.SOURCE
        if disputed is not None and server is disputed.configured:
            continue
        if is_source and not observation.channels and not observation.read_only and observation.log_bin:
            yield server


def age(source: Observation) -> timedelta | None:
    """How old the last beat on a source is, by its own clock; None if there is none."""
    last = source.beats.get(source.server_id)
    return max(timedelta(0), source.clock - last) if last and source.clock else None


def beat_lag(world: World, server: ServerNow, channel: ChannelObservation) -> Lag | None:
    """How far a channel is behind the beats of the source at its root; None where they do not tell.

    Beats come once in BEAT: less than that behind is not behind. Who has the newest beat is not behind as far as is known.
    """
    root, here = _root(world, channel), server.observation
    source = root.observation if root else None
    if root is None or source is None or here is None or source.clock is None:
        return None
    newest, arrived, since = source.beats.get(source.server_id), here.beats.get(source.server_id), age(source)
    if newest is None or arrived is None or since is None or since > STOPPED_AFTER:
        return None
    behind = source.clock + (here.at - source.at) - arrived
    if arrived >= newest:
        return Lag(seconds=0.0, basis=LagBasis.HEARTBEAT, at_least=behind > LATE)
    beating = world.heart.beats.get(label(root)) if world.heart else None
    if beating is None or not beating.tells(arrived, newest):
        return None
    return Lag(seconds=max(0.0, (behind - BEAT).total_seconds()), basis=LagBasis.HEARTBEAT)


def _root(world: World, channel: ChannelObservation) -> ServerNow | None:
    """The server at the head of a chain, None if it is not seen now, or if there is none (a ring)."""
    for _ in world.servers:
        source = source_of(world, channel)
        if source is None or source.observation is None:
            return None
        if not source.observation.channels:
            return source
        channel = source.observation.channels[0]
    return None


def heartbeat_stopped(world: World) -> Iterator[Finding]:
    """It is wanted, repwatch has had time to write it, and there is none: lag is told by other means meanwhile."""
    database, heart = world.cluster.heartbeat, world.heart
    if database is None or heart is None or heart.since is None or world.now - heart.since < STOPPED_AFTER:
        return
    for server in targets(world):
        source = server.observation
        since = age(source) if source else None
        if source is None or (since is not None and since <= STOPPED_AFTER):
            continue
        how_long = f"for {since.total_seconds():.0f} s" if since is not None else "ever, as far as can be seen"
        yield Finding(
            subject=subject(world, server, FindingCode.HEARTBEAT_STOPPED),
            severity=Severity.WARNING,
            summary=f"{label(server)}: no heartbeat has been written {how_long}",
            meaning="Lag is told by the servers' own figures meanwhile, which are less exact. Replication itself may be well.",
            remedy="`repwatch doctor` tells what is missing. The table, if it is not there:\n"
            + "\n".join(f"  {statement}" for statement in make_table(database)),
            evidence=evidence(
                {
                    "table": table_name(database),
                    "last_beat": source.beats.get(source.server_id),
                    "writer": heart.problems.get(label(server)),
                    "reader": source.beats_unread,
                }
            ),
            settled=False,
        )
