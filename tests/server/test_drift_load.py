"""Checks of tables that sysbench writes to as fast as it can: nothing false, every drift found, hardly a row undecided."""

import logging
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from repwatch.drift.report import TableReport, Verdict
from repwatch.model.endpoint import LiteralSecret
from repwatch.sandbox import Sandbox, SandboxServer
from tests.server.drifting import Found, drift_on, found_in, of_replica, run_check

log = logging.getLogger(__name__)

SECONDS: Final = float(os.environ.get("REPWATCH_LOAD_SECONDS", "40"))  # of each flavour
# As many as a single applier can follow: with more a replica that shares the machine falls behind for good, and says so.
THREADS: Final = 1
TABLES: Final = 4
ROWS: Final = 25_000  # of each table; sysbench writes to all of them
QUIET: Final = range(1_000_001, 1_001_001)  # rows beside them that it does not know: drift stays where it is
MOST_UNDECIDED: Final = 0.001


@pytest.mark.long
@pytest.mark.timeout(SECONDS * 2 + 300)
def test_checks_under_full_load_find_all_drift_and_nothing_else(fresh_star: Sandbox) -> None:
    """Each check but the first has one more wrong row to find, and is asked for how many rows it could not settle."""
    box, right, wrong = fresh_star, fresh_star.replicas[0], fresh_star.replicas[1]
    prepare(box)
    expected: set[Found] = set()
    checks: list[tuple[float, int]] = []  # seconds, rows undecided
    over = time.monotonic() + SECONDS
    with under_load(box.source):
        while time.monotonic() < over:
            started = time.monotonic()
            report = run_check(box, "sbtest.*")
            took = time.monotonic() - started
            tables = [(server, table) for server in box.replicas for table in of_replica(report, server).tables]
            checks.append((took, sum(undecided(table) for _, table in tables)))
            log.info("%.1f s, %d rows undecided: %s", *checks[-1], [table.reason for _, table in tables if table.reason])
            found = {(server.name, table.table): found_in(table) for server, table in tables if table.differences}
            assert found == ({(wrong.name, "sbtest1"): expected} if expected else {})
            assert of_replica(report, right).verdict is not Verdict.DRIFTED
            assert (of_replica(report, wrong).verdict is Verdict.DRIFTED) == bool(expected)
            expected.add(drift_another(wrong, len(expected)))
    seconds, doubtful = map(sum, zip(*checks, strict=True))
    rows = len(checks) * len(box.replicas) * TABLES * (ROWS + len(QUIET))
    assert doubtful < rows * MOST_UNDECIDED, f"{len(checks)} checks, {seconds:.0f} s, {doubtful} of {rows} rows undecided"
    assert len(checks) > 1


def undecided(table: TableReport) -> int:
    """Rows of the source that are neither proved nor shown to differ. Their number stays the same under sysbench."""
    return ROWS + len(QUIET) - table.rows_proved - sum(found.kind in {"changed", "missing"} for found in found_in(table))


def drift_another(replica: SandboxServer, number: int) -> Found:
    """One more wrong row, each time of another kind."""
    key, other = QUIET[number], QUIET[-1] + 1 + number
    match number % 3:
        case 0:
            drift_on(replica, f"UPDATE sbtest.sbtest1 SET c = 'drift' WHERE id = {key}")
            return Found("changed", (str(key),), frozenset({"c"}))
        case 1:
            drift_on(replica, f"DELETE FROM sbtest.sbtest1 WHERE id = {key}")
            return Found("missing", (str(key),))
        case _:
            drift_on(replica, f"INSERT INTO sbtest.sbtest1 VALUES ({other}, 0, '', '')")
            return Found("extra", (str(other),))


def prepare(box: Sandbox) -> None:
    """The tables."""
    box.source.sql("CREATE DATABASE sbtest")
    done = subprocess.run(sysbench(box.source, "prepare"), check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done
    rows = ", ".join(f"({number}, 0, 'quiet', '')" for number in QUIET)
    for number in range(1, TABLES + 1):
        box.source.sql(f"INSERT INTO sbtest.sbtest{number} (id, k, c, pad) VALUES {rows}")
    box.wait_caught_up(120)


@contextmanager
def under_load(source: SandboxServer) -> Iterator[None]:
    """As much as sysbench can write; it must have written to the end."""
    running = subprocess.Popen(sysbench(source, "run"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield
        assert running.poll() is None, running.communicate()[0]
    finally:
        running.kill()
        running.communicate()


def sysbench(source: SandboxServer, command: str) -> list[str]:
    """Its command line; it is Debian's, linked with MariaDB's connector, which logs in to MySQL 9 as well."""
    password = source.endpoint().password
    assert isinstance(password, LiteralSecret)
    options = {
        "mysql-host": "127.0.0.1",
        "mysql-port": source.port,
        "mysql-user": "root",
        "mysql-password": password.text,
        "mysql-db": "sbtest",
        "tables": TABLES,
        "table-size": ROWS,
        "threads": THREADS,
        "rand-type": "uniform",
        "time": 0,
        "events": 0,
    }
    return ["sysbench", "oltp_write_only", *(f"--{name}={value}" for name, value in options.items()), command]
