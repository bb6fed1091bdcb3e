"""What tables there are, out of `information_schema`: three statements for all tables of a server, parsed into `model.schema`.

`SHOW CREATE TABLE` is not parsed: its text differs by flavour and version, and loses parts (docs/decisions/0003-signature.md).
"""

from collections.abc import Mapping, Sequence
from typing import Final

from repwatch.model.schema import Column, Table, TableName
from repwatch.model.server import ServerVersion
from repwatch.sql.expression import default_text
from repwatch.sql.quoting import quote_text

SYSTEM_SCHEMAS: Final = ("information_schema", "mysql", "performance_schema", "sys")
_IN_USER_SCHEMAS = "NOT IN (" + ", ".join(f"'{schema}'" for schema in SYSTEM_SCHEMAS) + ")"


def tables_statement(only: TableName | None = None) -> str:
    """Base tables with engine, estimated rows and their bytes. MariaDB gives system-versioned ones a type of their own."""
    return f"""SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, ENGINE AS engine, TABLE_ROWS AS estimate, AVG_ROW_LENGTH AS row_bytes
FROM information_schema.TABLES
WHERE {in_scope(only)} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY 1, 2"""


def columns_statement(only: TableName | None = None) -> str:
    """All columns, in order."""
    return f"""SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, COLUMN_NAME AS name, DATA_TYPE AS data_type,
COLUMN_TYPE AS column_type, IS_NULLABLE AS nullable, CHARACTER_SET_NAME AS charset_name, COLLATION_NAME AS collation_name,
GENERATION_EXPRESSION AS generation_text, EXTRA AS extra, COLUMN_DEFAULT AS default_text, COLUMN_COMMENT AS comment_text
FROM information_schema.COLUMNS WHERE {in_scope(only)} ORDER BY 1, 2, ORDINAL_POSITION"""


def primary_keys_statement(only: TableName | None = None) -> str:
    """The columns of all primary keys, in order."""
    return f"""SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, COLUMN_NAME AS name
FROM information_schema.STATISTICS WHERE {in_scope(only)} AND INDEX_NAME = 'PRIMARY'
ORDER BY 1, 2, SEQ_IN_INDEX"""


def in_scope(only: TableName | None) -> str:
    if only is None:
        return f"TABLE_SCHEMA {_IN_USER_SCHEMAS}"
    return f"TABLE_SCHEMA = {quote_text(only.schema)} AND TABLE_NAME = {quote_text(only.table)}"


Record = Mapping[str, str | None]


def parse_catalogue(
    tables: Sequence[Record], columns: Sequence[Record], keys: Sequence[Record], version: ServerVersion
) -> dict[TableName, Table]:
    """The tables, by name, out of the rows of the three statements."""
    columns_of: dict[TableName, list[Column]] = {}
    for record in columns:
        columns_of.setdefault(_name(record), []).append(_column(record, version))
    key_of: dict[TableName, list[str]] = {}
    for record in keys:
        key_of.setdefault(_name(record), []).append(record["name"] or "")
    return {
        name: Table(
            name=name,
            engine=record["engine"] or "",
            columns=tuple(columns_of.get(name, ())),
            primary_key=tuple(key_of.get(name, ())),
            estimated_rows=int(record["estimate"] or 0),
            estimated_row_bytes=int(record["row_bytes"] or 0),
        )
        for record in tables
        for name in (_name(record),)
    }


def _name(record: Record) -> TableName:
    return TableName(record["s"] or "", record["t"] or "")


def _column(record: Record, version: ServerVersion) -> Column:
    extra = (record["extra"] or "").lower()
    return Column(
        name=record["name"] or "",
        data_type=(record["data_type"] or "").lower(),
        column_type=(record["column_type"] or "").lower()
        if "'" not in (record["column_type"] or "")
        else record["column_type"] or "",
        nullable=record["nullable"] == "YES",
        charset=record["charset_name"],
        collation=record["collation_name"],
        generated=record["generation_text"] or "",
        stored="virtual" not in extra,
        default=default_text(record["default_text"], version, is_expression="default_generated" in extra),
        extra=extra,
        comment=record["comment_text"] or "",
    )
