"""A table that is about to be read: what is read of it, and how exactly."""

from collections.abc import Callable
from dataclasses import dataclass

from repwatch.drift.definitions import Comparison, index_of, is_transactional
from repwatch.drift.resume import shape_of
from repwatch.drift.throttle import Hold
from repwatch.flows.drift_comparable import Alike
from repwatch.flows.drift_definitions import Scanned
from repwatch.flows.drift_moment_reader import MomentReader
from repwatch.flows.drift_pipeline import Pipeline
from repwatch.flows.drift_sight import Reader
from repwatch.flows.drift_stand import StandReader
from repwatch.flows.drift_table import TableCheck
from repwatch.flows.drift_world import CheckWorld
from repwatch.model.schema import Table
from repwatch.sql.keyrange import KeyColumn
from repwatch.sql.signature import TableReading


@dataclass(frozen=True, kw_only=True)
class Open:
    """A table that is scanned, or was; rows of it may be in doubt."""

    check: TableCheck
    pipeline: Pipeline
    scanned: Scanned


def open_table(world: CheckWorld, alike: Alike, *, most: int, settling: Callable[[Hold | None], None]) -> Open:
    """A table with its readings. `settling` is told what holds them up while rows that differ are looked at."""
    pipeline = Pipeline(world, _reader(world, alike), settling)
    comparison = alike.comparison
    read = (comparison.columns, comparison.key, comparison.ordered_key)
    shape = shape_of(world.identities(alike.tables), alike.source, alike.tables, read)
    check = TableCheck(pipeline, shape=shape, most=most)
    return Open(check=check, pipeline=pipeline, scanned=Scanned(source=alike.source, tables=alike.tables))


def _reader(world: CheckWorld, alike: Alike) -> Reader:
    where = world.condition.text if world.condition else ""
    ours = _reading(alike.source, alike.comparison, where, portable=world.static)
    theirs = {number: _reading(table, alike.comparison, where, portable=world.static) for number, table in alike.tables.items()}
    in_snapshots = all(is_transactional(table.engine) for table in (alike.source, *alike.tables.values()))
    if in_snapshots and world.stand is not None:
        reader = StandReader if world.stand.decides else MomentReader
        return reader(world, world.stand, ours, theirs)
    tells = world.source.tells_snapshots and all(world.replicas[number].tells_snapshots for number in alike.tables)
    return Reader(world, ours, theirs, exact=in_snapshots and tells and not world.static)


def _reading(table: Table, comparison: Comparison, where: str, *, portable: bool) -> TableReading:
    def key(names: tuple[str, ...]) -> tuple[KeyColumn, ...]:
        return tuple(KeyColumn(table.column(name), name in comparison.convert) for name in names)

    return TableReading(
        table=table,
        key=key(comparison.key),
        index=index_of(table, comparison.index),
        bounds=key(comparison.ordered_key),
        columns=tuple(table.column(name) for name in comparison.columns),
        convert=comparison.convert,
        long=comparison.long,
        where=where,
        portable=portable,
        documents=comparison.documents,
    )
