"""Goes through the tables of a check: definitions first, then rows, then the definitions again."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace

from repwatch.drift.definitions import Comparison, compare_definitions, is_transactional
from repwatch.drift.progress import Phase, Progress
from repwatch.drift.report import Effect, Proof, Reason, TableExtra, TableMissing, TableReport, Verdict
from repwatch.drift.selection import matches_any
from repwatch.drift.summary import table_verdict
from repwatch.errors import ServerError
from repwatch.flows.drift_meet import read_tables
from repwatch.flows.drift_pipeline import Pipeline, SourceLost
from repwatch.flows.drift_sight import Reader
from repwatch.flows.drift_table import TableCheck
from repwatch.flows.drift_tally import Tally
from repwatch.flows.drift_world import CheckWorld
from repwatch.model.schema import Table, TableName
from repwatch.ports.database import Database
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
        self.reports: dict[int, list[TableReport]] = {number: [] for number in range(len(world.replicas))}

    def run(self) -> None:
        """Check all tables; never raises: what could not be checked is undecided with its reason."""
        lost = False
        for done, name in enumerate(self._tables):
            if lost or self._world.cancelled():
                self._unread(name, Reason.UNREACHABLE if lost else Reason.STOPPED)
                continue
            try:
                self._check(name, done)
            except SourceLost:
                lost = True
                self._unread(name, Reason.UNREACHABLE)

    def _check(self, name: TableName, done: int) -> None:
        source = self._world.source.tables.get(name)
        comparable: list[tuple[Comparison, int]] = []
        for number, replica in enumerate(self._world.replicas):
            theirs = replica.tables.get(name)
            if matches_any(name, replica.target.server.local_tables) or (source is None and theirs is None):
                continue
            if replica.fallen is not None:
                self._add(number, name, Tally(reason=replica.fallen), None)
            elif source is None or theirs is None:
                self._one_sided(number, name, on_source=source is not None)
            else:
                comparison = compare_definitions(source, theirs)
                if comparison.refusal is not None:
                    self._add(number, name, Tally(reason=comparison.refusal), comparison)
                else:
                    comparable.append((comparison, number))
        if source is not None:
            for comparison, numbers in _grouped(comparable):
                self._compare(source, comparison, numbers, done)
        self._rows_before += source.estimated_rows if source else 0

    def _compare(self, source: Table, comparison: Comparison, numbers: list[int], done: int) -> None:
        tables = {number: self._world.replicas[number].tables[source.name] for number in numbers}
        readings = {number: _reading(table, comparison) for number, table in tables.items()}
        own = _reading(source, comparison)

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
        exact = self._world.source.version.is_mariadb and all(is_transactional(table) for table in every)
        pipeline = Pipeline(self._world, Reader(self._world, own, readings, exact=exact))
        tallies = TableCheck(pipeline, most=self._most, told=told).run()
        changed = self._changed(source, tables)
        for number, tally in tallies.items():
            void = Tally(rows=tally.rows, reason=Reason.SCHEMA_CHANGED)
            self._add(number, source.name, void if number in changed else tally, comparison)

    def _changed(self, source: Table, tables: dict[int, Table]) -> set[int]:
        """The replicas for which a definition changed while the rows were read, so that the readings mean nothing."""

        def look(db: Database) -> Table | None:
            return read_tables(db, source.name).get(source.name)

        ours = self._world.source.lane.submit(look)
        theirs = {
            number: self._world.replicas[number].lane.submit(look)
            for number in tables
            if self._world.replicas[number].fallen is None
        }
        if not _is_same(_answer(ours), source):
            return set(tables)
        return {number for number, future in theirs.items() if not _is_same(_answer(future), tables[number])}

    def _one_sided(self, number: int, name: TableName, *, on_source: bool) -> None:
        self.reports[number].append(
            TableReport(
                schema=name.schema,
                table=name.table,
                verdict=Verdict.DRIFTED,
                reason=None,
                proof=None,
                rows=0,
                rows_proved=0,
                difference_count=1,
                differences=(TableMissing() if on_source else TableExtra(),),
            )
        )

    def _add(self, number: int, name: TableName, tally: Tally, comparison: Comparison | None) -> None:
        schema = comparison.differences if comparison else ()
        reason = tally.reason or (Reason.HOT_ROWS if tally.hot_rows else None)
        verdict = table_verdict(
            difference_count=tally.difference_count, schema=schema, hot_rows=tally.hot_rows, reason=tally.reason
        )
        incomparable = any(difference.effect is Effect.DATA for difference in schema)
        self.reports[number].append(
            TableReport(
                schema=name.schema,
                table=name.table,
                verdict=verdict,
                reason=reason,
                proof=None if verdict is Verdict.UNDECIDED else weakest(tally.proofs),
                rows=tally.rows,
                rows_proved=0 if incomparable else tally.rows_proved,
                difference_count=len(schema) + tally.difference_count,
                differences=(*schema, *tally.differences)[: self._most],
            )
        )

    def _unread(self, name: TableName, reason: Reason) -> None:
        """Undecided, except where the replicas' reports of this table are there already."""
        for number, replica in enumerate(self._world.replicas):
            known = self.reports[number]
            if known and (known[-1].schema, known[-1].table) == (name.schema, name.table):
                continue
            if not matches_any(name, replica.target.server.local_tables):
                self._add(number, name, Tally(reason=replica.fallen or reason), None)


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


def _reading(table: Table, comparison: Comparison) -> TableReading:
    def key(names: tuple[str, ...]) -> tuple[KeyColumn, ...]:
        return tuple(KeyColumn(table.column(name), name in comparison.convert) for name in names)

    return TableReading(
        table=table,
        key=key(table.primary_key),
        bounds=key(comparison.ordered_key),
        columns=tuple(table.column(name) for name in comparison.columns),
        convert=comparison.convert,
        long=comparison.long,
    )


def _is_same(now: Table | None, before: Table) -> bool:
    return now is not None and replace(now, estimated_rows=0) == replace(before, estimated_rows=0)


def _answer(future: "Future[Table | None]") -> Table | None:
    try:
        return future.result()
    except ServerError:
        return None
