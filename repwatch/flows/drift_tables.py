"""Goes through the tables of a check: definitions first, then rows, then the definitions again; one table runs into the next."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from repwatch.drift.definitions import Comparison, compare_definitions, index_of, is_transactional
from repwatch.drift.filters import Reach
from repwatch.drift.parts import portable_parts
from repwatch.drift.progress import Behind, Phase, Progress
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
from repwatch.drift.resume import shape_of
from repwatch.drift.summary import table_verdict
from repwatch.drift.throttle import Hold
from repwatch.drift.verdict import STILL_MARGIN_DRIFT
from repwatch.flows.drift_causes import causes_of
from repwatch.flows.drift_definitions import Again, Definitions, Scanned, ask_unchanged, is_worth_all, read_in_order
from repwatch.flows.drift_pipeline import Compared, Pipeline
from repwatch.flows.drift_reach import SourceLost, TableFailed
from repwatch.flows.drift_run import Exhausted, Run, SourceRead, Waiting, Work
from repwatch.flows.drift_settle import settle
from repwatch.flows.drift_sight import Reader
from repwatch.flows.drift_stand import StandReader
from repwatch.flows.drift_table import MOST_PENDING, TableCheck
from repwatch.flows.drift_tally import Tally
from repwatch.flows.drift_world import CheckWorld
from repwatch.model.schema import Table, TableName
from repwatch.ports.check_journal import CheckJournal
from repwatch.sql.keyrange import KeyColumn
from repwatch.sql.signature import TableReading

_CLOSE_TABLES: Final = 20  # definitions of so many tables are read again together …
_CLOSE_SECONDS: Final = 5.0  # … or of fewer, so long after the first
_DEFINITION_READS: Final = 3  # of a table whose definition changes while it is read


class TablesCheck:
    """Checks tables and collects a report of each for every replica."""

    def __init__(  # noqa: PLR0913 - what a check is told, all of it by name
        self,
        world: CheckWorld,
        tables: Sequence[TableName],
        *,
        most: int,
        progress: Callable[[Progress], None],
        journal: CheckJournal,
        kept_since: datetime,
    ) -> None:
        self._world = world
        self._tables = tables
        self._most = most
        self._progress = progress
        self._journal = journal
        self._kept_since = kept_since  # what the journal holds of before is too old to count
        self._started = world.clock.monotonic()
        self._rows = 0
        self._begun = 0  # tables whose scan was begun, but for the last one
        self._expected = sum(table.estimated_rows for name in tables if (table := world.source.tables.get(name)))
        self._schema: dict[tuple[int, TableName], tuple[SchemaDifference, ...]] = {}
        self._found: dict[tuple[int, TableName], TableReport] = {}
        self._open: dict[Pipeline, _Open] = {}  # tables that are scanned
        self._doubtful: list[_Open] = []  # scanned, with rows in doubt
        self._closed: list[_Open] = []  # judged
        self._closed_since = 0.0
        self._closing: list[_Closing] = []
        self._proving_since: float | None = None  # the standstill in which rows were read again

    def reports(self, number: int) -> tuple[TableReport, ...]:
        """The reports for one replica, in the order of the tables."""
        return tuple(self._found[number, name] for name in self._tables if (number, name) in self._found)

    def run(self) -> None:
        """Check all tables; never raises: what could not be checked is undecided with its reason."""
        try:
            self._scan()
            self._settle()
            self._report_closed(wait=True)
        except SourceLost:
            self._leave(Reason.UNREACHABLE)
        self._leave(Reason.STOPPED)

    def _scan(self) -> None:
        for event in Run(self._world, self._work()).events():
            match event:
                case Compared():
                    check = self._open[event.pipeline].check
                    self._journal.append(check.take(event))
                    self._begin_proofs(check)
                    self._tell(event.pipeline.reader.source.table.name, Phase.SCANNING)
                case SourceRead():
                    self._rows += event.rows
                    self._tell(event.pipeline.reader.source.table.name, Phase.SCANNING)
                case Waiting():
                    self._waits(self._tables[self._begun], Phase.SCANNING, event.hold)
                case Exhausted():
                    self._resolve(self._open.pop(event.pipeline))
            self._report_closed(wait=False)
        while self._open:  # the check was ended
            self._close(self._open.popitem()[1])

    def _work(self) -> Iterator[Work]:
        """The tables, as the scan gets to them. Raises SourceLost."""
        for begun, name in enumerate(self._tables):
            self._begun = begun
            self._tell(name, Phase.SCANNING)
            try:
                source, comparable = self._definitions(name)
            except TableFailed as failure:
                for number in self._world.standing():
                    if (number, name) not in self._found and self._world.reach(number, name) is not Reach.FILTERED:
                        self._add(number, name, Tally(reason=failure.reason))
                continue
            for comparison, numbers in _grouped(comparable):
                assert source is not None
                opened = self._opened(source, comparison, numbers)
                work = opened.check.go_on_from(self._journal.of_table(str(name)), self._kept_since)
                self._rows += opened.check.rows
                if work is None:
                    self._resolve(opened)
                    continue
                self._open[work.pipeline] = opened
                yield work

    def _resolve(self, opened: "_Open") -> None:
        opened.check.resolve()
        if not opened.check:
            self._close(opened)
            return
        self._doubtful.append(opened)
        if sum(len(doubtful.check) for doubtful in self._doubtful) >= MOST_PENDING:
            self._settle()

    def _begin_proofs(self, check: TableCheck) -> None:
        """Where the source stands still, look at the first rows that differ now: their proof takes time, and the scan goes on."""
        watermark = self._world.source.watermark
        if not watermark.quiet_since(self._world.clock.monotonic() - STILL_MARGIN_DRIFT):
            return
        if check.few_suspects:
            check.resolve()
        since = watermark.still.since if watermark.still else None
        if self._proving_since != since:  # what was read too soon after the last movement is read once more
            self._proving_since = since
            for opened in (*self._doubtful, *self._open.values()):
                if opened.check.can_be_proved_by_another_look:
                    opened.check.read_again()

    def _settle(self) -> None:
        """Settle what is in doubt, of all tables together."""
        settle(self._world, [opened.check for opened in self._doubtful])
        while self._doubtful:
            self._close(self._doubtful.pop())

    def _close(self, opened: "_Open") -> None:
        """Let the definitions be read again: only if none has changed the rows that were read mean anything."""
        if not self._closed:
            self._closed_since = self._world.clock.monotonic()
        self._closed.append(opened)

    def _report_closed(self, *, wait: bool) -> None:
        """Report the tables whose definitions came back; `wait`: all of them. They are asked for together, but soon."""
        overdue = wait or self._world.clock.monotonic() >= self._closed_since + _CLOSE_SECONDS
        if self._closed and (overdue or (len(self._closed) >= _CLOSE_TABLES and is_worth_all(self._world, len(self._closed)))):
            asked = ask_unchanged(self._world, [opened.scanned for opened in self._closed])
            self._closing += map(_Closing, self._closed, asked)
            self._closed = []
        while self._closing and (wait or self._closing[0].again.done()):
            self._finish(self._closing.pop(0))

    def _waits(self, name: TableName, phase: Phase, hold: Hold | None) -> None:
        self._tell(name, phase, hold or self._world.behind())

    def _tell(self, name: TableName, phase: Phase, waits: Hold | Behind | None = None) -> None:
        self._progress(
            Progress(
                phase=phase,
                tables_done=self._begun,
                tables=len(self._tables),
                table=str(name),
                rows=self._rows,
                rows_expected=max(self._expected, self._rows),
                seconds=self._world.clock.monotonic() - self._started,
                waits=waits,
                delay=self._world.delay,
            )
        )

    def _definitions(self, name: TableName) -> tuple[Table | None, list[tuple[Comparison, int]]]:
        """The table on the source, and the replicas on which its rows can be compared; the others are reported at once."""
        source = self._world.source.tables.get(name)
        theirs = {number: self._world.replicas[number].tables.get(name) for number in self._concerned(name)}
        compared = self._compared(source, theirs)
        if not self._world.static and any(comparison is None or comparison.differences for comparison in compared.values()):
            source, theirs = self._settled(name, list(theirs))
            compared = self._compared(source, theirs)
        comparable: list[tuple[Comparison, int]] = []
        for number, comparison in compared.items():
            table = theirs[number]
            if comparison is None or table is None:
                self._one_sided(number, name, on_source=source is not None)
                continue
            self._schema[number, name] = comparison.differences
            self._world.replicas[number].tables[name] = table
            refusal = comparison.refusal or self._unnarrowable(table)
            if refusal is not None:
                self._add(number, name, Tally(reason=refusal))
            else:
                # An index more on one replica is no reason to read the source once more for it.
                comparable.append((replace(comparison, differences=()), number))
        return source, comparable

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
                    self._add(number, name, Tally(reason=Reason.FILTERS_UNCLEAR))
        return concerned

    def _opened(self, source: Table, comparison: Comparison, numbers: list[int]) -> "_Open":
        """A table that is about to be scanned."""
        tables = {number: self._world.replicas[number].tables[source.name] for number in numbers}
        where = self._world.condition.text if self._world.condition else ""
        static = self._world.static
        readings = {number: _reading(table, comparison, where, portable=static) for number, table in tables.items()}
        every = [source, *tables.values()]
        exact = (
            not static
            and all(is_transactional(table) for table in every)
            and self._world.source.tells_snapshots
            and all(self._world.replicas[number].tells_snapshots for number in numbers)
        )
        ours = _reading(source, comparison, where, portable=static)
        stand = self._world.stand if all(is_transactional(table) for table in every) else None
        reader = StandReader(self._world, stand, ours, readings) if stand else Reader(self._world, ours, readings, exact=exact)
        settling = partial(self._waits, source.name, Phase.SETTLING)
        pipeline = Pipeline(self._world, reader, settling)
        read = (comparison.columns, comparison.key, comparison.ordered_key)
        shape = shape_of(self._world.identities(tables), source, tables, read)
        check = TableCheck(pipeline, shape=shape, most=self._most)
        return _Open(check=check, pipeline=pipeline, scanned=Scanned(source=source, tables=tables))

    def _finish(self, closing: "_Closing") -> None:
        opened, name = closing.opened, closing.opened.scanned.source.name
        try:
            whole = closing.again.result()
        except TableFailed:
            whole = set()
        for number, tally in opened.check.result().items():
            if self._world.replicas[number].fallen is None and number not in whole:
                self._add(number, name, Tally(rows=tally.rows, reason=Reason.SCHEMA_CHANGED))
            else:
                causes = causes_of(self._world, number, opened.pipeline, tally)
                self._add(number, name, tally, causes, opened.check.since)

    def _leave(self, reason: Reason) -> None:
        """Undecided is what has no report yet."""
        for name in self._tables:
            source = self._world.source.tables.get(name)
            for number, replica in enumerate(self._world.replicas):
                there = source or replica.tables.get(name)
                if (number, name) not in self._found and there and self._world.reach(number, name) is not Reach.FILTERED:
                    self._add(number, name, Tally(reason=replica.fallen or reason))

    def _one_sided(self, number: int, name: TableName, *, on_source: bool) -> None:
        self._found[number, name] = TableReport(
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

    def _add(
        self, number: int, name: TableName, tally: Tally, causes: tuple[Guess, ...] = (), since: datetime | None = None
    ) -> None:
        schema = self._schema.get((number, name), ())
        verdict = table_verdict(
            difference_count=tally.difference_count, schema=schema, reason=tally.reason, strict=self._world.strict
        )
        incomparable = any(difference.effect is Effect.DATA for difference in schema)
        self._found[number, name] = TableReport(
            schema=name.schema,
            table=name.table,
            verdict=verdict,
            reason=tally.reason,
            proof=None if verdict is Verdict.UNDECIDED else self._proof(tally.proofs),
            rows=tally.rows,
            rows_proved=0 if incomparable else tally.rows_proved,
            difference_count=len(schema) + tally.difference_count,
            there=self._there(number, name),
            differences=(*schema, *tally.differences)[: self._most],
            causes=causes,
            since=since,
        )

    def _there(self, number: int, name: TableName) -> str | None:
        place = self._world.replicas[number].places.of(name)
        return None if place == name else str(place)

    def _proof(self, proofs: set[Proof]) -> Proof:
        return Proof.STATIC if self._world.static else weakest(proofs)


@dataclass(frozen=True, kw_only=True)
class _Open:
    """A table that was scanned; rows of it may be in doubt."""

    check: TableCheck
    pipeline: Pipeline
    scanned: Scanned


@dataclass(frozen=True)
class _Closing:
    """A table whose rows are judged and whose definitions are read again."""

    opened: _Open
    again: Again


def weakest(proofs: set[Proof]) -> Proof:
    """The proof that covers all parts: re-reading if any part was proved by it alone. An empty table is proved by one reading.

    That some rows had to be locked is said in any case: all others were read again then.
    """
    if Proof.LOCKED in proofs:
        return Proof.LOCKED
    return Proof.SNAPSHOT if proofs == {Proof.SNAPSHOT} else Proof.REREAD


def _grouped(comparable: Sequence[tuple[Comparison, int]]) -> Iterator[tuple[Comparison, list[int]]]:
    """Replicas that can be compared with one reading of the source."""
    groups: list[tuple[Comparison, list[int]]] = []
    for comparison, number in comparable:
        for known, numbers in groups:
            if known == comparison:
                numbers.append(number)
                break
        else:
            groups.append((comparison, [number]))
    yield from groups


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
