"""When rows in doubt are settled before more are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import pytest

from repwatch.drift.settling import Trying
from repwatch.flows import drift_table
from repwatch.flows.drift_settling import Unsettled
from repwatch.flows.drift_table import MOST_PENDING, TableCheck, make_room
from repwatch.flows.drift_world import CheckWorld

FULL, SHORT = Trying(seconds=60, reach=60), Trying(seconds=0, reach=0)
HALF = MOST_PENDING // 2


@dataclass
class Crowded:
    """As much of a table's check as is asked for room."""

    settlement: Sequence[int]
    trying: Trying = FULL
    left: frozenset[int] = frozenset()

    def leave(self, given_up: frozenset[int]) -> None:
        """Note it."""
        self.left = given_up


def settled_for(monkeypatch: pytest.MonkeyPatch, *tables: Crowded) -> list[tuple[list[int], Trying]]:
    """How many rows of each table are settled at a time, and how long each time; of each some are given up."""
    settled: list[tuple[list[int], Trying]] = []

    def settle(_: CheckWorld, settlements: Sequence[Unsettled], trying: Trying) -> list[frozenset[int]]:
        sizes = [len(settlement) for settlement in settlements]
        settled.append((sizes, trying))
        return [frozenset({size}) for size in sizes]

    monkeypatch.setattr(drift_table, "settle", settle)
    make_room(cast("CheckWorld", None), cast("list[TableCheck]", tables))
    return settled


def test_rows_in_doubt_are_counted_over_all_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = [Crowded(range(HALF)), Crowded([]), Crowded(range(HALF))]
    assert settled_for(monkeypatch, *crowd) == [([HALF, HALF], FULL)]
    assert settled_for(monkeypatch, *crowd[1:]) == []


def test_what_one_table_gives_up_says_nothing_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = [Crowded(range(HALF)), Crowded(range(HALF + 1)), Crowded(range(7), SHORT)]
    assert settled_for(monkeypatch, *crowd) == [([HALF, HALF + 1], FULL), ([7], SHORT)]
    assert [table.left for table in crowd] == [{HALF}, {HALF + 1}, {7}]
