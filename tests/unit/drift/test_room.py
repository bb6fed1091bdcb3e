"""When rows in doubt are settled before more are read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from repwatch.drift.settling import Trying
from repwatch.flows import drift_table
from repwatch.flows.drift_settling import Unsettled
from repwatch.flows.drift_table import MOST_PENDING, TableCheck, make_room
from repwatch.flows.drift_world import CheckWorld

FULL = Trying(seconds=60, reach=60)


@dataclass
class Crowded:
    """As much of a table's check as is asked for room."""

    settlement: Sequence[int]
    trying: Trying = field(default=FULL)


def settled_for(monkeypatch: pytest.MonkeyPatch, *sizes: int) -> list[list[int]]:
    """How many rows of each table are settled at a time, of tables with so many in doubt."""
    settled: list[list[int]] = []

    def settle(_: CheckWorld, settlements: Sequence[Unsettled], trying: Trying) -> bool:
        assert trying == FULL
        settled.append([len(settlement) for settlement in settlements])
        return False

    monkeypatch.setattr(drift_table, "settle", settle)
    make_room(cast("CheckWorld", None), [cast("TableCheck", Crowded(range(size))) for size in sizes])
    return settled


def test_rows_in_doubt_are_counted_over_all_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    half = MOST_PENDING // 2
    assert settled_for(monkeypatch, half, 0, half) == [[half, half]]
    assert settled_for(monkeypatch, half, half - 1) == []
    assert settled_for(monkeypatch) == []
