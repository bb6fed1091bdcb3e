"""Guesses what happened to a table from what its listed differences have in common. What they do not share is not guessed.

A cause is named where at least three listed rows of a kind (missing, changed), and 95 % of them, agree with it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Final

from repwatch.drift import cause_values as values
from repwatch.drift.report import Cause, Cell, ChangedRow, Difference, Guess, MissingRow, Pair, Side
from repwatch.model.schema import Column
from repwatch.sql.encoding import Kind, kind_of

LEAST_ROWS: Final = 3
SHARE: Final = 0.95
_MOST_SWAPPABLE: Final = 20  # of a row in which more columns differ, pairs are not tried

Columns = Mapping[str, Column]


@dataclass(frozen=True, slots=True)
class _Sign:
    """What a column's values have in common: which pairs have it, and the value or the side that makes it one."""

    fits: Sequence[bool]
    side: Side | None = None
    value: Cell = None


_Look = Callable[[Column, Sequence[Pair]], _Sign | None]


def guess_causes(
    differences: Sequence[Difference], columns: Columns, *, rows: int, difference_count: int, ends_there: bool
) -> tuple[Guess, ...]:
    """What the listed differences of one table look like, the surest first; a column is named once.

    `rows` are those of the table, `difference_count` all that differ; `ends_there`: the replica has no row behind `tail_start`.
    """
    guesses: list[Guess] = []
    changed = [found for found in differences if isinstance(found, ChangedRow)]
    taken: set[str] = set()
    for step in (_swapped_columns, _by_column, _swapped_rows):
        for guess in step(changed, columns, taken):
            guesses.append(guess)
            taken |= set(guess.columns)
    if len(changed) == len(differences) and difference_count >= rows:
        guesses += _every_row(changed, taken)
    if ends_there and difference_count < rows:
        guesses += _tail(differences, columns)
    return tuple(guesses)


def tail_start(differences: Sequence[Difference], columns: Columns) -> Mapping[str, Cell] | None:
    """The least key among the missing rows, where three or more are missing and their keys have an order that is known here."""
    missing = _missing_in_order(differences, columns)
    return missing[0].key if missing else None


def _enough(rows: int, listed: int) -> bool:
    return rows >= LEAST_ROWS and rows >= SHARE * listed


def _by_column(changed: Sequence[ChangedRow], columns: Columns, taken: set[str]) -> Iterator[Guess]:
    """Causes that show in each value by itself; columns with the same sign are named together."""
    names = [name for name in dict.fromkeys(name for row in changed for name in row.columns) if name in columns]
    left = [name for name in names if name not in taken]
    for cause, look in _LOOKS:
        alike: dict[tuple[Side | None, Cell], dict[str, set[int]]] = {}
        for name in left:
            spots = [number for number, row in enumerate(changed) if name in row.columns]
            sign = look(columns[name], [changed[number].columns[name] for number in spots])
            if sign is not None and _enough(sum(sign.fits), len(spots)):
                fitting = {number for number, fits in zip(spots, sign.fits, strict=True) if fits}
                alike.setdefault((sign.side, sign.value), {})[name] = fitting
        for (side, value), found in alike.items():
            count = len(set().union(*found.values()))
            if _enough(count, len(changed)):
                yield Guess(cause=cause, columns=tuple(found), rows=count, listed=len(changed), side=side, value=value)
                left = [name for name in left if name not in found]


def _each(test: Callable[[Column, Pair], bool]) -> _Look:
    return lambda column, pairs: _Sign([test(column, pair) for pair in pairs])


def _time_zone(column: Column, pairs: Sequence[Pair]) -> _Sign | None:
    """The commonest shift; with many rows also the one beside it, as in a zone with summer time."""
    shifts = [values.shift_of(column, pair) for pair in pairs]
    counts = Counter(shift for shift in shifts if shift is not None)
    if not counts or _one_pair(pairs):
        return None
    (shift, count), *others = counts.most_common()
    beside = {other for other, _ in others[:1] if abs(other - shift) == 3600 and count >= 2 * LEAST_ROWS}
    chosen = {shift} | beside
    return _Sign([found in chosen for found in shifts], value=" or ".join(_clock(found) for found in sorted(chosen)))


def _clock(seconds: int) -> str:
    hours, rest = divmod(abs(seconds), 3600)
    return f"{'-' if seconds < 0 else '+'}{hours:02}:{rest // 60:02}"


def _one_pair(pairs: Sequence[Pair]) -> bool:
    """True if all changes are one and the same: that says more of a statement than of a rule."""
    return len(set(pairs)) == 1


def _null_or_default(column: Column, pairs: Sequence[Pair]) -> _Sign | None:
    for side in (Side.REPLICA, Side.SOURCE):
        fits = [_cells(pair, side)[0] is None and values.is_default(column, _cells(pair, side)[1]) for pair in pairs]
        if _enough(sum(fits), len(pairs)):
            return _Sign(fits, side=side)
    return None


def _one_value(_: Column, pairs: Sequence[Pair]) -> _Sign | None:
    for side in (Side.REPLICA, Side.SOURCE):
        found = [_cells(pair, side)[0] for pair in pairs]
        ((value, count),) = Counter(found).most_common(1)
        if _enough(count, len(pairs)):
            return _Sign([cell == value for cell in found], side=side, value=value)
    return None


