"""Reads definitions in an order that means something: what differs may be a change of definition on its way to the replica."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

from repwatch.errors import ServerError, StatementRefused
from repwatch.flows.drift_meet import read_columns, read_parts, read_whole_table, with_parts
from repwatch.flows.drift_reach import Halt, await_position, fall_reason, note_position, source_answer
from repwatch.flows.drift_world import CheckWorld
from repwatch.model.schema import Column, Table, TableName
from repwatch.ports.database import Database

T = TypeVar("T")
_TABLES_FOR_ONE: Final = 4
_Columns = Mapping[TableName, tuple[Column, ...]]
Definitions = tuple[Table | None, dict[int, Table | None]]


def read_all_parts(world: CheckWorld) -> None:
    """Read the parts of all tables, on all servers at once; they stay unread on a server that refuses.

    A replica that does not answer falls; a source that does not is told of by its tables.
    """
    asked = {number: world.replicas[number].lane.submit(read_parts) for number in world.standing()}
    with suppress(ServerError):
        parts = world.source.lane.submit(read_parts).result()
        world.source.tables = {name: with_parts(table, parts) for name, table in world.source.tables.items()}
    for number, future in asked.items():
        replica = world.replicas[number]
        try:
            parts = future.result()
        except StatementRefused:
            continue
        except ServerError as error:
            replica.fallen = fall_reason(error)
            continue
        replica.tables = {name: with_parts(table, parts) for name, table in replica.tables.items()}


def read_in_order(world: CheckWorld, name: TableName, numbers: list[int]) -> Definitions | None:
    """One table's definition on the source, then on the replicas that have reached its position, then on the source again.

    None if it changed on the source meanwhile. A replica that cannot be read falls and is left out. Raises SourceLost.
    """

    def first(db: Database) -> tuple[Table | None, str]:
        return read_whole_table(db, name), note_position(world, db)

    table, position = source_answer(world.source.lane.submit(first))

    def on_replica(db: Database, number: int) -> Table | None:
        replica = world.replicas[number]
        await_position(world, db, replica, position)
        return read_whole_table(db, replica.places.of(name))

    asked = {number: world.replicas[number].lane.submit(partial(on_replica, number=number)) for number in numbers}
    theirs = {number: future for number, future in asked.items() if _stands(world, number, future)}
    again = source_answer(world.source.lane.submit(lambda db: read_whole_table(db, name)))
    if not same_definition(table, again) or (table and again and table.parts != again.parts):
        return None
    return table, {number: future.result() for number, future in theirs.items()}


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """A table whose rows were read, as it was defined then on the source and on the replicas."""

    source: Table
    tables: Mapping[int, Table]


@dataclass(frozen=True)
class Again:
    """The columns of a table that are being read once more: what the rows that were read mean hangs on them alone."""

    world: CheckWorld
    scanned: Scanned
    ours: "Future[_Columns]"
    theirs: "Mapping[int, Future[_Columns]]"

    def done(self) -> bool:
        """True if `result` does not wait."""
        return all(future.done() for future in (self.ours, *self.theirs.values()))

    def result(self) -> set[int]:
        """The replicas for which no column changed since: only then rows that were read mean anything. Raises SourceLost."""
        name, tables = self.scanned.source.name, self.scanned.tables
        if source_answer(self.ours).get(name) != self.scanned.source.columns:
            return set()
        return {
            number
            for number, future in self.theirs.items()
            if number in tables
            and _stands(self.world, number, future)
            and future.result().get(tables[number].name) == tables[number].columns
        }


def ask_unchanged(world: CheckWorld, scanned: Sequence[Scanned]) -> list[Again]:
    """Read the columns of tables again, behind all that has been asked for before."""
    if is_worth_all(world, len(scanned)):
        ours, theirs = _ask_columns(world, set().union(*(table.tables for table in scanned)))
        return [Again(world, table, ours, theirs) for table in scanned]
    return [Again(world, table, *_ask_columns(world, set(table.tables), table.source.name)) for table in scanned]


def is_worth_all(world: CheckWorld, count: int) -> bool:
    """True if so many tables are best read with all others: a statement about one costs as much as some in one for all."""
    return count >= len(world.source.tables) / _TABLES_FOR_ONE


def _ask_columns(
    world: CheckWorld, numbers: set[int], only: TableName | None = None
) -> "tuple[Future[_Columns], dict[int, Future[_Columns]]]":
    def look(db: Database, name: TableName | None) -> _Columns:
        return read_columns(db, name)

    replicas = {number: world.replicas[number] for number in numbers if world.replicas[number].fallen is None}
    theirs = {number: partial(look, name=only and replica.places.of(only)) for number, replica in replicas.items()}
    return world.source.lane.submit(partial(look, name=only)), {
        n: world.replicas[n].lane.submit(ask) for n, ask in theirs.items()
    }


def same_definition(one: Table | None, other: Table | None) -> bool:
    """True if rows of both mean the same; the optimizer's estimates do not count, nor do parts: an index may come and go."""
    if one is None or other is None:
        return one is other
    return _bare(one) == _bare(other)


def _bare(table: Table) -> Table:
    return replace(table, estimated_rows=0, estimated_row_bytes=0, indexes=(), parts=None)


def _stands(world: CheckWorld, number: int, future: "Future[T]") -> bool:
    """True if a replica answered; else it falls."""
    try:
        future.result()
    except (ServerError, Halt) as error:
        world.replicas[number].fallen = world.replicas[number].fallen or fall_reason(error)
        return False
    return True
