"""Ranges of keys partition the key space: every key of every table lies in exactly one piece, also below and above all bounds."""

import sqlite3
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from repwatch.model.schema import Column
from repwatch.sql.keyrange import (
    NULL_PART,
    KeyColumn,
    KeyRange,
    among,
    cut_at,
    evenly,
    first_keys,
    in_range,
    key_expression,
    key_literal,
    span,
)


def column(name: str, data_type: str = "int", charset: str | None = None, *, nullable: bool = False) -> KeyColumn:
    return KeyColumn(Column(name=name, data_type=data_type, column_type=data_type, nullable=nullable, charset=charset))


COLUMNS = (column("a"), column("b"), column("c"))
NULLABLE = tuple(column(name, nullable=True) for name in "abc")
small = st.integers(-3, 3)
perhaps = st.one_of(st.none(), small)


@given(
    width=st.integers(1, 3),
    rows=st.lists(st.tuples(small, small, small), unique=True, max_size=40),
    cuts=st.lists(st.tuples(small, small, small), unique=True, max_size=5),
)
def test_pieces_meet_without_gap_and_overlap(
    width: int, rows: list[tuple[int, int, int]], cuts: list[tuple[int, int, int]]
) -> None:
    """Invariant: with bounds anywhere, each row is selected by one piece. SQLite reads the same conditions."""
    columns = COLUMNS[:width]
    bounds = [None, *sorted({tuple(str(part) for part in cut[:width]) for cut in cuts}, key=lambda k: tuple(map(int, k))), None]
    pieces = [KeyRange(lower, upper) for lower, upper in pairwise(bounds)]
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE t (a INT, b INT, c INT)")
        db.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        seen = [row for piece in pieces for row in db.execute(f"SELECT * FROM t WHERE {in_range(columns, piece)}")]
    db.close()
    assert sorted(seen) == sorted(rows)


@given(
    width=st.integers(1, 3),
    rows=st.lists(st.tuples(perhaps, perhaps, perhaps), max_size=40),
    cuts=st.lists(st.tuples(perhaps, perhaps, perhaps), unique=True, max_size=5),
)
def test_pieces_of_an_index_with_nulls_meet_as_well(
    width: int, rows: list[tuple[int | None, ...]], cuts: list[tuple[int | None, ...]]
) -> None:
    """Invariant: the same where columns hold NULL, which comes first, and rows are doubled."""

    def order(key: tuple[int | None, ...]) -> tuple[tuple[bool, int], ...]:
        return tuple((part is not None, part or 0) for part in key)

    cut_at = sorted({cut[:width] for cut in cuts}, key=order)
    bounds = [None, *(tuple(NULL_PART if part is None else str(part) for part in cut) for cut in cut_at), None]
    pieces = [KeyRange(lower, upper) for lower, upper in pairwise(bounds)]
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE t (a INT, b INT, c INT)")
        db.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        seen = [list(db.execute(f"SELECT * FROM t WHERE {in_range(NULLABLE[:width], piece)}")) for piece in pieces]
    db.close()
    assert sorted((row for piece in seen for row in piece), key=order) == sorted(rows, key=order)
    keys = [sorted(order(row[:width]) for row in piece) for piece in seen if piece]
    assert all(earlier[-1] < later[0] for earlier, later in pairwise(keys))


@given(
    rows=st.lists(st.tuples(small, small), unique=True, max_size=30),
    wanted=st.lists(st.tuples(small, small), min_size=1, max_size=9),
)
def test_a_list_of_keys_selects_just_these(rows: list[tuple[int, int]], wanted: list[tuple[int, int]]) -> None:
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE t (a INT, b INT)")
        db.executemany("INSERT INTO t VALUES (?, ?)", rows)
        seen = list(db.execute(f"SELECT * FROM t WHERE {among(COLUMNS[:2], [(str(a), str(b)) for a, b in wanted])}"))
    db.close()
    assert sorted(seen) == sorted(set(rows) & set(wanted))


whole = st.integers(-(2**63), 2**64 - 1)


