"""What tables a server has: all their names at once, their definitions some at a time.

A server may have more tables than there is room for their definitions, so that these are read shortly before the rows.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from repwatch.drift.parts import hides_parts
from repwatch.drift.report import NotCompared, Reason
from repwatch.drift.selection import open_schemas
from repwatch.errors import ServerError, StatementRefused
from repwatch.flows.drift_reach import fall_reason, source_answer
from repwatch.flows.drift_world import CheckWorld, ReplicaSide, SourceSide
from repwatch.model.schema import Column, Part, Table, TableName
from repwatch.ports.database import Database, as_text
from repwatch.sql import catalogue, inspect
from repwatch.sql.sight import Sight, sight
from repwatch.sql.table_parts import part_readers

Columns = Mapping[TableName, tuple[Column, ...]]


def read_names(db: Database) -> dict[TableName, str]:
    """The user's tables of a server, as the account may see them, each with its engine."""
    schemas: dict[str, str] = {}  # one string for each, however many tables are in it
    found = {}
    for row in db.stream(catalogue.names_statement()):
        schema, table, engine = (as_text(value) or "" for value in row)
        found[TableName(schemas.setdefault(schema, schema), table)] = schemas.setdefault(engine, engine)
    return found


def read_sight(db: Database) -> Sight:
    """What the account sees of a server."""
    grants = [as_text(row[0]) or "" for row in db.query(inspect.SHOW_GRANTS).rows]
    return sight(grants, db.scalar(inspect.CURRENT_USER) or "", db.version)


def unseen_tables(world: CheckWorld, number: int, chosen: Iterable[TableName], include: Sequence[str]) -> tuple[NotCompared, ...]:
    """Where the account of the source or of one replica may not see all tables that the patterns may mean."""
    replica = world.replicas[number]
    schemas = open_schemas(include)
    there = schemas and {replica.places.of(name).schema for name in chosen if name.schema in schemas}
    sides = (
        (str(world.source.spec.endpoint.address), world.source.sight, schemas),
        (replica.address, replica.sight, there),
    )
    return tuple(
        NotCompared(what="tables", server=address, reason=Reason.HIDDEN, grant=seen.tables_remedy())
        for address, seen, meant in sides
        if seen and not (seen.sees_all_tables() if meant is None else all(map(seen.sees_tables, meant)))
    )


def read_tables(db: Database, names: Collection[TableName] | None = None) -> dict[TableName, Table]:
    """The definitions of these tables, or of all, as far as they exist and the account may see them. Without their parts."""
    found: dict[TableName, Table] = {}
    for only in catalogue.batches(sorted(names)) if names is not None else (None,):
        found |= catalogue.parse_catalogue(
            db.texts(catalogue.tables_statement(only)),
            db.texts(catalogue.columns_statement(only)),
            db.texts(catalogue.indexes_statement(db.version, only)),
            db.version,
        )
    return found if names is None else {name: found[name] for name in names if name in found}


def read_columns(db: Database, names: Collection[TableName]) -> Columns:
    """The columns of these tables. One statement, where `read_tables` needs three."""
    found: dict[TableName, tuple[Column, ...]] = {}
    for only in catalogue.batches(sorted(names)):
        columns = catalogue.parse_columns(db.texts(catalogue.columns_statement(only)), db.version)
        found |= {name: tuple(columns[name]) for name in only if name in columns}
    return found


def read_parts(db: Database, names: Collection[TableName]) -> dict[TableName, list[Part]]:
    """What these tables have beside columns."""
    parts: dict[TableName, list[Part]] = {}
    for only in catalogue.batches(sorted(names)):
        for reader in part_readers(db.version, only):
            answers = [db.texts(reader.statement)]
            if answers[0] and reader.detail is not None:
                answers.append(db.texts(reader.detail(answers[0])))
            for name, found in reader.parse(*answers).items():
                parts.setdefault(name, []).extend(found)
    return parts


def read_whole_tables(db: Database, names: Collection[TableName]) -> dict[TableName, Table]:
    """These tables with their parts."""
    parts = read_parts(db, names)
    return {name: with_parts(table, parts) for name, table in read_tables(db, names).items()}


def with_parts(table: Table, parts: Mapping[TableName, Sequence[Part]]) -> Table:
    """The table, with its parts among those of others."""
    return replace(table, parts=tuple(parts.get(table.name, ())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The definitions of some tables: on the source, and by replica under their names on the source.

    `refused`: the replicas that refused to tell, or took too long over it: a statement may hold a lock on one of the tables.
    """

    source: Mapping[TableName, Table]
    replicas: Mapping[int, Mapping[TableName, Table]]
    refused: frozenset[int]


def read_page(world: CheckWorld, names: Sequence[TableName]) -> Page:
    """The definitions on all servers at once, each as it is by now. A replica that cannot be asked any more falls.

    Parts stay unread on a server that refuses them; its side of the world then says so. Raises SourceLost, TableFailed.
    """
    ours = world.source.lane.submit(partial(_read_willing, side=world.source, names=names))
    places = {number: {name: world.replicas[number].places.of(name) for name in names} for number in world.standing()}
    asked = {
        number: world.replicas[number].lane.submit(
            partial(_read_willing, side=world.replicas[number], names=tuple(there.values()))
        )
        for number, there in places.items()
    }
    source = source_answer(ours)
    found, refused = {}, set()
    for number, future in asked.items():
        replica = world.replicas[number]
        try:
            tables = future.result()
        except StatementRefused:
            refused.add(number)
            continue
        except ServerError as error:
            replica.fallen = replica.fallen or fall_reason(error)
            continue
        found[number] = {name: tables[there] for name, there in places[number].items() if there in tables}
    return Page(source=source, replicas=found, refused=frozenset(refused))


def _read_willing(db: Database, side: SourceSide | ReplicaSide, names: Sequence[TableName]) -> dict[TableName, Table]:
    tables = read_tables(db, names)
    parts = None
    with suppress(StatementRefused):
        parts = read_parts(db, names)
    if parts is None:
        side.parts_unread = side.parts_unread or bool(tables)
        return tables
    whole = {name: with_parts(table, parts) for name, table in tables.items()}
    side.parts_hidden = side.parts_hidden or any(map(hides_parts, whole.values()))
    return whole


def tool_columns(world: CheckWorld, names: Collection[TableName]) -> dict[TableName, frozenset[str]]:
    """The names of the columns of these tables, on the source or else on a replica. Raises ServerError if the source does."""
    found = dict(ask_columns(world, [name for name in names if name in world.source.tables]).result())
    for number in world.standing():
        replica = world.replicas[number]
        lacking = [name for name in names if name not in found and name in replica.tables]
        with suppress(ServerError):  # what is the matter with it shows when its tables are read
            there = ask_columns(world, lacking, number).result()
            found |= {name: columns for name in lacking if (columns := there.get(replica.places.of(name)))}
    return {name: frozenset(column.name for column in columns) for name, columns in found.items()}


def ask_columns(world: CheckWorld, names: Iterable[TableName], number: int | None = None) -> "Future[Columns]":
    """The columns of these tables on the source, or under their names there on a replica, behind all that was asked before."""
    if number is None:
        return world.source.lane.submit(partial(read_columns, names=tuple(names)))
    replica = world.replicas[number]
    return replica.lane.submit(partial(read_columns, names=tuple(map(replica.places.of, names))))
