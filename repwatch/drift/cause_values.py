"""What two values of one column look like beside each other: the single signs that `causes` counts."""

import re
import struct
from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from typing import Final

from repwatch.drift.report import Cell, Pair
from repwatch.model.schema import Column
from repwatch.sql.encoding import Kind, kind_of

_TEXTUAL: Final = frozenset({Kind.TEXT, Kind.LONG_TEXT, Kind.CHOICE})
_FURTHEST_ZONE: Final = 14 * 3600
_HALF_HOUR: Final = 1800
_DIGITS: Final = 100  # more than any DECIMAL has
_LOST: Final = frozenset("?\ufffd")
_EMPTY = re.compile(r"|[-+]?0*\.?0*(e0)?|0000-00-00( 00:00:00(\.0+)?)?|00:00:00(\.0+)?")

TextTest = Callable[[str, str], bool]


def shift_of(column: Column, pair: Pair) -> int | None:
    """By how many seconds a time on the replica is ahead, where time zones may be that far apart."""
    if column.data_type not in {"datetime", "timestamp"} or not isinstance(pair.source, str) or not isinstance(pair.replica, str):
        return None
    try:
        apart = datetime.fromisoformat(pair.replica) - datetime.fromisoformat(pair.source)
    except ValueError:  # zero dates
        return None
    seconds = int(apart.total_seconds())
    whole = not apart.microseconds and seconds % _HALF_HOUR == 0
    return seconds if seconds and whole and abs(seconds) <= _FURTHEST_ZONE else None


def texts_are(test: TextTest) -> Callable[[Column, Pair], bool]:
    """A sign that holds for two texts."""

    def holds(column: Column, pair: Pair) -> bool:
        textual = kind_of(column) in _TEXTUAL
        return textual and isinstance(pair.source, str) and isinstance(pair.replica, str) and test(pair.source, pair.replica)

    return holds


def same_but_case(one: str, other: str) -> bool:
    """True if only the case of letters differs."""
    return one != other and one.lower() == other.lower()


def same_but_blanks(one: str, other: str) -> bool:
    """True if only blanks at the end differ."""
    return one != other and one.rstrip(" ") == other.rstrip(" ")


def charset_damage(one: str, other: str) -> bool:
    """True if one is the other after a charset that it was not in."""
    return one != other and any(
        _lost_letters(whole, hurt) or _misread(whole) == hurt for whole, hurt in ((one, other), (other, one))
    )


def _misread(text: str) -> str | None:
    """UTF-8 as one reads it who takes it for latin1 (the servers' latin1 is cp1252, with control characters in its gaps)."""
    if text.isascii():
        return None
    return "".join(_as_latin1(byte) for byte in text.encode("utf-8", "surrogatepass"))


def _as_latin1(byte: int) -> str:
    try:
        return bytes([byte]).decode("cp1252")
    except UnicodeDecodeError:
        return chr(byte)


def _lost_letters(whole: str, hurt: str) -> bool:
    """True if letters beyond ASCII became question marks: one for each letter, some letters left, or one for each byte."""
    if whole.isascii() or whole == hurt:
        return False
    if len(whole) == len(hurt):
        return all(was == now or (not was.isascii() and now in _LOST) for was, now in zip(whole, hurt, strict=True))
    return hurt == "".join(letter if letter.isascii() else "?" * len(letter.encode("utf-8", "replace")) for letter in whole)


def is_default(column: Column, cell: Cell) -> bool:
    """True for an empty value and for the column's default."""
    if not isinstance(cell, str):
        return False
    default = (column.default or "").strip("'")
    return _EMPTY.fullmatch(cell) is not None or (column.default is not None and cell == default)


def number_of(column: Column, cell: Cell) -> Decimal | None:
    """A number's exact value."""
    if not isinstance(cell, str) or kind_of(column) not in (Kind.NUMBER, Kind.FLOAT):
        return None
    try:
        found = Decimal(cell)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def is_rounded(column: Column, pair: Pair) -> bool:
    """True if one number is the other with fewer decimals, rounded or cut, or the FLOAT next to it."""
    one, other = number_of(column, pair.source), number_of(column, pair.replica)
    if one is None or other is None or one == other:
        return False
    if kind_of(column) is Kind.FLOAT and _as_float(one) and _as_float(one) == _as_float(other):
        return True
    with localcontext() as context:
        context.prec = _DIGITS
        coarse, fine = sorted((one, other), key=_decimals)
        if _decimals(coarse) >= _decimals(fine):
            return False
        step = Decimal(1).scaleb(-_decimals(coarse))
        return any(fine.quantize(step, how) == coarse for how in (ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_DOWN))


def _decimals(number: Decimal) -> int:
    """Digits behind the point, without zeros at the end."""
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _as_float(number: Decimal) -> float | None:
    try:
        found: float = struct.unpack("<f", struct.pack("<f", float(number)))[0]
    except OverflowError:
        return None
    return found


def offset_of(column: Column, pair: Pair) -> Decimal | None:
    """By how much an exact number is greater on the replica."""
    if kind_of(column) is not Kind.NUMBER:
        return None
    one, other = number_of(column, pair.source), number_of(column, pair.replica)
    if one is None or other is None:
        return None
    with localcontext() as context:
        context.prec = _DIGITS
        return other - one
