"""The size of pieces: it stays within bounds whatever happens, and goes the right way."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from repwatch.drift.pace import MOST_ROWS
from repwatch.model.schema import Table, TableName
from repwatch.reseed.stride import LEAF_ROWS, Stride

TABLE = Table(name=TableName("s", "t"), engine="InnoDB", columns=(), primary_key=("id",), estimated_rows=10_000)


@given(
    st.integers(0, 10**9),
    st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 100)), max_size=60),
)
def test_it_is_never_zero_and_never_without_bound(row_bytes: int, events: list[tuple[bool, bool, float]]) -> None:
    stride = Stride.of(replace(TABLE, estimated_row_bytes=row_bytes))
    for void, equal, seconds in events:
        stride = stride.after_void() if void else stride.after(equal=equal, seconds=seconds)
        assert 1 <= stride.rows <= stride.most <= MOST_ROWS


def test_it_grows_while_all_is_equal_and_shrinks_where_much_differs() -> None:
    stride = Stride(rows=2_000, most=20_000)
    grown = stride.after(equal=True, seconds=0.01)
    assert stride.rows < grown.rows
    assert stride.after(equal=False, seconds=0.01).rows < stride.rows
    assert stride.after(equal=True, seconds=5).rows < stride.rows
    for _ in range(20):
        stride = stride.after(equal=False, seconds=0.01)
    assert stride.rows == LEAF_ROWS  # smaller pieces would not be compared any more cheaply
