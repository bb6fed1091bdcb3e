"""First contact of a check: who the servers are, which tables they have, and whether the replicas can be checked at all."""

import logging
from concurrent.futures import Future
from dataclasses import dataclass

from repwatch.drift.filters import Filtering
from repwatch.drift.report import Reason
from repwatch.drift.rewrites import Places, by_origin, places
from repwatch.drift.verdict import Events, events_of
from repwatch.errors import PrivilegeMissing, Refused, SelfTestFailed, ServerError, StatementRefused
from repwatch.flows.drift_catalogue import read_names, read_sight
from repwatch.flows.drift_lane import Lane
from repwatch.flows.drift_reach import fall_reason, note_applied
from repwatch.flows.drift_world import AppliedWatch, ReplicaSide, SourceSide
from repwatch.model.topology import ReplicaTarget, ServerSpec
from repwatch.ports.clock import Clock
from repwatch.ports.database import Database
from repwatch.sql import drift_position as positions
from repwatch.sql import filters, replication
from repwatch.sql.applied_events import COUNTS_STATEMENTS

log = logging.getLogger("repwatch.drift")


def meet_source(db: Database, spec: ServerSpec, lane: Lane) -> SourceSide:
    """Learn about the source. Raises ServerError, and Refused where it has no GTIDs to compare positions by."""
    server_id, uuid, log_format, has_log, gtid_mode = db.text_row(positions.source_identity(db.version))
    if gtid_mode not in {"ON", "ON_PERMISSIVE"} or has_log not in {"1", "ON"}:
        raise Refused(
            f"{db.server}: it writes no binary log with GTIDs, so a replica's position cannot be compared with its own",
            hint="enable the binary log, and on MySQL gtid_mode",
        )
    return SourceSide(
        spec=spec,
        lane=lane,
        version=db.version,
        server_id=int(server_id or 0),
        server_uuid=uuid or "",
        events=events_of(log_format),
        tables=read_names(db),
        sight=read_sight(db),
        logged=_logged(db),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """What the source of a trusted replica says of the events that all its replicas get. Without it: they may be anything."""

    server_id: int
    events: Events
    logged: filters.DatabaseFilters


def look_upstream(db: Database) -> Upstream:
    """Two small statements on a source whose tables are not read. Raises ServerError."""
    server_id, _, log_format, _, _ = db.text_row(positions.source_identity(db.version))
    return Upstream(server_id=int(server_id or 0), events=events_of(log_format), logged=_logged(db))


def meet_reference(db: Database, target: ReplicaTarget, lane: Lane, upstream: Upstream | None) -> SourceSide:
    """Learn about the trusted replica that stands for its source. Raises ServerError, and Refused where it cannot."""
    _, uuid, _, _, gtid_mode = db.text_row(positions.source_identity(db.version))
    case, rewrites = db.text_row(filters.filter_settings(db.version))
    channels = positions.parse_channels(db.texts(replication.show_channels(db.version)), rewrites)
    mine = [channel for channel in channels if target.channel in ("", channel.name)]
    if upstream is not None:
        mine = [channel for channel in mine if channel.source_id in (0, upstream.server_id)]
    if len(mine) != 1 or not mine[0].source_id or gtid_mode not in {"ON", "ON_PERMISSIVE"}:
        raise Refused(
            f"{db.server}: it has no channel with GTIDs from the source, so it cannot stand for it",
            hint="name a replica of the same source with --from, and its channel with --channel if it has several",
        )
    return SourceSide(
        spec=target.server,
        lane=lane,
        version=db.version,
        server_id=mine[0].source_id,
        server_uuid=uuid or "",
        events=upstream.events if upstream else Events.STATEMENTS,
        tables=read_names(db),
        sight=read_sight(db),
        logged=upstream.logged if upstream else filters.DatabaseFilters(),
        applies=True,
        tells_snapshots=db.version.is_mariadb and _may_read_snapshot_position(db),
        filtering=Filtering(channels=(mine[0].filters,), fold=case != "0"),
        local_tables=target.server.local_tables,
    )


def meet_static(db: Database, spec: ServerSpec, lane: Lane) -> SourceSide:
    """Learn about the first of two servers without replication between them. Raises ServerError."""
    _, uuid, _, has_log, gtid_mode = db.text_row(positions.source_identity(db.version))
    return SourceSide(
        spec=spec,
        lane=lane,
        version=db.version,
        server_id=0,
        server_uuid=uuid or "",
        events=Events.STATEMENTS,  # whatever changes one of them need not come to the other
        tables=read_names(db),
        sight=read_sight(db),
        tells_writes=_tells_writes(has_log, gtid_mode),
    )


def _tells_writes(has_log: str | None, gtid_mode: str | None) -> bool:
    """True if each write has a GTID in the binary log, so that the position stands still only where the data does."""
    return has_log in {"1", "ON"} and gtid_mode == "ON"


def meet_replica(replica: ReplicaSide, opened: "Future[None]", source: SourceSide, clock: Clock, *, static: bool = False) -> None:
    """Learn about a replica; what hinders its check becomes its `fallen`."""

    def look(db: Database) -> Reason | None:
        if not static:
            return _look_at(db, replica, source, clock)
        _look_at_static(db, replica, source)
        return None

    try:
        opened.result()
        replica.fallen = replica.lane.submit(look).result()
    except ServerError as error:
        if isinstance(error, SelfTestFailed):  # the reason does not say what is missed
            log.warning("drift.replica_left replica=%s: %s", replica.target.server.label, error)
        replica.fallen = fall_reason(error)


def _look_at_static(db: Database, replica: ReplicaSide, source: SourceSide) -> None:
    replica.version = db.version
    _, uuid, _, has_log, gtid_mode = db.text_row(positions.source_identity(db.version))
    replica.server_uuid = uuid or ""
    replica.tables = read_names(db)
    replica.sight = read_sight(db)
    replica.tells_writes = _tells_writes(has_log, gtid_mode)
    case, _ = db.text_row(filters.filter_settings(db.version))
    _place_tables(replica, source, fold=case != "0")


def _look_at(db: Database, replica: ReplicaSide, source: SourceSide, clock: Clock) -> Reason | None:
    replica.version = db.version
    _, uuid, _, _, gtid_mode = db.text_row(positions.source_identity(db.version))
    replica.server_uuid = uuid or ""
    replica.tables = read_names(db)
    replica.sight = read_sight(db)
    replica.tells_writes = source.applies
    replica.tells_snapshots = db.version.is_mariadb and _may_read_snapshot_position(db)
    # Where statements are the rule it is not enough to see none: one may be applied for long that the source does not show yet.
    by_rows = source.events is Events.ROW_IMAGES and not source.applies
    replica.applied = _watch_applied(db, clock) if by_rows and not db.version.is_mariadb else None
    case, rewrites = db.text_row(filters.filter_settings(db.version))
    channels = positions.parse_channels(db.texts(replication.show_channels(db.version)), rewrites)
    mine = [channel for channel in channels if channel.source_id == source.server_id]
    # A channel that never connected since its server's start knows no id yet.
    if not mine and not any(channel.source_id == 0 for channel in channels):
        return Reason.NOT_REPLICATING
    named = [channel for channel in mine or channels if replica.target.channel in ("", channel.name)]
    replica.channels = len({channel.source_id or channel.name for channel in channels})
    replica.delay = max(replica.target.server.delay.total_seconds(), *(channel.delay for channel in named or mine or channels))
    replica.filtering = Filtering(
        logged=source.logged, channels=tuple(channel.filters for channel in named or mine or channels), fold=case != "0"
    )
    _place_tables(replica, source, fold=case != "0")
    if db.version.flavour is not source.version.flavour or gtid_mode not in {"ON", "ON_PERMISSIVE"}:
        return Reason.NO_GTID
    return None


def _place_tables(replica: ReplicaSide, source: SourceSide, *, fold: bool) -> None:
    """Find the replica's tables where rewritten databases have put them. Channels that do it differently leave it open.

    With `fold` (lower_case_table_names is not 0) the replica may spell names in other letters. What a trusted replica has was
    rewritten on its own way, which is not followed.
    """
    known = set() if source.applies else {channel.rewrites for channel in replica.filtering.channels}
    pairs = next(iter(known), ()) or ()
    if len(known) > 1:
        replica.places = Places(unclear=frozenset(source.tables))
        return
    replica.places = places(source.tables, replica.tables, pairs, fold=fold)
    replica.tables = by_origin(replica.tables, replica.places, pairs, fold=fold)


def _logged(db: Database) -> filters.DatabaseFilters:
    try:
        return filters.parse_log_status(db.texts(filters.log_status(db.version)))
    except PrivilegeMissing:
        return filters.DatabaseFilters()  # `doctor` asks for the privilege


def _may_read_snapshot_position(db: Database) -> bool:
    try:
        db.scalar(positions.SNAPSHOT_POSITION)
    except PrivilegeMissing:
        return False
    return True


def _watch_applied(db: Database, clock: Clock) -> AppliedWatch | None:
    """Look for the first time at what a replica applies as statements; None where the account or the server does not tell."""
    watch = AppliedWatch()
    try:
        if db.scalar(COUNTS_STATEMENTS) != "1":
            return None
        note_applied(clock, db, watch)
    except StatementRefused:
        return None
    return watch
