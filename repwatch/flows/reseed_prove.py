"""The last step of a reseed: a full drift check of the replica. Only *identical* ends it."""

from collections.abc import Callable

from repwatch.drift import progress as drift
from repwatch.drift.report import DriftReport, TableReport, Verdict
from repwatch.flows.drift import CheckRequest, check
from repwatch.model.topology import ReplicaTarget, ServerSpec
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect
from repwatch.reseed.progress import Phase, Progress
from repwatch.sql.reseed import MARKER_SCHEMA


def prove(
    source: ServerSpec, replica: ReplicaTarget, connect: Connect, clock: Clock, progress: Callable[[Progress], None]
) -> DriftReport:
    """Compare every row; the marker on the replica is no drift. Raises what the check raises."""
    request = CheckRequest(source=source, replicas=(replica,), exclude=(f"{MARKER_SCHEMA}.*",))

    def tell(now: drift.Progress) -> None:
        progress(Progress(phase=Phase.VERIFY, text=now.table, done=now.rows, total=now.rows_expected, seconds=now.seconds))

    return check(request, connect=connect, clock=clock, progress=tell)


def what_is_wrong(report: DriftReport) -> str:
    """One line about a report that is not *identical*."""
    (replica,) = report.replicas
    if replica.reason is not None:
        return f"it could not be compared: {replica.reason.value}"
    bad = [table for table in replica.tables if table.verdict is not Verdict.IDENTICAL]
    more = f" and {len(bad) - 3} more tables" if len(bad) > 3 else ""
    return ", ".join(_table(table) for table in bad[:3]) + more


def _table(table: TableReport) -> str:
    why = f" ({table.reason.value})" if table.reason else ""
    return f"{table.schema}.{table.table} is {table.verdict.value}{why}"
