"""Checks of tables that sysbench writes to as fast as replicas follow: nothing false, all drift found, hardly a row undecided."""

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Final

import pytest

from repwatch.drift.progress import Progress
from repwatch.drift.report import Reason, TableReport, Verdict
from repwatch.flows.drift_lag import channels_from, greatest_lag
from repwatch.model.endpoint import LiteralSecret
from repwatch.sandbox import Sandbox, SandboxServer
from tests.server.drifting import Found, drift_on, found_in, of_replica, run_check

log = logging.getLogger(__name__)

SECONDS: Final = float(os.environ.get("REPWATCH_LOAD_SECONDS", "40"))  # of each flavour
THREADS: Final = 1  # as many as a single applier can follow on a machine that it shares
TOO_MANY: Final = 4  # a replica falls behind for good
TABLES: Final = 4
ROWS: Final = 25_000  # of each table; sysbench writes to all of them
QUIET: Final = range(1_000_001, 1_001_001)  # rows beside them that it does not know: drift stays where it is
MOST_UNDECIDED: Final = 0.001
FAR_BEHIND: Final = 5  # seconds; a check may wait far longer for a replica
LEAST: Final = 2  # checks; the first has nothing to find


@pytest.mark.long
@pytest.mark.timeout(SECONDS * 2 + 600)
def test_checks_under_full_load_find_all_drift_and_nothing_else(fresh_star: Sandbox) -> None:
    """Each check but the first has one more wrong row to find, and is asked for how many rows it could not settle."""
    box, right, wrong = fresh_star, fresh_star.replicas[0], fresh_star.replicas[1]
    prepare(box)
    expected: set[Found] = set()
    checks: list[tuple[float, int]] = []  # seconds, rows undecided
    over = time.monotonic() + SECONDS
    with under_load(box.source) as load, followed(box, load):
        while time.monotonic() < over or len(checks) < LEAST:
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


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_load_that_replicas_cannot_follow_ends_a_check_undecided_at_worst(fresh_star: Sandbox) -> None:
    """It comes to an end, says nothing false, and tells of rows before any replica has come to them."""
    box, wrong = fresh_star, fresh_star.replicas[1]
    prepare(box)
    expected = {drift_another(wrong, 0)}
    told: list[Progress] = []
    with under_load(box.source, TOO_MANY):
        # Each round may wait that long for a replica, and a table goes through several.
        report = run_check(box, "sbtest.*", seconds=20, reach=8, progress=told.append)
    log.info("%s after %.0f s: %s", report.verdict, told[-1].seconds, {progress.waits for progress in told[-3:]})
    tables = [(server, table) for server in box.replicas for table in of_replica(report, server).tables]
    for server, table in tables:
        assert found_in(table) <= (expected if (server, table.table) == (wrong, "sbtest1") else set())
        assert table.reason in (None, Reason.REPLICA_BEHIND, Reason.HOT_ROWS)
    assert max(progress.rows for progress in told) > 0


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
def followed(box: Sandbox, load: "subprocess.Popen[str]") -> Iterator[None]:
    """The load stands still while a replica is far behind, as one may be for a while on a machine that does much else."""
    over = threading.Event()

    def watch() -> None:
        with ExitStack() as stack:
            source_id = int(box.source.sql("SELECT @@server_id")[0][0] or 0)
            sessions = [stack.enter_context(replica.connect()) for replica in box.replicas]
            while not over.wait(0.5):
                lag = max(greatest_lag(channels_from(db, source_id)) or 0 for db in sessions)
                if lag > FAR_BEHIND:
                    load.send_signal(signal.SIGSTOP)
                elif lag <= 1:
                    load.send_signal(signal.SIGCONT)

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        try:
            yield
        finally:
            over.set()
        watching.result()


@contextmanager
def under_load(source: SandboxServer, threads: int = THREADS) -> Iterator["subprocess.Popen[str]"]:
    """As much as sysbench can write; it must have written to the end."""
    running = subprocess.Popen(sysbench(source, "run", threads), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield running
        assert running.poll() is None, running.communicate()[0]
    finally:
        running.kill()
        running.communicate()


def sysbench(source: SandboxServer, command: str, threads: int = THREADS) -> list[str]:
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
        "threads": threads,
        "rand-type": "uniform",
        "time": 0,
        "events": 0,
    }
    return ["sysbench", "oltp_write_only", *(f"--{name}={value}" for name, value in options.items()), command]
