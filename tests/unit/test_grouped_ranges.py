"""Ranges that are read together: all of them, in order, no more rows than may be, and no statement too long for a server."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.flows.ranges import MOST_OPEN, MOST_OPEN_PARTITIONED, STATEMENT_BYTES, grouped, listed_together
from repwatch.flows.reseed_differ import reading_of
from repwatch.model.schema import Column, Part, PartKind, Table, TableName
from repwatch.sql import signature as sql
from repwatch.sql.keyrange import KeyRange


@given(st.lists(st.integers(0, 30)), st.integers(1, 20), st.integers(1, 9))
def test_groups_hold_each_range_once_and_are_small(rows: list[int], most: int, together: int) -> None:
    pieces = {KeyRange((str(number),), (str(number + 1),)): count for number, count in enumerate(rows)}
    groups = grouped(pieces.items(), most, together)
    assert [piece for group in groups for piece in group] == list(pieces)
    assert all(len(group) == 1 or sum(pieces[piece] for piece in group) <= most for group in groups)
    assert all(len(group) <= together for group in groups)


@pytest.mark.parametrize("columns", [1, 20, 200, 1000])
def test_a_statement_about_many_ranges_is_bounded(columns: int) -> None:
    key = Column(name="id", column_type="int", data_type="int", nullable=False)
    texts = (
        Column(
            name=f"a rather long name of column {number}", column_type="text", data_type="text", charset="utf8mb4", nullable=True
        )
        for number in range(columns)
    )
    wide = Table(name=TableName("s", "t"), engine="InnoDB", columns=(key, *texts), primary_key=("id",))
    reading = reading_of(wide)
    assert reading is not None
    together = listed_together(reading)
    assert together <= MOST_OPEN
    pieces = [KeyRange((str(number),), (str(number + 1),)) for number in range(together)]
    assert len(sql.row_hashes_in(reading, pieces).encode()) <= 1.5 * STATEMENT_BYTES
    parted = replace(wide, parts=(Part(PartKind.PARTITIONING, "", "HASH (id)"),))
    reading = reading_of(parted)
    assert reading is not None
    assert 1 <= listed_together(reading) <= MOST_OPEN_PARTITIONED
