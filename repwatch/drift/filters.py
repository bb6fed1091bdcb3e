"""Which tables reach a replica: the filters of both servers, applied as the servers apply them to row events.

MySQL manual "How Servers Evaluate Replication Filtering Rules", MariaDB manual "Replication Filters"; the order of the rules is
the same. A table's own database counts for row events, the statement's default database for statements, of which a table
knows nothing: with statements a filter on databases leaves open what happened to any table.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

from repwatch.drift.rewrites import rewritten
from repwatch.drift.verdict import Events
from repwatch.model.schema import TableName
from repwatch.sql.filters import NO_DATABASE_FILTERS, NO_FILTERS, ChannelFilters, DatabaseFilters


class Reach(StrEnum):
    """Whether a table's changes reach the replica."""

    REPLICATED = "replicated"
    FILTERED = "filtered"
    UNCLEAR = "unclear"  # it depends on what the events do not tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtering:
    """All filters between a source and one replica; `channels` are those from this source. `fold`: names ignore case."""

    logged: DatabaseFilters = NO_DATABASE_FILTERS
    channels: tuple[ChannelFilters, ...] = ()
    fold: bool = False


UNFILTERED: Final = Filtering()


def reach(table: TableName, filtering: Filtering, events: Events) -> Reach:
    """What the filters make of a table. It is replicated if any of the channels lets it pass."""
    if not _is_any(filtering):
        return Reach.REPLICATED
    if "," in str(table):
        return Reach.UNCLEAR  # lists of names are printed with commas between them
    name = _folded(table, filtering.fold)
    logged = _passes_database(name, filtering.logged, events, filtering.fold)
    if logged is not Reach.REPLICATED:
        return logged
    found = {_passes_channel(name, channel, events, filtering.fold) for channel in filtering.channels} or {Reach.REPLICATED}
    for outcome in (Reach.REPLICATED, Reach.UNCLEAR):
        if outcome in found:
            return outcome
    return Reach.FILTERED


def _is_any(filtering: Filtering) -> bool:
    return filtering.logged != NO_DATABASE_FILTERS or any(channel != NO_FILTERS for channel in filtering.channels)


def _passes_channel(table: TableName, filters: ChannelFilters, events: Events, fold: bool) -> Reach:
    if filters.rewrites is None:
        return Reach.UNCLEAR
    table = _folded(rewritten(table, filters.rewrites, fold=fold), fold)
    by_table = _passes_table(str(table), filters, fold)
    by_database = _passes_database(table, filters.databases, events, fold)
    # What the rules for tables leave out stays out whatever the database.
    return by_database if by_table else Reach.FILTERED


def _passes_database(table: TableName, filters: DatabaseFilters, events: Events, fold: bool) -> Reach:
    if filters == NO_DATABASE_FILTERS:
        return Reach.REPLICATED
    if events is Events.STATEMENTS:
        return Reach.UNCLEAR
    if filters.do:
        return _either(table.schema in {_fold(name, fold) for name in filters.do})
    return _either(table.schema not in {_fold(name, fold) for name in filters.ignore})


def _passes_table(name: str, filters: ChannelFilters, fold: bool) -> bool:
    """The rules in the servers' order; the first that fits decides."""
    for patterns, wild, passes in (
        (filters.do_tables, False, True),
        (filters.ignore_tables, False, False),
        (filters.wild_do, True, True),
        (filters.wild_ignore, True, False),
    ):
        if _fits_any(name, [_fold(pattern, fold) for pattern in patterns], wild=wild):
            return passes
    return not filters.do_tables and not filters.wild_do


def _fits_any(name: str, patterns: Sequence[str], *, wild: bool) -> bool:
    return any(_wild(pattern).fullmatch(name) is not None if wild else name == pattern for pattern in patterns)


@cache
def _wild(pattern: str) -> re.Pattern[str]:
    """`%` is any text, `_` one character, `\\` takes the next one literally. The dot between schema and table is a character
    like any other: the whole `schema.table` is matched at once."""
    parts = []
    rest = iter(pattern)
    for letter in rest:
        if letter == "\\":
            parts.append(re.escape(next(rest, "\\")))
        else:
            parts.append({"%": ".*", "_": "."}.get(letter, re.escape(letter)))
    return re.compile("".join(parts), re.DOTALL)


def _either(passes: bool) -> Reach:
    return Reach.REPLICATED if passes else Reach.FILTERED


def _folded(table: TableName, fold: bool) -> TableName:
    return TableName(_fold(table.schema, fold), _fold(table.table, fold))


def _fold(name: str, fold: bool) -> str:
    return name.casefold() if fold else name
