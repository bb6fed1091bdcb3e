"""Checks of more tables than are read at a time: definitions come page by page, and everything is found all the same."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.drift.progress import Progress
from repwatch.drift.report import Reason, SchemaDifference, Verdict
from repwatch.drift.throttle import Limits
from repwatch.errors import StatementTimedOut
from repwatch.flows import drift_run
from repwatch.flows.drift import CheckRequest, check
from repwatch.flows.drift_sight import Reader, Sight, SourceSight, Unit
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.database import Database, Params
from repwatch.sandbox import Sandbox
from repwatch.sql import catalogue
from tests.server.drifting import Found, drift_on, found_in, of_replica, of_table, run_check


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "AT_ONCE", 2)


def test_differences_of_rows_and_definitions_are_found_on_every_page(star: Sandbox, schema: str) -> None:
    """Two schemas, names that differ by case alone, CHECKs and foreign keys: what `information_schema` gives with conditions."""
    other = f"{schema}_more"
    star.source.sql(f"CREATE DATABASE {other}")
    try:
        for number, name in enumerate("aAbcdef"):
            star.source.sql(f"CREATE TABLE {schema}.{name} (id INT PRIMARY KEY, n INT, CONSTRAINT k{number} CHECK (n < 100))")
            star.source.sql(f"INSERT INTO {schema}.{name} VALUES (1, 1), (2, 2), (3, 3)")
        star.source.sql(f"CREATE TABLE {other}.child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES {schema}.a (id))")
        star.wait_caught_up(60)
        wrong, right = star.replicas
        drift_on(wrong, f"UPDATE {schema}.A SET n = 7 WHERE id = 2", f"DELETE FROM {schema}.f WHERE id = 3")
        drift_on(wrong, f"DROP TABLE {schema}.c", f"CREATE TABLE {schema}.x (id INT PRIMARY KEY)")
        drift_on(wrong, f"ALTER TABLE {schema}.d DROP CONSTRAINT k4", f"INSERT INTO {other}.child VALUES (1, NULL)")
        report = run_check(star, f"{schema}*.*")
        assert of_replica(report, right).verdict is Verdict.IDENTICAL
        drifted = {table.table for table in of_replica(report, wrong).tables if table.verdict is Verdict.DRIFTED}
        assert drifted == {"A", "f", "c", "x", "child"}
        assert found_in(of_table(report, wrong, "A")) == {Found("changed", ("2",), frozenset({"n"}))}
        assert found_in(of_table(report, wrong, "f")) == {Found("missing", ("3",))}
        (check,) = of_table(report, wrong, "d").differences
        assert isinstance(check, SchemaDifference)
        assert (check.what, check.name, check.replica) == ("check", "k4", None)
        assert of_table(report, wrong, "e").difference_count == 0
    finally:
        star.source.sql(f"DROP DATABASE {other}")


def test_a_table_that_is_dropped_before_its_page_is_read_is_nobodys_difference(star: Sandbox, schema: str) -> None:
    for number in range(5):
        star.source.sql(f"CREATE TABLE {schema}.t{number} (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    dropped = False

    def drop_the_last(progress: Progress) -> None:
        nonlocal dropped
        if not dropped and progress.table == f"{schema}.t1":
            dropped = True
            star.source.sql(f"DROP TABLE {schema}.t4")
            star.wait_caught_up(60)

    report = run_check(star, f"{schema}.*", progress=drop_the_last)
    assert (dropped, report.verdict) == (True, Verdict.IDENTICAL)
    for replica in report.replicas:
        assert [table.table for table in replica.tables] == ["t0", "t1", "t2", "t3"]


def test_a_table_that_is_being_dropped_is_waited_for(star: Sandbox, schema: str) -> None:
    """The source has lost it already, and a replica that is behind has not."""
    for number in range(5):
        star.source.sql(f"CREATE TABLE {schema}.t{number} (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    replica = star.replicas[0]
    dropped = False

    def drop_the_last(progress: Progress) -> None:
        nonlocal dropped
        if not dropped and progress.table == f"{schema}.t1":
            dropped = True
            star.source.sql(f"DROP TABLE {schema}.t4")

    report = run_check(star, f"{schema}.*", replicas=[replica], progress=drop_the_last)
    assert (dropped, report.verdict) == (True, Verdict.IDENTICAL)
    assert [table.table for table in of_replica(report, replica).tables] == ["t0", "t1", "t2", "t3"]


def test_what_was_read_before_a_check_is_ended_keeps_its_verdict(star: Sandbox, schema: str) -> None:
    """Also where rows that differ were looked for."""
    names = [f"t{number:02}" for number in range(20)]
    for name in names:
        star.source.sql(f"CREATE TABLE {schema}.{name} (id INT PRIMARY KEY)", f"INSERT INTO {schema}.{name} VALUES (1), (2)")
    star.wait_caught_up(60)
    replica = star.replicas[0]
    drift_on(replica, f"DELETE FROM {schema}.t01 WHERE id = 2")
    seen: set[str] = set()
    report = check(
        CheckRequest(
            source=star.source.spec(), replicas=(ReplicaTarget(server=replica.spec()),), tables=(f"{schema}.*",), settle_seconds=5
        ),
        connect=Session.connect,
        clock=SystemClock(),
        progress=lambda progress: seen.add(progress.table),
        cancelled=lambda: f"{schema}.{names[-1]}" in seen,
    )
    assert of_table(report, replica, names[0]).verdict is Verdict.IDENTICAL
    last = of_table(report, replica, names[-1])
    assert (last.verdict, last.reason) == (Verdict.UNDECIDED, Reason.STOPPED)


def test_a_replica_that_is_meant_to_be_behind_is_waited_for_once_and_not_for_each_page(star: Sandbox, schema: str) -> None:
    """Its applier waits for a lock that is let go when the last table is begun: no page waits behind the rows of another."""
    names = [f"t{number}" for number in range(7)]
    star.source.sql(*(f"CREATE TABLE {schema}.{name} (id INT PRIMARY KEY)" for name in names))
    star.source.sql(*(f"INSERT INTO {schema}.{name} VALUES (1), (2)" for name in names))
    star.wait_caught_up(60)
    replica = star.replicas[0]
    with replica.connect() as db:
        db.execute(f"LOCK TABLES {schema}.t0 READ")
        star.source.sql(f"INSERT INTO {schema}.t0 VALUES (3)")

        def let_go(progress: Progress) -> None:
            if progress.tables_done == len(names) - 1:
                db.execute("UNLOCK TABLES")

        target = ReplicaTarget(server=replace(replica.spec(), delay=timedelta(seconds=10)))
        request = CheckRequest(
            source=star.source.spec(), replicas=(target,), tables=(f"{schema}.*",), reach_seconds=60, limits=Limits(lag=3600)
        )
        report = check(request, connect=Session.connect, clock=SystemClock(), progress=let_go)
    assert report.verdict is Verdict.IDENTICAL, report
    assert [table.table for table in of_replica(report, replica).tables] == names


def test_few_ranges_are_held_row_by_row_while_a_replica_is_meant_to_be_behind(
    star: Sandbox, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pieces are under way: here a range of each table, and a replica that is slower than the source."""
    monkeypatch.setattr(drift_run, "NARROWING", 2)
    names = [f"t{number:02}" for number in range(12)]
    star.source.sql(*(f"CREATE TABLE {schema}.{name} (id INT PRIMARY KEY)" for name in names))
    star.source.sql(*(f"INSERT INTO {schema}.{name} VALUES (1), (2)" for name in names))
    star.wait_caught_up(60)
    replica = star.replicas[0]
    drift_on(replica, *(f"DELETE FROM {schema}.{name} WHERE id = 2" for name in names))
    on_source, on_replica = Reader.on_source, Reader.on_replica
    read, most = [0, 0], 0  # on the source, on the replica

    def count(reader: Reader, db: Database, unit: Unit, rows: int) -> SourceSight:
        nonlocal most
        read[0] += unit.holds_rows
        most = max(most, read[0] - read[1])
        return on_source(reader, db, unit, rows)

    def slowly(reader: Reader, db: Database, unit: Unit, number: int, first: Sight) -> Sight:
        time.sleep(0.3 if unit.holds_rows else 0)
        read[1] += unit.holds_rows
        return on_replica(reader, db, unit, number, first)

    monkeypatch.setattr(Reader, "on_source", count)
    monkeypatch.setattr(Reader, "on_replica", slowly)
    target = ReplicaTarget(server=replace(replica.spec(), delay=timedelta(seconds=1)))
    request = CheckRequest(source=star.source.spec(), replicas=(target,), tables=(f"{schema}.*",))
    report = check(request, connect=Session.connect, clock=SystemClock())
    assert {found_in(table) == {Found("missing", ("2",))} for table in of_replica(report, replica).tables} == {True}
    assert read[0] == len(names)
    assert most <= 2


