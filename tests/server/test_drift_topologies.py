"""Checks of more than a star at rest: by a trusted replica, in chains, of delayed replicas and of replicas of two sources."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.app.targets import by_source, compared_with, replica_targets
from repwatch.drift.progress import Progress
from repwatch.drift.report import DriftReport, Reason, ReplicaReport, Verdict
from repwatch.drift.summary import merged
from repwatch.errors import RepwatchError, Unreachable
from repwatch.flows.drift import CheckRequest, check
from repwatch.flows.drift_other_sources import beside_other_sources
from repwatch.model.endpoint import Endpoint
from repwatch.model.server import Flavour
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.database import Database, Timeouts
from repwatch.sandbox import Sandbox, SandboxServer
from repwatch.sandbox.plan import chain, multi_source
from repwatch.sql import replication
from tests.server.drifting import Found, drift_on, found_in, of_replica, of_table, run_check
from tests.server.test_drift import busy, orders, writing


def check_all(box: Sandbox, channel: str | None = None, reference: str | None = None) -> DriftReport:
    """All replicas, each with its own source, as the command does it."""
    cluster = box.cluster()
    groups = compared_with(cluster, by_source(cluster, replica_targets(cluster, channel)), reference)
    requests = [CheckRequest(source=group.source, replicas=group.replicas, reference=group.reference) for group in groups]
    report = merged([check(request, connect=Session.connect, clock=SystemClock()) for request in requests])
    return beside_other_sources(report, cluster.servers, Session.connect)


def in_report(report: DriftReport, server: SandboxServer, channel: str = "") -> ReplicaReport:
    return next(found for found in report.replicas if (found.server, found.channel) == (str(server.address), channel))


@contextmanager
def stopped(server: SandboxServer) -> Iterator[None]:
    """A replica that applies nothing."""
    word = "SLAVE" if server.flavour is Flavour.MARIADB else "REPLICA"
    server.sql(f"STOP {word} SQL_THREAD")
    try:
        yield
    finally:
        server.sql(f"START {word} SQL_THREAD")


def set_delay(server: SandboxServer, seconds: int) -> None:
    with server.connect() as db:
        db.execute(replication.stop_channel(db.version, ""))
        db.execute(replication.set_delay(db.version, "", seconds))
        db.execute(replication.start_channel(db.version, ""))


def wait_applied(box: Sandbox, server: SandboxServer) -> None:
    """Wait for one replica alone."""
    with server.connect() as db:
        position = box.source.sql(replication.written(db.version))[0][0]
        function = "MASTER_GTID_WAIT" if db.version.is_mariadb else "WAIT_FOR_EXECUTED_GTID_SET"
        assert db.scalar(f"SELECT {function}('{position}', 60)") == "0"


def test_a_trusted_replica_stands_for_a_busy_source(star: Sandbox, schema: str) -> None:
    """Nothing false while rows change everywhere; the wrong rows by name; the source's tables are never read."""
    table = orders(star, schema, 10_000)
    trusted, other = star.replicas
    with writing(star.source, *busy(table, 10_000), pause=0.02):
        clean = run_check(star, table, replicas=[other], reference=trusted)
        drift_on(other, f"UPDATE {table} SET status = 'X' WHERE id IN (5000, 5001)", f"DELETE FROM {table} WHERE id = 5500")
        wrong = run_check(star, table, replicas=[other], reference=trusted)
    assert (clean.verdict, clean.source, clean.stands_for) == (Verdict.IDENTICAL, str(trusted.address), "source"), clean
    expected = {Found("changed", (str(key),), frozenset({"status"})) for key in (5000, 5001)} | {Found("missing", ("5500",))}
    assert found_in(of_table(wrong, other, "orders")) == expected, wrong


