"""What tables there are, out of `information_schema`: one statement for all names, three for the definitions of some tables.

`SHOW CREATE TABLE` is not parsed: its text differs by flavour and version, and loses parts (docs/decisions/0003-signature.md).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from repwatch.model.schema import Column, Index, Table, TableName
from repwatch.model.server import ServerVersion
from repwatch.sql.expression import default_text
from repwatch.sql.quoting import quote_text

SYSTEM_SCHEMAS: Final = ("information_schema", "mysql", "performance_schema", "sys")
_PRIMARY = "PRIMARY"
_IN_USER_SCHEMAS = "NOT IN (" + ", ".join(f"'{schema}'" for schema in SYSTEM_SCHEMAS) + ")"


# Tables of one schema of which a statement tells; None: all tables of all users.
Scope = Sequence[TableName] | None
# So many tables are asked for at a time. MariaDB opens each of them, and has room for a few hundred definitions
# (table_definition_cache is 400 by default): the statements behind the first one then find them open. For 20,000 tables at
# once each statement opens all of them anew, which takes 10 s and more.
AT_ONCE: Final = 200


def batches(names: Iterable[TableName]) -> Iterator[tuple[TableName, ...]]:
    """The names in their order, in groups that a statement may be about."""
    for _, group in groupby(names, key=lambda name: name.schema):
        of_schema = tuple(group)
        for start in range(0, len(of_schema), AT_ONCE):
            yield of_schema[start : start + AT_ONCE]


def names_statement() -> str:
    """All base tables of the users with their engine. MariaDB opens no table for it, as it does for estimates."""
    return f"""SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, ENGINE AS engine FROM information_schema.TABLES
WHERE {in_scope(None)} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')"""


def tables_statement(only: Scope = None) -> str:
    """Base tables with engine, estimated rows and their bytes. MariaDB gives system-versioned ones a type of their own."""
    return f"""SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, ENGINE AS engine, TABLE_ROWS AS estimate, AVG_ROW_LENGTH AS row_bytes
FROM information_schema.TABLES
WHERE {in_scope(only)} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY 1, 2"""


def columns_statement(only: Scope = None) -> str:
    """All columns, in order."""
    return f"""SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, COLUMN_NAME AS name, DATA_TYPE AS data_type,
COLUMN_TYPE AS column_type, IS_NULLABLE AS nullable, CHARACTER_SET_NAME AS charset_name, COLLATION_NAME AS collation_name,
GENERATION_EXPRESSION AS generation_text, EXTRA AS extra, COLUMN_DEFAULT AS default_text, COLUMN_COMMENT AS comment_text
FROM information_schema.COLUMNS WHERE {in_scope(only)} ORDER BY 1, 2, ORDINAL_POSITION"""


def indexes_statement(version: ServerVersion, only: Scope = None) -> str:
    """The columns of all indexes, in order; the primary key's name is PRIMARY on both flavours."""
    if version.is_mariadb:
        hidden = "IGNORED = 'YES'" if version.at_least(10, 6) else "FALSE"
    else:
        hidden = "IS_VISIBLE = 'NO'" if version.at_least(8) else "FALSE"
    return f"""SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, INDEX_NAME AS index_name, COLUMN_NAME AS name, NON_UNIQUE AS non_unique,
SUB_PART AS sub_part, INDEX_TYPE AS index_type, {hidden} AS hidden
FROM information_schema.STATISTICS WHERE {in_scope(only)} ORDER BY 1, 2, 3, SEQ_IN_INDEX"""


def in_scope(only: Scope, schema_column: str = "TABLE_SCHEMA") -> str:
    """The condition on `information_schema`. Its answer may have tables whose names differ by letter case alone.

    Raises ValueError for tables of no schema, or of several: each schema would be looked through as a whole.
    """
    if only is None:
        return f"{schema_column} {_IN_USER_SCHEMAS}"
    (schema,) = {name.schema for name in only}
    listed = ", ".join(quote_text(name.table) for name in only)
    # With one name, and as a comparison, MariaDB opens that table without looking through its schema's folder.
    tables = f"= {listed}" if len(only) == 1 else f"IN ({listed})"
    return f"{schema_column} = {quote_text(schema)} AND TABLE_NAME {tables}"


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
