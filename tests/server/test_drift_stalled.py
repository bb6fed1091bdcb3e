"""A commit that waits for an acknowledgement is in the log, and on replicas, for as long as it shows nowhere on the source.

A session may hold a GTID for as long. Nothing of that may keep a check from its end.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from repwatch.drift.report import Verdict
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox, SandboxServer
from tests.server.drifting import drift_on, of_table, run_check

STALL_MS = 600_000
SETTLE = 6.0  # seconds; far more than any standstill takes, on a busy machine too
LATE = 1.5  # seconds; longer than the source has to have stood before a reading, by any rule
IDLE_GTID = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1"


def late() -> Callable[[], bool]:
    """For `cancelled`, which is asked before anything is read: the source has stood still for long by then."""
    pauses = iter([LATE])

    def never() -> bool:
        time.sleep(next(pauses, 0.0))
        return False

    return never


@contextmanager
def owned(source: SandboxServer) -> Iterator[None]:
    """A session holds a GTID and idles: `gtid_owned` is not empty, and no position will ever name it."""
    with source.connect() as session:
        session.execute(f"SET SESSION gtid_next = '{IDLE_GTID}'")
        yield
        session.execute("ROLLBACK")
        session.execute("SET SESSION gtid_next = 'AUTOMATIC'")


@contextmanager
def stalled(source: SandboxServer, statement: str) -> Iterator[None]:
    """The statement has committed everywhere but on the source, which waits for a replica that does not acknowledge."""
    kind = "master" if source.flavour is Flavour.MARIADB else "source"
    if source.flavour is Flavour.MYSQL:
        source.sql("SET SESSION sql_log_bin = 0", "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
    source.sql(
        f"SET GLOBAL rpl_semi_sync_{kind}_wait_point = AFTER_SYNC", f"SET GLOBAL rpl_semi_sync_{kind}_timeout = {STALL_MS}"
    )
    source.sql(f"SET GLOBAL rpl_semi_sync_{kind}_enabled = 1")
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(source.sql, statement)
        try:
            yield
            assert not writing.done()
        finally:
            source.sql(f"SET GLOBAL rpl_semi_sync_{kind}_enabled = 0")
        writing.result(60)


def wait_for_number(server: SandboxServer, query: str, number: int) -> None:
    """Until a server answers so."""
    until = time.monotonic() + 60
    while server.sql(query) != [(str(number),)]:
        assert time.monotonic() < until
        time.sleep(0.05)


def wait_for_rows(server: SandboxServer, table: str, count: int) -> None:
    """Until a server shows so many rows."""
    wait_for_number(server, f"SELECT COUNT(*) FROM {table}", count)


def make_tables(star: Sandbox) -> None:
    """`d.t` without a key, whose rows are alike, and `d.u` with one."""
    star.source.sql("SET GLOBAL binlog_format = 'ROW'")
    star.source.sql("CREATE DATABASE d", "CREATE TABLE d.t (v INT)", "INSERT INTO d.t VALUES (1), (1), (1)")
    star.source.sql("CREATE TABLE d.u (id INT PRIMARY KEY)", "INSERT INTO d.u VALUES (1), (2)")
    star.wait_caught_up(60)


def test_a_stalled_commit_makes_nothing_equal_and_nothing_different(fresh_star: Sandbox) -> None:
    """Without a key a row too many on one replica is met where the deletion has come to it and shows nowhere else."""
    source, (wrong, right) = fresh_star.source, fresh_star.replicas
    make_tables(fresh_star)
    drift_on(wrong, "INSERT INTO d.t VALUES (1)")
    with stalled(source, "DELETE FROM d.t LIMIT 1"):
        wait_for_rows(wrong, "d.t", 3)
        wait_for_rows(right, "d.t", 2)
        report = run_check(fresh_star, "d.*", seconds=SETTLE)
        assert of_table(report, wrong, "t").verdict is Verdict.UNDECIDED
        assert of_table(report, right, "t").verdict is Verdict.UNDECIDED
        assert of_table(run_check(fresh_star, "d.u"), right, "u").verdict is Verdict.IDENTICAL
    fresh_star.wait_caught_up(60)
    report = run_check(fresh_star, "d.*")
    assert of_table(report, wrong, "t").verdict is Verdict.DRIFTED
    assert of_table(report, right, "t").verdict is Verdict.IDENTICAL


def test_a_counter_that_is_off_by_one_is_not_equal_where_statements_replicate(fresh_star: Sandbox) -> None:
    """35 on the source, which holds back its 36; the replica that lags behind by one in value has its own 35 by then."""
    source, (wrong, right) = fresh_star.source, fresh_star.replicas
    source.sql("SET GLOBAL binlog_format = 'MIXED'")
    source.sql("CREATE DATABASE d", "CREATE TABLE d.c (id INT PRIMARY KEY, n INT)", "INSERT INTO d.c VALUES (1, 35), (2, 0)")
    fresh_star.wait_caught_up(60)
    drift_on(wrong, "UPDATE d.c SET n = n - 1 WHERE id = 1")
    with stalled(source, "UPDATE d.c SET n = n + 1 WHERE id = 1"):
        wait_for_number(wrong, "SELECT n FROM d.c WHERE id = 1", 35)
        wait_for_number(right, "SELECT n FROM d.c WHERE id = 1", 36)
        report = run_check(fresh_star, "d.c", seconds=SETTLE, cancelled=late())
        assert of_table(report, wrong, "c").verdict is Verdict.UNDECIDED
        assert of_table(report, right, "c").verdict is Verdict.UNDECIDED
    fresh_star.wait_caught_up(60)
    report = run_check(fresh_star, "d.c")
    assert of_table(report, wrong, "c").verdict is Verdict.DRIFTED
    assert of_table(report, right, "c").verdict is Verdict.IDENTICAL


def test_a_check_of_a_source_that_stood_long_ends_within_a_stall(fresh_star: Sandbox) -> None:
    """Neither standing still nor a movement settles anything then, and what waits for one of them is read again."""
    source = fresh_star.source
    source.sql("CREATE DATABASE d", "CREATE TABLE d.t (v INT)", "INSERT INTO d.t VALUES (1), (1), (1)")
    fresh_star.wait_caught_up(60)
    with stalled(source, "DELETE FROM d.t LIMIT 1"):
        for replica in fresh_star.replicas:
            wait_for_rows(replica, "d.t", 2)
        report = run_check(fresh_star, "d.*", seconds=SETTLE, cancelled=late())
        assert all(of_table(report, replica, "t").verdict is Verdict.UNDECIDED for replica in fresh_star.replicas)


@pytest.mark.parametrize("flavour", [Flavour.MYSQL], indirect=True, ids=str)
def test_a_session_that_idles_with_a_gtid_keeps_nothing_from_being_proved(fresh_star: Sandbox) -> None:
    source, (wrong, right) = fresh_star.source, fresh_star.replicas
    make_tables(fresh_star)
    drift_on(wrong, "INSERT INTO d.t VALUES (1)", "DELETE FROM d.u WHERE id = 1")
    with owned(source):
        report = run_check(fresh_star, "d.*", cancelled=late())
    for table in ("t", "u"):
        assert of_table(report, wrong, table).verdict is Verdict.DRIFTED
        assert of_table(report, right, table).verdict is Verdict.IDENTICAL


@pytest.mark.parametrize("flavour", [Flavour.MYSQL], indirect=True, ids=str)
def test_nor_does_it_where_statements_replicate(fresh_star: Sandbox) -> None:
    """However long the source has stood, that proves nothing then: the position has to be read late enough."""
    source, (wrong, right) = fresh_star.source, fresh_star.replicas
    source.sql("SET GLOBAL binlog_format = 'MIXED'")
    source.sql("CREATE DATABASE d", "CREATE TABLE d.u (id INT PRIMARY KEY, v INT)", "INSERT INTO d.u VALUES (1, 1), (2, 2)")
    fresh_star.wait_caught_up(60)
    drift_on(wrong, "UPDATE d.u SET v = 3 WHERE id = 2")
    with owned(source):
        report = run_check(fresh_star, "d.*", cancelled=late())
    assert of_table(report, right, "u").verdict is Verdict.IDENTICAL
    assert of_table(report, wrong, "u").verdict is Verdict.DRIFTED
