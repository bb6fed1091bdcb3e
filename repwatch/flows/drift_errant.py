"""Looks for writes that a replica's own binary log tells of: they may be what made it differ. Reads little, at the end."""

from collections.abc import Sequence
from typing import Final

from repwatch.drift.report import Errant
from repwatch.errors import ServerError
from repwatch.flows.drift_world import CheckWorld
from repwatch.ports.clock import Clock
from repwatch.ports.database import Database
from repwatch.sql import errant as sql
from repwatch.sql import replication
from repwatch.sql.status_columns import StatusRow

# SHOW BINLOG EVENTS holds back commits while it reads the log that is being written: so few events at a time.
_EVENTS: Final = 1_000
_PAGES: Final = 5
_SECONDS: Final = 2.0
_LOGS: Final = 10
_TABLES: Final = 10


def find_errant(world: CheckWorld, number: int) -> Errant | None:
    """The transactions of a replica's own that its source does not have; None if there are none or it cannot be told.

    Nothing is said of a replica that is meant to be written to, that never reached a position of the source (it may not
    replicate from it at all), or from which the source itself replicates.
    """
    replica = world.replicas[number]
    server = replica.target.server
    if world.cancelled() or replica.fallen is not None or not replica.as_of or server.writable or server.local_tables:
        return None
    try:
        identity = replica.lane.submit(_own_history).result()
        if identity is None:
            return None
        server_id, uuid, history = identity
        known = world.source.lane.submit(lambda db: _known(db, server_id, uuid)).result()
        if known is None or int(server_id) == world.source.server_id:
            return None
        gtids = sql.own_transactions(world.source.version, server_id, uuid, history, known)
        return replica.lane.submit(lambda db: _described(db, world.clock, gtids, server_id)).result() if gtids else None
    except (ServerError, ValueError):
        return None  # an explanation less; the verdict stands


def _own_history(db: Database) -> tuple[str, str, str] | None:
    foreign = sql.foreign_assignments(db.version)
    if foreign is not None and db.scalar(foreign) != "0":
        return None
    server_id, uuid, history = db.text_row(sql.own_identity(db.version))
    return server_id or "0", uuid or "", history or ""


def _known(db: Database, server_id: str, uuid: str) -> str | None:
    """What the source knows; None if it replicates from this replica and may just not have got there yet."""
    for row in map(StatusRow, db.texts(replication.show_channels(db.version))):
        if row.text("source_uuid") == uuid != "" or row.whole("source_server_id") == int(server_id):
            return None
    return db.scalar(sql.known_history(db.version)) or ""


def _described(db: Database, clock: Clock, gtids: str, server_id: str) -> Errant:
    try:
        log = _log_of(db, gtids)
        tables = _tables(db, clock, log, server_id) if log else ()
    except ServerError:  # MySQL wants REPLICATION SLAVE for it, which is not asked of this account
        return Errant(gtids=gtids)
    return Errant(gtids=gtids, tables=tables, log=log)


def _log_of(db: Database, gtids: str) -> str:
    """The newest log that does not begin behind all of the transactions: it has the last of them."""
    names = [row.get("Log_name") or "" for row in db.texts(sql.SHOW_LOGS)]
    for name in names[: -_LOGS - 1 : -1]:
        if sql.begins_behind(db.version, db.texts(sql.events(name, 0, 3)), gtids) is False:
            return name
    return ""


def _tables(db: Database, clock: Clock, log: str, server_id: str) -> tuple[str, ...]:
    """Tables that the log's first own events touched, as far as a bounded reading gets."""
    found: dict[str, None] = {}
    give_up = clock.monotonic() + _SECONDS
    position = 0
    for _ in range(_PAGES):
        page: Sequence[sql.Event] = db.texts(sql.events(log, position, _EVENTS))
        found |= dict.fromkeys(sql.tables_in(page, server_id))
        if len(page) < _EVENTS or len(found) >= _TABLES or clock.monotonic() > give_up:
            break
        position = int(page[-1].get("End_log_pos") or 0)
    return tuple(found)[:_TABLES]
