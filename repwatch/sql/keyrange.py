"""Ranges of a primary key as SQL: what a key value looks like, and the conditions that cut a table into pieces.

A range is open below and closed above, `lower < key <= upper`; None is no bound. Pieces that share a bound therefore meet
without a gap and without an overlap, and the first and last reach beyond everything the source has.
Tables without a key are cut by another index; its columns may hold NULL, which comes before all values.
Row constructors are written out as OR and AND: MySQL and MariaDB do not use an index for `(a, b) > (1, 2)`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from repwatch.model.schema import Column
from repwatch.sql.encoding import TEXTUAL, Kind, kind_of, plain
from repwatch.sql.quoting import quote_name, quote_text

_WHOLE_NUMBERS = frozenset({"tinyint", "smallint", "mediumint", "int", "integer", "bigint"})
_LARGEST = 2**62  # no arithmetic near the ends of BIGINT

Key = tuple[str, ...]  # one text for each key column, as `key_expression` selects it
NULL_PART: Final = "NULL"  # in a Key, of a column of an index that is no key; no value reads like it: text is hexadecimal there


@dataclass(frozen=True, slots=True)
class KeyRange:
    """`lower < key <= upper`."""

    lower: Key | None = None
    upper: Key | None = None


EVERYTHING = KeyRange()


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A column of the key. `convert`: charset or members differ between the servers, so its text travels, as utf8mb4."""

    column: Column
    convert: bool = False

    @property
    def name(self) -> str:
        """The column's name, quoted."""
        return quote_name(self.column.name)


def key_expression(key: KeyColumn) -> str:
    """What is selected as a key's value: exact, and the same on every server for the same value."""
    kind = kind_of(key.column)
    if kind in (*TEXTUAL, Kind.CHOICE) and key.convert:
        return f"HEX(CONVERT({key.name} USING utf8mb4))"
    if kind in (*TEXTUAL, Kind.BYTES, Kind.LONG_BYTES):
        return f"HEX({key.name})"
    return plain(key.column)


def key_literal(key: KeyColumn, value: str) -> str:
    """The literal of a selected key value, such that comparing it with the column uses the column's own order and its index."""
    kind = kind_of(key.column)
    if kind in (Kind.BYTES, Kind.LONG_BYTES):
        return f"x'{value}'"
    if kind in TEXTUAL or (kind is Kind.CHOICE and key.convert):
        # The bytes in the column's own charset; a literal's collation yields to the column's.
        return f"_{'utf8mb4' if key.convert else key.column.charset} x'{value}'"
    if kind is Kind.FLOAT:
        return value if "e" in value else f"{value}e0"
    if kind in (Kind.TEMPORAL, Kind.NAMED):
        return quote_text(value)
    return value


def in_range(columns: Sequence[KeyColumn], piece: KeyRange) -> str:
    """The condition of a range."""
    if piece.lower and piece.upper and NULL_PART not in piece.lower + piece.upper and is_whole_number(columns):
        # One comparison for each row instead of two: a twentieth of the cost of a signature on MariaDB.
        return f"{columns[0].name} BETWEEN {int(piece.lower[0]) + 1} AND {piece.upper[0]}"
    parts = []
    if piece.lower is not None:
        parts.append(_beyond(columns, piece.lower, strict=">", last=">"))
    if piece.upper is not None:
        parts.append(_beyond(columns, piece.upper, strict="<", last="<="))
    return " AND ".join(parts) or "TRUE"


def _beyond(columns: Sequence[KeyColumn], key: Key, *, strict: str, last: str) -> str:
    parts = list(zip(columns, key, strict=True))
    if len(parts) == 1:
        return _compared(columns[0], last, key[0])
    alternatives = []
    for number, (column, value) in enumerate(parts):
        equal = [_compared(earlier, "=", known) for earlier, known in parts[:number]]
        operator = last if number == len(parts) - 1 else strict
        alternatives.append(" AND ".join([*equal, _compared(column, operator, value)]))
    # The first term says what the rest implies; it is what the optimizer makes a range of.
    return f"{_compared(columns[0], f'{strict}=', key[0])} AND (" + " OR ".join(f"({text})" for text in alternatives) + ")"


def _compared(column: KeyColumn, operator: str, value: str) -> str:
    """One comparison in the order of an index, in which NULL comes before all values."""
    if value == NULL_PART:
        return {"=": "{} IS NULL", "<=": "{} IS NULL", ">": "{} IS NOT NULL", "<": "FALSE", ">=": "TRUE"}[operator].format(
            column.name
        )
    comparison = f"{column.name} {operator} {key_literal(column, value)}"
    return f"({comparison} OR {column.name} IS NULL)" if operator[0] == "<" and column.column.nullable else comparison


def span(columns: Sequence[KeyColumn], piece: KeyRange) -> int | None:
    """How many keys a range can have at most, where the key is one whole number and the range has two ends."""
    if piece.lower is None or piece.upper is None or not is_whole_number(columns) or columns[0].column.nullable:
        return None
    return int(piece.upper[0]) - int(piece.lower[0])


def first_keys(columns: Sequence[KeyColumn], piece: KeyRange, count: int) -> KeyRange | None:
    """The first `count` possible keys of a range, which therefore has no more rows; None if that cannot be worked out."""
    if piece.lower is None or not is_whole_number(columns) or columns[0].column.nullable:
        return None
    upper = int(piece.lower[0]) + count
    if piece.upper is not None and upper >= int(piece.upper[0]):
        return piece
    return KeyRange(piece.lower, (str(upper),)) if abs(upper) < _LARGEST else None


def cut_at(piece: KeyRange, bounds: Iterable[Key]) -> tuple[KeyRange, ...]:
    """The parts of a range between bounds, which lie in it and come in order."""
    parts, lower = [], piece.lower
    for bound in bounds:
        if bound not in (lower, piece.upper):
            parts.append(KeyRange(lower, bound))
            lower = bound
    return (*parts, KeyRange(lower, piece.upper))


def evenly(piece: KeyRange, count: int) -> tuple[KeyRange, ...]:
    """The parts of a range that has a `span`, of so many possible keys each."""
    assert piece.lower is not None
    assert piece.upper is not None
    return cut_at(piece, ((str(bound),) for bound in range(int(piece.lower[0]) + count, int(piece.upper[0]), count)))


def is_whole_number(columns: Sequence[KeyColumn]) -> bool:
    """True if the key is one column of whole numbers."""
    return len(columns) == 1 and columns[0].column.data_type in _WHOLE_NUMBERS


def among(columns: Sequence[KeyColumn], keys: Sequence[Key]) -> str:
    """The condition of a list of keys; under a case-insensitive collation it also finds keys that compare equal."""
    if len(columns) == 1:
        literals = ", ".join(key_literal(columns[0], key[0]) for key in keys)
        return f"{columns[0].name} IN ({literals})"
    return " OR ".join(
        "("
        + " AND ".join(f"{column.name} = {key_literal(column, value)}" for column, value in zip(columns, key, strict=True))
        + ")"
        for key in keys
    )
