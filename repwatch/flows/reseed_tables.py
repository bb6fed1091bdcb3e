"""Goes through the tables of a load: those that the replica has alike are compared and rewritten, the others copied."""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Lock

from repwatch.errors import StatementRefused
from repwatch.flows.drift_catalogue import read_tables
from repwatch.flows.reseed_copy import copy_rows
from repwatch.flows.reseed_definitions import read_table_definition
from repwatch.flows.reseed_differ import Differ, Sides, reading_of
from repwatch.flows.reseed_write import RowWriter
from repwatch.model.schema import Table, TableName
from repwatch.ports.clock import Clock
from repwatch.ports.database import Database
from repwatch.reseed.pieces import pieces, worth_cutting
from repwatch.reseed.progress import Phase, Progress
from repwatch.reseed.sizes import CopyEstimate
from repwatch.sql import definitions, rowcopy, signature
from repwatch.sql.rowcopy import WHOLE, CopyTable, Piece

# Table gone, its definition changed since the snapshot, unknown column.
_CHANGED_ERRORS = {1054, 1146, 1412}


class SchemaChanged(Exception):
    """A definition changed on the source after the snapshot; `str()` says which."""


class _Ended(Exception):
    """Another line has failed."""


@contextmanager
def _noticing_changes(source: Database, name: TableName) -> Iterator[None]:
    """Raises SchemaChanged where the source refuses to read the table because its definition is another one."""
    try:
        yield
    except StatementRefused as error:
        if error.errno in _CHANGED_ERRORS and error.server == source.server:
            raise SchemaChanged(f"of {name}") from None
        raise


@dataclass(frozen=True, slots=True)
class Line:
    """One session of the snapshot, and one that writes; tables, and pieces of large ones, are copied over several at once."""

    source: Database
    writer: Database


