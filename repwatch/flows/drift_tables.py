"""Goes through the tables of a check: definitions first, then rows, then the definitions again; one table runs into the next."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from repwatch.drift.progress import Behind, Phase, Progress, RowEstimate
from repwatch.drift.report import Reason, TableReport
from repwatch.drift.throttle import Hold
from repwatch.drift.verdict import STILL_MARGIN_DRIFT
from repwatch.flows.drift_catalogue import Page, read_page
from repwatch.flows.drift_causes import causes_of
from repwatch.flows.drift_comparable import Definer
from repwatch.flows.drift_definitions import Again, ask_unchanged
from repwatch.flows.drift_opening import Open, open_table
from repwatch.flows.drift_pipeline import Compared, Pipeline
from repwatch.flows.drift_reach import SourceLost, TableFailed
from repwatch.flows.drift_run import Exhausted, Run, SourceRead, Waiting, Work
from repwatch.flows.drift_settling import settle
from repwatch.flows.drift_sight import Unit
from repwatch.flows.drift_table import MOST_PENDING, TableCheck, make_room
from repwatch.flows.drift_table_reports import TableReports
from repwatch.flows.drift_tally import Tally
from repwatch.flows.drift_world import CheckWorld
from repwatch.model.schema import TableName
from repwatch.ports.check_journal import CheckJournal
from repwatch.sql.catalogue import batches

_CLOSE_TABLES: Final = 100  # definitions of so many tables are read again together …
_CLOSE_SECONDS: Final = 5.0  # … or of fewer, so long after the first
_MOST_DOUBTFUL: Final = 500  # tables with rows in doubt that are kept at a time


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
        self._piece_rows = 0  # of the next piece of the table that was read last
        self._begun = 0  # tables whose scan was begun, but for the last one
        self._estimate = RowEstimate()
        self._reports = TableReports(world, tables, most)
        self._definer = Definer(world, self._reports)
        self._open: dict[Pipeline, Open] = {}  # tables that are scanned
        self._doubtful: list[Open] = []  # scanned, with rows in doubt
        self._looked_in: float | None = None  # the standstill in which all of these were looked at again
        self._closed: list[Open] = []  # judged
        self._closed_since = 0.0
        self._closing: list[_Closing] = []

    def reports(self, number: int) -> tuple[TableReport, ...]:
        """The reports for one replica, in the order of the tables."""
        return self._reports.of(number)

    def vanished(self, number: int) -> bool:
        """True if all that was to be compared on a replica was dropped meanwhile."""
        return self._reports.all_gone(number)

    def run(self) -> None:
        """Check all tables; never raises: what could not be checked is undecided with its reason."""
        try:
            self._scan()
            self._settle()
            self._report_closed(wait=True)
        except SourceLost:
            self._reports.leave(Reason.UNREACHABLE)
        self._reports.leave(Reason.STOPPED)

    def _scan(self) -> None:
        if not self._tables:
            return
        run = Run(self._world, self._work())
        for event in run.events():
            match event:
                case Compared():
                    check = self._open[event.pipeline].check
                    if event.unit.narrows:
                        run.put(event.pipeline, check.narrow(event))
                        make_room(self._world, [opened.check for opened in self._open.values()])
                    else:
                        self._journal.append(check.take(event))
                    run.put(event.pipeline, self._begin_proofs(check))
                    self._tell(event.pipeline.reader.source.table.name, Phase.SCANNING)
                case SourceRead():
                    self._rows += event.rows
                    self._piece_rows = event.pipeline.pace.rows
                    self._tell(event.pipeline.reader.source.table.name, Phase.SCANNING)
                case Waiting():
                    self._waits(self._tables[self._begun], Phase.SCANNING, event.hold)
                case Exhausted():
                    if not run.put(event.pipeline, self._open[event.pipeline].check.narrowing()):
                        self._read(self._open.pop(event.pipeline))
            self._report_closed(wait=False)
        while self._open:  # the check was ended
            self._close(self._open.popitem()[1])

    def _work(self) -> Iterator[Work]:
        """The tables, as the scan gets to them; their definitions are read some at a time. Raises SourceLost."""
        pages = self._pages()
        if self._world.delay:
            # A replica's lane does one thing after another: behind rows, each page would wait for one whole delay.
            pages = iter(list(pages))
        begun = 0
        for names, page in pages:
            for name in names:
                self._begun, begun = begun, begun + 1
                if page is not None:
                    self._tell(name, Phase.SCANNING)
                    yield from self._work_on(name, page)

    def _pages(self) -> Iterator[tuple[Sequence[TableName], Page | None]]:
        """The definitions of some tables at a time, None where the source refuses them. Raises SourceLost."""
        for names in batches(self._tables):
            if self._world.cancelled() or not self._world.standing():
                return
            self._tell(names[0], Phase.SCANNING)
            try:
                page = read_page(self._world, names)
            except TableFailed as failure:
                for name in names:
                    self._reports.failed(self._world.standing(), name, failure.reason)
                yield names, None
            else:
                self._estimate.learn(page.source.values(), len(names), of=len(self._tables))
                yield names, page

    def _work_on(self, name: TableName, page: Page) -> Iterator[Work]:
        try:
            groups = self._definer.alike(name, page)
        except TableFailed as failure:
            self._reports.failed(self._world.standing(), name, failure.reason)
            return
        for alike in groups:
            settling = partial(self._waits, name, Phase.SETTLING)
            opened = open_table(self._world, alike, most=self._most, settling=settling)
            unit = opened.check.go_on_from(self._journal.of_table(str(name)), self._kept_since)
            self._rows += opened.check.rows
            first = opened.check.narrowing(1) if unit is None else [unit]  # what else is to be narrowed follows that
            if not first:
                self._read(opened)
                continue
            self._open[opened.pipeline] = opened
            yield Work(opened.pipeline, first[0])

    def _read(self, opened: Open) -> None:
        """A table was read to its end."""
        if not opened.check:
            self._close(opened)
            return
        self._doubtful.append(opened)
        rows = sum(len(doubtful.check) for doubtful in self._doubtful)
        if rows >= MOST_PENDING or len(self._doubtful) >= _MOST_DOUBTFUL:
            self._settle()

    def _begin_proofs(self, check: TableCheck) -> list[Unit]:
        """Where the source stands still, look for the first rows that differ now: their proof takes time, and the scan goes on.

        What is to be read for it. Other tables are looked at once in a standstill: there may be hundreds, and many pieces.
        """
        still = self._world.source.watermark.still
        if still is None or still.since > self._world.clock.monotonic() - STILL_MARGIN_DRIFT:
            return []
        others = [opened.check for opened in (*self._doubtful, *self._open.values())] if still.since != self._looked_in else []
        self._looked_in = still.since
        for doubtful in (check, *others):
            doubtful.look_again(still.since)
        return check.narrowing() if check.few_suspects else []

    def _settle(self) -> None:
        """Settle what is in doubt, of all tables together."""
        settle(self._world, [opened.check for opened in self._doubtful], self._world.trying)
        while self._doubtful:
            self._close(self._doubtful.pop())

    def _close(self, opened: Open) -> None:
        """Let the definitions be read again: only if none has changed the rows that were read mean anything."""
        if not self._closed:
            self._closed_since = self._world.clock.monotonic()
        self._closed.append(opened)

    def _report_closed(self, *, wait: bool) -> None:
        """Report the tables whose definitions came back; `wait`: all of them. They are asked for together, but soon."""
        overdue = wait or self._world.clock.monotonic() >= self._closed_since + _CLOSE_SECONDS
        if self._closed and (overdue or len(self._closed) >= _CLOSE_TABLES):
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
                rows_expected=max(self._estimate.rows, self._rows),
                seconds=self._world.clock.monotonic() - self._started,
                piece_rows=self._piece_rows,
                waits=waits,
                delay=self._world.delay,
            )
        )

    def _finish(self, closing: "_Closing") -> None:
        opened, name = closing.opened, closing.opened.scanned.source.name
        try:
            void = closing.again.result()
        except TableFailed as failure:
            void = dict.fromkeys(opened.scanned.tables, failure.reason)
        for number, tally in opened.check.result().items():
            reason = void.get(number) if self._world.replicas[number].fallen is None else None
            if reason is not None:
                self._reports.add(number, name, Tally(rows=tally.rows, reason=reason))
            else:
                causes = causes_of(self._world, number, opened.pipeline, tally)
                self._reports.add(number, name, tally, causes, opened.check.since)


@dataclass(frozen=True)
class _Closing:
    """A table whose rows are judged and whose definitions are read again."""

    opened: Open
    again: Again
