"""Goes through the tables of a check: definitions first, then rows, then the definitions again."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from repwatch.drift.definitions import Comparison, compare_definitions, is_transactional
from repwatch.drift.filters import Reach
from repwatch.drift.progress import Phase, Progress
from repwatch.drift.report import Effect, Proof, Reason, TableExtra, TableMissing, TableReport, Verdict
from repwatch.drift.summary import table_verdict
from repwatch.flows.drift_definitions import read_in_order, unchanged
from repwatch.flows.drift_pipeline import Pipeline
from repwatch.flows.drift_reach import SourceLost, TableFailed
from repwatch.flows.drift_settle import settle
from repwatch.flows.drift_sight import Reader
from repwatch.flows.drift_table import MOST_PENDING, TableCheck
from repwatch.flows.drift_tally import Tally
from repwatch.flows.drift_world import CheckWorld
from repwatch.model.schema import Table, TableName
from repwatch.sql.keyrange import KeyColumn
from repwatch.sql.signature import TableReading


class TablesCheck:
    """Checks tables one after another and collects a report of each for every replica."""

    def __init__(
        self, world: CheckWorld, tables: Sequence[TableName], *, most: int, progress: Callable[[Progress], None]
    ) -> None:
        self._world = world
        self._tables = tables
        self._most = most
        self._progress = progress
        self._started = world.clock.monotonic()
        self._rows_before = 0
        self._expected = sum(table.estimated_rows for name in tables if (table := world.source.tables.get(name)))
        self._found: dict[tuple[int, TableName], TableReport] = {}
        self._open: list[_Open] = []

    def reports(self, number: int) -> tuple[TableReport, ...]:
        """The reports for one replica, in the order of the tables."""
        return tuple(self._found[number, name] for name in self._tables if (number, name) in self._found)

    def run(self) -> None:
        """Check all tables; never raises: what could not be checked is undecided with its reason."""
        try:
            for done, name in enumerate(self._tables):
                if self._world.cancelled():
                    break
                self._check(name, done)
                if sum(len(opened.check.settlement) for opened in self._open) >= MOST_PENDING:
                    self._close()
            self._close()
        except SourceLost:
            self._leave(Reason.UNREACHABLE)
        self._leave(Reason.STOPPED)

    def _check(self, name: TableName, done: int) -> None:
        try:
            source, comparable = self._definitions(name)
            for comparison, numbers in _grouped(comparable):
                assert source is not None
                self._scan(source, comparison, numbers, done)
        except TableFailed as failure:
            for number in self._world.standing():
                if (number, name) not in self._found and self._world.reach(number, name) is not Reach.FILTERED:
                    self._add(number, name, Tally(reason=failure.reason), None)
        estimate = self._world.source.tables.get(name)
        self._rows_before += estimate.estimated_rows if estimate else 0

    def _definitions(self, name: TableName) -> tuple[Table | None, list[tuple[Comparison, int]]]:
        """The table on the source, and the replicas on which its rows can be compared; the others are reported at once."""
        source = self._world.source.tables.get(name)
        theirs = {number: self._world.replicas[number].tables.get(name) for number in self._concerned(name)}
        if any(_differ(source, table) for table in theirs.values()):
            settled = read_in_order(self._world, name, list(theirs))
            if settled is None:
                raise TableFailed(Reason.SCHEMA_CHANGED)
            source, theirs = settled
        comparable: list[tuple[Comparison, int]] = []
        for number, table in theirs.items():
            if source is None or table is None:
                if source is not table:
                    self._one_sided(number, name, on_source=source is not None)
                continue
            comparison = compare_definitions(source, table)
            self._world.replicas[number].tables[name] = table
            refusal = comparison.refusal or self._unnarrowable(table)
            if refusal is not None:
                self._add(number, name, Tally(reason=refusal), comparison)
            else:
                comparable.append((comparison, number))
        return source, comparable

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
                    self._add(number, name, Tally(reason=Reason.FILTERS_UNCLEAR), None)
        return concerned

    def _scan(self, source: Table, comparison: Comparison, numbers: list[int], done: int) -> None:
        tables = {number: self._world.replicas[number].tables[source.name] for number in numbers}
        where = self._world.condition.text if self._world.condition else ""
        readings = {number: _reading(table, comparison, where) for number, table in tables.items()}

        def told(rows: int, settling: bool) -> None:
            self._progress(
                Progress(
                    phase=Phase.SETTLING if settling else Phase.SCANNING,
                    tables_done=done,
                    tables=len(self._tables),
                    table=str(source.name),
                    rows=self._rows_before + rows,
                    rows_expected=max(self._expected, self._rows_before + rows),
                    seconds=self._world.clock.monotonic() - self._started,
                )
            )

        told(0, False)
        every = [source, *tables.values()]
        exact = all(is_transactional(table) for table in every) and all(
            self._world.replicas[number].tells_snapshots for number in numbers
        )
        pipeline = Pipeline(self._world, Reader(self._world, _reading(source, comparison, where), readings, exact=exact))
        opened = _Open(
            check=TableCheck(pipeline, most=self._most, told=told), source=source, tables=tables, comparison=comparison
        )
        self._open.append(opened)
        opened.check.run()
        if not opened.check.settlement:
            self._open.remove(opened)
            self._finish(opened)

    def _close(self) -> None:
        """Settle the tables with rows in doubt, and report them."""
        settle(self._world, [opened.check.settlement for opened in self._open])
        while self._open:
            self._finish(self._open.pop())

    def _finish(self, opened: "_Open") -> None:
        name = opened.source.name
        try:
            whole = unchanged(self._world, opened.source, opened.tables)
        except TableFailed:
            whole = set()
        for number, tally in opened.check.result().items():
            if self._world.replicas[number].fallen is None and number not in whole:
                self._add(number, name, Tally(rows=tally.rows, reason=Reason.SCHEMA_CHANGED), opened.comparison)
            else:
                self._add(number, name, tally, opened.comparison)

    def _leave(self, reason: Reason) -> None:
        """Undecided is what has no report yet."""
        for name in self._tables:
            source = self._world.source.tables.get(name)
            for number, replica in enumerate(self._world.replicas):
                there = source or replica.tables.get(name)
                if (number, name) not in self._found and there and self._world.reach(number, name) is not Reach.FILTERED:
                    self._add(number, name, Tally(reason=replica.fallen or reason), None)

    def _one_sided(self, number: int, name: TableName, *, on_source: bool) -> None:
        self._found[number, name] = TableReport(
            schema=name.schema,
            table=name.table,
            verdict=Verdict.DRIFTED,
            reason=None,
            proof=Proof.REREAD,
            rows=0,
            rows_proved=0,
            difference_count=1,
            differences=(TableMissing() if on_source else TableExtra(),),
        )

    def _add(self, number: int, name: TableName, tally: Tally, comparison: Comparison | None) -> None:
        schema = comparison.differences if comparison else ()
        verdict = table_verdict(difference_count=tally.difference_count, schema=schema, reason=tally.reason)
        incomparable = any(difference.effect is Effect.DATA for difference in schema)
        self._found[number, name] = TableReport(
            schema=name.schema,
            table=name.table,
            verdict=verdict,
            reason=tally.reason,
            proof=None if verdict is Verdict.UNDECIDED else weakest(tally.proofs),
            rows=tally.rows,
            rows_proved=0 if incomparable else tally.rows_proved,
            difference_count=len(schema) + tally.difference_count,
            differences=(*schema, *tally.differences)[: self._most],
        )


@dataclass(frozen=True, kw_only=True)
class _Open:
    """A table that was scanned; rows of it may be in doubt."""

    check: TableCheck
    source: Table
    tables: dict[int, Table]
    comparison: Comparison


def _differ(source: Table | None, replica: Table | None) -> bool:
    if source is None or replica is None:
        return source is not replica
    return bool(compare_definitions(source, replica).differences)


def weakest(proofs: set[Proof]) -> Proof:
    """The proof that covers all parts: re-reading if any part was proved by it alone. An empty table is proved by one reading."""
    return Proof.SNAPSHOT if proofs == {Proof.SNAPSHOT} else Proof.REREAD


def _grouped(comparable: Sequence[tuple[Comparison, int]]) -> Iterator[tuple[Comparison, list[int]]]:
    """Replicas that can be compared with one reading of the source, with the schema differences left to each."""
    groups: list[tuple[Comparison, list[int]]] = []
    for comparison, number in comparable:
        for known, numbers in groups:
            if known == comparison:
                numbers.append(number)
                break
        else:
            groups.append((comparison, [number]))
    yield from groups


def _reading(table: Table, comparison: Comparison, where: str) -> TableReading:
    def key(names: tuple[str, ...]) -> tuple[KeyColumn, ...]:
        return tuple(KeyColumn(table.column(name), name in comparison.convert) for name in names)

    return TableReading(
        table=table,
        key=key(table.primary_key),
        bounds=key(comparison.ordered_key),
        columns=tuple(table.column(name) for name in comparison.columns),
        convert=comparison.convert,
        long=comparison.long,
        where=where,
    )
