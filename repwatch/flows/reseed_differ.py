"""Makes the rows of one table of a held replica those of a snapshot, writing only what differs.

The table is read in pieces of its key, on both sides at once. A piece whose signatures differ is narrowed down to few rows,
these are compared one by one, and what is wrong is deleted and what is missing inserted in one transaction. Where an insert
collides with a wrong row of another piece, it waits until all wrong rows are gone: then nothing can collide any more, for
the rows that are left are the source's.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from repwatch.drift.definitions import compare_definitions, index_of
from repwatch.errors import StatementRefused
from repwatch.flows.reseed_write import RowWriter
from repwatch.model.schema import Table
from repwatch.ports.clock import Clock
from repwatch.ports.database import Database
from repwatch.reseed.stride import LEAF_ROWS, Stride
from repwatch.sql import repair, rowcopy
from repwatch.sql import signature as sql
from repwatch.sql.keyrange import EVERYTHING, Key, KeyColumn, KeyRange, among, first_keys, span
from repwatch.sql.rowcopy import CopyTable
from repwatch.sql.signature import Signature, TableReading

_AHEAD: Final = 3  # pieces that the source may be ahead of the replica
_MOST_ROWS: Final = 20 * LEAF_ROWS  # of the replica in a piece that is small on the source
_KEYS: Final = 200  # in one statement
_BATCH_BYTES: Final = 16_000_000
_DELETED: Final = 5_000  # rows by one statement
_DUPLICATE: Final = 1062


@dataclass(frozen=True, slots=True)
class _Read:
    """A piece that was read on the source in `seconds`, and is being read on the replica."""

    piece: KeyRange
    ours: Signature
    theirs: Future[Signature]
    seconds: float


@dataclass(frozen=True, slots=True)
class _Compared:
    """A piece, and how many rows of it the source has."""

    piece: KeyRange
    equal: bool
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The sessions of a comparison.

    `source` reads the snapshot, raw; `target` reads the replica in the one thread of `lane`; `writer` is set up by
    `repair.writer_setup`.
    """

    source: Database
    target: Database
    lane: ThreadPoolExecutor
    writer: Database
    clock: Clock


def reading_of(table: Table) -> TableReading | None:
    """How both sides, which define it alike, are read; None where its rows cannot be compared."""
    comparison = compare_definitions(table, table)
    if comparison.refusal is not None:
        return None

    def columns(names: Sequence[str]) -> tuple[KeyColumn, ...]:
        return tuple(KeyColumn(table.column(name)) for name in names)

    return TableReading(
        table=table,
        key=columns(comparison.key),
        bounds=columns(comparison.ordered_key),
        index=index_of(table, comparison.index),
        columns=tuple(table.column(name) for name in comparison.columns),
    )


