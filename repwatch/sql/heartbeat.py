"""The heartbeat: one row for each source, written by repwatch once a second where a cluster's configuration says so.

The time in it is the source's own. An administrator makes the table and grants the writing; repwatch itself makes nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from repwatch.model.schema import TableName
from repwatch.model.server import ServerVersion
from repwatch.sql.privileges import Grant
from repwatch.sql.quoting import quote_name, quote_table
from repwatch.sql.status_columns import RawRow, StatusRow

TABLE: Final = "repwatch_heartbeat"
"""Checks leave a table of this name out, whatever its schema."""

SETUP: Final = "SET SESSION lock_wait_timeout = 1, innodb_lock_wait_timeout = 1"
"""Seconds: a beat waits for nobody's lock. Both variables are there on both flavours."""

WRITABLE: Final = "SELECT @@global.server_id AS server_id, @@global.read_only AS read_only, UTC_TIMESTAMP(6) AS now_utc"
WRITING: Final = ("INSERT", "UPDATE")


FIND: Final = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"
"""Takes the schema and the table."""


@dataclass(frozen=True, slots=True)
class Writable:
    """The answer to WRITABLE."""

    server_id: int
    read_only: bool
    now: datetime | None  # the server's own time


def writable_of(columns: RawRow) -> Writable:
    """The row of WRITABLE. What is not understood is not writable."""
    row = StatusRow(columns)
    return Writable(row.whole("server_id"), row.text("read_only").lower() not in ("0", "off"), row.time("now_utc"))


def table_name(database: str) -> TableName:
    """The table in that schema."""
    return TableName(database, TABLE)


def beat(database: str) -> str:
    """Takes the server's id. UTC_TIMESTAMP is the same on a replica, also by statement: the time travels with the event."""
    return (
        f"INSERT INTO {quote_table(table_name(database))} (server_id, written) VALUES (%s, UTC_TIMESTAMP(6))"
        " ON DUPLICATE KEY UPDATE written = UTC_TIMESTAMP(6)"
    )


def read_beats(database: str, version: ServerVersion) -> str:
    """All beats, with the server's present time; it gives up within a second, as beside a lock on the table."""
    columns = f"server_id, written, UTC_TIMESTAMP(6) AS now_utc FROM {quote_table(table_name(database))}"
    if version.is_mariadb:
        return f"SET STATEMENT max_statement_time = 1 FOR SELECT {columns}"
    return f"SELECT /*+ MAX_EXECUTION_TIME(1000) */ {columns}"


def beats_of(rows: Iterable[RawRow]) -> tuple[Mapping[int, datetime], datetime | None]:
    """The beats by the id of the server that they were written on, and the time of the server that was asked."""
    values = [StatusRow(row) for row in rows]
    times = {row.whole("server_id"): row.time("written") for row in values}
    return {number: time for number, time in times.items() if time}, next((row.time("now_utc") for row in values), None)


def make_table(database: str) -> tuple[str, ...]:
    """What an administrator runs on the source once; the replicas get it by replication."""
    columns = "server_id INT UNSIGNED NOT NULL PRIMARY KEY, written DATETIME(6) NOT NULL"
    return (
        f"CREATE DATABASE IF NOT EXISTS {quote_name(database)};",
        f"CREATE TABLE IF NOT EXISTS {quote_table(table_name(database))} ({columns}) ENGINE = InnoDB;",
    )


def writing_needs(database: str) -> Grant:
    """What the watching account needs beside watching, on the source alone."""
    return Grant(WRITING, quote_table(table_name(database)))
