"""Ranges of one table on one server: cut into pieces and parts, and read as signatures or row by row."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Final

from repwatch.model.schema import PartKind
from repwatch.ports.database import Database
from repwatch.sql import signature as sql
from repwatch.sql.keyrange import EVERYTHING, KeyRange, cut_at, evenly, first_keys, span
from repwatch.sql.signature import Line, Signature, TableReading

# Where a piece differs, its parts of about so many rows are read by one statement. Smaller ones cost more than they spare.
PART_ROWS: Final = 500
MOST_PARTS: Final = 200
# A server may take a megabyte in one statement (max_allowed_packet), and the text of each part names all columns again.
STATEMENT_BYTES: Final = 250_000
# Each part opens the table for itself, with all its partitions.
MOST_OPEN, MOST_OPEN_PARTITIONED = 400, 8


def cut(db: Database, reading: TableReading, piece: KeyRange, rows: int, *, dense: bool) -> tuple[KeyRange, KeyRange | None]:
    """The first rows of a range of the source, and what is left of it. `dense`: that before it was."""
    if not reading.bounds:
        return piece, None
    # Where whole numbers are in use without great gaps, counting keys saves the walk over the rows to the next bound.
    first = first_keys(reading.bounds, piece, rows) if dense else None
    if first is None:
        found = db.query(sql.bound(reading, piece, rows - 1)).rows
        first = KeyRange(piece.lower, sql.parse_key(found[0], len(reading.bounds))) if found else piece
    return first, (None if first.upper == piece.upper else KeyRange(first.upper, piece.upper))


def is_dense(reading: TableReading, piece: KeyRange, rows: int) -> bool:
    """True if so many rows use at least half of the possible keys of a range."""
    keys = span(reading.bounds, piece)
    return keys is not None and keys <= 2 * rows


def parts(db: Database, reading: TableReading, piece: KeyRange, rows: int) -> tuple[KeyRange, ...]:
    """A range of `rows` rows at most on the source, in parts of a few hundred rows."""
    size = max(PART_ROWS, rows // MOST_PARTS)
    if not reading.bounds or rows <= size:
        return (piece,)
    if is_dense(reading, piece, rows):
        return evenly(piece, size)
    found = db.query(sql.some_bounds(reading, piece, size, 2 * MOST_PARTS)).rows
    return cut_at(piece, (sql.parse_key(row, len(reading.bounds)) for row in found))


def signatures(db: Database, reading: TableReading, pieces: Sequence[KeyRange]) -> Mapping[KeyRange, Signature]:
    """One signature for each range."""
    if reading.documents:
        return {piece: sql.parse_row_by_row(reading, db.stream(sql.row_by_row(reading, piece))) for piece in pieces}
    found: dict[KeyRange, Signature] = {}
    together = _fitting(reading, sql.signatures(reading, pieces[:1], db.version)) if len(pieces) > 1 else 1
    for start in range(0, len(pieces), together):
        some = pieces[start : start + together]
        rows = db.query(sql.signatures(reading, some, db.version)).rows
        found |= sql.parse_signatures(rows, some, db.warnings(), narrowed=bool(reading.where))
    return found


def listed(db: Database, reading: TableReading, pieces: Sequence[KeyRange]) -> list[Line]:
    """Name and content of each row of these ranges, as one text where that is possible: reading it costs a tenth."""
    if reading.joined:
        lines = sql.parse_joined_rows(db.query(sql.joined_rows_in(reading, pieces)).rows)
        if not db.warnings():
            return lines
    found = db.batches(sql.row_hashes_in(reading, pieces))
    return sql.lines_of(sql.parse_row_hashes(chain.from_iterable(found), reading), reading)


def listed_together(reading: TableReading) -> int:
    """How many ranges may be read row by row in one statement."""
    return _fitting(reading, sql.row_hashes_in(reading, (EVERYTHING,)))


def _fitting(reading: TableReading, statement: str) -> int:
    """About how many ranges one statement may be, which for one of them has this text."""
    partitioned = any(part.kind is PartKind.PARTITIONING for part in reading.table.parts or ())
    most = MOST_OPEN_PARTITIONED if partitioned else MOST_OPEN
    return max(1, min(most, STATEMENT_BYTES // len(statement.encode())))


def grouped(pieces: Iterable[tuple[KeyRange, int]], most: int, together: int) -> list[tuple[KeyRange, ...]]:
    """Ranges with their rows, put together as long as these are not more than `most`, and the ranges not more than `together`.

    A range that has more rows stands alone.
    """
    groups: list[list[KeyRange]] = []
    room = 0
    for piece, rows in pieces:
        if not groups or rows > room or len(groups[-1]) >= together:
            groups.append([])
            room = most
        groups[-1].append(piece)
        room -= rows
    return [tuple(group) for group in groups]
