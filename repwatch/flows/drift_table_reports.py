"""What a check says of each table on each replica, collected while it goes through them."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from repwatch.drift.filters import Reach
from repwatch.drift.report import (
    Effect,
    Guess,
    Proof,
    Reason,
    SchemaDifference,
    TableExtra,
    TableMissing,
    TableReport,
    Verdict,
)
from repwatch.drift.summary import table_verdict, weakest
from repwatch.flows.drift_tally import Tally
from repwatch.flows.drift_world import CheckWorld
from repwatch.model.schema import TableName


class TableReports:
    """One report for each of the tables and replicas. `most`: differences that are listed of a table."""

    def __init__(self, world: CheckWorld, tables: Sequence[TableName], most: int) -> None:
        self._world = world
        self._tables = tables
        self._most = most
        self._found: list[dict[TableName, TableReport]] = [{} for _ in world.replicas]
        self._schema: dict[tuple[int, TableName], tuple[SchemaDifference, ...]] = {}  # of tables without a report
        self._gone: set[tuple[int, TableName]] = set()

    def of(self, number: int) -> tuple[TableReport, ...]:
        """The reports for one replica, in the order of the tables."""
        found = self._found[number]
        return tuple(found[name] for name in self._tables if name in found)

    def knows(self, number: int, name: TableName) -> bool:
        """True if there is a report already."""
        return name in self._found[number]

    def definitions_differ(self, number: int, name: TableName, differences: tuple[SchemaDifference, ...]) -> None:
        """For the report that follows."""
        if differences:
            self._schema[number, name] = differences

    def gone(self, number: int, name: TableName) -> None:
        """The table is on neither side. It may have been dropped since its name was read: there is nothing to report."""
        self._gone.add((number, name))

    def one_sided(self, number: int, name: TableName, *, on_source: bool) -> None:
        """The table is not on both sides, as far as they show: where an account may not see it there, nothing is known."""
        replica = self._world.replicas[number]
        lacking = replica.sight if on_source else self._world.source.sight
        if lacking is not None and not lacking.sees_tables((replica.places.of(name) if on_source else name).schema):
            self.add(number, name, Tally(reason=Reason.UNREADABLE))
            return
        self._found[number][name] = TableReport(
            schema=name.schema,
            table=name.table,
            verdict=Verdict.DRIFTED,
            reason=None,
            proof=self._proof({Proof.REREAD}),
            rows=0,
            rows_proved=0,
            difference_count=1,
            there=self._there(number, name),
            differences=(TableMissing() if on_source else TableExtra(),),
        )

    def failed(self, numbers: Iterable[int], name: TableName, reason: Reason) -> None:
        """Nothing can be said of the table on these replicas, unless it was, or it is on neither side, or is not replicated."""
        for number in numbers:
            known = self.knows(number, name) or (number, name) in self._gone
            if not known and self._was(number, name) and self._world.reach(number, name) is not Reach.FILTERED:
                self.add(number, name, Tally(reason=reason))

    def add(
        self, number: int, name: TableName, tally: Tally, causes: tuple[Guess, ...] = (), since: datetime | None = None
    ) -> None:
        """What its rows came to."""
        schema = self._schema.pop((number, name), ())
        verdict = table_verdict(
            difference_count=tally.difference_count, schema=schema, reason=tally.reason, strict=self._world.strict
        )
        incomparable = any(difference.effect is Effect.DATA for difference in schema)
        self._found[number][name] = TableReport(
            schema=name.schema,
            table=name.table,
            verdict=verdict,
            reason=tally.reason,
            proof=None if verdict is Verdict.UNDECIDED else self._proof(tally.proofs),
            rows=tally.rows,
            rows_proved=0 if incomparable else tally.rows_proved,
            difference_count=len(schema) + tally.difference_count,
            surplus=tally.surplus,
            there=self._there(number, name),
            differences=(*schema, *tally.differences)[: self._most],
            causes=causes,
            since=since,
        )

    def leave(self, reason: Reason) -> None:
        """Undecided is what has no report by now."""
        for name in self._tables:
            for number, replica in enumerate(self._world.replicas):
                self.failed([number], name, replica.fallen or reason)

    def all_gone(self, number: int) -> bool:
        """True if there were tables to compare on a replica, and all of them have been dropped on both sides meanwhile."""
        return not self._found[number] and any((number, name) in self._gone and self._was(number, name) for name in self._tables)

    def _was(self, number: int, name: TableName) -> bool:
        """True if the table was on one side at least as the names were read."""
        return name in self._world.source.tables or name in self._world.replicas[number].tables

    def _there(self, number: int, name: TableName) -> str | None:
        place = self._world.replicas[number].places.of(name)
        return None if place == name else str(place)

    def _proof(self, proofs: set[Proof]) -> Proof:
        return Proof.STATIC if self._world.static else weakest(proofs)
