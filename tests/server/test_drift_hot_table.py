"""A large table with more rows in doubt than are kept at a time, which do not come to rest."""

from collections.abc import Sequence

import pytest

from repwatch.drift.report import Reason, Verdict
from repwatch.drift.settling import Trying
from repwatch.flows import drift_table
from repwatch.flows.drift_settling import Unsettled
from repwatch.flows.drift_world import CheckWorld
from repwatch.sandbox import Sandbox
from tests.server.drifting import drift_on, fill, of_table, run_check

ROWS = 6_000


def test_only_its_first_rows_are_tried_for_long(star: Sandbox, schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing settles them here; what was read of the table beside them counts all the same."""
    tried: list[Trying] = []

    def in_vain(_: CheckWorld, settlements: Sequence[Unsettled], trying: Trying) -> list[frozenset[int]]:
        tried.append(trying)
        return [settlement.give_up(Reason.HOT_ROWS) for settlement in settlements]

    monkeypatch.setattr(drift_table, "settle", in_vain)
    monkeypatch.setattr(drift_table, "MOST_PENDING", 1)
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, n BIGINT)")
    fill(star.source, f"{schema}.t", [f"({number}, 0)" for number in range(ROWS)])
    star.wait_caught_up(60)
    replica = star.replicas[0]
    drift_on(replica, f"UPDATE {schema}.t SET n = 1 WHERE id % 10 = 7")
    # Under a condition no row is judged before it was read by its key: all that differ are in doubt.
    report = run_check(star, f"{schema}.t", replicas=[replica], seconds=5, where="id >= 0")
    found = of_table(report, replica, "t")
    assert (found.verdict, found.reason) == (Verdict.UNDECIDED, Reason.HOT_ROWS)
    assert (found.rows, found.rows_proved) == (ROWS, ROWS - ROWS // 10)
    assert tried[0] == Trying(seconds=5, reach=60)
    assert len(tried) > 1
    assert set(tried[1:]) == {Trying(seconds=0, reach=0)}


def test_rows_of_another_replica_are_tried_for_as_long_as_ever(
    star: Sandbox, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not come to rest on one replica says nothing of it: its rows may take a while to be proved different."""
    tried: list[tuple[frozenset[int], bool]] = []

    def in_vain(_: CheckWorld, settlements: Sequence[Unsettled], trying: Trying) -> list[frozenset[int]]:
        given_up = [settlement.give_up(Reason.HOT_ROWS) for settlement in settlements]
        tried.append((given_up[0], trying == Trying(seconds=5, reach=60)))
        return given_up

    monkeypatch.setattr(drift_table, "settle", in_vain)
    monkeypatch.setattr(drift_table, "MOST_PENDING", 1)
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, n BIGINT)")
    fill(star.source, f"{schema}.t", [f"({number}, 0)" for number in range(3 * ROWS)])
    star.wait_caught_up(60)
    for number, replica in enumerate(star.replicas):  # rows of the second one come after those of the first
        drift_on(replica, f"UPDATE {schema}.t SET n = 1 WHERE id % 10 = 7 AND id >= {2 * number * ROWS}")
    run_check(star, f"{schema}.t", seconds=5, where="id >= 0")
    met: set[int] = set()
    for given_up, long in tried:
        assert long is not (given_up <= met), tried
        met |= given_up
    assert met == {0, 1}
