"""Chooses the method of a reseed from what is cheap to know: definitions, and the servers' estimates of sizes."""

from dataclasses import dataclass
from typing import Final

from repwatch.model.schema import TableName
from repwatch.reseed.clone import hindrances
from repwatch.reseed.facts import Facts, SourceFacts, TableFacts
from repwatch.reseed.host_preconditions import host_refusals
from repwatch.reseed.method import Method, Why
from repwatch.reseed.stages import Marker

_ENOUGH: Final = 0.5  # of the source's bytes; comparing costs a fraction of copying
_FACTOR: Final = 2  # estimates of the same rows on two servers are rarely farther apart
_LARGE: Final = 1 << 30  # bytes: below, rows take a minute or two
_FEW: Final = 10_000  # rows: of small tables an estimate says little, and a wrong guess costs little


@dataclass(frozen=True, slots=True)
class Choice:
    """The method, why, and the tables of Method.TABLE."""

    method: Method
    why: Why
    tables: tuple[TableName, ...] = ()

    @property
    def in_place(self) -> bool:
        """The replica stays where it is in its history, and only some tables are written."""
        return self.method is Method.TABLE


def choose(facts: Facts) -> Choice:
    """What a person asked for, else what was begun, else what costs less."""
    if (settled := settled_choice(facts.only, facts.asked, facts.target.marker)) is not None:
        return settled
    if not facts.target.tables:
        return Choice(_whole_copy(facts), Why.EMPTY)
    if alike_share(facts) >= _ENOUGH:
        return Choice(Method.DIFFERENTIAL, Why.MOSTLY_ALIKE)
    return Choice(_whole_copy(facts), Why.FAR_OFF)


def settled_choice(only: tuple[TableName, ...], asked: Method | None, marker: Marker | None) -> Choice | None:
    """What a person asked for, else what was begun; None where what is cheapest has yet to be found out."""
    if only:
        return Choice(Method.TABLE, Why.ASKED, only)
    if asked is not None:
        return Choice(asked, Why.ASKED)
    return None if marker is None else Choice(marker.method, Why.TAKEN_UP, marker.tables)


def is_loaded(marker: Marker | None, choice: Choice) -> bool:
    """True where an interrupted reseed has made the very copy that is chosen: what it was copied from is needed no more."""
    return marker is not None and marker.taken_over(choice.method, choice.tables).loaded


def _whole_copy(facts: Facts) -> Method:
    """Files are copied faster than rows, and with them the indexes."""
    if not hindrances(facts):
        return Method.CLONE
    files = _large(facts.copied) and facts.donor is None and facts.hosts is not None and not host_refusals(facts)
    return Method.PHYSICAL if files else Method.LOGICAL


def by_files(facts: Facts) -> bool:
    """True where the files may have to be copied, so that their machines have to be looked at."""
    marker = facts.target.marker
    if facts.asked is None and not facts.only:
        return _large(facts.copied) if marker is None else marker.method is Method.PHYSICAL
    return facts.asked is Method.PHYSICAL


def _large(source: SourceFacts) -> bool:
    """True where copying files is so much faster than copying rows that a replica may lose its accounts for it."""
    return source.server.version.is_mariadb and sum(table.data_bytes for table in source.tables) >= _LARGE


def alike_share(facts: Facts) -> float:
    """How much of the source's data, 0 to 1, lies in tables that the target seems to have too."""
    theirs = {table.name: table for table in facts.target.tables}
    ours = [table for table in facts.copied.tables if table.definition]
    whole = sum(_weight(table) for table in ours)
    alike = sum(_weight(table) for table in ours if table.name in theirs and _alike(table, theirs[table.name]))
    return alike / whole if whole else 0.0


def _weight(table: TableFacts) -> int:
    return max(table.data_bytes, 1)


def _alike(ours: TableFacts, theirs: TableFacts) -> bool:
    if ours.definition != theirs.definition:
        return False
    low, high = sorted((ours.rows, theirs.rows))
    return high <= _FEW or high <= low * _FACTOR
