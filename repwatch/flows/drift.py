"""The drift check: is each replica identical to its source? Reads, asks the core what the readings prove, and reports.

Read-only on every server, without locks, with a connection or two to each; all replicas are compared with one reading of the
source.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from repwatch.drift.definitions import is_transactional
from repwatch.drift.filters import Reach
from repwatch.drift.progress import Progress
from repwatch.drift.report import DriftReport, Reason, ReplicaReport, TableReport, Verdict
from repwatch.drift.resume import KEPT_FOR
from repwatch.drift.selection import exactly, perhaps_of_tools, select
from repwatch.drift.summary import full_name, is_extra, judged, overall
from repwatch.drift.throttle import DEFAULT_LIMITS, Limits
from repwatch.errors import ServerError, StatementRefused, UsageError
from repwatch.flows.drift_catalogue import ask_columns, tool_columns, unseen_tables
from repwatch.flows.drift_errant import find_errant
from repwatch.flows.drift_gauge import Gauge, Watched
from repwatch.flows.drift_lane import Lane
from repwatch.flows.drift_meet import look_upstream, meet_reference, meet_replica, meet_source, meet_static
from repwatch.flows.drift_moment import CommonMoment, may_meet
from repwatch.flows.drift_objects import ObjectsCheck, ObjectScope, ObjectsResult
from repwatch.flows.drift_reach import REACH_SECONDS, note_position
from repwatch.flows.drift_settling import SETTLE_SECONDS
from repwatch.flows.drift_stand import ExactMeans, Stand
from repwatch.flows.drift_tables import TablesCheck
from repwatch.flows.drift_turns import Turns
from repwatch.flows.drift_world import CheckWorld, OnePosition, ReplicaSide, SourceSide
from repwatch.model.endpoint import Endpoint
from repwatch.model.schema import TableName
from repwatch.model.topology import ReplicaTarget, ServerSpec
from repwatch.ports.check_journal import CheckJournal, NoJournal
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Database, Timeouts
from repwatch.sql.catalogue import batches
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
    limits: Limits = DEFAULT_LIMITS
    reference: ReplicaTarget | None = None  # a trusted replica that is read instead of the source
    static: bool = False  # no replication between the servers: they are compared as they stand
    settle_seconds: float = SETTLE_SECONDS  # how long rows that change all the time are tried
    reach_seconds: float = REACH_SECONDS  # how long a replica may take to catch up, beside its intended delay
    users: bool = False  # compare accounts and their grants too
    strict: bool = False  # differences of definitions that touch no data count too
    kept_for: timedelta = KEPT_FOR  # for how long what an interrupted run has read may count in the next one
    lock_hot: bool = False  # rows that stay hot are locked on the source for moments


NO_JOURNAL: Final = NoJournal()
Standing = Callable[[CheckWorld, Sequence[TableName]], AbstractContextManager[OnePosition | None]]


@dataclass(frozen=True)
class Telling:
    """To whom a check tells how far it is."""

    progress: Callable[[Progress], None]
    journal: CheckJournal


def _silent(_: Progress) -> None:
    return


def check(  # noqa: PLR0913 - what it needs of the world, each with a default where nothing is wanted
    request: CheckRequest,
    *,
    connect: Connect,
    clock: Clock,
    progress: Callable[[Progress], None] = _silent,
    cancelled: Callable[[], bool] = lambda: False,
    paused: Callable[[], bool] = lambda: False,
    journal: CheckJournal = NO_JOURNAL,
    exact: ExactMeans | None = None,
) -> DriftReport:
    """Compare the replicas with the source and report. `cancelled` and `paused` are asked often.

    `journal` keeps what was judged, and what it holds of an earlier run need not be read again.

    `exact`: read all servers at one position, for which appliers are held for moments.

    Raises UsageError for a pattern that matches nothing and for a bad condition, and ServerError if the source cannot be read
    at all, and Refused where the source has no GTIDs; whatever befalls a replica, also that it may not be held for an exact
    check, is in the report.
    """
    condition = None if request.where is None else vet_condition(request.where)
    started = clock.now()
    head = request.reference.server if request.reference else request.source
    turns: defaultdict[str, Turns] = defaultdict(lambda: Turns(clock))  # by machine

    def lane_to(endpoint: Endpoint) -> Lane:
        return Lane(endpoint, connect, clock, turns[endpoint.address.host])

    source_lane = lane_to(head.endpoint)
    replicas = tuple(ReplicaSide(target=target, lane=lane_to(target.server.endpoint)) for target in request.replicas)
    lanes = [source_lane, *(replica.lane for replica in replicas)]
    try:
        opened = [replica.lane.open() for replica in replicas]
        source_lane.open().result()
        source = source_lane.submit(_meeting(request, source_lane, connect)).result()
        for replica, future in zip(replicas, opened, strict=True):
            meet_replica(replica, future, source, clock, static=request.static)
        world = CheckWorld(
            source=source,
            replicas=replicas,
            clock=clock,
            cancelled=cancelled,
            settle_seconds=request.settle_seconds,
            reach_seconds=request.reach_seconds,
            gauge=Gauge(_watched(request, source, replicas), clock, request.limits, paused),
            condition=condition,
            static=request.static,
            strict=request.strict,
            locks=connect if request.lock_hot else None,
        )
        source_lane.submit(partial(note_position, world))  # the sooner it was seen, the sooner a standstill proves something
        return _check_tables(world, request, started, Telling(progress, journal), _standing(exact, connect))
    finally:
        for lane in lanes:
            lane.close()


def _watched(request: CheckRequest, source: SourceSide, replicas: Sequence[ReplicaSide]) -> dict[str, Watched]:
    """The servers by address, each with its limits: a server's own `max_lag` goes before the one of the request."""
    head = Watched(
        lane=source.lane,
        limits=request.limits,
        source_id=source.server_id if source.applies else 0,
        patience=request.reach_seconds,
    )
    watched = {str(source.spec.endpoint.address): head}
    for replica in replicas:
        own = replica.target.server.max_lag
        lag = (request.limits.lag if own is None else own.total_seconds()) + replica.delay
        watched[replica.address] = Watched(
            lane=replica.lane,
            limits=replace(request.limits, lag=lag),
            source_id=source.server_id,
            patience=request.reach_seconds + replica.delay,
        )
    return watched


