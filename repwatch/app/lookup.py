"""What `repwatch status` shows: the view that the service keeps, or one look of its own where no service ever ran."""

from collections.abc import Sequence

from repwatch.adapters.mysql.probe import Prober
from repwatch.adapters.mysql.session import Session
from repwatch.adapters.store.reader import read_views
from repwatch.flows.probing import Probing
from repwatch.flows.watch import look_once
from repwatch.health.rules import diagnose
from repwatch.health.view import build_view, combine, unseen_view
from repwatch.model.finding import Finding
from repwatch.model.settings import Settings
from repwatch.model.topology import ClusterSpec
from repwatch.model.view import View
from repwatch.ports.clock import Clock


def current_view(settings: Settings, clusters: Sequence[ClusterSpec], clock: Clock) -> View:
    """The view of those clusters. Raises StoreError."""
    stored = read_views(settings.store_url) if settings.path is not None else ()
    if not stored:
        return look_now(clusters, clock)
    by_name = {dated.cluster.name: dated for dated in stored}
    now = clock.now()
    parts = [by_name.get(cluster.name) or unseen_view(cluster, now) for cluster in clusters]
    own = by_name[""].cluster.findings if "" in by_name else ()
    return combine(parts, own, now)


def look_now(clusters: Sequence[ClusterSpec], clock: Clock) -> View:
    """One look at every server."""
    worlds = []
    findings: list[Finding] = []
    for cluster in clusters:
        prober = Prober(Session.connect_for_looks, clock, heartbeat=cluster.heartbeat)
        try:
            world, found = look_once(cluster, diagnose, Probing(prober, clock), clock)
        finally:
            prober.close()
        worlds.append(world)
        findings += found
    return build_view(worlds, findings, (), clock.now())
