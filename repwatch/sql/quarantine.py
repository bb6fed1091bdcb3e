"""Statements that put aside, in the marker's schema, what only the replica has: tables with their rows, other objects as text.

There it is in nobody's way, nothing else has to learn of it, and it ends with the mark. Documented in docs/reseed.md.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from repwatch.model.schema import TableName
from repwatch.model.server import ServerVersion
from repwatch.sql.definitions import Definition
from repwatch.sql.quoting import quote_name, quote_table, quote_text
from repwatch.sql.reseed import MARKER_SCHEMA

QUARANTINE: Final = TableName(MARKER_SCHEMA, "quarantine")
_KEPT = "kept_"
_TEXT = "VARCHAR(64) NOT NULL"
CREATE: Final = (
    f"CREATE TABLE IF NOT EXISTS {quote_table(QUARANTINE)} (id INT NOT NULL PRIMARY KEY, kind {_TEXT}, db {_TEXT}, name {_TEXT}, "
    f"statement LONGTEXT NOT NULL, sql_mode TEXT, charset {_TEXT}, collation {_TEXT}, time_zone {_TEXT}) "
    "ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin COMMENT='what only this server has, until it is proved'"
)
EXISTS: Final = (
    "SELECT COUNT(*) FROM information_schema.TABLES "
    f"WHERE TABLE_SCHEMA = {quote_text(QUARANTINE.schema)} AND TABLE_NAME = {quote_text(QUARANTINE.table)}"
)
READ: Final = f"SELECT id, kind, db, name, statement FROM {quote_table(QUARANTINE)} ORDER BY id"
LIST_KEPT: Final = (
    f"SELECT SUBSTR(TABLE_NAME, {len(_KEPT) + 1}) AS id FROM information_schema.TABLES "
    f"WHERE TABLE_SCHEMA = {quote_text(MARKER_SCHEMA)} AND LEFT(TABLE_NAME, {len(_KEPT)}) = {quote_text(_KEPT)}"
)


def kept_name(number: int | str) -> TableName:
    """What a table or a sequence is called in quarantine; its own name may be too long beside that of its schema."""
    return TableName(MARKER_SCHEMA, f"{_KEPT}{number}")


def enter(number: int, item: Definition) -> str:
    """Write an object down."""
    texts = (item.kind.value, item.schema, item.name, item.statement, item.sql_mode or "")
    values = ", ".join(map(quote_text, (*texts, item.charset, item.collation, item.time_zone)))
    return f"INSERT INTO {quote_table(QUARANTINE)} VALUES ({number}, {values})"


def list_constraints(version: ServerVersion, name: TableName) -> str:
    """Columns n and t: those of the table that `move` has to drop."""
    # MySQL's CHECK constraints have names that are the only ones in a schema (error 3822), MariaDB's in a table.
    kinds = "'FOREIGN KEY'" if version.is_mariadb else "'FOREIGN KEY', 'CHECK'"
    return (
        "SELECT DISTINCT CONSTRAINT_NAME AS n, CONSTRAINT_TYPE AS t FROM information_schema.TABLE_CONSTRAINTS "
        f"WHERE TABLE_SCHEMA = {quote_text(name.schema)} AND TABLE_NAME = {quote_text(name.table)} "
        f"AND CONSTRAINT_TYPE IN ({kinds})"
    )


def move(name: TableName, to: TableName, constraints: Sequence[Mapping[str, str | None]]) -> str:
    """Take a table or a sequence away in one statement, without copying it.

    Its foreign keys are dropped: they would follow it, and then stop the applier where it deletes what they refer to, or cascade.
    """
    drops = "".join(f"DROP {row['t']} {quote_name(row['n'] or '')}, " for row in constraints)
    return f"ALTER TABLE {quote_table(name)} {drops}RENAME TO {quote_table(to)}"


def discard(number: int | str) -> str:
    """Drop a table or a sequence for good."""
    return f"DROP TABLE IF EXISTS {quote_table(kept_name(number))}"