@given(lower=whole, upper=st.none() | whole, count=st.integers(1, 100_000))
def test_counted_keys_are_a_bounded_beginning_of_the_range(lower: int, upper: int | None, count: int) -> None:
    """Invariant: the part begins where the range does, ends in it, and has room for `count` rows at most; the rest joins it."""
    columns, piece = COLUMNS[:1], KeyRange((str(lower),), None if upper is None else (str(max(lower, upper)),))
    part = first_keys(columns, piece, count)
    if part is None:
        assert abs(lower) > 2**61  # near the ends of BIGINT no key is counted
        return
    keys = span(columns, part)
    assert part.lower == piece.lower
    assert keys is not None
    assert 0 <= keys <= count
    assert piece.upper is None or span(columns, KeyRange(part.upper, piece.upper)) == int(piece.upper[0]) - lower - keys


@given(lower=whole, keys=st.integers(0, 10_000), count=st.integers(1, 2_000))
def test_even_parts_make_up_the_range(lower: int, keys: int, count: int) -> None:
    """Invariant: one follows the other, each has `count` possible keys but the last, which has as many at most."""
    piece = KeyRange((str(lower),), (str(lower + keys),))
    parts = evenly(piece, count)
    assert (parts[0].lower, parts[-1].upper) == (piece.lower, piece.upper)
    assert all(one.upper == other.lower for one, other in pairwise(parts))
    assert {span(COLUMNS[:1], part) for part in parts[:-1]} <= {count}
    assert 0 <= (span(COLUMNS[:1], parts[-1]) or 0) <= count


@given(st.lists(small), st.none() | small, st.none() | small)
def test_parts_between_bounds_make_up_the_range(bounds: list[int], lower: int | None, upper: int | None) -> None:
    """Invariant: also where a bound comes twice, or is an end of the range; no part but a whole range is empty."""
    low, high = -4 if lower is None else lower, 4 if upper is None else upper
    inside = [(str(bound),) for bound in sorted(bounds) if low < bound <= high]
    piece = KeyRange(*(None if end is None else (str(end),) for end in (lower, upper)))
    parts = cut_at(piece, inside)
    assert (parts[0].lower, parts[-1].upper) == (piece.lower, piece.upper)
    assert all(one.upper == other.lower for one, other in pairwise(parts))
    assert len(parts) == 1 or all(part.lower != part.upper for part in parts)
    assert {part.upper for part in parts[:-1]} == {bound for bound in inside if bound != piece.upper}


def test_keys_are_counted_for_one_whole_number_alone() -> None:
    ends = KeyRange(("1",), ("9",))
    assert span(COLUMNS[:1], ends) == 8
    assert (span(COLUMNS[:1], KeyRange(None, ("9",))), first_keys(COLUMNS[:1], KeyRange(None, ("9",)), 5)) == (None, None)
    for columns, piece in (
        (COLUMNS[:2], KeyRange(("1", "1"), ("9", "9"))),
        ((column("d", "decimal"),), ends),
        ((column("c", "char", "ascii"),), ends),
        ((column("y", "year"),), ends),
        ((), ends),
    ):
        assert (span(columns, piece), first_keys(columns, piece, 5)) == (None, None)


def test_literals() -> None:
    """A literal compares in the column's own order: bytes in its charset, doubles as doubles, members by number."""
    assert key_literal(column("k", "varchar", "latin1"), "C4") == "_latin1 x'C4'"
    assert key_literal(KeyColumn(column("k", "varchar", "latin1").column, convert=True), "C384") == "_utf8mb4 x'C384'"
    assert key_literal(KeyColumn(column("k", "enum", "latin1").column, convert=True), "61") == "_utf8mb4 x'61'"
    assert key_literal(column("k", "enum", "latin1"), "2") == "2"
    assert key_literal(column("k", "varbinary"), "00FF") == "x'00FF'"
    assert key_literal(column("k", "double"), "0.1") == "0.1e0"
    assert key_literal(column("k", "double"), "5e-324") == "5e-324"
    assert key_literal(column("k", "bigint"), "18446744073709551615") == "18446744073709551615"
    assert key_literal(column("k", "datetime"), "2024-01-01 00:00:00.5") == "'2024-01-01 00:00:00.5'"
    assert key_expression(column("k", "enum")) == "`k` + 0"
