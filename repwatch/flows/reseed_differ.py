"""Makes the rows of one table of a held replica those of a snapshot, writing only what differs.

The table is read in pieces of its key, on both sides at once. A piece whose signatures differ is read again in small parts, by
one statement; those that differ are compared row by row, and what is wrong is deleted and what is missing inserted, of many
parts in one transaction. Where an insert collides with a wrong row elsewhere, its parts wait until all wrong rows are gone:
then nothing can collide any more, for the rows that are left are the source's.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from repwatch.drift.definitions import compare_definitions, index_of
from repwatch.drift.pace import Pace
from repwatch.errors import StatementRefused
from repwatch.flows.ranges import cut, grouped, is_dense, listed, listed_together, parts, signatures
from repwatch.flows.reseed_write import RowWriter
from repwatch.model.schema import Table
from repwatch.ports.clock import Clock
from repwatch.ports.database import Database
from repwatch.sql import repair, rowcopy
from repwatch.sql import signature as sql
from repwatch.sql.keyrange import EVERYTHING, Key, KeyColumn, KeyRange, among
from repwatch.sql.rowcopy import CopyTable
from repwatch.sql.signature import Line, Signature, TableReading

LEAF_ROWS: Final = 1_000  # so many are compared row by row, where they are a piece
_LISTED: Final = 5_000  # rows that are listed by one statement: all wrong parts of most pieces
_AHEAD: Final = 3  # readings that the source may be ahead of the replica
_MOST_ROWS: Final = 20 * LEAF_ROWS  # of the replica in a range that is small on the source
_TOGETHER: Final = 1_000  # wrong and missing rows that are written by one transaction
_KEYS: Final = 200  # in one statement
_BATCH_BYTES: Final = 16_000_000
_DELETED: Final = 5_000  # rows by one statement
_DUPLICATE: Final = 1062


@dataclass(frozen=True, slots=True)
class _Rest:
    """What is left of the table, to be cut into pieces. `dense`: the piece before it was."""

    piece: KeyRange
    dense: bool = False


@dataclass(frozen=True, slots=True)
class _Whole:
    """A piece that differs, and so many rows that it is to be read in parts."""

    piece: KeyRange
    rows: int


@dataclass(frozen=True, slots=True)
class _Leaf:
    """Ranges that differ and have few rows."""

    pieces: tuple[KeyRange, ...]


_Work = _Rest | _Whole | _Leaf


@dataclass(frozen=True, slots=True)
class _Signed:
    """Ranges as the source has them, and as the replica will. `scanned`: rows that were read for the first time."""

    ours: Mapping[KeyRange, Signature]
    theirs: Future[Mapping[KeyRange, Signature]]
    scanned: int | None = None

    def differing(self) -> list[tuple[KeyRange, int, int]]:
        """The ranges that do, with their rows on the source and on the replica."""
        theirs = self.theirs.result()
        return [(piece, own.rows, theirs[piece].rows) for piece, own in self.ours.items() if not own.same_as(theirs[piece])]


@dataclass(frozen=True, slots=True)
class _Listed:
    """All rows of a leaf."""

    leaf: _Leaf
    ours: list[Line]
    theirs: Future[list[Line]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The sessions of a comparison.

    `source` reads the snapshot, raw; `target` reads the replica in the one thread of `lane`; `writer` is set up by
    `repair.writer_setup`. `tear` is called before rows go that do not come back with the same transaction.
    """

    source: Database
    target: Database
    lane: ThreadPoolExecutor
    writer: Database
    clock: Clock
    tear: Callable[[], None]


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
    """One pass over one table. `rewritten` counts the rows that were inserted.

    `in_parts`: the last piece differed, of the table before it at first; so the next is read in parts at once, which costs hardly
    more than as a whole, and half of reading it again.
    """

    def __init__(
        self, sides: Sides, reading: TableReading, copy: CopyTable, tell: Callable[[int], None], *, in_parts: bool = False
    ) -> None:
        self._sides = sides
        self._reading = reading
        self._copy = copy
        self._tell = tell
        self._writer = RowWriter(sides.writer)
        self._pace = Pace.of(reading.table)
        self._together = listed_together(reading)
        self.in_parts = in_parts
        self._wrong: list[Key] = []
        self._missing: list[Key] = []
        self._touched: list[_Leaf] = []  # where these are
        self._late: list[_Leaf] = []
        self._batch = min(_KEYS, max(1, _BATCH_BYTES // max(reading.table.estimated_row_bytes, 1)))
        self.rewritten = 0

    def alike(self) -> bool:
        """True if all pieces are equal; for tables whose rows have no name, and cannot be rewritten one by one."""
        return not any(read.differing() for read in self._read(deque([_Rest(EVERYTHING)])) if isinstance(read, _Signed))

    def run(self) -> None:
        """Compare the whole table and put it right."""
        self._put_right([_Rest(EVERYTHING)], last=False)
        self._put_right(self._late, last=True)

    def _put_right(self, work: Iterable[_Work], *, last: bool) -> None:
        """Do this, and what follows from it. `last`: no wrong row is left elsewhere, so a collision is an error."""
        ready = deque(work)
        for read in self._read(ready):
            if isinstance(read, _Signed):
                ready.extendleft(reversed(self._following(read)))
                continue
            self._note(read)
            if len(self._wrong) + len(self._missing) >= _TOGETHER:
                self._write(last=last)
        if self._wrong or self._missing:
            self._write(last=last)

    def _read(self, ready: deque[_Work]) -> Iterator[_Signed | _Listed]:
        """Read what is ready on the source, while the replica follows; more may be put to it meanwhile."""
        waiting: deque[_Signed | _Listed] = deque()
        while ready or waiting:
            if not ready or len(waiting) > _AHEAD:
                yield waiting.popleft()
                continue
            match ready.popleft():
                case _Rest() as rest:
                    read, left = self._scan(rest)
                    waiting.append(read)
                    ready.extend(left)
                case _Whole(piece, rows):
                    waiting.append(self._signed(parts(self._sides.source, self._reading, piece, rows)))
                case _Leaf() as leaf:
                    theirs = self._sides.lane.submit(listed, self._sides.target, self._reading, leaf.pieces)
                    waiting.append(_Listed(leaf, listed(self._sides.source, self._reading, leaf.pieces), theirs))

    def _scan(self, rest: _Rest) -> tuple[_Signed, list[_Rest]]:
        """The next piece, and what is left after it."""
        reading, source, rows = self._reading, self._sides.source, self._pace.rows
        started = self._sides.clock.monotonic()
        piece, left = cut(source, reading, rest.piece, rows, dense=rest.dense)
        read = self._signed(parts(source, reading, piece, rows) if self.in_parts else (piece,))
        seconds = self._sides.clock.monotonic() - started
        found = sum(own.rows for own in read.ours.values())
        void = any(own.void for own in read.ours.values())
        self._pace = self._pace.after(rows=found, seconds=seconds, void=void, gentle=False)
        following = [] if left is None else [_Rest(left, dense=is_dense(reading, piece, found))]
        return _Signed(read.ours, read.theirs, found), following

    def _signed(self, pieces: Sequence[KeyRange]) -> _Signed:
        theirs = self._sides.lane.submit(signatures, self._sides.target, self._reading, pieces)
        return _Signed(signatures(self._sides.source, self._reading, pieces), theirs)

    def _following(self, read: _Signed) -> list[_Work]:
        """What is to be read next of that which differs: its parts where it is large and was read as a whole, else its rows."""
        differing = read.differing()
        if read.scanned is not None:
            self.in_parts = bool(differing)
            self._tell(read.scanned)
        if differing and read.scanned is not None and len(read.ours) == 1 and read.scanned > LEAF_ROWS:
            return [_Whole(differing[0][0], read.scanned)]
        few: list[tuple[KeyRange, int]] = []
        for piece, ours, theirs in differing:
            if theirs > _MOST_ROWS:
                self._empty(piece)
            few.append((piece, ours if theirs > _MOST_ROWS else max(ours, theirs)))
        return [_Leaf(pieces) for pieces in grouped(few, _LISTED, self._together)]

    def _note(self, read: _Listed) -> None:
        ours, theirs = read.ours, read.theirs.result()
        self._wrong += map(sql.name_of, sql.not_among(theirs, ours))
        self._missing += map(sql.name_of, sql.not_among(ours, theirs))
        self._touched.append(read.leaf)

    def _write(self, *, last: bool) -> None:
        """Give these places the source's rows."""
        wrong, missing, touched = self._wrong, self._missing, self._touched
        self._wrong, self._missing, self._touched = [], [], []
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
            self._sides.tear()
            self._delete(wrong)
            self._late += touched
            return
        self.rewritten += count

    def _empty(self, piece: KeyRange) -> None:
        """Many rows where the source has few: delete them all, a bounded number at a time."""
        self._sides.tear()
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
