"""A check that is narrowed to the rows of a condition."""

import json

import pytest

from repwatch.drift.report import Reason, Verdict
from repwatch.errors import UsageError
from repwatch.render.drift_json import drift_json
from repwatch.sandbox import Sandbox
from tests.server.drifting import Found, drift_on, fill, found_in, of_table, run_check


@pytest.fixture
def orders(star: Sandbox, schema: str) -> str:
    """12,000 rows, equal everywhere."""
    table = f"{schema}.orders"
    star.source.sql(f"CREATE TABLE {table} (id INT PRIMARY KEY, status VARCHAR(5) NOT NULL, n INT NOT NULL)")
    fill(star.source, table, [f"({number}, 'N', {number % 10})" for number in range(1, 12_001)], 5000)
    star.wait_caught_up(60)
    return table


def test_drift_inside_is_found_and_drift_outside_is_not(star: Sandbox, orders: str) -> None:
    replica, other = star.replicas
    drift_on(
        replica,
        f"UPDATE {orders} SET status = 'X' WHERE id IN (17, 7017)",
        f"DELETE FROM {orders} WHERE id IN (27, 28)",
        f"UPDATE {orders} SET n = 3 WHERE id = 37",  # out of the condition, on the replica alone
        f"INSERT INTO {orders} VALUES (20000, 'N', 7), (20001, 'N', 8)",
    )
    report = run_check(star, orders, where="n = 7 AND id <> 7017")
    found = of_table(report, replica, "orders")
    assert (found.verdict, found.rows) == (Verdict.DRIFTED, 1199)
    assert found_in(found) == {
        Found("changed", ("17",), frozenset({"status"})),
        Found("changed", ("37",), frozenset({"n"})),
        Found("missing", ("27",)),
        Found("extra", ("20000",)),
    }
    assert of_table(report, other, "orders").verdict is Verdict.IDENTICAL
    assert json.loads(drift_json(report))["where"] == "n = 7 AND id <> 7017"
    clean = of_table(run_check(star, orders, where="n = 1 OR `n` IN (2, 4)"), replica, "orders")
    assert (clean.verdict, clean.rows, clean.rows_proved) == (Verdict.IDENTICAL, 3600, 3600)


def test_a_comparison_that_makes_the_server_warn_is_not_void(star: Sandbox, orders: str) -> None:
    report = run_check(star, orders, where="status = 0 AND n < 5")
    assert (report.verdict, of_table(report, star.replicas[0], "orders").rows) == (Verdict.IDENTICAL, 6000)


@pytest.mark.parametrize("where", ["missing = 1", "n = SLEEP(1)", "n = 1; DROP TABLE t", "LEFT(n) = 1", ""])
def test_a_bad_condition_is_a_mistake(star: Sandbox, orders: str, where: str) -> None:
    with pytest.raises(UsageError):
        run_check(star, orders, where=where)


def test_a_replica_without_the_column_is_not_called_identical(star: Sandbox, orders: str) -> None:
    drift_on(star.replicas[0], f"ALTER TABLE {orders} CHANGE n m INT NOT NULL")
    found = of_table(run_check(star, orders, where="n = 7"), star.replicas[0], "orders")
    assert (found.verdict, found.reason) == (Verdict.DRIFTED, Reason.SCHEMA_DIFFERS)
