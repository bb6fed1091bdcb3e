"""A large table of which every row changes all the time: the check of it comes to an end, and says so."""

from collections.abc import Sequence

import pytest

from repwatch.drift.report import Reason, Verdict
from repwatch.drift.settling import Trying
from repwatch.flows import drift_table
from repwatch.flows.drift_settling import Unsettled, settle
from repwatch.flows.drift_world import CheckWorld
from repwatch.sandbox import Sandbox
from tests.server.drifting import drift_on, fill, of_table, run_check
from tests.server.hot_writing import HotWriter

ROWS = 600
TRY_SECONDS = 5.0


def test_only_the_first_rows_of_a_hot_table_are_tried_for_long(
    star: Sandbox, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each further part is read once more; drift in another table is found all the same."""
    tried: list[tuple[Unsettled, Trying, bool]] = []

    def noting(world: CheckWorld, settlements: Sequence[Unsettled], trying: Trying) -> bool:
        left = settle(world, settlements, trying)
        tried.append((settlements[0], trying, left))
        return left

    monkeypatch.setattr(drift_table, "settle", noting)
    monkeypatch.setattr(drift_table, "MOST_PENDING", 1)
    monkeypatch.setattr(drift_table, "LEAF_ROWS", 100)
    for name in ("a_hot", "rest"):
        star.source.sql(f"CREATE TABLE {schema}.{name} (id INT PRIMARY KEY, n BIGINT)")
        fill(star.source, f"{schema}.{name}", [f"({number}, 0)" for number in range(ROWS)])
    star.wait_caught_up(60)
    replica = star.replicas[0]
    drift_on(replica, f"DELETE FROM {schema}.rest WHERE id = 7")
    with HotWriter(star.source, lambda _: f"UPDATE {schema}.a_hot SET n = n + 1"):
        report = run_check(star, f"{schema}.*", replicas=[replica], seconds=TRY_SECONDS)
    star.wait_caught_up(120)
    hot, rest = of_table(report, replica, "a_hot"), of_table(report, replica, "rest")
    assert (hot.verdict, hot.reason) == (Verdict.UNDECIDED, Reason.HOT_ROWS)
    assert (rest.verdict, rest.difference_count) == (Verdict.DRIFTED, 1)
    of_hot = next(settlement for settlement, _, left in tried if left)
    tries = [(trying, left) for settlement, trying, left in tried if settlement is of_hot]
    full = 1 + next(number for number, (_, left) in enumerate(tries) if left)
    assert all(trying == Trying(seconds=TRY_SECONDS, reach=60) for trying, _ in tries[:full])
    assert len(tries) > full
    assert all(trying == Trying(seconds=0, reach=0) for trying, _ in tries[full:])
