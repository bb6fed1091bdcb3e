"""Tables that replication leaves out are neither clean nor drift, on live replicas of both flavours."""

import pytest

from repwatch.drift.report import Reason, Verdict
from repwatch.drift.summary import exit_status
from repwatch.sandbox import Sandbox
from tests.server.drifting import Found, drift_on, found_in, of_replica, of_table, run_check
from tests.server.filtering import set_filters


@pytest.fixture
def shop(star: Sandbox, schema: str) -> str:
    """Three tables with a row each, equal everywhere."""
    for table in ("orders", "log_1", "logs"):
        star.source.sql(
            f"CREATE TABLE {schema}.{table} (id INT PRIMARY KEY, v INT)", f"INSERT INTO {schema}.{table} VALUES (1, 1)"
        )
    star.wait_caught_up(60)
    return schema


def test_a_filtered_table_is_not_called_drift_and_its_neighbour_is(star: Sandbox, shop: str) -> None:
    replica = star.replicas[0]
    set_filters(replica, replicate_wild_ignore_table=(f"{shop}.log\\_%",))
    try:
        star.source.sql(f"UPDATE {shop}.log_1 SET v = 2", f"CREATE TABLE {shop}.log_2 (id INT PRIMARY KEY)")
        star.source.sql(f"UPDATE {shop}.logs SET v = 2")
        drift_on(replica, f"UPDATE {shop}.orders SET v = 3")
        report = run_check(star, f"{shop}.*")
    finally:
        set_filters(replica, replicate_wild_ignore_table=())
        drift_on(replica, f"DROP TABLE IF EXISTS {shop}.log_2", f"CREATE TABLE {shop}.log_2 (id INT PRIMARY KEY)")
    found = of_replica(report, replica)
    assert found.not_replicated == (f"{shop}.log_1", f"{shop}.log_2")
    assert {table.table: table.verdict for table in found.tables} == {"logs": Verdict.IDENTICAL, "orders": Verdict.DRIFTED}
    assert found_in(of_table(report, replica, "orders")) == {Found("changed", ("1",), frozenset({"v"}))}
    other = of_replica(report, star.replicas[1])
    assert (other.verdict, len(other.tables), other.not_replicated) == (Verdict.IDENTICAL, 4, ())


def test_a_replica_that_gets_none_of_the_tables_is_not_called_identical(star: Sandbox, shop: str) -> None:
    replica = star.replicas[1]
    set_filters(replica, replicate_wild_ignore_table=(f"{shop}.%",))
    try:
        report = run_check(star, f"{shop}.*", replicas=[replica])
    finally:
        set_filters(replica, replicate_wild_ignore_table=())
    found = of_replica(report, replica)
    assert (found.verdict, found.reason, len(found.not_replicated)) == (Verdict.UNDECIDED, Reason.NOTHING_REPLICATED, 3)
    assert exit_status(report) == 2


def test_a_filtered_database_is_left_out_with_row_images_and_open_with_statements(star: Sandbox, shop: str) -> None:
    replica = star.replicas[0]
    by_statement = star.source.sql("SELECT @@GLOBAL.binlog_format")[0][0] != "ROW"
    set_filters(replica, replicate_ignore_db=(shop,))
    try:
        star.source.sql(f"UPDATE {shop}.orders SET v = 2")
        report = run_check(star, f"{shop}.*", replicas=[replica])
    finally:
        set_filters(replica, replicate_ignore_db=())
    found = of_replica(report, replica)
    assert found.verdict is Verdict.UNDECIDED
    if by_statement:
        assert {table.reason for table in found.tables} == {Reason.FILTERS_UNCLEAR}
        assert exit_status(report) == 3
    else:
        assert (found.reason, len(found.not_replicated)) == (Reason.NOTHING_REPLICATED, 3)