@pytest.mark.parametrize("time_", [1, 2, 3], ids=["first", "in-order", "again"])
def test_a_replica_that_refuses_to_tell_of_a_table_is_checked_for_the_others(star: Sandbox, schema: str, time_: int) -> None:
    """For longer than it may: when definitions are read first, because of a difference, or at the end."""
    names = [f"t{number}" for number in range(5)]
    star.source.sql(*(f"CREATE TABLE {schema}.{name} (id INT PRIMARY KEY, n INT)" for name in names))
    star.wait_caught_up(60)
    replica, other = star.replicas
    drift_on(replica, f"ALTER TABLE {schema}.t0 ADD INDEX own (n)", f"INSERT INTO {schema}.t4 VALUES (1, 1)")
    asked = 0

    class Locked(Session):
        def texts(self, sql: str, params: Params = ()) -> list[dict[str, str | None]]:
            nonlocal asked
            if self.endpoint.address == replica.address and "information_schema.COLUMNS" in sql and "'t0'" in sql:
                asked += 1
                if asked == time_:
                    raise StatementTimedOut("it took too long", server=self.server)
            return super().texts(sql, params)

    targets = tuple(ReplicaTarget(server=server.spec()) for server in star.replicas)
    request = CheckRequest(source=star.source.spec(), replicas=targets, tables=(f"{schema}.*",))
    report = check(request, connect=Locked.connect, clock=SystemClock())
    assert of_replica(report, other).verdict is Verdict.IDENTICAL
    found = {table.table: (table.verdict, table.reason) for table in of_replica(report, replica).tables}
    assert (of_replica(report, replica).reason, list(found)) == (None, names)
    assert found["t0"] == (Verdict.UNDECIDED, Reason.UNREADABLE)
    assert found["t4"] == (Verdict.DRIFTED, None)
    assert {found[name] for name in ("t2", "t3")} == {(Verdict.IDENTICAL, None)}
    assert asked >= time_


