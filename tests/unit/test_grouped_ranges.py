"""Ranges that are read together: all of them, in order, and no more rows than may be."""

from hypothesis import given
from hypothesis import strategies as st

from repwatch.flows.ranges import grouped
from repwatch.sql.keyrange import KeyRange


@given(st.lists(st.integers(0, 30)), st.integers(1, 20))
def test_groups_hold_each_range_once_and_are_small(rows: list[int], most: int) -> None:
    pieces = {KeyRange((str(number),), (str(number + 1),)): count for number, count in enumerate(rows)}
    groups = grouped(pieces.items(), most)
    assert [piece for group in groups for piece in group] == list(pieces)
    assert all(len(group) == 1 or sum(pieces[piece] for piece in group) <= most for group in groups)
