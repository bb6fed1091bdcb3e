"""The drift checks of one cluster in the service, put together."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from repwatch.adapters.check_reports import CheckReports
from repwatch.adapters.mysql.session import Session
from repwatch.app.checking import CheckParts, limits_of, service_journal_path
from repwatch.app.targets import by_source, replica_targets
from repwatch.drift.progress import Progress
from repwatch.drift.proving import kept_for
from repwatch.drift.report import DriftReport, Verdict
from repwatch.drift.selection import exactly, perhaps_of_tools, select
from repwatch.flows.discover import settle_source
from repwatch.flows.drift import CheckRequest
from repwatch.flows.drift_catalogue import read_columns, read_names
from repwatch.flows.scheduled_drift import DriftLedger, DriftRunner, Ended
from repwatch.model.topology import ClusterSpec
from repwatch.ports.checks import ReportForm
from repwatch.ports.clock import Clock
from repwatch.render.drift_html import drift_html
from repwatch.render.drift_json import drift_json

FOLDER = "drift"  # of the state folder: journals, and what is said to checks
REPORTS = "drift-reports"


def drift_runner(cluster: ClusterSpec, ledger: DriftLedger, state_dir: Path, clock: Clock) -> DriftRunner:
    """Checks the whole cluster, or some of its tables, when told."""
    reports = CheckReports(state_dir / REPORTS)

    def settled() -> ClusterSpec:
        return settle_source(cluster, connect=Session.connect, clock=clock)

    def run(tables: Sequence[str], *, cancelled: Callable[[], bool], progress: Callable[[Progress], None]) -> Ended:
        spec, patterns = settled(), tuple(map(exactly, tables))
        requests = [
            CheckRequest(
                source=source,
                replicas=targets,
                tables=patterns,
                limits=limits_of(spec),
                kept_for=kept_for(spec.drift.prove_within),
            )
            for source, targets in by_source(spec, replica_targets(spec))
        ]
        with ExitStack() as stack:
            parts = [(request, service_journal_path(state_dir / FOLDER, spec.name, request)) for request in requests]
            check = CheckParts(stack, parts, spec.servers, resume=True, goes_on=True)
            report, stopped, failure = check.run(clock, cancelled, progress)
        if failure is not None and not any(replica.tables for replica in report.replicas):
            raise failure
        return Ended(report, stopped)

    def list_tables() -> tuple[str, ...]:
        spec = settled()
        found: set[str] = set()
        for source, _ in by_source(spec, replica_targets(spec)):
            with Session.connect(source.endpoint) as db:
                names = read_names(db)
                columns = read_columns(db, perhaps_of_tools(names))
                beside = {name: [column.name for column in found] for name, found in columns.items()}
                found |= {str(name) for name in select(names, beside, (), ()).chosen}
        return tuple(sorted(found))

    return DriftRunner(
        cluster=cluster,
        check=run,
        list_tables=list_tables,
        keep=partial(_keep, reports, cluster.name),
        ledger=ledger,
        clock=clock,
    )


def _keep(reports: CheckReports, cluster: str, number: int, report: DriftReport) -> None:
    texts = {ReportForm.HTML: drift_html(report), ReportForm.JSON: drift_json(report)}
    reports.save(cluster, number, texts, clean=report.verdict is Verdict.IDENTICAL)
