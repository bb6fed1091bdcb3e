"""Which AUTO_INCREMENT columns of a source are nearly used up: statements that stay cheap with many thousands of tables.

information_schema.TABLES would open every table. MariaDB's INNODB_SYS_TABLESTATS shows the tables that are in memory, and a table
whose numbers are running out is; MySQL's performance_schema knows the tables that rows were inserted into since the server's
start. Of these, only the tables whose next number is near the end of some type are looked at closely, MOST of them.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from repwatch.model.sequence import AutoIncrement
from repwatch.sql.quoting import quote_text
from repwatch.sql.status_columns import RawRow, StatusRow

NEARLY: Final = 0.8
"""The share of a type's numbers from which its column is told of."""

MOST: Final = 200
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


def _near_an_end(column: str) -> str:
    """A condition: the number lies in the last fifth of some type. One past the end is where a column is used up."""
    ends = sorted({(1 << (8 * size - signed)) - 1 for size in _BYTES.values() for signed in (0, 1)})
    return "(" + " OR ".join(f"{column} BETWEEN {int(end * NEARLY)} AND {end + 1}" for end in ends) + ")"


# Names are in the encoding of file names, which the server undoes; a partition's has its own name behind `#P#`.
_BEFORE_PARTITION = "SUBSTRING_INDEX(SUBSTRING_INDEX(SUBSTRING_INDEX(NAME, '/', -1), '#P#', 1), '#p#', 1)"
MARIADB_CANDIDATES: Final = (
    "SET STATEMENT max_statement_time = 1 FOR"
    " SELECT CONVERT(CAST(SUBSTRING_INDEX(NAME, '/', 1) AS BINARY) USING filename) AS table_schema,"
    f" CONVERT(CAST({_BEFORE_PARTITION} AS BINARY) USING filename) AS table_name, MAX(AUTOINC) AS next"
    f" FROM information_schema.INNODB_SYS_TABLESTATS WHERE {_near_an_end('AUTOINC')}"
    f" GROUP BY table_schema, table_name HAVING table_schema NOT IN ({_SYSTEM}) ORDER BY next DESC LIMIT {MOST}"
)
_ONE_COLUMN = (
    "SELECT TABLE_SCHEMA AS table_schema, TABLE_NAME AS table_name, COLUMN_NAME AS column_name, COLUMN_TYPE AS column_type"
    " FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {table} AND EXTRA LIKE '%auto_increment%'"
)


def mariadb_columns(candidates: Sequence[tuple[str, str]]) -> str:
    """The columns of these tables. A constant schema and name open that one table (MariaDB manual, "Information Schema")."""
    each = (_ONE_COLUMN.format(schema=quote_text(schema), table=quote_text(table)) for schema, table in candidates)
    return "SET STATEMENT max_statement_time = 1 FOR " + " UNION ALL ".join(each)


# Else the next number of a table is a day old (information_schema_stats_expiry).
MYSQL_FRESH: Final = "SET SESSION information_schema_stats_expiry = 0"
MYSQL_COLUMNS: Final = (
    "SELECT /*+ MAX_EXECUTION_TIME(1000) */ t.TABLE_SCHEMA AS table_schema, t.TABLE_NAME AS table_name,"
    " c.COLUMN_NAME AS column_name, c.COLUMN_TYPE AS column_type, t.AUTO_INCREMENT AS next"
    " FROM (SELECT OBJECT_SCHEMA, OBJECT_NAME FROM performance_schema.table_io_waits_summary_by_table"
    f" WHERE COUNT_INSERT > 0 AND OBJECT_SCHEMA NOT IN ({_SYSTEM}) ORDER BY COUNT_INSERT DESC LIMIT {MOST}) AS busy"
    " JOIN information_schema.TABLES AS t ON t.TABLE_SCHEMA = busy.OBJECT_SCHEMA AND t.TABLE_NAME = busy.OBJECT_NAME"
    " JOIN information_schema.COLUMNS AS c ON c.TABLE_SCHEMA = t.TABLE_SCHEMA AND c.TABLE_NAME = t.TABLE_NAME"
    f" WHERE c.EXTRA LIKE '%auto_increment%' AND {_near_an_end('t.AUTO_INCREMENT')}"
)


def candidates(rows: Iterable[RawRow]) -> dict[tuple[str, str], str]:
    """The next number by schema and table."""
    values = [StatusRow(row) for row in rows]
    return {(row.text("table_schema"), row.text("table_name")): row.text("next") for row in values}


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
    table = f"{row.text('table_schema')}.{row.text('table_name')}"
    return AutoIncrement(table=table, column=row.text("column_name"), kind=kind, next=int(number), most=most)
