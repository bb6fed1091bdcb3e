"""The scheduled drift check of one cluster, put together."""

from collections.abc import Callable

from repwatch.adapters.mysql.session import Session
from repwatch.app.targets import replica_targets, source_of
from repwatch.drift.report import DriftReport
from repwatch.drift.summary import merged
from repwatch.errors import UsageError
from repwatch.flows.discover import settle_source
from repwatch.flows.drift import CheckRequest, check
from repwatch.flows.scheduled_drift import DriftLedger, DriftRunner
from repwatch.model.topology import ClusterSpec, ReplicaTarget, ServerSpec
from repwatch.ports.clock import Clock
from repwatch.render.drift_json import drift_json


def drift_runner(cluster: ClusterSpec, schedule: str, ledger: DriftLedger, clock: Clock) -> DriftRunner:
    """Checks the whole cluster at each call of `run`."""

    def whole(cancelled: Callable[[], bool]) -> DriftReport:
        settled = settle_source(cluster, connect=Session.connect, clock=clock)
        requests = [CheckRequest(source=source, replicas=targets) for source, targets in _by_source(settled)]
        return merged([check(request, connect=Session.connect, clock=clock, cancelled=cancelled) for request in requests])

    return DriftRunner(cluster=cluster, schedule=schedule, check=whole, render=drift_json, ledger=ledger, clock=clock)


def _by_source(cluster: ClusterSpec) -> list[tuple[ServerSpec, tuple[ReplicaTarget, ...]]]:
    """The replicas, by the server that each replicates from. Raises UsageError if there are none."""
    groups: dict[str, tuple[ServerSpec, list[ReplicaTarget]]] = {}
    for target in replica_targets(cluster):
        source = source_of(cluster, target.server, target.channel)
        groups.setdefault(source.label, (source, []))[1].append(target)
    if not groups:
        raise UsageError(f"the cluster {cluster.name} has no replica to check")
    return [(source, tuple(targets)) for source, targets in groups.values()]
