"""Reads all definitions and table layouts of a server's user schemas."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeVar

from repwatch.errors import PrivilegeMissing, StatementRefused
from repwatch.model.schema import Column, Table, TableName
from repwatch.ports.database import Database
from repwatch.sql import definitions as sql
from repwatch.sql.definitions import Definition, Kind
from repwatch.sql.rowcopy import CopyTable, can_chunk

Row = Mapping[str, str | None]
T = TypeVar("T")


def read_definitions(db: Database) -> tuple[Definition, ...]:
    """All objects of all user schemas, in the order in which they can be made.

    `db` must be set up by `sql.definitions.reader_setup`. Raises PrivilegeMissing where the account may not see one.
    """
    found = [item for kind, schema, name in _objects(db) if (item := read_definition(db, kind, schema, name)) is not None]
    return tuple(sorted(found, key=lambda item: list(Kind).index(item.kind)))  # stable: triggers keep their order


def _objects(db: Database) -> Iterator[tuple[Kind, str, str]]:
    for row in db.texts(sql.LIST_SCHEMAS):
        yield Kind.SCHEMA, row["SCHEMA_NAME"] or "", ""
    kinds = {"VIEW": Kind.VIEW, "SEQUENCE": Kind.SEQUENCE}
    for row in db.texts(sql.LIST_TABLES):
        yield kinds.get(row["t"] or "", Kind.TABLE), row["s"] or "", row["n"] or ""
    for listing in (sql.LIST_ROUTINES, sql.LIST_TRIGGERS, sql.LIST_EVENTS):
        for row in db.texts(listing):
            yield Kind((row["t"] or "").lower()), row["s"] or "", row["n"] or ""


_GONE = {1049, 1051, 1146, 1305, 1347, 1360, 1539, 4089, 4091}  # unknown database, table, routine, view, trigger, event, sequence


def read_definition(db: Database, kind: Kind, schema: str, name: str) -> Definition | None:
    """One object, None if it is gone. Raises PrivilegeMissing where the account may not see it."""
    try:
        rows = db.texts(sql.show_create(kind, schema, name))
    except StatementRefused as error:
        if error.errno in _GONE:
            return None  # dropped since it was listed; the comparison of two readings tells
        raise
    item = sql.definition(kind, schema, name, rows[0]) if rows else None
    if item is None:
        raise PrivilegeMissing(
            f"the account may not see the definition of {kind.value} {schema}.{name}",
            server=db.server,
            hint="`repwatch doctor` prints the missing GRANT",
        )
    return item


def read_triggers(db: Database, tables: Collection[TableName]) -> tuple[Definition, ...]:
    """Those of these tables, in the order in which they fire. As `read_definitions`."""
    wanted = [trigger for trigger, table in tables_of_triggers(db).items() if table in tables]
    items = (read_definition(db, Kind.TRIGGER, trigger.schema, trigger.table) for trigger in wanted)
    return tuple(item for item in items if item is not None)


def tables_of_triggers(db: Database) -> dict[TableName, TableName]:
    """The table of each trigger, in the order in which they fire."""
    return {
        TableName(row["s"] or "", row["n"] or ""): TableName(row["s"] or "", row["o"] or "")
        for row in db.texts(sql.LIST_TRIGGERS)
    }


def read_present(db: Database) -> tuple[Definition, ...]:
    """What a replica holds: the statements of schemas and tables alone, "" for other objects and for what is broken."""
    return tuple(
        Definition(kind=kind, schema=schema, name=name, statement=_statement(db, kind, schema, name))
        for kind, schema, name in _objects(db)
    )


def _statement(db: Database, kind: Kind, schema: str, name: str) -> str:
    if kind not in (Kind.SCHEMA, Kind.TABLE):
        return ""
    try:
        item = read_definition(db, kind, schema, name)
    except StatementRefused:
        return ""  # a table whose file is damaged, say: it is dropped and copied
    return item.statement if item else ""


def fingerprint(items: Sequence[Definition]) -> str:
    """Equal for equal definitions; the next AUTO_INCREMENT values do not count."""
    digest = hashlib.sha256()
    for item in items:
        text = sql.without_counters(item.statement) if item.kind is Kind.TABLE else item.statement
        for part in (item.kind.value, item.schema, item.name, text, item.sql_mode or "", item.charset, item.collation):
            digest.update(part.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def read_table_definition(db: Database, name: TableName) -> str:
    """The table's CREATE statement without its counter, "" if it is gone."""
    item = read_definition(db, Kind.TABLE, name.schema, name.table)
    return sql.without_counters(item.statement) if item else ""


def read_copy_tables(db: Database) -> tuple[CopyTable, ...]:
    """All base tables with their columns, in order of name. Whole rows of the catalogue are read, once for all tables."""
    columns = _grouped(db.texts(sql.LIST_COLUMNS), _column)
    keys = _grouped(db.texts(sql.LIST_PRIMARY_KEYS), lambda row: row)
    tables = []
    for row in db.texts(sql.LIST_TABLES):
        if row["t"] in ("VIEW", "SEQUENCE"):
            continue
        name = TableName(row["s"] or "", row["n"] or "")
        key = keys[name]
        table = Table(
            name=name,
            engine=row["e"] or "",
            columns=tuple(columns[name]),
            primary_key=tuple(part["c"] or "" for part in key),
            estimated_rows=int(row["r"] or 0),
            estimated_row_bytes=int(row["d"] or 0) // max(int(row["r"] or 0), 1),
        )
        whole = all(part["p"] is None for part in key)  # a prefix of a column does not order its rows
        chunk_key = table.primary_key if whole and can_chunk(table) else ()
        tables.append(CopyTable(table=table, chunk_key=chunk_key))
    return tuple(tables)


def _grouped(rows: list[dict[str, str | None]], make: Callable[[Row], T]) -> Mapping[TableName, list[T]]:
    groups: dict[TableName, list[T]] = defaultdict(list)
    for row in rows:
        groups[TableName(row["s"] or "", row["n"] or "")].append(make(row))
    return groups


def _column(row: Row) -> Column:
    return Column(
        name=row["c"] or "",
        data_type=(row["t"] or "").lower(),
        column_type=row["ct"] or "",
        nullable=row["nu"] == "YES",
        charset=row["cs"],
        generated=row["g"] or "",
        extra=row["x"] or "",
    )
