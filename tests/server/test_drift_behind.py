"""A replica that cannot be read, or not be waited for: the check ends in time, says so, and says nothing false."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.drift.progress import Behind, Progress
from repwatch.drift.report import Reason, Verdict
from repwatch.drift.summary import exit_status
from repwatch.drift.throttle import Hold, Limits, Strain
from repwatch.flows import drift_lane
from repwatch.flows.drift import CheckRequest, check
from repwatch.flows.drift_lag import channels_from, greatest_lag
from repwatch.model.server import ServerVersion
from repwatch.model.topology import ReplicaTarget
from repwatch.render.drift_progress import progress_line
from repwatch.sandbox import Sandbox, SandboxServer
from repwatch.sql.signature import session_setup
from tests.server.drifting import fill, of_replica, of_table, run_check
from tests.server.watching import until

ROWS = 5_000
LIMIT = 1  # second of lag
REACH = 15  # seconds in which a replica that nothing blocks is there, also on a machine that stands still for a while


@contextmanager
def locked(server: SandboxServer, table: str, kind: str) -> Iterator[None]:
    """A lock on a table: with READ nobody writes, with WRITE nobody reads."""
    with server.connect() as db:
        db.execute(f"LOCK TABLES {table} {kind}")
        try:
            yield
        finally:
            db.execute("UNLOCK TABLES")


@pytest.fixture
def table(star: Sandbox, schema: str) -> str:
    """The first of two tables of ROWS rows."""
    for name in (f"{schema}.t", f"{schema}.u"):
        star.source.sql(f"CREATE TABLE {name} (id INT PRIMARY KEY, v INT)")
        fill(star.source, name, [f"({number}, 0)" for number in range(ROWS)], ROWS)
    star.wait_caught_up(60)
    return f"{schema}.t"


def test_rows_that_cannot_be_read_in_time_are_not_missing(
    star: Sandbox, schema: str, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends statements before the lock does. More rows than are shown: the others are counted, not fetched again."""

    def impatient(version: ServerVersion, _: float) -> tuple[str, ...]:
        return (*session_setup(version, 3.0), "SET SESSION lock_wait_timeout = 100")

    monkeypatch.setattr(drift_lane, "session_setup", impatient)
    one, other = star.replicas
    with locked(other, table, "WRITE"):
        report = run_check(star, f"{schema}.*", most=10)
    assert of_replica(report, one).verdict is Verdict.IDENTICAL
    hidden = of_table(report, other, "t")
    assert (hidden.verdict, hidden.reason, hidden.rows_proved) == (Verdict.UNDECIDED, Reason.UNREADABLE, 0)
    assert of_table(report, other, "u").verdict is Verdict.IDENTICAL
    assert exit_status(report) == 3


def test_a_blocked_applier_is_given_up(star: Sandbox, schema: str, table: str) -> None:
    """It stays undecided, and the other replica is checked to its end. Progress tells of rows, and of the wait."""
    one, other = star.replicas
    told: list[Progress] = []
    with locked(other, table, "READ"):
        star.source.sql(f"INSERT INTO {table} VALUES ({ROWS}, 0)")
        until_it_has_all(one, table)
        report = run_check(star, f"{schema}.*", reach=REACH, progress=told.append)
    assert of_replica(report, one).verdict is Verdict.IDENTICAL
    stuck = of_replica(report, other)
    assert (stuck.verdict, stuck.reason) == (Verdict.UNDECIDED, Reason.REPLICA_BEHIND)
    assert {(found.verdict, found.reason, found.rows_proved) for found in stuck.tables} == {
        (Verdict.UNDECIDED, Reason.REPLICA_BEHIND, 0)
    }
    assert sum(found.rows for found in of_replica(report, one).tables) == told[-1].rows == 2 * ROWS + 1
    assert exit_status(report) == 2  # it could not be checked at all
    waits = [progress for progress in told if isinstance(progress.waits, Behind)]
    assert str(other.address) in {progress.waits.server for progress in waits if progress.waits}  # a slow machine is waited for
    assert all(progress.rows > 0 and progress.piece_rows > 0 and progress_line(progress) for progress in waits)
    star.wait_caught_up(60)


def test_lag_beyond_its_limit_holds_the_check_up_until_it_is_over(star: Sandbox, schema: str, table: str) -> None:
    other = star.replicas[1]
    held: list[Hold] = []
    with ExitStack() as lock:
        lock.enter_context(blocked(star, other, table))

        def tell(progress: Progress) -> None:
            if isinstance(progress.waits, Hold):
                held.append(progress.waits)
                lock.close()

        report = check(limited(star, schema), connect=Session.connect, clock=SystemClock(), progress=tell)
    assert report.verdict is Verdict.IDENTICAL
    assert {(hold.server, hold.strain, hold.limit) for hold in held} == {(str(other.address), Strain.LAG, LIMIT)}


def test_lag_that_does_not_come_down_ends_a_replicas_part(star: Sandbox, schema: str, table: str) -> None:
    one, other = star.replicas
    with blocked(star, other, table):
        report = check(replace(limited(star, schema), reach_seconds=REACH), connect=Session.connect, clock=SystemClock())
    assert of_replica(report, one).verdict is Verdict.IDENTICAL
    stuck = of_replica(report, other)
    assert (stuck.verdict, stuck.reason) == (Verdict.UNDECIDED, Reason.REPLICA_BEHIND)
    star.wait_caught_up(60)


def until_it_has_all(server: SandboxServer, table: str) -> None:
    """Else a replica that nothing blocks may be behind, too, on a machine that is slow for a moment."""
    until(lambda: server.sql(f"SELECT COUNT(*) FROM {table}") == [(str(ROWS + 1),)], "the other replica has the new row")


@contextmanager
def blocked(star: Sandbox, replica: SandboxServer, table: str) -> Iterator[None]:
    """A replica whose applier waits for a lock, and that is behind by more than LIMIT."""
    source_id = int(star.source.sql("SELECT @@server_id")[0][0] or 0)
    with locked(replica, table, "READ"):
        star.source.sql(f"INSERT INTO {table} VALUES ({ROWS}, 0)")
        for other in star.replicas:
            if other is not replica:
                until_it_has_all(other, table)
        with replica.connect() as db:
            until(lambda: (greatest_lag(channels_from(db, source_id)) or 0) > LIMIT + 1, "the replica is behind")
        yield


def limited(star: Sandbox, schema: str) -> CheckRequest:
    """A check that yields to lag beyond LIMIT."""
    return CheckRequest(
        source=star.source.spec(),
        replicas=tuple(ReplicaTarget(server=server.spec()) for server in star.replicas),
        tables=(f"{schema}.*",),
        limits=Limits(lag=LIMIT),
    )
