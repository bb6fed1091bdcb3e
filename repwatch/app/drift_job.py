"""The drift checks of one cluster in the service, put together."""

from collections.abc import Callable, Sequence

from repwatch.adapters.mysql.session import Session
from repwatch.app.targets import by_source, replica_targets
from repwatch.drift.report import DriftReport
from repwatch.drift.selection import exactly, select
from repwatch.drift.summary import merged
from repwatch.drift.throttle import Limits
from repwatch.flows.discover import settle_source
from repwatch.flows.drift import CheckRequest, check
from repwatch.flows.drift_meet import read_tables
from repwatch.flows.scheduled_drift import DriftLedger, DriftRunner
from repwatch.model.topology import ClusterSpec
from repwatch.ports.clock import Clock
from repwatch.render.drift_json import drift_json


def drift_runner(cluster: ClusterSpec, ledger: DriftLedger, clock: Clock) -> DriftRunner:
    """Checks the whole cluster, or some of its tables, when told."""

    def settled() -> ClusterSpec:
        return settle_source(cluster, connect=Session.connect, clock=clock)

    def run(tables: Sequence[str], cancelled: Callable[[], bool]) -> DriftReport:
        spec, patterns = settled(), tuple(map(exactly, tables))
        groups = by_source(spec, replica_targets(spec))
        limits = Limits(lag=spec.max_lag.total_seconds())
        requests = [CheckRequest(source=source, replicas=targets, tables=patterns, limits=limits) for source, targets in groups]
        return merged([check(request, connect=Session.connect, clock=clock, cancelled=cancelled) for request in requests])

    def list_tables() -> tuple[str, ...]:
        spec = settled()
        found: set[str] = set()
        for source, _ in by_source(spec, replica_targets(spec)):
            with Session.connect(source.endpoint) as db:
                found |= {str(name) for name in select(read_tables(db).values(), (), ()).chosen}
        return tuple(sorted(found))

    return DriftRunner(cluster=cluster, check=run, list_tables=list_tables, render=drift_json, ledger=ledger, clock=clock)
