"""Statements of row repair: read rows raw by their keys, write them, and what of the replica's tables decides how.

A row's identity is its key as `keyrange.key_expression` selects it (text as utf8mb4 in hexadecimal), its content the raw bytes
of all columns that hold data, in the character set of each column.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from repwatch.model.schema import Table, TableName
from repwatch.model.server import ServerVersion
from repwatch.sql import rowcopy
from repwatch.sql.encoding import TEXTUAL, kind_of
from repwatch.sql.keyrange import Key, KeyColumn, among, key_expression, key_literal
from repwatch.sql.quoting import quote_name, quote_table, quote_text

Image = tuple[bytes | None, ...]  # in the order of RowTable.columns

READ_RAW = rowcopy.READ_RAW
BEGIN = "START TRANSACTION"
COMMIT = "COMMIT"
ROLLBACK = "ROLLBACK"
MAX_PACKET = "SELECT @@GLOBAL.max_allowed_packet"


@dataclass(frozen=True, slots=True)
class RowTable:
    """A table whose rows are read and written. Generated columns compute themselves and are left out."""

    table: Table

    @property
    def name(self) -> TableName:
        """Its name."""
        return self.table.name

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of an Image."""
        return tuple(column.name for column in self.table.columns if not column.generated)

    @property
    def key(self) -> tuple[KeyColumn, ...]:
        """The primary key; its text travels as utf8mb4."""
        columns = (self.table.column(name) for name in self.table.primary_key)
        return tuple(KeyColumn(column, convert=kind_of(column) in TEXTUAL) for column in columns)


WRITER_SETTINGS = (
    "SET SESSION sql_log_bin = 0",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00'",
    "SET SESSION foreign_key_checks = 0, unique_checks = 1, sql_safe_updates = 0",
)


def writer_setup(version: ServerVersion) -> tuple[str, ...]:
    """For the session that changes rows: nothing goes to the binary log, no foreign key cascades, every stored value is taken.

    The SQL mode takes zero and impossible dates, and zero in AUTO_INCREMENT columns. Locks are waited for 10 s at most.
    READ COMMITTED: rows that are not there leave no gap locked.
    """
    limits = "max_statement_time = 0, check_constraint_checks = 0" if version.is_mariadb else "max_execution_time = 0"
    return (
        *WRITER_SETTINGS,
        f"SET SESSION innodb_lock_wait_timeout = 10, lock_wait_timeout = 10, {rowcopy.KEEP_WARNINGS}, {limits}",
        keep_alive(),
        READ_RAW,
    )


def keep_alive() -> str:
    """For sessions that wait while the replica runs to a position."""
    return "SET SESSION wait_timeout = 86400, net_read_timeout = 600, net_write_timeout = 600"


def read_rows(table: RowTable, keys: Sequence[Key], *, lock: bool) -> str:
    """Key and content of the rows with these keys; locked, they stay as they are until the transaction ends."""
    values = [_value(table.table, name) for name in table.columns]
    selected = ", ".join([*(key_expression(column) for column in table.key), *values])
    suffix = " FOR UPDATE" if lock else ""
    return f"SELECT {selected} FROM {quote_table(table.name)} WHERE {among(table.key, keys)}{suffix}"


def _value(table: Table, name: str) -> str:
    # A FLOAT is shown with six digits; multiplied by a double, with all it has, and -0 keeps its sign.
    return f"{quote_name(name)} * 1e0" if table.column(name).data_type == "float" else quote_name(name)


def parse_row(table: RowTable, row: Image) -> tuple[Key, Image]:
    """One row of `read_rows`."""
    size = len(table.table.primary_key)
    return tuple((part or b"").decode("ascii") for part in row[:size]), row[size:]


def delete(table: RowTable, key: Key) -> str:
    """Delete one row."""
    return f"DELETE FROM {quote_table(table.name)} WHERE {_this_row(table, key)}"


def insert(table: RowTable, image: Image, version: ServerVersion) -> str:
    """Insert one row, its AUTO_INCREMENT value included."""
    values = ", ".join(_literals(table, image, version))
    return f"INSERT INTO {quote_table(table.name)} ({', '.join(map(quote_name, table.columns))}) VALUES ({values})"


def update(table: RowTable, key: Key, image: Image, version: ServerVersion) -> str:
    """Give one row its content. All columns are named: one left out that is ON UPDATE CURRENT_TIMESTAMP would change itself."""
    pairs = zip(table.columns, _literals(table, image, version), strict=True)
    values = ", ".join(f"{quote_name(name)} = {value}" for name, value in pairs if name not in table.table.primary_key)
    return f"UPDATE {quote_table(table.name)} SET {values} WHERE {_this_row(table, key)}"


def _this_row(table: RowTable, key: Key) -> str:
    pairs = zip(table.key, key, strict=True)
    return " AND ".join(f"{column.name} = {key_literal(column, value)}" for column, value in pairs)


def _literals(table: RowTable, image: Image, version: ServerVersion) -> list[str]:
    makers: tuple[Callable[[bytes | None], str], ...] = rowcopy.literals(rowcopy.CopyTable(table=table.table), version)
    return [make(value) for make, value in zip(makers, image, strict=True)]


def triggers(tables: Sequence[TableName]) -> str:
    """Triggers of these tables: schema, table, name, events (MariaDB 12 may name several, with commas)."""
    return (
        "SELECT EVENT_OBJECT_SCHEMA AS s, EVENT_OBJECT_TABLE AS t, TRIGGER_NAME AS name, EVENT_MANIPULATION AS events "
        f"FROM information_schema.TRIGGERS WHERE {_among_tables('EVENT_OBJECT_SCHEMA', 'EVENT_OBJECT_TABLE', tables)}"
    )


def unique_keys(tables: Sequence[TableName]) -> str:
    """Columns of the unique indexes beside the primary key; the column is NULL where it is an expression."""
    return (
        "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, INDEX_NAME AS name, COLUMN_NAME AS col "
        f"FROM information_schema.STATISTICS WHERE NON_UNIQUE = 0 AND INDEX_NAME <> 'PRIMARY' "
        f"AND {_among_tables('TABLE_SCHEMA', 'TABLE_NAME', tables)}"
    )


def _among_tables(schema: str, name: str, tables: Sequence[TableName]) -> str:
    pairs = (f"{schema} = {quote_text(table.schema)} AND {name} = {quote_text(table.table)}" for table in tables)
    return "(" + " OR ".join(f"({pair})" for pair in pairs) + ")"