@dataclass(kw_only=True)
class Tables:
    """One pass over all tables.

    `definitions`: the CREATE statements at the snapshot, without counters. `late_keys`: what completes tables that are copied.
    """

    lines: Sequence[Line]
    catalogue: Database  # of the source, as it is now
    release: Callable[[Database], None]  # gives metadata locks of the source back
    clock: Clock
    progress: Callable[[Progress], None]
    definitions: Mapping[TableName, str]
    late_keys: Mapping[TableName, str]
    _amount: CopyEstimate = field(default_factory=lambda: CopyEstimate(()), init=False)  # compared or copied
    _began: float = field(default=0.0, init=False)
    _ended: bool = field(default=False, init=False)
    _in_parts: bool = field(default=False, init=False)  # the end of the last table differed
    _left: dict[TableName, int] = field(default_factory=dict, init=False)  # pieces that are not copied yet
    # One line at a time reads the catalogue, tells how far it is, and takes the next table.
    _turn: Lock = field(default_factory=Lock, init=False)

    def run(self, tables: Sequence[CopyTable], same: Collection[TableName], sides: Sides | None) -> int:
        """The number of rows written. `same` are the replica's tables that hold rows; there are none without `sides`.

        Raises SchemaChanged where a definition changed on the source.
        """
        self._amount = CopyEstimate(copy.table for copy in tables)
        self._began = self.clock.monotonic()
        for line in self.lines:
            line.source.execute(rowcopy.READ_RAW)
        layouts = read_tables(self.catalogue) if sides else {}
        written = self._copy_all([copy for copy in tables if copy.table.name not in same])
        if sides:
            for session in (sides.source, sides.target):
                session.execute(signature.no_cut())
            rows = RowWriter(self.lines[0].writer)
            for copy in tables:
                if copy.table.name in same:
                    work = partial(self._put_right, sides, layouts[copy.table.name], copy, rows)
                    written += self._one(self.lines[0], copy, Phase.COMPARE, work)
        return written

    def _copy_all(self, tables: Sequence[CopyTable]) -> int:
        """Copy these tables over all lines, the largest first, so that none is left alone with one at the end."""
        ordered = sorted(tables, key=lambda copy: -copy.table.estimated_rows)
        waiting = deque((copy, piece) for copy in ordered for piece in self._pieces(copy))
        if not waiting:
            return 0
        with ThreadPoolExecutor(len(self.lines)) as pool:
            asked = [pool.submit(self._copy_some, line, waiting) for line in self.lines]
            try:
                return sum(future.result() for future in as_completed(asked))
            except BaseException:
                self._ended = True
                raise

    def _pieces(self, copy: CopyTable) -> tuple[Piece, ...]:
        statement = rowcopy.key_ends(copy)
        found: tuple[Piece, ...] = (WHOLE,)
        if len(self.lines) > 1 and statement and worth_cutting(copy.table.estimated_rows):
            with _noticing_changes(self.lines[0].source, copy.table.name):
                low, high = self.lines[0].source.query(statement).rows[0]
            if low is not None and high is not None:
                found = pieces(int(low), int(high), copy.table.estimated_rows, len(self.lines))
        self._left[copy.table.name] = len(found)
        return found

    def _copy_some(self, line: Line, waiting: deque[tuple[CopyTable, Piece]]) -> int:
        written, rows = 0, RowWriter(line.writer)
        while waiting and not self._ended:
            try:
                copy, piece = waiting.popleft()
            except IndexError:  # another line was faster
                break
            written += self._one(line, copy, Phase.DATA, partial(self._copy, line, copy, rows, piece))
        return written

    def _one(self, line: Line, copy: CopyTable, phase: Phase, work: Callable[[], int]) -> int:
        """One table, and then a look whether it is still what it was at the snapshot."""
        name = copy.table.name
        self._tell(name, 0, phase)
        with _noticing_changes(line.source, name):
            written = work()
        with self._turn:
            now = read_table_definition(self.catalogue, name)
        if now != self.definitions[name]:
            raise SchemaChanged(f"of {name}")
        self.release(line.source)
        return written

    def _put_right(self, sides: Sides, layout: Table, copy: CopyTable, rows: RowWriter) -> int:
        """Rows without a name cannot be rewritten one by one: their table is copied whole, if it differs at all."""
        reading, tell = reading_of(layout), partial(self._tell, copy.table.name, phase=Phase.COMPARE)
        if reading is not None:
            differ = Differ(sides, reading, copy, tell, in_parts=self._in_parts)
            if not reading.counted:
                differ.run()
                self._in_parts = differ.in_parts
                tell(0, whole=True)
                return differ.rewritten
            if differ.alike():
                tell(0, whole=True)
                return 0
        sides.tear()
        self.lines[0].writer.execute(definitions.truncate(copy.table.name.schema, copy.table.name.table))
        return self._copy(self.lines[0], copy, rows)

    def _copy(self, line: Line, copy: CopyTable, rows: RowWriter, piece: Piece = WHOLE) -> int:
        """A table or a piece of it. Who copies the last piece completes the table."""
        name = copy.table.name
        written = copy_rows(line.source, rows, copy, partial(self._tell, name, phase=Phase.DATA), piece)
        with self._turn:
            self._left[name] = self._left.get(name, 1) - 1
            last = not self._left[name]
        if last:
            self._tell(name, 0, Phase.KEYS if name in self.late_keys else Phase.DATA, whole=True)
        if last and (statement := self.late_keys.get(name)):
            line.writer.execute(definitions.use(name.schema))  # what it refers to is named without its own schema
            line.writer.execute(statement)
        return written

    def _tell(self, name: TableName, rows: int, phase: Phase, *, whole: bool = False) -> None:
        """Raises _Ended where another line has failed, so that this one does not go on for nothing."""
        with self._turn:
            if self._ended:
                raise _Ended
            amount = self._amount
            amount.add(name, rows)
            if whole:
                amount.finish(name)
            progress = Progress(
                phase=phase,
                text=str(name),
                done=amount.rows,
                total=amount.rows_total,
                data=amount.data,
                data_total=amount.data_total,
                seconds=self.clock.monotonic() - self._began,
            )
            self.progress(progress)
