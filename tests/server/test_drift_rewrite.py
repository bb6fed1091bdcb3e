"""Databases that replication puts under another name (REPLICATE_REWRITE_DB): their tables are compared where they lie."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from repwatch.drift.report import Reason, TableExtra, TableMissing, Verdict
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox, SandboxServer
from tests.server.drifting import Found, drift_on, found_in, of_replica, of_table, run_check
from tests.server.repairing import plan, request


@contextmanager
def rewriting(server: SandboxServer, before: str, after: str, ignored: str) -> Iterator[None]:
    """A replica that writes the one database into the other, and ignores a table by the name that it has then."""

    def filters(pair: str, pattern: str) -> None:
        if server.flavour is Flavour.MARIADB:
            settings = f"replicate_rewrite_db = '{pair}'", f"replicate_wild_ignore_table = '{pattern}'"
            server.sql("STOP SLAVE", *(f"SET GLOBAL {setting}" for setting in settings), "START SLAVE")
            return
        pairs, patterns = (f"({pair})" if pair else ""), (f"'{pattern}'" if pattern else "")
        rules = f"REPLICATE_REWRITE_DB = ({pairs}), REPLICATE_WILD_IGNORE_TABLE = ({patterns})"
        server.sql("STOP REPLICA SQL_THREAD", f"CHANGE REPLICATION FILTER {rules}", "START REPLICA SQL_THREAD")

    separator = "->" if server.flavour is Flavour.MARIADB else ","
    filters(f"{before}{separator}{after}", ignored)
    try:
        yield
    finally:
        filters("", "")


@pytest.fixture
def other(star: Sandbox, schema: str) -> Iterator[str]:
    """The other name of the schema, on all servers without replication."""
    name = f"{schema}_there"
    for server in star.servers:
        drift_on(server, f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    yield name
    for server in star.servers:
        drift_on(server, f"DROP DATABASE {name}")


def test_tables_are_compared_where_they_lie(star: Sandbox, schema: str, other: str, tmp_path: Path) -> None:
    """Equal, drifted, missing, extra and filtered ones; the other replica, without the rewrite, has them under their own name."""
    replica, plain = star.replicas
    with rewriting(replica, schema, other, f"{other}.log%"):
        tables = [f"CREATE TABLE {name} (id INT PRIMARY KEY, v INT)" for name in ("equal", "wrong", "gone", "logs")]
        rows = [f"INSERT INTO {name} VALUES (1, 1), (2, 2)" for name in ("equal", "wrong", "gone", "logs")]
        star.source.sql(f"USE {schema}", *tables, *rows)
        star.wait_caught_up(60)
        drift_on(replica, f"UPDATE {other}.wrong SET v = 7 WHERE id = 2", f"DROP TABLE {other}.gone")
        drift_on(replica, f"CREATE TABLE {other}.alone (id INT PRIMARY KEY)", f"CREATE TABLE {schema}.unfed (id INT PRIMARY KEY)")
        report = run_check(star, f"{schema}.*")
        proposal = plan(request(star, replica, f"{schema}.wrong"), tmp_path)
        drift_on(replica, f"CREATE TABLE {other}.gone (id INT PRIMARY KEY, v INT)", f"DROP TABLE {schema}.unfed")
    found = of_replica(report, replica)
    assert found.not_replicated == (f"{schema}.logs",)
    assert {(table.table, table.verdict, table.there) for table in found.tables} == {
        ("alone", Verdict.DRIFTED, f"{other}.alone"),
        ("equal", Verdict.IDENTICAL, f"{other}.equal"),
        ("gone", Verdict.DRIFTED, f"{other}.gone"),
        ("wrong", Verdict.DRIFTED, f"{other}.wrong"),
    }
    assert found_in(of_table(report, replica, "wrong")) == {Found("changed", ("2",), frozenset({"v"}))}
    assert of_table(report, replica, "gone").differences == (TableMissing(),)
    assert of_table(report, replica, "alone").differences == (TableExtra(),)
    assert [item.reason for item in found.not_compared] == [Reason.FILTERS_UNCLEAR]
    assert [refusal.code for refusal in proposal.plan.refusals] == ["rewritten"]
    others = of_replica(report, plain)
    assert (others.verdict, {table.there for table in others.tables}, len(others.tables)) == (Verdict.IDENTICAL, {None}, 4)


def test_two_databases_that_become_one_are_unclear_where_they_meet(star: Sandbox, schema: str, other: str) -> None:
    replica = star.replicas[0]
    with rewriting(replica, schema, other, f"{other}.log%"):
        star.source.sql(f"USE {schema}", "CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE u (id INT PRIMARY KEY)")
        drift_on(star.source, f"CREATE TABLE {other}.t (id INT PRIMARY KEY)")
        star.wait_caught_up(60)
        report = run_check(star, f"{schema}*.*", replicas=[replica])
    found = {f"{table.schema}.{table.table}": (table.verdict, table.reason) for table in of_replica(report, replica).tables}
    unclear = (Verdict.UNDECIDED, Reason.FILTERS_UNCLEAR)
    assert found == {f"{schema}.t": unclear, f"{other}.t": unclear, f"{schema}.u": (Verdict.IDENTICAL, None)}
