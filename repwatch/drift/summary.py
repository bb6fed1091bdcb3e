"""From parts to the whole: the verdict of a table, a replica, a report, and the exit status of a check."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from repwatch.drift.report import DriftReport, Effect, Reason, SchemaDifference, Verdict


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """Drifted if any part is; else identical only if every part is."""
    found = set(verdicts)
    if Verdict.DRIFTED in found:
        return Verdict.DRIFTED
    return Verdict.UNDECIDED if Verdict.UNDECIDED in found else Verdict.IDENTICAL


def table_verdict(*, difference_count: int, schema: Sequence[SchemaDifference], reason: Reason | None) -> Verdict:
    """Of one table: what was found counts even where something else could not be read."""
    if difference_count or any(difference.effect is Effect.DATA for difference in schema):
        return Verdict.DRIFTED
    return Verdict.UNDECIDED if reason else Verdict.IDENTICAL


def exit_status(report: DriftReport) -> int:
    """Worst wins, in this order: 1 drift, 2 a replica could not be checked at all, 3 undecided, 0 identical."""
    if report.verdict is Verdict.DRIFTED:
        return 1
    if any(replica.reason and not any(table.proof for table in replica.tables) for replica in report.replicas):
        return 2
    return 3 if report.verdict is Verdict.UNDECIDED else 0


def merged(reports: Sequence[DriftReport]) -> DriftReport:
    """One report of several, each of another source (a chain); the first names the source. Raises IndexError if there is none."""
    first = reports[0]
    return replace(
        first,
        verdict=overall(report.verdict for report in reports),
        started=min(report.started for report in reports),
        finished=max(report.finished for report in reports),
        replicas=tuple(replica for report in reports for replica in report.replicas),
        left_out=tuple(sorted({name for report in reports for name in report.left_out})),
    )
