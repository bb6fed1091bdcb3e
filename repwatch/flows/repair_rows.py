"""Reads rows of both sides by their keys and changes those of the replica, in one transaction that is verified before it ends."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from repwatch.drift.repair import Event, Rows, TableRules, plan_rows
from repwatch.drift.repair_plan import PlannedTable, statement
from repwatch.drift.repair_scope import Scope, fingerprint
from repwatch.errors import Refused, ServerError
from repwatch.flows import drift_catalogue
from repwatch.model.schema import Table, TableName
from repwatch.ports.database import Database
from repwatch.sql import repair as sql
from repwatch.sql.encoding import Kind, kind_of
from repwatch.sql.keyrange import Key
from repwatch.sql.repair import Image, RowTable

_BATCH = 200  # rows read by one statement


class NotAsWritten(ServerError):
    """A row does not read as it was written; the transaction was rolled back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """The tables of a scope on the replica, with the rules for changing them."""

    tables: Mapping[TableName, RowTable]
    rules: Mapping[TableName, TableRules]


def read_tables(db: Database, names: Iterable[TableName]) -> dict[TableName, Table]:
    """The definitions of these tables, as far as they exist."""
    return drift_catalogue.read_tables(db, frozenset(names))


def read_definitions(db: Database, tables: Mapping[TableName, Table]) -> Definitions:
    """What must be known of the replica's tables to change their rows."""
    row_tables = {name: RowTable(table) for name, table in tables.items()}
    if not tables:
        return Definitions(tables={}, rules={})
    events: dict[TableName, set[Event]] = {}
    for row in db.texts(sql.triggers(list(tables))):
        found = (Event(event.strip()) for event in (row["events"] or "").split(","))
        events.setdefault(TableName(row["s"] or "", row["t"] or ""), set()).update(found)
    indexes: dict[tuple[TableName, str], list[str | None]] = {}
    for row in db.texts(sql.unique_keys(list(tables))):
        indexes.setdefault((TableName(row["s"] or "", row["t"] or ""), row["name"] or ""), []).append(row["col"])
    rules = {
        name: TableRules(
            name=name,
            unique=tuple(_places(row_tables[name], columns) for (owner, _), columns in indexes.items() if owner == name),
            triggers=frozenset(events.get(name, ())),
            numbers=frozenset(
                place for place, column in enumerate(row_tables[name].key) if kind_of(column.column) is Kind.NUMBER
            ),
        )
        for name in tables
    }
    return Definitions(tables=row_tables, rules=rules)


def _places(table: RowTable, columns: Sequence[str | None]) -> frozenset[int] | None:
    if any(column not in table.columns for column in columns):
        return None  # an expression, or a generated column
    return frozenset(table.columns.index(column) for column in columns if column)


def check_unchanged(scope: Scope, db: Database) -> dict[TableName, Table]:
    """The tables of the scope. Raises Refused if one was redefined since."""
    tables = read_tables(db, scope.fingerprints)
    for name, mark in sorted(scope.fingerprints.items()):
        if name not in tables or fingerprint(tables[name]) != mark:
            raise Refused(f"{name} was redefined on {db.server} since the plan was made", hint="make a new plan")
    return tables


def keys_of(scope: Scope) -> dict[TableName, tuple[Key, ...]]:
    """The keys of each table."""
    keys: dict[TableName, list[Key]] = {}
    for row in scope.rows:
        keys.setdefault(row.table, []).append(row.key)
    return {name: tuple(found) for name, found in keys.items()}


def read_rows(db: Database, table: RowTable, keys: Sequence[Key], *, lock: bool = False) -> dict[Key, Image]:
    """The rows with these keys that exist. The session reads raw (sql.READ_RAW)."""
    rows: dict[Key, Image] = {}
    for start in range(0, len(keys), _BATCH):
        batch = db.query(sql.read_rows(table, keys[start : start + _BATCH], lock=lock)).rows
        rows.update(sql.parse_row(table, row) for row in batch)
    return rows


def read_all(
    db: Database, tables: Mapping[TableName, RowTable], keys: Mapping[TableName, Sequence[Key]], *, lock: bool = False
) -> dict[TableName, Rows]:
    """`read_rows` for each table."""
    return {name: read_rows(db, tables[name], wanted, lock=lock) for name, wanted in sorted(keys.items())}


def plan_tables(
    definitions: Definitions, wanted: Mapping[TableName, Rows], actual: Mapping[TableName, Rows]
) -> tuple[PlannedTable, ...]:
    """The changes of each table. Raises TriggersInTheWay."""
    return tuple(
        PlannedTable(table=definitions.tables[name], changes=plan_rows(definitions.rules[name], wanted[name], actual[name]))
        for name in sorted(wanted)
    )


def write_rows(db: Database, planned: Iterable[PlannedTable], packet: int) -> int:
    """Run the changes; the number of statements. Raises Refused for one that does not fit into `max_allowed_packet`."""
    count = 0
    for table in planned:
        for change in table.changes:
            text = statement(table.table, change, db.version)
            if len(text.encode()) > packet - 1024:
                raise Refused(
                    f"a row of {table.table.name} is too large to be written with max_allowed_packet = {packet}",
                    hint="raise max_allowed_packet on the replica",
                )
            db.execute(text)
            count += 1
    return count


def verify_rows(
    db: Database, tables: Mapping[TableName, RowTable], wanted: Mapping[TableName, Rows], planned: Iterable[PlannedTable]
) -> None:
    """Read the changed rows again, before the transaction ends. Raises NotAsWritten."""
    for item in planned:
        name = item.table.name
        keys = sorted({change.key for change in item.changes})
        found = read_rows(db, tables[name], keys, lock=True)
        if bad := [key for key in keys if found.get(key) != wanted[name].get(key)]:
            raise NotAsWritten(
                f"{len(bad)} rows of {name} do not read as they were written; nothing was changed",
                server=db.server,
                hint="a trigger or a type that differs between the servers; `repwatch reseed` puts the replica right",
            )
