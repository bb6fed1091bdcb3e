"""Copies tables out of a snapshot, whole or a piece of them."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

from repwatch.flows.reseed_write import RowWriter, size_of
from repwatch.ports.database import Database, RawRow
from repwatch.sql import rowcopy
from repwatch.sql.rowcopy import WHOLE, CopyTable, Piece

_CHUNK_BYTES: Final = 4_000_000
_FIRST_CHUNK_ROWS: Final = 100  # the server's average may be wrong or missing, so the first rows are measured
_CHUNK_ROWS: Final = (20, 10_000)


def copy_rows(reader: Database, writer: RowWriter, copy: CopyTable, tell: Callable[[int], None], piece: Piece = WHOLE) -> int:
    """Read the rows with `reader`, which reads raw, and write them; how many. `tell` is given the rows of each chunk."""
    written = 0
    for rows in _chunks(reader, copy, piece):
        written += writer.write(copy, rows)
        tell(len(rows))
    return written


def _chunks(reader: Database, copy: CopyTable, piece: Piece) -> Iterator[list[RawRow]]:
    if not copy.chunk_key:
        yield from _together(reader.batches(rowcopy.read_chunk(copy, None, 0)))
        return
    places = [copy.columns.index(name) for name in copy.chunk_key]
    after: list[bytes | None] | None = None
    limit = _FIRST_CHUNK_ROWS
    while True:
        rows = list(chain.from_iterable(reader.batches(rowcopy.read_chunk(copy, after, limit, piece))))
        if rows:
            yield rows
        if len(rows) < limit:
            return
        after = [None if (value := rows[-1][place]) is None else bytes(value) for place in places]
        limit = min(max(_CHUNK_BYTES * len(rows) // size_of(rows), _CHUNK_ROWS[0]), _CHUNK_ROWS[1])


def _together(batches: Iterator[list[RawRow]]) -> Iterator[list[RawRow]]:
    """Batches that are small by themselves, as many as make a chunk."""
    rows: list[RawRow] = []
    size = 0
    for batch in batches:
        rows += batch
        size += size_of(batch)
        if size >= _CHUNK_BYTES or len(rows) >= _CHUNK_ROWS[1]:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows
