"""What replication leaves out on its way to a replica, or puts under another name there, must not be copied to it."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from repwatch.drift.filters import Filtering, Reach, reach
from repwatch.drift.rewrites import touched
from repwatch.model.plan import Refusal
from repwatch.model.schema import TableName
from repwatch.model.server import Address
from repwatch.reseed.choice import Choice, is_loaded
from repwatch.reseed.facts import Facts, Way
from repwatch.reseed.method import Method
from repwatch.reseed.roles import some


class Passage(StrEnum):
    """How the changes of a table come to a replica."""

    WHOLE = "whole"
    RENAMED = "renamed"
    NOT_LOGGED = "not-logged"
    LEFT_OUT = "left-out"
    UNCLEAR = "unclear"


_WHAT: Final = {
    Passage.RENAMED: (
        "replicate_rewrite_db of {replica} takes from or writes to the databases of {tables}, and a copy has the source's names: "
        "take it away, or name other tables with --table"
    ),
    Passage.NOT_LOGGED: (
        "{source} does not log (binlog_do_db, binlog_ignore_db) {tables}, so that no copy of them would be kept up to date: "
        "let it log them, or name other tables with --table"
    ),
    Passage.LEFT_OUT: (
        "filters of {replica} (replicate_*) leave out {tables}, which it must not hold, or would not keep up to date: "
        "take the filters away, or name other tables with --table"
    ),
    Passage.UNCLEAR: (
        "filters on databases go by each session's default database where the source logs statements, so that it is unclear what "
        "{replica} gets of {tables}: set binlog_format = ROW on the source, or filter tables (replicate_wild_ignore_table = db.%)"
    ),
}


def filter_refusals(facts: Facts, choice: Choice) -> Iterator[Refusal]:
    """Of the replica that is written to, and of the one that is copied from: it lacks, or has of old, what it does not get."""
    named = choice.method is Method.TABLE
    tables = choice.tables if named else tuple(table.name for table in facts.copied.tables)
    yield from _on_the_way(facts, facts.target.server.address, facts.way, tables)
    if facts.donor is not None and not is_loaded(facts.target.marker, choice):
        yield from _on_the_way(facts, facts.donor.data.server.address, facts.donor.way, tables)


def _on_the_way(facts: Facts, replica: Address, way: Way, tables: tuple[TableName, ...]) -> Iterator[Refusal]:
    found = {name: passage(name, way) for name in tables}
    for kind, text in _WHAT.items():
        if names := [str(name) for name, how in found.items() if how is kind]:
            summary = text.format(replica=replica, source=facts.source.server.address, tables=some(names))
            yield Refusal(code="filtered", summary=summary)


def passage(table: TableName, way: Way) -> Passage:
    """What becomes of the table on this way."""
    filtering = way.filtering
    if touched(table.schema, filtering.channels, fold=filtering.fold):
        return Passage.RENAMED
    if reach(table, Filtering(logged=filtering.logged, fold=filtering.fold), way.events) is Reach.FILTERED:
        return Passage.NOT_LOGGED
    match reach(table, filtering, way.events):
        case Reach.FILTERED:
            return Passage.LEFT_OUT
        case Reach.UNCLEAR:
            return Passage.UNCLEAR
        case Reach.REPLICATED:
            return Passage.WHOLE