class Differ:
    """One pass over one table. `rewritten` counts the rows that were inserted."""

    def __init__(self, sides: Sides, reading: TableReading, copy: CopyTable, tell: Callable[[int], None]) -> None:
        self._sides = sides
        self._reading = reading
        self._copy = copy
        self._tell = tell
        self._writer = RowWriter(sides.writer)
        self._stride = Stride.of(reading.table)
        self._late: list[KeyRange] = []
        self._batch = min(_KEYS, max(1, _BATCH_BYTES // max(reading.table.estimated_row_bytes, 1)))
        self.rewritten = 0

    def alike(self) -> bool:
        """True if all pieces are equal; for tables whose rows have no name, and cannot be rewritten one by one."""
        return all(compared.equal for compared in self._compared(EVERYTHING))

    def run(self) -> None:
        """Compare the whole table and put it right."""
        for compared in self._compared(EVERYTHING):
            if not compared.equal:
                self._put_right(compared)
            self._tell(compared.rows)
        for piece in self._late:
            self._rewrite(piece, last=True)

    def _compared(self, whole: KeyRange, rows: int | None = None) -> Iterator[_Compared]:
        """A range in pieces of `rows` rows, or as many as the stride says."""
        waiting: deque[_Read] = deque()
        for read in self._read(whole, rows):
            waiting.append(read)
            if len(waiting) > _AHEAD:
                yield self._judged(waiting.popleft(), steer=rows is None)
        while waiting:
            yield self._judged(waiting.popleft(), steer=rows is None)

    def _read(self, whole: KeyRange, rows: int | None) -> Iterator[_Read]:
        """Pieces as they are read on the source, while the replica reads them too."""
        rest: KeyRange | None = whole
        dense = False
        while rest is not None:
            started = self._sides.clock.monotonic()
            piece, rest = self._cut(rest, rows or self._stride.rows, dense=dense)
            theirs = self._sides.lane.submit(self._signature, self._sides.target, piece)
            ours = self._signature(self._sides.source, piece)
            keys = span(self._reading.bounds, piece)
            dense = keys is not None and keys <= 2 * ours.rows
            yield _Read(piece, ours, theirs, self._sides.clock.monotonic() - started)

    def _judged(self, read: _Read, *, steer: bool) -> _Compared:
        equal = read.ours.same_as(read.theirs.result())
        if steer and read.ours.void:
            self._stride = self._stride.after_void()
        elif steer:
            self._stride = self._stride.after(equal=equal, seconds=read.seconds)
        return _Compared(read.piece, equal, read.ours.rows)

    def _cut(self, piece: KeyRange, rows: int, *, dense: bool) -> tuple[KeyRange, KeyRange | None]:
        """The first rows of a range, and what is left of it."""
        reading = self._reading
        if not reading.bounds:
            return piece, None
        # Where whole numbers are in use without great gaps, counting keys saves the walk over the rows to the next bound.
        first = first_keys(reading.bounds, piece, rows) if dense else None
        if first is None:
            found = self._sides.source.query(sql.bound(reading, piece, rows - 1)).rows
            first = KeyRange(piece.lower, sql.parse_key(found[0], len(reading.bounds))) if found else piece
        return first, (None if first.upper == piece.upper else KeyRange(first.upper, piece.upper))

    def _signature(self, db: Database, piece: KeyRange) -> Signature:
        row = db.query(sql.signature(self._reading, piece, db.version)).rows[0]
        return sql.parse_signature(row, db.warnings())

    def _put_right(self, compared: _Compared) -> None:
        if compared.rows <= LEAF_ROWS:
            self._rewrite(compared.piece)
            return
        for part in self._compared(compared.piece, LEAF_ROWS):
            if not part.equal:
                self._rewrite(part.piece)

    def _rewrite(self, piece: KeyRange, *, last: bool = False) -> None:
        """Give a small piece the source's rows. `last`: no wrong row is left elsewhere, so a collision is an error."""
        asked = self._sides.lane.submit(self._hashes, self._sides.target, piece)
        ours = self._hashes(self._sides.source, piece)
        theirs = asked.result()
        if len(theirs) > _MOST_ROWS:
            self._empty(piece)
            theirs = {}
        # An empty hash, of a row too long for one, equals nothing.
        wrong = [key for key, content in theirs.items() if not content or ours.get(key) != content]
        missing = [key for key, content in ours.items() if not content or theirs.get(key) != content]
        writer = self._sides.writer
        writer.execute(repair.BEGIN)
        try:
            self._delete(wrong)
            count = self._insert(missing)
            writer.execute(repair.COMMIT)
        except StatementRefused as error:
            writer.execute(repair.ROLLBACK)
            if error.errno != _DUPLICATE or last:
                raise
            self._delete(wrong)
            self._late.append(piece)
            return
        self.rewritten += count

    def _hashes(self, db: Database, piece: KeyRange) -> dict[Key, str]:
        rows = db.query(sql.row_hashes_in(self._reading, piece, _MOST_ROWS + 1)).rows
        return sql.parse_row_hashes(rows, self._reading)

    def _empty(self, piece: KeyRange) -> None:
        """Many rows where the source has few: delete them all, a bounded number at a time."""
        statement = rowcopy.delete_rows(self._copy, self._reading.chosen(piece), _DELETED)
        while self._sides.writer.execute(statement) == _DELETED:
            pass

    def _delete(self, keys: Sequence[Key]) -> None:
        for batch in batched(keys, _KEYS):
            self._sides.writer.execute(rowcopy.delete_rows(self._copy, among(self._reading.key, batch)))

    def _insert(self, keys: Sequence[Key]) -> int:
        count = 0
        for batch in batched(keys, self._batch):
            rows = self._sides.source.query(rowcopy.read_rows(self._copy, among(self._reading.key, batch))).rows
            count += self._writer.insert(self._copy, rows)
        return count


def batched(keys: Sequence[Key], size: int) -> Iterator[Sequence[Key]]:
    """Slices of at most `size` keys."""
    return (keys[start : start + size] for start in range(0, len(keys), size))
