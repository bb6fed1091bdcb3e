"""A commit that waits for an acknowledgement is in the log, and on replicas, for as long as it shows nowhere on the source."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from repwatch.drift.report import Verdict
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox, SandboxServer
from tests.server.drifting import drift_on, of_table, run_check

STALL_MS = 600_000
SETTLE = 2.0  # seconds; far more than any standstill takes


@contextmanager
def stalled(source: SandboxServer, statement: str) -> Iterator[None]:
    """The statement has committed everywhere but on the source, which waits for a replica that does not acknowledge."""
    source.sql("SET SESSION sql_log_bin = 0", "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
    source.sql(f"SET GLOBAL rpl_semi_sync_source_timeout = {STALL_MS}", "SET GLOBAL rpl_semi_sync_source_enabled = 1")
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(source.sql, statement)
        try:
            yield
            assert not writing.done()
        finally:
            source.sql("SET GLOBAL rpl_semi_sync_source_enabled = 0")
        writing.result(60)


def wait_for_rows(server: SandboxServer, table: str, count: int) -> None:
    """Until a server shows so many rows."""
    until = time.monotonic() + 60
    while server.sql(f"SELECT COUNT(*) FROM {table}") != [(str(count),)]:
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize("flavour", [Flavour.MYSQL], indirect=True, ids=str)
def test_a_stalled_commit_makes_nothing_equal_and_nothing_different(fresh_star: Sandbox) -> None:
    """Without a key a row too many on one replica is met where the deletion has come to it and shows nowhere else."""
    source, (wrong, right) = fresh_star.source, fresh_star.replicas
    source.sql("CREATE DATABASE d", "CREATE TABLE d.t (v INT)", "INSERT INTO d.t VALUES (1), (1), (1)")
    source.sql("CREATE TABLE d.u (id INT PRIMARY KEY)", "INSERT INTO d.u VALUES (1), (2)")
    fresh_star.wait_caught_up(60)
    drift_on(wrong, "INSERT INTO d.t VALUES (1)")
    with stalled(source, "DELETE FROM d.t LIMIT 1"):
        wait_for_rows(wrong, "d.t", 3)
        wait_for_rows(right, "d.t", 2)
        report = run_check(fresh_star, "d.*", seconds=SETTLE)
        assert of_table(report, wrong, "t").verdict is Verdict.UNDECIDED
        assert of_table(report, right, "t").verdict is Verdict.UNDECIDED
        assert of_table(report, right, "u").verdict is Verdict.IDENTICAL
    fresh_star.wait_caught_up(60)
    report = run_check(fresh_star, "d.*")
    assert of_table(report, wrong, "t").verdict is Verdict.DRIFTED
    assert of_table(report, right, "t").verdict is Verdict.IDENTICAL