def _meeting(request: CheckRequest, lane: Lane, connect: Connect) -> Callable[[Database], SourceSide]:
    """How the server that the replicas are compared with is met."""
    if request.static:
        return lambda db: meet_static(db, request.source, lane)
    if (reference := request.reference) is None:
        return lambda db: meet_source(db, request.source, lane)
    try:
        with closing(connect(request.source.endpoint, Timeouts())) as upstream_db:
            upstream = look_upstream(upstream_db)
    except ServerError:
        upstream = None  # a source that is down is a reason to ask which of its replicas can be trusted
    return lambda db: meet_reference(db, reference, lane, upstream)


def verify_tables(
    request: CheckRequest,
    tables: Sequence[TableName],
    *,
    connect: Connect,
    clock: Clock,
    cancelled: Callable[[], bool] = lambda: False,
) -> DriftReport:
    """`check`, for exactly these tables (their names may look like patterns): the proof at the end of a repair or a reseed."""
    exact = tuple(exactly(str(table)) for table in tables)
    return check(replace(request, tables=exact, exclude=()), connect=connect, clock=clock, cancelled=cancelled)


def _check_tables(
    world: CheckWorld, request: CheckRequest, started: datetime, telling: "Telling", standing: Standing
) -> DriftReport:
    # On a replica a table may have another name; it is chosen by that of the source.
    every = {name for tables in (world.source.tables, *(replica.tables for replica in world.replicas)) for name in tables}
    selection = select(every, tool_columns(world, perhaps_of_tools(every)), request.tables, request.exclude)
    _try_condition(world, selection.chosen)
    scope = _object_scope(request, selection.chosen)
    found: dict[int, ReplicaReport] = {}  # by the identity of the replica's side
    # One that is meant to be behind holds up no other: those are checked first, in a pass of their own.
    for delay in sorted({replica.delay for replica in world.replicas}):
        part = replace(world, delay=delay, replicas=tuple(replica for replica in world.replicas if replica.delay == delay))
        objects = ObjectsCheck(part, scope)
        beside = objects.run()
        work = TablesCheck(
            part,
            selection.chosen,
            most=request.max_differences,
            progress=telling.progress,
            journal=telling.journal,
            kept_since=started - request.kept_for,
        )
        with standing(part, selection.chosen) as part.stand:
            work.run()
        part.stand = None
        for number, replica in enumerate(part.replicas):
            result = beside.get(number, ObjectsResult())
            beyond = unseen_tables(part, number, selection.chosen, request.tables)
            result = replace(result, not_compared=(*beyond, *result.not_compared, *objects.unseen_parts(number)))
            report = _replica_report(part, number, work.reports(number), result, selection.chosen)
            if any(unseen.server == report.source for unseen in beyond):
                report = judged(replace(report, reason=report.reason or Reason.UNREADABLE), strict=part.strict)
            if work.vanished(number):
                report = judged(replace(report, reason=report.reason or Reason.SCHEMA_CHANGED), strict=part.strict)
            found[id(replica)] = report
    replicas = tuple(found[id(replica)] for replica in world.replicas)
    return DriftReport(
        verdict=overall(replica.verdict for replica in replicas),
        started=started,
        finished=world.clock.now(),
        source=str(world.source.spec.endpoint.address),
        source_name=world.source.spec.name,
        replicas=replicas,
        left_out=tuple(str(name) for name in selection.left_out),
        stands_for=request.source.label if request.reference else None,
        where=world.condition.text if world.condition else None,
        strict=world.strict,
    )


