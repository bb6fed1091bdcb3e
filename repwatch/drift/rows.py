"""Rows of both sides as differences of a report."""

from collections.abc import Mapping, Sequence
from typing import Final

from repwatch.drift.report import Cell, ChangedRow, CountedRow, ExtraRow, Hex, MissingRow, Pair
from repwatch.model.schema import Column
from repwatch.sql.encoding import BINARY, Kind, kind_of
from repwatch.sql.signature import ShownValue

ShownRow = Mapping[str, ShownValue]
_UNSHOWN_BYTES: Final = 256


def row_difference(
    key: Sequence[str], columns: Sequence[Column], source: ShownRow | None, replica: ShownRow | None
) -> MissingRow | ExtraRow | ChangedRow:
    """The difference of one row; None is a row that is not there. Raises ValueError if neither is."""
    if source is None and replica is None:
        raise ValueError("a row that is on neither side")
    if replica is None:
        assert source is not None
        return MissingRow(_cells(key, columns, source), _cells([c.name for c in columns], columns, source))
    if source is None:
        return ExtraRow(_cells(key, columns, replica), _cells([c.name for c in columns], columns, replica))
    changed = {
        column.name: Pair(cell_of(column, source[column.name]), cell_of(column, replica[column.name]))
        for column in columns
        if not source[column.name].same_as(replica[column.name])
    }
    return ChangedRow(_cells(key, columns, source), changed)


def counted_difference(columns: Sequence[Column], row: ShownRow, source_count: int, replica_count: int) -> CountedRow:
    """The difference of alike rows of a table without a key."""
    return CountedRow(_cells([column.name for column in columns], columns, row), source_count, replica_count)


def cell_of(column: Column, value: ShownValue) -> Cell:
    """A value as the report shows it: the server's text; bytes of a binary type, and text that is none, as hexadecimal digits."""
    if value.content is None:
        return None
    as_bytes = kind_of(column) in (*BINARY, Kind.OPAQUE)
    if not value.digest:
        return Hex(value.content.hex().upper()) if as_bytes else _text(value.content)
    beginning = value.content[:_UNSHOWN_BYTES].hex().upper() if as_bytes else value.content.decode("utf-8", "replace")
    return f"{beginning}… ({value.length} bytes, SHA-256 {value.digest})"


def _text(content: bytes) -> Cell:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return Hex(content.hex().upper())


def _cells(names: Sequence[str], columns: Sequence[Column], row: ShownRow) -> dict[str, Cell]:
    by_name = {column.name: column for column in columns}
    return {name: cell_of(by_name[name], row[name]) for name in names}
