"""First contact of a check: who the servers are, which tables they have, and whether the replicas can be checked at all."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace

from repwatch.drift.filters import Filtering
from repwatch.drift.report import Reason
from repwatch.drift.verdict import Events
from repwatch.errors import PrivilegeMissing, Refused, ServerError
from repwatch.flows.drift_lane import Lane
from repwatch.flows.drift_reach import fall_reason
from repwatch.flows.drift_world import ReplicaSide, SourceSide
from repwatch.model.schema import Part, Table, TableName
from repwatch.model.topology import ServerSpec
from repwatch.ports.database import Database
from repwatch.sql import catalogue, filters, replication
from repwatch.sql import drift_position as positions
from repwatch.sql.table_parts import part_readers


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
        events=Events.ROW_IMAGES if log_format == "ROW" else Events.STATEMENTS,
        tables=read_tables(db),
        logged=_logged(db),
    )


def meet_replica(replica: ReplicaSide, opened: "Future[None]", source: SourceSide) -> None:
    """Learn about a replica; what hinders its check becomes its `fallen`."""
    try:
        opened.result()
        replica.fallen = replica.lane.submit(lambda db: _look_at(db, replica, source)).result()
    except ServerError as error:
        replica.fallen = fall_reason(error)


def read_tables(db: Database, only: TableName | None = None) -> dict[TableName, Table]:
    """The user's tables of a server, as the account may see them; or one of them. Without their parts."""
    return catalogue.parse_catalogue(
        db.texts(catalogue.tables_statement(only)),
        db.texts(catalogue.columns_statement(only)),
        db.texts(catalogue.primary_keys_statement(only)),
        db.version,
    )


def read_parts(db: Database, only: TableName | None = None) -> dict[TableName, list[Part]]:
    """What the tables of a server, or one of them, have beside columns."""
    parts: dict[TableName, list[Part]] = {}
    for reader in part_readers(db.version, only):
        for name, found in reader.parse(*(db.texts(statement) for statement in reader.statements)).items():
            parts.setdefault(name, []).extend(found)
    return parts


def read_whole_table(db: Database, name: TableName) -> Table | None:
    """One table with its parts."""
    parts = read_parts(db, name)
    table = read_tables(db, name).get(name)
    return table and with_parts(table, parts)


def with_parts(table: Table, parts: Mapping[TableName, Sequence[Part]]) -> Table:
    """The table, with its parts among those of all tables."""
    return replace(table, parts=tuple(parts.get(table.name, ())))


def _look_at(db: Database, replica: ReplicaSide, source: SourceSide) -> Reason | None:
    replica.version = db.version
    _, uuid, _, _, gtid_mode = db.text_row(positions.source_identity(db.version))
    replica.server_uuid = uuid or ""
    replica.tables = read_tables(db)
    replica.tells_snapshots = db.version.is_mariadb and _may_read_snapshot_position(db)
    case, rewrites = db.text_row(filters.filter_settings(db.version))
    channels = positions.parse_channels(db.texts(replication.show_channels(db.version)), rewrites)
    mine = [channel for channel in channels if channel.source_id == source.server_id]
    # A channel that never connected since its server's start knows no id yet.
    if not mine and not any(channel.source_id == 0 for channel in channels):
        return Reason.NOT_REPLICATING
    named = [channel for channel in mine or channels if replica.target.channel in ("", channel.name)]
    replica.filtering = Filtering(
        logged=source.logged, channels=tuple(channel.filters for channel in named or mine or channels), fold=case != "0"
    )
    if db.version.flavour is not source.version.flavour or gtid_mode not in {"ON", "ON_PERMISSIVE"}:
        return Reason.NO_GTID
    return None


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
