"""Reads definitions in an order that means something: what differs may be a change of definition on its way to the replica."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from repwatch.drift.report import Reason
from repwatch.errors import ServerError, StatementRefused
from repwatch.flows.drift_catalogue import Columns, ask_columns, read_whole_tables
from repwatch.flows.drift_reach import Halt, await_position, fall_reason, note_position, source_answer
from repwatch.flows.drift_world import CheckWorld
from repwatch.model.schema import Table, TableName
from repwatch.ports.database import Database
from repwatch.sql import catalogue

T = TypeVar("T")
Definitions = tuple[Table | None, dict[int, Table | None]]


def read_in_order(world: CheckWorld, name: TableName, numbers: list[int]) -> Definitions | None:
    """One table's definition on the source, then on the replicas that have reached its position, then on the source again.

    None if it changed on the source meanwhile. A replica that refuses is left out, and so is one that falls. Raises SourceLost.
    """

    def first(db: Database) -> tuple[Table | None, str]:
        return read_whole_tables(db, (name,)).get(name), note_position(world, db)

    table, position = source_answer(world.source.lane.submit(first))

    def on_replica(db: Database, number: int) -> Table | None:
        replica = world.replicas[number]
        await_position(world, db, replica, position)
        there = replica.places.of(name)
        return read_whole_tables(db, (there,)).get(there)

    asked = {number: world.replicas[number].lane.submit(partial(on_replica, number=number)) for number in numbers}
    theirs = {number: future for number, future in asked.items() if _stands(world, number, future)}
    again = source_answer(world.source.lane.submit(lambda db: read_whole_tables(db, (name,)).get(name)))
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
    ours: "Future[Columns]"
    theirs: "Mapping[int, Future[Columns]]"

    def done(self) -> bool:
        """True if `result` does not wait."""
        return all(future.done() for future in (self.ours, *self.theirs.values()))

    def result(self) -> dict[int, Reason]:
        """Why rows that were read on a replica mean nothing; without those for which no column changed. Raises SourceLost."""
        name, tables = self.scanned.source.name, self.scanned.tables
        if source_answer(self.ours).get(name) != self.scanned.source.columns:
            return dict.fromkeys(tables, Reason.SCHEMA_CHANGED)
        void = {}
        for number in tables.keys() & self.theirs.keys():
            if not _stands(self.world, number, self.theirs[number]):
                void[number] = Reason.UNREADABLE
            elif self.theirs[number].result().get(tables[number].name) != tables[number].columns:
                void[number] = Reason.SCHEMA_CHANGED
        return void


def ask_unchanged(world: CheckWorld, scanned: Sequence[Scanned]) -> list[Again]:
    """Read the columns of tables again, with one statement for many, behind all that has been asked for before."""
    found: list[Again] = []
    for start in range(0, len(scanned), catalogue.AT_ONCE):
        some = scanned[start : start + catalogue.AT_ONCE]
        names = [table.source.name for table in some]
        numbers = [n for n in set().union(*(table.tables for table in some)) if world.replicas[n].fallen is None]
        ours = ask_columns(world, names)
        theirs = {number: ask_columns(world, names, number) for number in numbers}
        found += [Again(world, table, ours, theirs) for table in some]
    return found


def same_definition(one: Table | None, other: Table | None) -> bool:
    """True if rows of both mean the same; the optimizer's estimates do not count, nor do parts: an index may come and go."""
    if one is None or other is None:
        return one is other
    return _bare(one) == _bare(other)


def _bare(table: Table) -> Table:
    return replace(table, estimated_rows=0, estimated_row_bytes=0, indexes=(), parts=None)


def _stands(world: CheckWorld, number: int, future: "Future[T]") -> bool:
    """True if a replica answered. It falls if it cannot be asked any more, not for one statement that it refuses."""
    try:
        future.result()
    except StatementRefused:
        return False
    except (ServerError, Halt) as error:
        world.replicas[number].fallen = world.replicas[number].fallen or fall_reason(error)
        return False
    return True
