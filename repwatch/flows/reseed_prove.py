"""The last step of a reseed: a drift check of what was written. Only *identical* ends it."""

from collections.abc import Callable, Sequence

from repwatch.drift import progress as drift
from repwatch.drift.report import DriftReport, TableReport, Verdict
from repwatch.flows.drift import CheckRequest, check, verify_tables
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.model.schema import TableName
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect
from repwatch.reseed.progress import Phase, Progress
from repwatch.sql.reseed import MARKER_SCHEMA

_CHECKS = 3


def prove(
    asked: ReseedRequest,
    tables: Sequence[TableName],
    connect: Connect,
    clock: Clock,
    progress: Callable[[Progress], None],
) -> DriftReport:
    """Compare every row, of `tables` alone if there are any; the marker is no drift. Raises what the check raises."""
    request = CheckRequest(source=asked.source, replicas=(asked.replica,), exclude=(f"{MARKER_SCHEMA}.*",))
    if tables:
        progress(Progress(phase=Phase.VERIFY))
        return _settled(lambda: verify_tables(request, tables, connect=connect, clock=clock))

    def tell(now: drift.Progress) -> None:
        progress(Progress(phase=Phase.VERIFY, text=now.table, done=now.rows, total=now.rows_expected, seconds=now.seconds))

    return check(request, connect=connect, clock=clock, progress=tell)


def _settled(check: Callable[[], DriftReport]) -> DriftReport:
    """Rows that were too hot in one check are settled in the next."""
    for _ in range(_CHECKS):
        report = check()
        if report.verdict is not Verdict.UNDECIDED:
            break
    return report


def is_proof(report: DriftReport) -> bool:
    """True if every row has been compared and is equal."""
    return report.verdict is Verdict.IDENTICAL


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
