"""Lets the core guess what happened to a table; asks the replica the one thing that the differences do not tell."""

from repwatch.drift.causes import guess_causes, tail_start
from repwatch.drift.report import Guess
from repwatch.errors import ServerError
from repwatch.flows.drift_pipeline import Pipeline
from repwatch.flows.drift_tally import Tally
from repwatch.flows.drift_world import CheckWorld
from repwatch.sql import signature as sql
from repwatch.sql.keyrange import KeyRange


def causes_of(world: CheckWorld, number: int, pipeline: Pipeline, tally: Tally) -> tuple[Guess, ...]:
    """What the differences of a table on one replica look like."""
    if not tally.differences:
        return ()
    columns = {column.name: column for column in pipeline.reader.source.columns}
    start = tail_start(tally.differences, columns)
    key = tuple(cell for cell in start.values() if isinstance(cell, str)) if start else ()
    return guess_causes(
        tally.differences,
        columns,
        rows=tally.rows,
        difference_count=tally.difference_count,
        ends_there=bool(key) and _ends_at(world, number, pipeline, key),
    )


def _ends_at(world: CheckWorld, number: int, pipeline: Pipeline, key: tuple[str, ...]) -> bool:
    """True if the replica has no row behind the key. One step in an index."""
    reading = pipeline.reader.replicas[number]
    if len(reading.bounds) != len(key):
        return False
    statement = sql.bound(reading, KeyRange(lower=key), 0)
    try:
        return not world.replicas[number].lane.submit(lambda db: db.query(statement).rows).result()
    except ServerError:
        return False  # a guess less
