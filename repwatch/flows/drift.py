"""The drift check: is each replica identical to its source? Reads, asks the core what the readings prove, and reports.

Read-only on every server, without locks, with one connection to each; all replicas are compared with one reading of the source.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from repwatch.drift.filters import Reach
from repwatch.drift.progress import Progress
from repwatch.drift.report import DriftReport, Reason, ReplicaReport, TableReport, Verdict
from repwatch.drift.selection import select
from repwatch.drift.summary import overall
from repwatch.errors import StatementRefused, UsageError
from repwatch.flows.drift_errant import find_errant
from repwatch.flows.drift_lane import Lane
from repwatch.flows.drift_meet import meet_replica, meet_source
from repwatch.flows.drift_settle import SETTLE_SECONDS
from repwatch.flows.drift_tables import TablesCheck
from repwatch.flows.drift_world import CheckWorld, ReplicaSide
from repwatch.model.schema import Table, TableName
from repwatch.model.topology import ReplicaTarget, ServerSpec
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Database
from repwatch.sql.where import trial, vet_condition

DEFAULT_MOST: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """What to check. `tables` and `exclude` are shell wildcards on `db.table`; no `tables` means all."""

    source: ServerSpec
    replicas: tuple[ReplicaTarget, ...]
    tables: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    where: str | None = None  # a condition on the columns of each table; rows that it does not choose are not compared
    max_differences: int = DEFAULT_MOST
    settle_seconds: float = SETTLE_SECONDS  # how long rows that change all the time are tried


def _silent(_: Progress) -> None:
    return


def check(
    request: CheckRequest,
    *,
    connect: Connect,
    clock: Clock,
    progress: Callable[[Progress], None] = _silent,
    cancelled: Callable[[], bool] = lambda: False,
) -> DriftReport:
    """Compare the replicas with the source and report. `cancelled` is asked about twice a second.

    Raises UsageError for a pattern that matches nothing and for a bad condition, and ServerError if the source cannot be read
    at all; whatever befalls a replica is in the report.
    """
    condition = None if request.where is None else vet_condition(request.where)
    started = clock.now()
    source_lane = Lane(request.source.endpoint, connect, clock)
    replicas = tuple(ReplicaSide(target=target, lane=Lane(target.server.endpoint, connect, clock)) for target in request.replicas)
    lanes = [source_lane, *(replica.lane for replica in replicas)]
    try:
        opened = [replica.lane.open() for replica in replicas]
        source_lane.open().result()
        source = source_lane.submit(lambda db: meet_source(db, request.source, source_lane)).result()
        for replica, future in zip(replicas, opened, strict=True):
            meet_replica(replica, future, source)
        world = CheckWorld(
            source=source,
            replicas=replicas,
            clock=clock,
            cancelled=cancelled,
            settle_seconds=request.settle_seconds,
            condition=condition,
        )
        return _check_tables(world, request, started, progress)
    finally:
        for lane in lanes:
            lane.close()


def verify_tables(
    request: CheckRequest,
    tables: Sequence[TableName],
    *,
    connect: Connect,
    clock: Clock,
    cancelled: Callable[[], bool] = lambda: False,
) -> DriftReport:
    """`check`, for exactly these tables (their names may look like patterns): the proof at the end of a repair or a reseed."""
    exact = tuple(_as_pattern(table) for table in tables)
    return check(replace(request, tables=exact, exclude=()), connect=connect, clock=clock, cancelled=cancelled)


def _as_pattern(table: TableName) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(table))


def _check_tables(
    world: CheckWorld, request: CheckRequest, started: datetime, progress: Callable[[Progress], None]
) -> DriftReport:
    every: dict[TableName, Table] = {}
    for tables in (*(replica.tables for replica in world.replicas), world.source.tables):
        every |= tables
    selection = select(every.values(), request.tables, request.exclude)
    _try_condition(world, selection.chosen)
    work = TablesCheck(world, selection.chosen, most=request.max_differences, progress=progress)
    work.run()
    replicas = tuple(
        _replica_report(world, number, work.reports(number), selection.chosen) for number in range(len(world.replicas))
    )
    return DriftReport(
        verdict=overall(replica.verdict for replica in replicas),
        started=started,
        finished=world.clock.now(),
        source=str(request.source.endpoint.address),
        source_name=request.source.name,
        replicas=replicas,
        left_out=tuple(str(name) for name in selection.left_out),
        where=world.condition.text if world.condition else None,
    )


def _run(statement: str, db: Database) -> None:
    db.query(statement)


def _try_condition(world: CheckWorld, chosen: Sequence[TableName]) -> None:
    """Raises UsageError if a table of the source lacks a column of the condition, or the source refuses it."""
    condition = world.condition
    for name in chosen if condition else ():
        table = world.source.tables.get(name)
        if table is None or condition is None:
            continue
        if unknown := condition.unknown_in(frozenset(column.name for column in table.columns)):
            raise UsageError(f"{name} has no column {', '.join(unknown)}", hint="choose tables that have it with --tables")
        try:
            world.source.lane.submit(partial(_run, trial(name, condition))).result()
        except StatementRefused as error:
            raise UsageError(f"the source refuses the condition for {name}: {error.text}", hint="see --where") from None


def _replica_report(
    world: CheckWorld, number: int, tables: tuple[TableReport, ...], chosen: Sequence[TableName]
) -> ReplicaReport:
    replica = world.replicas[number]
    server, reason = replica.target.server, replica.fallen
    filtered = tuple(str(name) for name in chosen if world.reach(number, name) is Reach.FILTERED)
    if filtered and not tables:
        reason = reason or Reason.NOTHING_REPLICATED
    verdict = overall(table.verdict for table in tables)
    if reason is not None and verdict is Verdict.IDENTICAL:
        verdict = Verdict.UNDECIDED
    return ReplicaReport(
        server=str(server.endpoint.address),
        name=server.name,
        channel=replica.target.channel,
        server_uuid=replica.server_uuid,
        verdict=verdict,
        as_of=replica.as_of,
        reason=reason,
        tables=tables,
        not_replicated=filtered,
        # A table that is unreachable though its replica is not: the source is lost, and not to be asked again.
        errant=None if any(table.reason is Reason.UNREACHABLE for table in tables) else find_errant(world, number),
    )