@pytest.mark.parametrize("strict", [False, True])
def test_nothing_is_identical_where_all_tables_are_dropped_on_the_way(star: Sandbox, schema: str, strict: bool) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    dropped = False

    def drop(_: Progress) -> None:
        nonlocal dropped
        if not dropped:
            dropped = True
            star.source.sql(f"DROP TABLE {schema}.t")
            star.wait_caught_up(60)

    report = run_check(star, f"{schema}.*", progress=drop, strict=strict)
    assert (dropped, report.verdict) == (True, Verdict.UNDECIDED)
    assert [(found.reason, found.tables) for found in report.replicas] == [(Reason.SCHEMA_CHANGED, ())] * 2


def test_a_table_that_cannot_be_read_is_told_of_where_it_is(star: Sandbox, schema: str) -> None:
    """Not for a replica that has nothing to do with it."""
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    one, other = star.replicas
    drift_on(one, f"CREATE TABLE {schema}.u (id INT PRIMARY KEY)")

    class Locked(Session):
        def texts(self, sql: str, params: Params = ()) -> list[dict[str, str | None]]:
            if self.endpoint.address == star.source.address and "information_schema.COLUMNS" in sql and "'u'" in sql:
                raise StatementTimedOut("it took too long", server=self.server)
            return super().texts(sql, params)

    targets = tuple(ReplicaTarget(server=server.spec()) for server in star.replicas)
    request = CheckRequest(source=star.source.spec(), replicas=targets, tables=(f"{schema}.*",))
    report = check(request, connect=Locked.connect, clock=SystemClock())
    for server, names in ((one, ["t", "u"]), (other, ["t"])):
        assert [(table.table, table.reason) for table in of_replica(report, server).tables] == [
            (name, Reason.UNREADABLE) for name in names
        ]


def test_a_check_of_no_table_may_be_paused(star: Sandbox, schema: str) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    pauses = iter([True, True, True])
    request = CheckRequest(source=star.source.spec(), replicas=(ReplicaTarget(server=star.replicas[0].spec()),), exclude=("*.*",))
    report = check(request, connect=Session.connect, clock=SystemClock(), paused=lambda: next(pauses, False))
    assert [found.tables for found in report.replicas] == [()]
