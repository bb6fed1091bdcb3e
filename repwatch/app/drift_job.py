"""The scheduled drift check of one cluster, put together."""

from collections.abc import Callable

from repwatch.adapters.mysql.session import Session
from repwatch.app.targets import by_source, replica_targets
from repwatch.drift.report import DriftReport
from repwatch.drift.summary import merged
from repwatch.flows.discover import settle_source
from repwatch.flows.drift import CheckRequest, check
from repwatch.flows.scheduled_drift import DriftLedger, DriftRunner
from repwatch.model.topology import ClusterSpec
from repwatch.ports.clock import Clock
from repwatch.render.drift_json import drift_json


def drift_runner(cluster: ClusterSpec, schedule: str, ledger: DriftLedger, clock: Clock) -> DriftRunner:
    """Checks the whole cluster at each call of `run`."""

    def whole(cancelled: Callable[[], bool]) -> DriftReport:
        settled = settle_source(cluster, connect=Session.connect, clock=clock)
        groups = by_source(settled, replica_targets(settled))
        requests = [CheckRequest(source=source, replicas=targets) for source, targets in groups]
        return merged([check(request, connect=Session.connect, clock=clock, cancelled=cancelled) for request in requests])

    return DriftRunner(cluster=cluster, schedule=schedule, check=whole, render=drift_json, ledger=ledger, clock=clock)
