"""The drift check on live servers: under writes, beside broken replicas, with the least privileges, and without a trace."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from repwatch.drift.report import DriftReport, Reason, Verdict
from repwatch.drift.summary import exit_status
from repwatch.errors import StatementRefused, UsageError
from repwatch.sandbox import Sandbox, SandboxServer
from tests.server.drifting import Found, drift_on, fill, found_in, of_replica, of_table, run_check


@contextmanager
def writing(server: SandboxServer, *rounds: Callable[[int], str], pause: float = 0.0) -> Iterator[None]:
    """Run statements on a server all the time, each made from the number of its round."""
    begun, over = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def write() -> None:
        try:
            with server.connect() as db:
                number = 0
                while not over.wait(pause):
                    for make in rounds:
                        db.execute(make(number))
                    number += 1
                    begun.set()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)
            begun.set()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert begun.wait(60), "it has not begun"
        yield
    finally:
        over.set()
        thread.join()
    assert not failures


def orders(star: Sandbox, schema: str, count: int = 20_000) -> str:
    table = f"{schema}.orders"
    star.source.sql(
        f"CREATE TABLE {table} (id INT PRIMARY KEY, status CHAR(1) NOT NULL, amount INT NOT NULL, at TIMESTAMP(6) NULL)"
    )
    fill(star.source, table, [f"({number}, 'N', 0, NULL)" for number in range(1, count + 1)], 5000)
    star.wait_caught_up(60)
    return table


def busy(table: str, count: int = 20_000) -> tuple[Callable[[int], str], ...]:
    """A writer that updates all over the table, inserts at its end and deletes again, and never touches ids 5000 to 5999."""
    return (
        lambda n: f"UPDATE {table} SET amount = amount + 1, at = NOW(6) WHERE id = {1 + n * 7919 % 4999}",
        lambda n: f"UPDATE {table} SET amount = amount + 1 WHERE id = {6000 + n * 104729 % (count - 6000)}",
        lambda n: f"INSERT INTO {table} VALUES ({count + 1 + n}, 'N', 0, NOW(6))",
        lambda n: f"DELETE FROM {table} WHERE id = {count + n // 2}" if n % 2 else "DO 0",
    )


def test_a_busy_table_is_identical_and_its_drift_is_found(star: Sandbox, schema: str) -> None:
    """Nothing false while rows change everywhere, and the wrong rows by name."""
    table = orders(star, schema)
    with writing(star.source, *busy(table), pause=0.002):
        clean = run_check(star, f"{schema}.*")
        drift_on(
            star.replicas[1],
            f"UPDATE {table} SET status = 'X' WHERE id BETWEEN 5000 AND 5099",
            f"DELETE FROM {table} WHERE id IN (5500, 5501, 5502)",
        )
        wrong = run_check(star, f"{schema}.*")
    for report, server in ((clean, star.replicas[0]), (clean, star.replicas[1]), (wrong, star.replicas[0])):
        found = of_table(report, server, "orders")
        assert (found.verdict, found.difference_count) == (Verdict.IDENTICAL, 0), found
    expected = {Found("changed", (str(number),), frozenset({"status"})) for number in range(5000, 5100)}
    expected |= {Found("missing", (str(number),)) for number in (5500, 5501, 5502)}
    found = of_table(wrong, star.replicas[1], "orders")
    assert (found.verdict, found_in(found)) == (Verdict.DRIFTED, expected)
    assert (exit_status(clean), exit_status(wrong)) == (0, 1)


def test_keys_with_gaps_and_at_both_ends_are_all_read(star: Sandbox, schema: str) -> None:
    """Ranges are counted where keys are dense and looked up where they are not; no row may fall between the two."""
    table = f"{schema}.gaps"
    star.source.sql(f"CREATE TABLE {table} (id BIGINT PRIMARY KEY, v INT)")
    dense = [*range(-3000, 9000), *range(10**12, 10**12 + 9000), *range(2**63 - 5000, 2**63)]
    sparse = [-(2**63), *range(20_000, 20_000_000, 5000)]
    fill(star.source, table, [f"({number}, 1)" for number in dense + sparse], 5000)
    star.wait_caught_up(60)
    wrong = (-(2**63), -3000, 0, 8999, 20_000, 19_995_000, 10**12, 10**12 + 8999, 2**63 - 5000, 2**63 - 1)
    drift_on(star.replicas[0], f"UPDATE {table} SET v = 2 WHERE id IN ({', '.join(map(str, wrong))})")
    drift_on(star.replicas[0], f"INSERT INTO {table} VALUES (9500, 1), ({10**15}, 1)")
    report = run_check(star, table)
    found = of_table(report, star.replicas[0], "gaps")
    expected = {Found("changed", (str(key),), frozenset({"v"})) for key in wrong} | {
        Found("extra", (str(key),)) for key in (9500, 10**15)
    }
    assert found_in(found) == expected
    clean = of_table(report, star.replicas[1], "gaps")
    assert (clean.verdict, clean.rows, clean.rows_proved) == (Verdict.IDENTICAL, *[len(dense + sparse)] * 2)


def test_a_hot_counter_is_never_called_drift(star: Sandbox, schema: str) -> None:
    table = f"{schema}.counter"
    star.source.sql(f"CREATE TABLE {table} (id INT PRIMARY KEY, n BIGINT)", f"INSERT INTO {table} VALUES (1, 0), (2, 0)")
    star.wait_caught_up(60)
    with writing(star.source, lambda _: f"UPDATE {table} SET n = n + 1 WHERE id = 1", pause=0.0005):
        report = run_check(star, table, seconds=10)
    assert report.verdict is not Verdict.DRIFTED, report
    with writing(star.source, lambda _: f"UPDATE {table} SET n = n + 1 WHERE id = 1", pause=0.2):
        report = run_check(star, table)
    assert report.verdict is Verdict.IDENTICAL, report


def test_a_counter_that_is_off_by_one_for_ever_is_never_called_identical(star: Sandbox, schema: str) -> None:
    """With statements the difference stays; with row images the next write puts it right, so identical is then true."""
    table = f"{schema}.counter"
    star.source.sql(f"CREATE TABLE {table} (id INT PRIMARY KEY, n BIGINT)", f"INSERT INTO {table} VALUES (1, 0)")
    star.wait_caught_up(60)
    drift_on(star.replicas[1], f"UPDATE {table} SET n = n - 1")
    by_statement = star.source.sql("SELECT @@GLOBAL.binlog_format")[0][0] != "ROW"
    with writing(star.source, lambda _: f"UPDATE {table} SET n = n + 1 WHERE id = 1", pause=0.001):
        report = run_check(star, table, seconds=12 if by_statement else 60)
    found = of_table(report, star.replicas[1], "counter")
    assert (found.verdict is Verdict.IDENTICAL) is not by_statement, found
    assert of_table(report, star.replicas[0], "counter").verdict is not Verdict.DRIFTED


@pytest.mark.long
def test_a_toggled_row_is_never_called_drift(star: Sandbox, schema: str) -> None:
    """0, 1, 0, …: different on both sides whenever it is looked at in the wrong moment."""
    table = f"{schema}.toggle"
    star.source.sql(f"CREATE TABLE {table} (id INT PRIMARY KEY, v INT)", f"INSERT INTO {table} VALUES (1, 0), (2, 0)")
    star.wait_caught_up(60)
    with writing(star.source, lambda n: f"UPDATE {table} SET v = {n % 2} WHERE id = 1", pause=0.0005):
        reports = [run_check(star, table, seconds=20) for _ in range(25)]
    assert not [report for report in reports if report.verdict is Verdict.DRIFTED]


def test_a_check_leaves_no_trace(star: Sandbox, schema: str) -> None:
    """Positions, errant transactions and binary logs are as before, on all three servers."""
    table = orders(star, schema, 3000)
    drift_on(star.replicas[1], f"UPDATE {table} SET status = 'X' WHERE id = 7")

    def traces() -> list[object]:
        log = "SHOW MASTER STATUS" if star.source.flavour == "mariadb" else "SHOW BINARY LOG STATUS"
        gtid = "SELECT @@GLOBAL.gtid_current_pos" if star.source.flavour == "mariadb" else "SELECT @@GLOBAL.gtid_executed"
        return [server.sql(statement) for server in star.servers for statement in (log, gtid)]

    before = traces()
    report = run_check(star, f"{schema}.*")
    assert of_table(report, star.replicas[1], "orders").difference_count == 1
    assert traces() == before


def test_tables_on_one_side(star: Sandbox, schema: str) -> None:
    star.source.sql(f"CREATE TABLE {schema}.both_sides (id INT PRIMARY KEY)", f"CREATE TABLE {schema}.here (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    drift_on(star.replicas[0], f"DROP TABLE {schema}.here", f"CREATE TABLE {schema}.there (id INT PRIMARY KEY)")
    report = run_check(star, f"{schema}.*")
    kinds = {
        table.table: (table.verdict, table.reason, table.difference_count)
        for table in of_replica(report, star.replicas[0]).tables
    }
    assert kinds == {
        "both_sides": (Verdict.IDENTICAL, None, 0),
        "here": (Verdict.DRIFTED, None, 1),
        "there": (Verdict.DRIFTED, None, 1),
    }
    drift_on(star.replicas[0], f"CREATE TABLE {schema}.here (id INT PRIMARY KEY)", f"DROP TABLE {schema}.there")


def test_a_missing_column_is_drift_and_the_others_are_compared(star: Sandbox, schema: str) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, a INT, b INT)", f"INSERT INTO {schema}.t VALUES (1, 1, 1)")
    star.wait_caught_up(60)
    drift_on(star.replicas[0], f"ALTER TABLE {schema}.t DROP b", f"UPDATE {schema}.t SET a = 2")
    drift_on(star.replicas[1], f"ALTER TABLE {schema}.t ADD c INT DEFAULT 5")
    report = run_check(star, f"{schema}.*")
    wrong, wider = of_table(report, star.replicas[0], "t"), of_table(report, star.replicas[1], "t")
    assert (wrong.verdict, wrong.rows_proved) == (Verdict.DRIFTED, 0)
    assert Found("changed", ("1",), frozenset({"a"})) in found_in(wrong)
    assert (wider.verdict, wider.rows_proved, wider.difference_count) == (Verdict.IDENTICAL, 1, 1)


def test_the_list_is_cut_and_the_count_is_not(star: Sandbox, schema: str) -> None:
    table = orders(star, schema, 12_000)
    drift_on(star.replicas[0], f"UPDATE {table} SET amount = 1 WHERE id > 5000")
    found = of_table(run_check(star, table, most=3), star.replicas[0], "orders")
    assert (found.difference_count, len(found.differences), found.rows_proved) == (7000, 3, 5000)


def test_a_pattern_that_matches_nothing_is_a_mistake(star: Sandbox) -> None:
    with pytest.raises(UsageError):
        run_check(star, "nowhere.*")


def test_a_replica_that_cannot_follow_hinders_no_other(fresh_star: Sandbox) -> None:
    """One replica's applier is stopped and another is down: undecided, each with its reason; nothing is called identical."""
    box = fresh_star
    box.source.sql("CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1)")
    box.wait_caught_up(60)
    stop = "STOP SLAVE SQL_THREAD" if box.source.flavour == "mariadb" else "STOP REPLICA SQL_THREAD"
    box.replicas[0].sql(stop)
    box.source.sql("INSERT INTO d.t VALUES (2)")
    report = run_check(box)
    stopped, healthy = (of_replica(report, server) for server in box.replicas)
    assert (stopped.verdict, stopped.reason) == (Verdict.UNDECIDED, Reason.REPLICATION_STOPPED)
    assert healthy.verdict is Verdict.IDENTICAL
    assert exit_status(report) == 2
    box.replicas[0].kill()
    down = of_replica(run_check(box), box.replicas[0])
    assert (down.verdict, down.reason, [table.reason for table in down.tables]) == (
        Verdict.UNDECIDED,
        Reason.UNREACHABLE,
        [Reason.UNREACHABLE],
    )


def test_a_lost_connection_is_made_again(star: Sandbox, schema: str) -> None:
    """Every connection of the check is killed again and again; it ends with the same answer."""
    table = orders(star, schema)
    drift_on(star.replicas[1], f"DELETE FROM {table} WHERE id = 19999")
    begun, over = threading.Event(), threading.Event()

    def kill() -> None:
        with star.replicas[1].connect() as db:
            begun.wait(60)  # a server that does not even let one in is not tried again
            for _ in range(6):
                for row in db.query("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'repwatch'").rows:
                    with suppress(StatementRefused):  # it may be gone already
                        db.execute(f"KILL {int(row[0] or 0)}")
                over.wait(0.2)

    reports: list[DriftReport] = []
    thread = threading.Thread(target=kill)
    thread.start()
    try:
        reports.append(run_check(star, table, progress=lambda _: begun.set()))
    finally:
        begun.set()
        over.set()
        thread.join()
    assert found_in(of_table(reports[0], star.replicas[1], "orders")) == {Found("missing", ("19999",))}