def test_a_trusted_replica_that_is_behind_makes_nothing_drift(star: Sandbox, schema: str) -> None:
    """The other has applied what the trusted one has not: for ever different, and both stand still."""
    table = f"{schema}.t"
    trusted, other = star.replicas
    star.source.sql(f"CREATE TABLE {table} (id INT PRIMARY KEY, v INT)", f"INSERT INTO {table} VALUES (1, 1), (2, 1)")
    star.wait_caught_up(60)
    with stopped(trusted):
        star.source.sql(f"UPDATE {table} SET v = 2 WHERE id = 1", f"INSERT INTO {table} VALUES (3, 1)")
        wait_applied(star, other)
        found = of_table(run_check(star, table, replicas=[other], reference=trusted, seconds=4), other, "t")
    assert (found.verdict, found.reason, found.difference_count) == (Verdict.UNDECIDED, Reason.HOT_ROWS, 0), found
    star.wait_caught_up(60)
    assert run_check(star, table, replicas=[other], reference=trusted).verdict is Verdict.IDENTICAL


def test_a_counter_that_is_off_by_one_is_not_identical_by_a_replica(star: Sandbox, schema: str) -> None:
    """As beside the source: with statements the difference stays, with row images the next write puts it right."""
    table = f"{schema}.counter"
    trusted, other = star.replicas
    star.source.sql(f"CREATE TABLE {table} (id INT PRIMARY KEY, n BIGINT)", f"INSERT INTO {table} VALUES (1, 0)")
    star.wait_caught_up(60)
    drift_on(other, f"UPDATE {table} SET n = n - 1")
    by_statement = star.source.sql("SELECT @@GLOBAL.binlog_format")[0][0] != "ROW"
    with writing(star.source, lambda _: f"UPDATE {table} SET n = n + 1 WHERE id = 1", pause=0.003):
        seconds = 8 if by_statement else 60
        found = of_table(run_check(star, table, replicas=[other], reference=trusted, seconds=seconds), other, "counter")
    assert (found.verdict is Verdict.IDENTICAL) is not by_statement, found


def test_a_trusted_replica_stands_for_a_source_that_is_down(star: Sandbox, schema: str) -> None:
    table = f"{schema}.t"
    star.source.sql(f"CREATE TABLE {table} (id INT PRIMARY KEY)", f"INSERT INTO {table} VALUES (1)")
    star.wait_caught_up(60)

    def connect(endpoint: Endpoint, timeouts: Timeouts | None = None) -> Database:
        if endpoint.address == star.source.address:
            raise Unreachable("down", server=str(endpoint.address))
        return Session.connect(endpoint, timeouts)

    cluster = star.cluster()
    (group,) = compared_with(cluster, by_source(cluster, replica_targets(cluster)), "replica2")
    request = CheckRequest(source=group.source, replicas=group.replicas, reference=group.reference, tables=(table,))
    report = check(request, connect=connect, clock=SystemClock())
    assert (report.verdict, report.source_name) == (Verdict.IDENTICAL, "replica2"), report
    assert group.reference is not None
    own = ReplicaTarget(server=replace(group.reference.server, local_tables=(table,)))
    unlike = check(replace(request, reference=own), connect=connect, clock=SystemClock())
    assert [found.reason for found in unlike.replicas[0].tables] == [Reason.FILTERS_UNCLEAR], unlike


def test_a_delayed_replica_is_waited_for_and_holds_up_no_other(star: Sandbox, schema: str) -> None:
    table = f"{schema}.t"
    star.source.sql(f"CREATE TABLE {table} (id INT PRIMARY KEY, v INT)", f"INSERT INTO {table} VALUES (1, 1), (2, 1)")
    star.wait_caught_up(60)
    delayed, prompt = star.replicas
    drift_on(delayed, f"UPDATE {table} SET v = 2 WHERE id = 2")
    told: list[Progress] = []
    set_delay(delayed, 4)
    try:
        star.source.sql(f"UPDATE {table} SET v = 3 WHERE id = 1")
        report = run_check(star, table, progress=told.append)
    finally:
        set_delay(delayed, 0)
    assert of_replica(report, prompt).verdict is Verdict.IDENTICAL
    found = of_table(report, delayed, "t")
    assert (found.verdict, found_in(found)) == (Verdict.DRIFTED, {Found("changed", ("2",), frozenset({"v"}))}), found
    delays = [progress.delay for progress in told]
    assert (delays[0], delays[-1], delays) == (0.0, 4.0, sorted(delays))


