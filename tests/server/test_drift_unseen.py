"""Tables that an account may not see, and names of which only the letters differ: none of them is missing."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.drift.report import DriftReport, Reason, TableReport, Verdict
from repwatch.drift.summary import exit_status, full_name
from repwatch.flows.drift import CheckRequest, check
from repwatch.model.endpoint import LiteralSecret
from repwatch.model.server import Flavour
from repwatch.model.topology import ReplicaTarget, ServerSpec
from repwatch.sandbox import Sandbox, SandboxServer
from tests.server.drifting import drift_on, of_replica


@pytest.fixture(scope="module", params=list(Flavour))
def poor_star(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """One with an account on both servers that may read the schema d, but not e."""
    with Sandbox.start(request.param, replicas=1) as star:
        status = "REPLICATION CLIENT" if star.source.flavour is Flavour.MYSQL else "SLAVE MONITOR, BINLOG MONITOR"
        for schema in "de":
            star.source.sql(f"CREATE DATABASE {schema}", f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
        star.wait_caught_up(60)
        for server in (star.source, star.replicas[0]):
            drift_on(
                server,
                "CREATE USER poor@'%' IDENTIFIED BY 'poor'",
                f"GRANT PROCESS, {status} ON *.* TO poor@'%'",
                "GRANT SELECT ON d.* TO poor@'%'",
            )
        yield star


def poor(server: SandboxServer) -> ServerSpec:
    spec = server.spec()
    return replace(spec, endpoint=replace(spec.endpoint, user="poor", password=LiteralSecret("poor")))


def compare(source: ServerSpec, replica: ServerSpec, *tables: str, static: bool = False) -> DriftReport:
    request = CheckRequest(source=source, replicas=(ReplicaTarget(server=replica),), tables=tables, static=static)
    return check(request, connect=Session.connect, clock=SystemClock())


def named(report: DriftReport, server: SandboxServer, name: str) -> TableReport:
    return next(found for found in of_replica(report, server).tables if full_name(found) == name)


def test_a_table_that_the_replica_does_not_show_to_the_account_is_undecided(poor_star: Sandbox) -> None:
    replica = poor_star.replicas[0]
    report = compare(poor_star.source.spec(), poor(replica))
    hidden, shown = named(report, replica, "e.t"), named(report, replica, "d.t")
    assert (hidden.verdict, hidden.reason, shown.verdict) == (Verdict.UNDECIDED, Reason.UNREADABLE, Verdict.IDENTICAL)
    assert exit_status(report) == 3
    assert any(each.what == "tables" and each.server == str(replica.address) for each in report.replicas[0].not_compared)


def test_a_table_that_the_source_does_not_show_to_the_account_is_not_extra(poor_star: Sandbox) -> None:
    replica = poor_star.replicas[0]
    hidden = named(compare(poor(poor_star.source), replica.spec()), replica, "e.t")
    assert (hidden.verdict, hidden.reason) == (Verdict.UNDECIDED, Reason.UNREADABLE)


def test_tables_that_neither_shows_are_not_passed_over(poor_star: Sandbox) -> None:
    source, replica = poor(poor_star.source), poor(poor_star.replicas[0])
    report = compare(source, replica)
    assert (exit_status(report), report.replicas[0].reason) == (3, Reason.UNREADABLE)
    assert [each.what for each in report.replicas[0].not_compared].count("tables") == 2
    for pattern in ("d.*", "d.t"):
        report = compare(source, replica, pattern)
        assert (exit_status(report), report.replicas[0].reason) == (0, None)
        assert "tables" not in {each.what for each in report.replicas[0].not_compared}


def test_a_table_that_is_missing_where_all_are_shown_is_missing(poor_star: Sandbox) -> None:
    replica = poor_star.replicas[0]
    drift_on(replica, "RENAME TABLE d.t TO d.moved")
    try:
        report = compare(poor_star.source.spec(), poor(replica), "d.*")
    finally:
        drift_on(replica, "RENAME TABLE d.moved TO d.t")
    assert {named(report, replica, name).verdict for name in ("d.t", "d.moved")} == {Verdict.DRIFTED}


def test_a_replica_that_folds_names_has_the_table_in_other_letters() -> None:
    """MySQL takes lower_case_table_names only when a data folder is made, so this is MariaDB's."""
    with Sandbox.start(Flavour.MARIADB, replicas=1) as star:
        source, (replica,) = star.source, star.replicas
        replica.use("--lower-case-table-names=1")
        replica.kill()
        replica.start()
        star.wait_connected(60)
        source.sql(
            "CREATE DATABASE shop", "CREATE TABLE shop.Orders (id INT PRIMARY KEY, v INT)", "CREATE TABLE shop.low (id INT)"
        )
        source.sql("INSERT INTO shop.Orders VALUES (1, 1), (2, 2)", "INSERT INTO shop.low VALUES (1)")
        star.wait_caught_up(60)
        for static in (False, True):
            same = compare(source.spec(), replica.spec(), static=static)
            table = named(same, replica, "shop.Orders")
            assert {full_name(each) for each in same.replicas[0].tables} == {"shop.Orders", "shop.low"}
            assert (same.verdict, table.rows_proved, table.there) == (Verdict.IDENTICAL, 2, "shop.orders")
        drift_on(replica, "UPDATE shop.orders SET v = 3 WHERE id = 2")
        found = named(compare(source.spec(), replica.spec()), replica, "shop.Orders")
        assert (found.verdict, found.difference_count) == (Verdict.DRIFTED, 1)
