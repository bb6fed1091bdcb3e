"""What tables there are, out of `information_schema`: three statements for all tables of a server, parsed into `model.schema`.

`SHOW CREATE TABLE` is not parsed: its text differs by flavour and version, and loses parts (docs/decisions/0003-signature.md).
"""

from collections.abc import Mapping, Sequence
from typing import Final

from repwatch.model.schema import Column, Index, Table, TableName
from repwatch.model.server import ServerVersion
from repwatch.sql.expression import default_text
from repwatch.sql.quoting import quote_text

SYSTEM_SCHEMAS: Final = ("information_schema", "mysql", "performance_schema", "sys")
_PRIMARY = "PRIMARY"
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


def indexes_statement(version: ServerVersion, only: TableName | None = None) -> str:
    """The columns of all indexes, in order; the primary key's name is PRIMARY on both flavours."""
    if version.is_mariadb:
        hidden = "IGNORED = 'YES'" if version.at_least(10, 6) else "FALSE"
    else:
        hidden = "IS_VISIBLE = 'NO'" if version.at_least(8) else "FALSE"
    return f"""SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, INDEX_NAME AS index_name, COLUMN_NAME AS name, NON_UNIQUE AS non_unique,
SUB_PART AS sub_part, INDEX_TYPE AS index_type, {hidden} AS hidden
FROM information_schema.STATISTICS WHERE {in_scope(only)} ORDER BY 1, 2, 3, SEQ_IN_INDEX"""


def in_scope(only: TableName | None) -> str:
    if only is None:
        return f"TABLE_SCHEMA {_IN_USER_SCHEMAS}"
    return f"TABLE_SCHEMA = {quote_text(only.schema)} AND TABLE_NAME = {quote_text(only.table)}"


Record = Mapping[str, str | None]


def parse_catalogue(
    tables: Sequence[Record], columns: Sequence[Record], indexes: Sequence[Record], version: ServerVersion
) -> dict[TableName, Table]:
    """The tables, by name, out of the rows of the three statements."""
    columns_of = parse_columns(columns, version)
    parts_of: dict[TableName, dict[str, list[Record]]] = {}
    for record in indexes:
        parts_of.setdefault(_name(record), {}).setdefault(record["index_name"] or "", []).append(record)
    return {
        name: Table(
            name=name,
            engine=record["engine"] or "",
            columns=tuple(columns_of.get(name, ())),
            primary_key=tuple(part["name"] or "" for part in parts_of.get(name, {}).get(_PRIMARY, ())),
            indexes=tuple(_index(parts) for index, parts in parts_of.get(name, {}).items() if index != _PRIMARY),
            estimated_rows=int(record["estimate"] or 0),
            estimated_row_bytes=int(record["row_bytes"] or 0),
        )
        for record in tables
        for name in (_name(record),)
    }


def parse_columns(records: Sequence[Record], version: ServerVersion) -> dict[TableName, list[Column]]:
    """The columns of each table, in order, out of the rows of `columns_statement`."""
    columns_of: dict[TableName, list[Column]] = {}
    for record in records:
        columns_of.setdefault(_name(record), []).append(_column(record, version))
    return columns_of


def _name(record: Record) -> TableName:
    return TableName(record["s"] or "", record["t"] or "")


def _index(parts: Sequence[Record]) -> Index:
    return Index(
        name=parts[0]["index_name"] or "",
        unique=parts[0]["non_unique"] == "0",
        columns=tuple(part["name"] or "" for part in parts),
        prefixed=any(part["sub_part"] is not None for part in parts),
        kind=parts[0]["index_type"] or "",
        hidden=parts[0]["hidden"] == "1",
    )


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
