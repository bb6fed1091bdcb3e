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
from repwatch.drift.report import DriftReport, Reason, ReplicaReport, TableReport
from repwatch.drift.selection import select
from repwatch.drift.summary import overall, replica_verdict
from repwatch.errors import StatementRefused, UsageError
from repwatch.flows.drift_definitions import read_all_parts
from repwatch.flows.drift_lane import Lane
from repwatch.flows.drift_meet import meet_replica, meet_source
from repwatch.flows.drift_objects import ObjectsCheck, ObjectScope, ObjectsResult
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
    users: bool = False  # compare accounts and their grants too
    strict: bool = False  # differences of definitions that touch no data count too


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
            strict=request.strict,
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
    read_all_parts(world)
    objects = ObjectsCheck(world, _object_scope(request, selection.chosen)).run()
    work = TablesCheck(world, selection.chosen, most=request.max_differences, progress=progress)
    work.run()
    replicas = tuple(
        _replica_report(world, number, work.reports(number), selection.chosen, objects.get(number, ObjectsResult()))
        for number in range(len(world.replicas))
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
        strict=world.strict,
    )


def _object_scope(request: CheckRequest, chosen: Sequence[TableName]) -> ObjectScope:
    """Views and the like are compared in the schemas of the chosen tables; in all where no table is named."""
    schemas = frozenset(name.schema for name in chosen) if request.tables else None
    return ObjectScope(schemas=schemas, exclude=request.exclude, users=request.users)


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
    world: CheckWorld, number: int, tables: tuple[TableReport, ...], chosen: Sequence[TableName], objects: ObjectsResult
) -> ReplicaReport:
    replica = world.replicas[number]
    server, reason = replica.target.server, replica.fallen
    filtered = tuple(str(name) for name in chosen if world.reach(number, name) is Reach.FILTERED)
    if filtered and not tables:
        reason = reason or Reason.NOTHING_REPLICATED
    if world.strict and objects.not_compared:
        reason = reason or objects.not_compared[0].reason
    return ReplicaReport(
        server=str(server.endpoint.address),
        name=server.name,
        channel=replica.target.channel,
        server_uuid=replica.server_uuid,
        verdict=replica_verdict(tables, objects.differences, reason, strict=world.strict),
        as_of=replica.as_of,
        reason=reason,
        tables=tables,
        not_replicated=filtered,
        objects=objects.differences,
        not_compared=objects.not_compared,
    )
