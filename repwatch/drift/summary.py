"""From parts to the whole: the verdict of a table, a replica, a report, and the exit status of a check."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from repwatch.drift.report import (
    CountedRow,
    Difference,
    DriftReport,
    Effect,
    ExtraRow,
    Proof,
    Reason,
    ReplicaReport,
    SchemaDifference,
    TableExtra,
    TableReport,
    Verdict,
)
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


def weakest(proofs: Collection[Proof]) -> Proof:
    """The proof that covers all parts: re-reading if any part was proved by it alone. An empty table is proved by one reading.

    That some rows had to be locked is said in any case: all others were read again then.
    """
    if Proof.LOCKED in proofs:
        return Proof.LOCKED
    return Proof.SNAPSHOT if set(proofs) == {Proof.SNAPSHOT} else Proof.REREAD


def table_verdict(
    *, difference_count: int, schema: Sequence[SchemaDifference], reason: Reason | None, strict: bool = False
) -> Verdict:
    """Of one table: what was found counts even where something else could not be read. `strict`: also what touches no data."""
    if difference_count or any(strict or difference.effect is Effect.DATA for difference in schema):
        return Verdict.DRIFTED
    return Verdict.UNDECIDED if reason else Verdict.IDENTICAL


def replica_verdict(
    tables: Sequence[TableReport], objects: Sequence[SchemaDifference], reason: Reason | None, *, strict: bool
) -> Verdict:
    """Of one replica: what hinders a part of its check leaves it undecided at best."""
    if strict and objects:
        return Verdict.DRIFTED
    verdict = overall(table.verdict for table in tables)
    return Verdict.UNDECIDED if reason is not None and verdict is Verdict.IDENTICAL else verdict


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
    skipped = any(replica.reason or any(table.reason for table in replica.tables) for replica in report.replicas)
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
                source=str(source.endpoint.address),
                source_name=source.name,
            )
            for target in replicas
        ),
    )


def merged(reports: Sequence[DriftReport]) -> DriftReport:
    """One report of several, each of another source (a chain, a replica of several sources); the first names the source.

    Raises IndexError if there is none.
    """
    first = reports[0]
    strict = any(report.strict for report in reports)
    replicas = _across_channels([replica for report in reports for replica in report.replicas], strict=strict)
    return replace(
        first,
        verdict=overall(replica.verdict for replica in replicas),
        started=min(report.started for report in reports),
        finished=max(report.finished for report in reports),
        replicas=replicas,
        left_out=tuple(sorted({name for report in reports for name in report.left_out})),
        strict=strict,
    )


def with_replicas(report: DriftReport, replicas: Sequence[ReplicaReport]) -> DriftReport:
    """The report with these replicas in place of its own."""
    return replace(report, verdict=overall(replica.verdict for replica in replicas), replicas=tuple(replicas))


def judged(replica: ReplicaReport, *, strict: bool) -> ReplicaReport:
    """The replica with the verdict and the reason that follow from its tables and objects."""
    reason = replica.reason
    if replica.not_replicated and not replica.tables:
        reason = reason or Reason.NOTHING_REPLICATED
    if strict and replica.not_compared:
        reason = reason or replica.not_compared[0].reason
    return replace(replica, verdict=replica_verdict(replica.tables, replica.objects, reason, strict=strict), reason=reason)


def full_name(table: TableReport) -> str:
    """`schema.table`."""
    return f"{table.schema}.{table.table}"


def is_extra(table: TableReport) -> bool:
    """True if the table is on the replica only."""
    return any(isinstance(difference, TableExtra) for difference in table.differences)


def _across_channels(replicas: Sequence[ReplicaReport], *, strict: bool) -> tuple[ReplicaReport, ...]:
    """What one source of a replica cannot tell of it alone: what is extra there."""

    def across(replica: ReplicaReport) -> ReplicaReport:
        by_source = [other for other in replicas if other.server == replica.server]
        return _with_shared(_with_extra(replica, by_source, strict=strict), by_source, strict=strict)

    return tuple(map(across, replicas))


def _with_shared(replica: ReplicaReport, by_source: Sequence[ReplicaReport], *, strict: bool) -> ReplicaReport:
    """A row of a table that several sources have is no drift for not being on one of them."""
    others = (other for other in by_source if other.source != replica.source)
    return without_surplus(
        replica, {name_there(table) for other in others for table in other.tables if not is_extra(table)}, strict=strict
    )


def without_surplus(replica: ReplicaReport, elsewhere: Collection[str], *, strict: bool) -> ReplicaReport:
    """The replica without the rows too many in these tables, by their names there: another source of it may have them."""
    tables = tuple(
        _without_surplus(table, strict=strict) if table.surplus and name_there(table) in elsewhere else table
        for table in replica.tables
    )
    return replica if tables == replica.tables else judged(replace(replica, tables=tables), strict=strict)


def name_there(table: TableReport) -> str:
    """What the table is called on the replica."""
    return table.there or full_name(table)


def _without_surplus(table: TableReport, *, strict: bool) -> TableReport:
    left = tuple(difference for difference in table.differences if not _is_surplus(difference))
    schema = [difference for difference in left if isinstance(difference, SchemaDifference)]
    count = table.difference_count - table.surplus
    reason = table.reason or Reason.SEVERAL_SOURCES
    verdict = table_verdict(difference_count=count - len(schema), schema=schema, reason=reason, strict=strict)
    drifted = verdict is Verdict.DRIFTED
    return replace(
        table,
        verdict=verdict,
        reason=reason,
        proof=table.proof if drifted else None,
        difference_count=count,
        surplus=0,
        differences=left,
        causes=table.causes if drifted else (),
    )


def _is_surplus(difference: Difference) -> bool:
    match difference:
        case ExtraRow():
            return True
        case CountedRow():
            return difference.source_count < difference.replica_count
        case _:
            return False


def _with_extra(replica: ReplicaReport, by_source: Sequence[ReplicaReport], *, strict: bool) -> ReplicaReport:
    """A table or object that none of all the sources of a replica has is extra there."""
    if len({other.source for other in by_source}) < replica.channels:
        return replica
    names = set.intersection(*({full_name(table) for table in other.unclaimed} for other in by_source))
    extra = tuple(table for table in replica.unclaimed if full_name(table) in names)
    beside = set.intersection(*({(item.what, item.name) for item in other.unclaimed_objects} for other in by_source))
    objects = tuple(item for item in replica.unclaimed_objects if (item.what, item.name) in beside)
    if not extra and not objects:
        return replica
    return judged(
        replace(
            replica,
            reason=None if replica.reason is Reason.NOTHING_REPLICATED else replica.reason,
            tables=(*replica.tables, *extra),
            not_replicated=tuple(name for name in replica.not_replicated if name not in names),
            objects=(*replica.objects, *objects),
        ),
        strict=strict,
    )
