"""Which AUTO_INCREMENT columns of a source are nearly used up: statements that stay cheap with many thousands of tables.

Only tables that somebody uses are looked at, MOST of them. MariaDB's cache of tables names them without touching a disk, where
information_schema.INNODB_SYS_TABLESTATS would load every table from disk under the lock of the dictionary (MDEV-35154), and
MySQL's performance_schema knows the tables that rows were inserted into since the server's start. Each is then looked up by a
constant schema and name: both flavours go straight to it, where a join walks the table's whole schema.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from repwatch.model.schema import TableName
from repwatch.model.sequence import AutoIncrement
from repwatch.model.server import ServerVersion
from repwatch.sql.quoting import quote_text
from repwatch.sql.status_columns import RawRow, StatusRow

NEARLY: Final = 0.8
"""The share of a type's numbers from which its column is told of."""

MOST: Final = 200
AT_ONCE: Final = 50
"""Tables of one statement, which takes less than 0.1 s; each adds several tables of the dictionary to a join on MySQL."""

_SYSTEM: Final = "'mysql', 'sys', 'information_schema', 'performance_schema'"
# Bytes of each type (MySQL manual, "Integer Types"; MariaDB's are the same).
_BYTES: Final = {"tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "bigint": 8}
_KIND: Final = re.compile(r"(tinyint|smallint|mediumint|int|bigint)\b(.*)", re.IGNORECASE)


def _largest(kind: str) -> int | None:
    """The largest number of a column's type, as information_schema.COLUMNS has it; None for one that is no integer."""
    found = _KIND.match(kind)
    if found is None:
        return None
    bits = 8 * _BYTES[found[1].lower()]
    return (1 << bits) - 1 if "unsigned" in found[2].lower() else (1 << (bits - 1)) - 1


# Else the next number of a table is a day old (information_schema_stats_expiry).
MYSQL_FRESH: Final = "SET SESSION information_schema_stats_expiry = 0"


def candidates(version: ServerVersion) -> str:
    """The tables that are in use, of all schemas but the server's own."""
    if version.is_mariadb:
        return f"SET STATEMENT max_statement_time = 1 FOR SHOW OPEN TABLES WHERE `Database` NOT IN ({_SYSTEM})"
    return (
        "SELECT /*+ MAX_EXECUTION_TIME(1000) */ OBJECT_SCHEMA AS `Database`, OBJECT_NAME AS `Table`, 1 AS `In_use`"
        " FROM performance_schema.table_io_waits_summary_by_table"
        f" WHERE COUNT_INSERT > 0 AND OBJECT_SCHEMA NOT IN ({_SYSTEM}) ORDER BY COUNT_INSERT DESC LIMIT {MOST}"
    )


def choose(rows: Iterable[RawRow], known: Iterable[TableName], after: TableName | None) -> tuple[TableName, ...]:
    """MOST of the tables: those known to be nearly used up, then those in use now, then the others in turn, behind `after`."""
    values = [StatusRow(row) for row in rows]
    in_use = [_name(row) for row in values if row.text("in_use") != "0"]
    others = sorted(_name(row) for row in values if row.text("in_use") == "0")
    in_turn = [*(name for name in others if after is not None and name > after), *others]
    return tuple(dict.fromkeys((*known, *in_use, *in_turn)))[:MOST]


def _name(row: StatusRow) -> TableName:
    return TableName(row.text("database"), row.text("table"))


# A constant schema and name open that one table (MariaDB manual, "Optimizing for Latest Versions of information_schema").
_ONE_TABLE = (
    "SELECT{hint} t.TABLE_SCHEMA AS table_schema, t.TABLE_NAME AS table_name, c.COLUMN_NAME AS column_name,"
    " c.COLUMN_TYPE AS column_type, t.AUTO_INCREMENT AS next"
    " FROM information_schema.TABLES AS t JOIN information_schema.COLUMNS AS c"
    " WHERE t.TABLE_SCHEMA = {schema} AND t.TABLE_NAME = {table} AND c.TABLE_SCHEMA = {schema} AND c.TABLE_NAME = {table}"
    " AND c.EXTRA LIKE '%auto_increment%'"
)


def columns(tables: Sequence[TableName], version: ServerVersion) -> Iterator[str]:
    """Statements for the AUTO_INCREMENT columns of these tables with the next number, each about AT_ONCE of them."""
    for start in range(0, len(tables), AT_ONCE):
        yield _columns(tables[start : start + AT_ONCE], version)


def _columns(tables: Collection[TableName], version: ServerVersion) -> str:
    bound, hint = (
        ("SET STATEMENT max_statement_time = 1 FOR ", "") if version.is_mariadb else ("", " /*+ MAX_EXECUTION_TIME(1000) */")
    )
    # The hint counts in the first SELECT, for the whole UNION (MySQL manual, "Statement Execution Time Optimizer Hints").
    hints = (hint, *[""] * (len(tables) - 1))
    return bound + " UNION ALL ".join(
        _ONE_TABLE.format(hint=hint, schema=quote_text(name.schema), table=quote_text(name.table))
        for name, hint in zip(tables, hints, strict=True)
    )


def read_columns(rows: Iterable[RawRow]) -> tuple[AutoIncrement, ...]:
    """Those that are nearly used up, the worst first; each row has the column and the next number."""
    found = (_column(StatusRow(row)) for row in rows)
    worth = [each for each in found if each is not None and each.used >= NEARLY]
    return tuple(sorted(worth, key=lambda each: (-each.used, each.table)))


def _column(row: StatusRow) -> AutoIncrement | None:
    kind, number = row.text("column_type"), row.text("next")
    most = _largest(kind)
    if most is None or not number.isdigit():
        return None
    return AutoIncrement(
        table=TableName(row.text("table_schema"), row.text("table_name")),
        column=row.text("column_name"),
        kind=kind,
        next=int(number),
        most=most,
    )
