"""Semi-synchronous replication that holds up its source, or does not protect, now or for a moment."""

from collections.abc import Iterator
from datetime import timedelta

from repwatch.health.inventory import is_replica, label
from repwatch.health.movement import Movement
from repwatch.health.rules_common import evidence, seen, subject
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.observation import Observation
from repwatch.model.past import Past
from repwatch.model.risks import SemiSync

REMEMBERED = timedelta(minutes=10)
"""For so long a fallback of a moment is told of."""

STANDING = timedelta(seconds=2)
"""An acknowledgement takes milliseconds. Two looks so far apart, with sessions waiting in both and not one served in between,
see a source that cannot commit; how long it may take is what the timeout says, ten seconds by default."""


def commits_blocked(world: World) -> Iterator[Finding]:
    """Sessions wait for a replica to acknowledge their commits, and none does. Nothing is committed behind them either."""
    for server, observation in seen(world):
        semisync = observation.risks.semisync if observation.risks else None
        waits = world.progress.commits.get(label(server))
        if semisync is not None and semisync.waiting and waits is not None and waits.still >= STANDING:
            yield _blocked(world, server, observation, semisync, waits)


def _blocked(world: World, server: ServerNow, observation: Observation, semisync: SemiSync, waits: Movement) -> Finding:
    settings = observation.risks.settings if observation.risks else {}
    word = "master" if observation.version.is_mariadb or not observation.version.at_least(8, 0, 26) else "source"
    return Finding(
        subject=subject(world, server, FindingCode.COMMITS_BLOCKED),
        severity=Severity.CRITICAL,
        summary=f"{label(server)} commits nothing: it waits for a replica to acknowledge, and for "
        f"{waits.still.total_seconds():.0f} s none has",
        meaning="Semi-synchronous replication holds up every write until a replica has it, or its timeout is over. The source is "
        "in order: who is to acknowledge does not. Sessions pile up, and may use up all connections.",
        remedy="Bring the replicas back that take part: see their findings. If that takes too long, let the source go on without "
        f"them: `SET GLOBAL rpl_semi_sync_{word}_enabled = OFF` on {label(server)} frees those who wait, and what is "
        "committed from then on is lost if the source is.",
        avoid="Do not kill the waiting sessions or restart the source: what waits is in its binary log already and stays "
        "committed, and the next one waits as well. A lower timeout does not count for those who wait already.",
        evidence=evidence(
            {
                "waiting_sessions": semisync.waiting,
                "standing_since": waits.since.isoformat(),
                "replicas": semisync.clients,
                "replicas_wanted": settings.get("rpl_semi_sync_source_wait_for_replica_count"),
                "timeout_ms": settings.get("rpl_semi_sync_source_timeout"),
                "acknowledged": semisync.acknowledged,
            }
        ),
    )


def degraded(world: World) -> Iterator[Finding]:
    """A source that should wait for its replicas does not, or did not."""
    for server, observation in seen(world):
        semisync = observation.risks.semisync if observation.risks else None
        if semisync is None or not semisync.enabled or is_replica(world, server):
            continue
        past = world.past.get(server.spec.label, Past()).fallback
        recent = past if past and world.now - past.at < REMEMBERED else None
        if not semisync.active:
            told = "commits without waiting for a replica"
        elif not semisync.clients:
            told = "has no replica that acknowledges"
        elif recent:
            told = f"committed {recent.unacknowledged} transactions without waiting for a replica, and waits again"
        else:
            continue
        yield Finding(
            subject=subject(world, server, FindingCode.SEMISYNC_DEGRADED),
            severity=Severity.WARNING,
            summary=f"semi-synchronous replication: {label(server)} {told}",
            meaning="A transaction that no replica has acknowledged is lost if the source is lost, though its client was told "
            "that it is committed.",
            remedy="See whether the replicas with semi-synchronous replication are connected and quick enough: rpl_semi_sync_… "
            "in SHOW STATUS on both sides. A replica takes part only after its receiver was started with it switched on.",
            avoid="Do not take a replica for complete, in a failover, by semi-synchronous replication alone.",
            evidence=evidence(
                {
                    "active": "yes" if semisync.active else "no",
                    "replicas": semisync.clients,
                    "fallbacks": semisync.fallbacks,
                    "fell_back": recent.at.isoformat() if recent else None,
                    "unacknowledged": recent.unacknowledged if recent else None,
                }
            ),
            settled=False,
        )