def test_each_link_of_a_chain_is_compared_with_the_one_before(flavour: Flavour) -> None:
    with Sandbox.start(flavour, links=chain(2)) as box:
        box.source.sql(
            "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)", "INSERT INTO d.t VALUES (1, 1), (2, 2)"
        )
        box.wait_caught_up(60)
        first, last = box.replicas
        clean = check_all(box)
        drift_on(last, "UPDATE d.t SET v = 7 WHERE id = 2")
        wrong = check_all(box)
        assert clean.verdict is Verdict.IDENTICAL
        assert [(found.source_name, found.verdict) for found in wrong.replicas] == [
            ("source", Verdict.IDENTICAL),
            ("replica1", Verdict.DRIFTED),
        ]
        assert of_table(wrong, last, "t").difference_count == 1
        by_middle = mistake(box, first.name)
        assert by_middle


def mistake(box: Sandbox, reference: str) -> str:
    """What is said of a trusted replica beside which there is no other."""
    try:
        check_all(box, reference=reference)
    except RepwatchError as error:
        return error.hint or ""
    return ""


def names(tables: Sequence[object]) -> list[str]:
    return [str(getattr(table, "table", "")) for table in tables]


def test_a_table_of_another_source_is_not_extra_and_one_of_none_is(flavour: Flavour) -> None:
    with Sandbox.start(flavour, links=multi_source()) as box:
        (replica,) = box.replicas
        for name, schema in (("source", "one"), ("source2", "two")):
            box.server(name).sql(f"CREATE DATABASE {schema}", f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
        box.wait_caught_up(60)
        first, every = check_all(box, channel="first"), check_all(box)
        assert (first.verdict, names(first.replicas[0].tables)) == (Verdict.IDENTICAL, ["t"]), first
        assert first.replicas[0].not_replicated == ("two.t",)
        assert every.verdict is Verdict.IDENTICAL, every
        assert [found.source_name for found in every.replicas] == ["source", "source2"]
        drift_on(replica, "CREATE TABLE two.nobodys (id INT PRIMARY KEY)")
        extra = check_all(box)
        assert extra.verdict is Verdict.DRIFTED
        assert "nobodys" in names(in_report(extra, replica, "second").tables)


def test_rows_of_another_source_are_no_drift_in_a_check_of_one_channel(flavour: Flavour) -> None:
    """As in one of all. Where no other source has the table, rows too many are drift, and wrong rows are drift anywhere."""
    with Sandbox.start(flavour, links=multi_source()) as box:
        (replica,) = box.replicas
        for name, row in (("source", 1), ("source2", 2)):
            box.server(name).sql("CREATE DATABASE IF NOT EXISTS d", f"CREATE DATABASE own{row}")
            for table in ("d.both", "d.wrong", f"own{row}.t"):
                create = f"CREATE TABLE IF NOT EXISTS {table} (id INT PRIMARY KEY, v INT)"
                box.server(name).sql(create, f"INSERT INTO {table} VALUES ({row}, 0)")
            box.wait_caught_up(60)
        drift_on(replica, "UPDATE d.wrong SET v = 1", "INSERT INTO own1.t VALUES (7, 0)")
        every, one = check_all(box), check_all(box, channel="first")
        for report in (every, one):
            found = {table.table: table for table in in_report(report, replica, "first").tables}
            both, wrong, own = (found[name] for name in ("both", "wrong", "t"))
            assert (both.verdict, both.reason, both.difference_count) == (Verdict.UNDECIDED, Reason.SEVERAL_SOURCES, 0), both
            assert found_in(wrong) == {Found("changed", ("1",), frozenset({"v"}))}, wrong
            assert found_in(own) == {Found("extra", ("7",))}, own
        box.server("source2").kill()
        unknown = in_report(check_all(box, channel="first"), replica, "first")
        reasons = {table.table: table.reason for table in unknown.tables}
        assert reasons == dict.fromkeys(("both", "wrong", "t"), Reason.SEVERAL_SOURCES), unknown
