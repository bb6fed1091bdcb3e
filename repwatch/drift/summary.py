"""From parts to the whole: the verdict of a table, a replica, a report, and the exit status of a check."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from repwatch.drift.report import DriftReport, Effect, Reason, ReplicaReport, SchemaDifference, TableExtra, TableReport, Verdict
from repwatch.model.topology import ReplicaTarget, ServerSpec

# The manual of pt-table-checksum, "EXIT STATUS".
PT_NO_REPLICA: Final = 8
PT_DIFFERENCE: Final = 16
PT_SKIPPED_TABLE: Final = 64


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
    if any(_is_unchecked(replica) for replica in report.replicas):
        return 2
    return 3 if report.verdict is Verdict.UNDECIDED else 0


def pt_exit_status(report: DriftReport) -> int:
    """The bits of pt-table-checksum: 16 a difference, 64 a table that was not checked to its end, 8 no replica was checked."""
    differs = report.verdict is Verdict.DRIFTED
    unchecked_replicas = [_is_unchecked(replica) for replica in report.replicas]
    skipped = any(unchecked_replicas) or any(table.reason for replica in report.replicas for table in replica.tables)
    return PT_DIFFERENCE * differs | PT_SKIPPED_TABLE * skipped | PT_NO_REPLICA * all(unchecked_replicas)


def _is_unchecked(replica: ReplicaReport) -> bool:
    return replica.reason is not None and not any(table.proof for table in replica.tables)


def unchecked(
    source: ServerSpec, replicas: Sequence[ReplicaTarget], reason: Reason, started: datetime, finished: datetime
) -> DriftReport:
    """The report of a check that could not read the source: every replica is undecided, for the same reason."""
    return DriftReport(
        verdict=Verdict.UNDECIDED,
        started=started,
        finished=finished,
        source=str(source.endpoint.address),
        source_name=source.name,
        replicas=tuple(
            ReplicaReport(
                server=str(target.server.endpoint.address),
                name=target.server.name,
                channel=target.channel,
                server_uuid="",
                verdict=Verdict.UNDECIDED,
                as_of="",
                reason=reason,
            )
            for target in replicas
        ),
    )


def merged(reports: Sequence[DriftReport]) -> DriftReport:
    """One report of several, each of another source (a chain, a replica of several sources); the first names the source.

    Raises IndexError if there is none.
    """
    first = reports[0]
    replicas = _across_channels([replica for report in reports for replica in report.replicas])
    return replace(
        first,
        verdict=overall(replica.verdict for replica in replicas),
        started=min(report.started for report in reports),
        finished=max(report.finished for report in reports),
        replicas=replicas,
        left_out=tuple(sorted({name for report in reports for name in report.left_out})),
    )


def _across_channels(replicas: Sequence[ReplicaReport]) -> tuple[ReplicaReport, ...]:
    """A table that one source of a replica lacks is not extra there if it came by another channel."""
    return tuple(
        _without(replica, {name for other in replicas if other.server == replica.server for name in _sourced(other)})
        for replica in replicas
    )


def _sourced(replica: ReplicaReport) -> set[tuple[str, str]]:
    return {(table.schema, table.table) for table in replica.tables if not _is_extra(table)}


def _is_extra(table: TableReport) -> bool:
    return any(isinstance(difference, TableExtra) for difference in table.differences)


def _without(replica: ReplicaReport, sourced: set[tuple[str, str]]) -> ReplicaReport:
    tables = tuple(table for table in replica.tables if not (_is_extra(table) and (table.schema, table.table) in sourced))
    if len(tables) == len(replica.tables):
        return replica
    other = {f"{table.schema}.{table.table}" for table in replica.tables} - {f"{table.schema}.{table.table}" for table in tables}
    reason = replica.reason if tables else replica.reason or Reason.NOTHING_REPLICATED
    verdict = overall(table.verdict for table in tables)
    return replace(
        replica,
        verdict=Verdict.UNDECIDED if reason and verdict is Verdict.IDENTICAL else verdict,
        reason=reason,
        tables=tables,
        not_replicated=tuple(sorted({*replica.not_replicated, *other})),
    )