def _standing(exact: ExactMeans | None, connect: Connect) -> Standing:
    """How servers are brought to one position; a check that is not to be exact goes on without it where they do not meet."""

    def stand(world: CheckWorld, chosen: Sequence[TableName]) -> AbstractContextManager[OnePosition | None]:
        if exact is not None:
            # What no snapshot covers is not locked for one.
            covered = [name for name in chosen if is_transactional(world.source.tables.get(name, ""))]
            return Stand(world, connect, exact, covered)
        return CommonMoment(world, connect) if may_meet(world) else nullcontext()

    return stand


def _object_scope(request: CheckRequest, chosen: Sequence[TableName]) -> ObjectScope:
    """Views and the like are compared in the schemas of the chosen tables; in all where no table is named."""
    schemas = frozenset(name.schema for name in chosen) if request.tables else None
    return ObjectScope(schemas=schemas, exclude=request.exclude, users=request.users)


def _run(statement: str, db: Database) -> None:
    db.query(statement)


def _try_condition(world: CheckWorld, chosen: Sequence[TableName]) -> None:
    """Raises UsageError if a table of the source lacks a column of the condition, or the source refuses it."""
    condition = world.condition
    if condition is None:
        return
    for names in batches(chosen):
        for name, columns in ask_columns(world, names).result().items():
            if unknown := condition.unknown_in(frozenset(column.name for column in columns)):
                raise UsageError(f"{name} has no column {', '.join(unknown)}", hint="choose tables that have it with --tables")
            try:
                world.source.lane.submit(partial(_run, trial(name, condition))).result()
            except StatementRefused as error:
                raise UsageError(f"the source refuses the condition for {name}: {error.text}", hint="see --where") from None


def _replica_report(
    world: CheckWorld, number: int, tables: tuple[TableReport, ...], objects: ObjectsResult, chosen: Sequence[TableName]
) -> ReplicaReport:
    replica = world.replicas[number]
    server, source = replica.target.server, world.source.spec
    # With several sources, what this one lacks may be another's: only the checks of all of them tell (`merged`).
    several = replica.channels > 1
    unclaimed = tuple(table for table in tables if several and is_extra(table))
    extra = frozenset(map(full_name, unclaimed))
    unclaimed_objects = tuple(item for item in objects.differences if several and item.source is None)
    filtered = {str(name) for name in chosen if world.reach(number, name) is Reach.FILTERED}
    return judged(
        ReplicaReport(
            server=str(server.endpoint.address),
            name=server.name,
            channel=replica.target.channel,
            server_uuid=replica.server_uuid,
            verdict=Verdict.UNDECIDED,
            as_of=replica.as_of,
            reason=replica.fallen,
            tables=tuple(table for table in tables if full_name(table) not in extra),
            not_replicated=tuple(sorted(filtered | extra)),
            objects=tuple(item for item in objects.differences if item not in unclaimed_objects),
            not_compared=objects.not_compared,
            # A table that is unreachable though its replica is not: the source is lost, and not to be asked again.
            errant=None if any(table.reason is Reason.UNREACHABLE for table in tables) else find_errant(world, number),
            source=str(source.endpoint.address),
            source_name=source.name,
            channels=replica.channels,
            unclaimed=unclaimed,
            unclaimed_objects=unclaimed_objects,
        ),
        strict=world.strict,
    )
