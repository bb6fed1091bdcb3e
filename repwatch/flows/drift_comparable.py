"""Which replicas' rows of a table can be compared with which reading of the source: its definitions decide."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from repwatch.drift.definitions import Comparison, compare_definitions
from repwatch.drift.filters import Reach
from repwatch.drift.parts import portable_parts
from repwatch.drift.report import Reason
from repwatch.flows.drift_catalogue import Page
from repwatch.flows.drift_definitions import Definitions, read_in_order
from repwatch.flows.drift_reach import TableFailed
from repwatch.flows.drift_table_reports import TableReports
from repwatch.flows.drift_tally import Tally
from repwatch.flows.drift_world import CheckWorld
from repwatch.model.schema import Table, TableName

_DEFINITION_READS: Final = 3  # of a table whose definition changes while it is read


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """A table on the source, and as those replicas have it that can be compared with one reading of it."""

    source: Table
    comparison: Comparison
    tables: Mapping[int, Table]


class Definer:
    """Compares definitions; what keeps a table from being compared on a replica it reports at once."""

    def __init__(self, world: CheckWorld, reports: TableReports) -> None:
        self._world = world
        self._reports = reports

    def alike(self, name: TableName, page: Page) -> list[Alike]:
        """The groups of replicas. `page` has the definitions as they were read first. Raises SourceLost, TableFailed."""
        source, concerned = page.source.get(name), self._concerned(name)
        self._reports.failed(page.refused.intersection(concerned), name, Reason.UNREADABLE)
        theirs = {n: page.replicas[n].get(name) for n in concerned if n in page.replicas}
        compared = self._compared(source, theirs)
        if not self._world.static and any(comparison is None or comparison.differences for comparison in compared.values()):
            first, (source, theirs) = theirs, self._settled(name, list(theirs))
            self._reports.failed((first.keys() - theirs).intersection(self._world.standing()), name, Reason.UNREADABLE)
            compared = self._compared(source, theirs)
        groups: list[Alike] = []
        for number, table in theirs.items():
            if source is None or table is None:
                self._not_on_both(number, name, on_source=source is not None, on_replica=table is not None)
            elif (comparison := compared[number]) is not None:
                self._reports.definitions_differ(number, name, comparison.differences)
                if refusal := comparison.refusal or self._unnarrowable(table):
                    self._reports.add(number, name, Tally(reason=refusal))
                else:
                    # An index more on one replica is no reason to read the source once more for it.
                    _join(groups, source, replace(comparison, differences=()), number, table)
        return groups

    def _not_on_both(self, number: int, name: TableName, *, on_source: bool, on_replica: bool) -> None:
        if on_source or on_replica:
            self._reports.one_sided(number, name, on_source=on_source)
        else:
            self._reports.gone(number, name)

    def _settled(self, name: TableName, numbers: list[int]) -> Definitions:
        """The definitions once no change of them is on its way. Raises SourceLost, TableFailed."""
        for _ in range(_DEFINITION_READS):
            if (settled := read_in_order(self._world, name, numbers)) is not None:
                return settled
        raise TableFailed(Reason.SCHEMA_CHANGED)

    def _compared(self, source: Table | None, theirs: Mapping[int, Table | None]) -> dict[int, Comparison | None]:
        """The definitions compared, None of a table that is on one side only; without those that are on neither."""
        return {
            number: None if source is None or table is None else self._comparison(number, source, table)
            for number, table in theirs.items()
            if source is not table
        }

    def _comparison(self, number: int, source: Table, replica: Table) -> Comparison:
        if self._world.is_foreign(number):
            source, replica = portable_parts(source), portable_parts(replica)
        return compare_definitions(source, replica, portable=self._world.static)

    def _unnarrowable(self, table: Table) -> Reason | None:
        """Why a replica's rows cannot be chosen: the table lacks a column of the condition there."""
        condition = self._world.condition
        lacks = condition is not None and condition.unknown_in(frozenset(column.name for column in table.columns))
        return Reason.SCHEMA_DIFFERS if lacks else None

    def _concerned(self, name: TableName) -> list[int]:
        """The replicas that still take part and that get this table by replication; where that is unclear they are told of."""
        concerned = []
        for number in self._world.standing():
            match self._world.reach(number, name):
                case Reach.REPLICATED:
                    concerned.append(number)
                case Reach.UNCLEAR:
                    self._reports.add(number, name, Tally(reason=Reason.FILTERS_UNCLEAR))
        return concerned


def _join(groups: list[Alike], source: Table, comparison: Comparison, number: int, table: Table) -> None:
    """Put a replica to those that can be compared with the same reading of the source."""
    for place, group in enumerate(groups):
        if group.comparison == comparison:
            groups[place] = replace(group, tables={**group.tables, number: table})
            return
    groups.append(Alike(source=source, comparison=comparison, tables={number: table}))
