"""Semi-synchronous replication that does not protect, now or for a moment."""

from collections.abc import Iterator
from datetime import timedelta

from repwatch.health.inventory import is_replica, label
from repwatch.health.rules_common import evidence, seen, subject
from repwatch.health.world import World
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.past import Past

REMEMBERED = timedelta(minutes=10)
"""For so long a fallback of a moment is told of."""


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