def _cells(pair: Pair, side: Side) -> tuple[Cell, Cell]:
    """The value of a side, and that of the other."""
    return (pair.source, pair.replica) if side is Side.SOURCE else (pair.replica, pair.source)


def _constant_offset(column: Column, pairs: Sequence[Pair]) -> _Sign | None:
    offsets = [values.offset_of(column, pair) for pair in pairs]
    counts = Counter(offset for offset in offsets if offset)
    if not counts:
        return None
    ((offset, _),) = counts.most_common(1)
    return _Sign([found == offset for found in offsets], value=_signed(offset))


def _signed(number: Decimal) -> str:
    return f"{number:+f}"


_LOOKS: Final[tuple[tuple[Cause, _Look], ...]] = (
    (Cause.TIME_ZONE, _time_zone),
    (Cause.LETTER_CASE, _each(values.texts_are(values.same_but_case))),
    (Cause.TRAILING_BLANKS, _each(values.texts_are(values.same_but_blanks))),
    (Cause.CHARSET, _each(values.texts_are(values.charset_damage))),
    (Cause.NULL_OR_DEFAULT, _null_or_default),
    (Cause.ONE_VALUE, _one_value),
    (Cause.ROUNDING, _each(values.is_rounded)),
    (Cause.CONSTANT_OFFSET, _constant_offset),
)


def _swapped_columns(changed: Sequence[ChangedRow], _: Columns, taken: set[str]) -> Iterator[Guess]:
    """Two columns whose values changed places in each row."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in changed:
        if len(row.columns) <= _MOST_SWAPPABLE:
            for one, other in combinations(row.columns, 2):
                here, there = row.columns[one], row.columns[other]
                if (here.source, here.replica) == (there.replica, there.source):
                    counts[one, other] += 1
    for pair, count in counts.items():
        if _enough(count, len(changed)) and not taken & set(pair):
            yield Guess(cause=Cause.SWAPPED_COLUMNS, columns=pair, rows=count, listed=len(changed))


def _swapped_rows(changed: Sequence[ChangedRow], _: Columns, taken: set[str]) -> Iterator[Guess]:
    """Rows that have each other's values. Only where no two rows have the same: flags that flip would look alike."""
    if any(taken & set(row.columns) for row in changed):
        return
    sources = {_side_of(row, Side.SOURCE): number for number, row in enumerate(changed)}
    if len(sources) < len(changed):
        return
    partner = [sources.get(_side_of(row, Side.REPLICA)) for row in changed]
    count = sum(other is not None and other != number and partner[other] == number for number, other in enumerate(partner))
    if _enough(count, len(changed)):
        names = tuple(dict.fromkeys(name for row in changed for name in row.columns))
        yield Guess(cause=Cause.SWAPPED_ROWS, columns=names, rows=count, listed=len(changed))


def _side_of(row: ChangedRow, side: Side) -> frozenset[tuple[str, Cell]]:
    return frozenset((name, _cells(pair, side)[0]) for name, pair in row.columns.items())


def _every_row(changed: Sequence[ChangedRow], taken: set[str]) -> list[Guess]:
    counts = Counter(name for row in changed for name in row.columns)
    names = tuple(name for name, count in counts.items() if count == len(changed) >= LEAST_ROWS and name not in taken)
    return [Guess(cause=Cause.EVERY_ROW, columns=names, rows=len(changed), listed=len(changed))] if names else []


def _tail(differences: Sequence[Difference], columns: Columns) -> list[Guess]:
    missing = _missing_in_order(differences, columns)
    if not missing:
        return []
    name = _rising_time(missing, columns) or next(iter(missing[0].key))
    value = missing[0].row.get(name, missing[0].key.get(name))
    return [Guess(cause=Cause.MISSING_TAIL, columns=(name,), rows=len(missing), listed=len(missing), value=value)]


def _missing_in_order(differences: Sequence[Difference], columns: Columns) -> list[MissingRow]:
    """The missing rows by key; none if they are few, or if the order of their keys is the servers' affair (text)."""
    missing = [found for found in differences if isinstance(found, MissingRow) and found.key]
    ranked = [(rank, number) for number, found in enumerate(missing) if (rank := _rank(found.key, columns)) is not None]
    if len(missing) < LEAST_ROWS or len(ranked) < len(missing):
        return []
    return [missing[number] for _, number in sorted(ranked)]


def _rank(key: Mapping[str, Cell], columns: Columns) -> tuple[tuple[Decimal, str], ...] | None:
    parts = []
    for name, cell in key.items():
        column = columns.get(name)
        if column is None or not isinstance(cell, str):
            return None
        if column.data_type in {"date", "datetime", "timestamp"}:
            parts.append((Decimal(0), cell))
        elif kind_of(column) is Kind.NUMBER and (number := values.number_of(column, cell)) is not None:
            parts.append((number, ""))
        else:
            return None
    return tuple(parts)


def _rising_time(missing: Sequence[MissingRow], columns: Columns) -> str | None:
    """A time that rises with the key tells people more than a number."""
    for name in missing[0].row:
        if name in columns and columns[name].data_type in {"datetime", "timestamp"}:
            times = [found.row.get(name) for found in missing]
            texts = [time for time in times if isinstance(time, str)]
            if len(texts) == len(times) and texts == sorted(texts) and len(set(texts)) > 1:
                return name
    return None
