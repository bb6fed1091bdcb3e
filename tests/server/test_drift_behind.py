"""A replica that cannot be read, or not be waited for: the check ends in time, says so, and says nothing false."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from repwatch.drift.report import Reason, Verdict
from repwatch.drift.summary import exit_status
from repwatch.flows import drift_lane
from repwatch.model.server import ServerVersion
from repwatch.sandbox import Sandbox, SandboxServer
from repwatch.sql.signature import session_setup
from tests.server.drifting import fill, of_replica, of_table, run_check

ROWS = 5_000


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
        return (*session_setup(version, 1.0), "SET SESSION lock_wait_timeout = 100")

    monkeypatch.setattr(drift_lane, "session_setup", impatient)
    one, other = star.replicas
    with locked(other, table, "WRITE"):
        report = run_check(star, f"{schema}.*", most=10)
    assert of_replica(report, one).verdict is Verdict.IDENTICAL
    hidden = of_table(report, other, "t")
    assert (hidden.verdict, hidden.reason, hidden.rows_proved) == (Verdict.UNDECIDED, Reason.UNREADABLE, 0)
    assert of_table(report, other, "u").verdict is Verdict.IDENTICAL
    assert exit_status(report) == 3
