"""`drift --lock-hot` on live servers: rows that are never met otherwise are decided, and who writes to them hardly waits."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.drift.report import ChangedRow, Proof, Reason, Verdict
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox, SandboxServer
from tests.server.drifting import Found, drift_on, found_in, of_replica, of_table, run_check
from tests.server.hot_writing import HotWriter

LONGEST_WAIT = 10.0  # seconds; a lock that is not bounded costs its writers 50, and this machine may be busy


@pytest.fixture
def statements_replicate(star: Sandbox, flavour: Flavour) -> Iterator[None]:
    """A difference in a counter stays for ever; row images would put it right with the next change."""
    before = star.source.sql("SELECT @@GLOBAL.binlog_format")[0][0]
    star.source.sql("SET GLOBAL binlog_format = 'MIXED'")
    yield
    star.source.sql(f"SET GLOBAL binlog_format = '{before}'")


@contextmanager
def hot_table(star: Sandbox, schema: str) -> Iterator[tuple[HotWriter, HotWriter]]:
    """Row 1 counts for ever; row 3 comes and goes; the others rest."""
    table = f"{schema}.t"
    star.source.sql(f"CREATE TABLE {table} (id INT PRIMARY KEY, n BIGINT)", f"INSERT INTO {table} VALUES (1, 0), (2, 0), (4, 0)")
    star.wait_caught_up(60)
    counting = HotWriter(star.source, lambda _: f"UPDATE {table} SET n = n + 1 WHERE id = 1")
    coming = HotWriter(
        star.source, lambda n: f"DELETE FROM {table} WHERE id = 3" if n % 2 else f"INSERT INTO {table} VALUES (3, {n})"
    )
    with counting, coming:
        yield counting, coming
    star.wait_caught_up(60)


@pytest.mark.usefixtures("statements_replicate")
def test_a_hot_row_is_decided_under_a_lock(star: Sandbox, schema: str) -> None:
    wrong, right = star.replicas
    with hot_table(star, schema) as writers:
        drift_on(wrong, f"UPDATE {schema}.t SET n = n + 1000000 WHERE id = 1")
        without = run_check(star, f"{schema}.t", seconds=1)
        assert of_replica(without, right).verdict is not Verdict.DRIFTED
        assert found_in(of_table(without, wrong, "t")) <= {Found("changed", ("1",), frozenset({"n"}))}
        begun = [writer.done for writer in writers]
        report = run_check(star, f"{schema}.t", seconds=12, lock_hot=True)
        assert all(writer.done > before for writer, before in zip(writers, begun, strict=True))
    assert max(writer.longest for writer in writers) < LONGEST_WAIT
    found = of_table(report, wrong, "t")
    assert (found.verdict, found.proof, found.difference_count) == (Verdict.DRIFTED, Proof.LOCKED, 1)
    (difference,) = found.differences
    assert isinstance(difference, ChangedRow)
    here, there = difference.columns["n"].source, difference.columns["n"].replica
    assert int(str(there)) - int(str(here)) == 1_000_000  # both at one position
    clean = of_table(report, right, "t")
    assert clean.verdict is not Verdict.DRIFTED
    assert clean.reason in (None, Reason.HOT_ROWS)  # the row that comes and goes may never have been there when it was asked
    assert clean.rows_proved >= 3


def test_a_row_that_somebody_holds_is_given_up_soon(star: Sandbox, schema: str) -> None:
    """A transaction that stays open keeps its row from the check, which goes on without it and takes nothing from it."""
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, n BIGINT)", f"INSERT INTO {schema}.t VALUES (1, 0), (2, 0)")
    star.wait_caught_up(60)
    drift_on(star.replicas[0], f"UPDATE {schema}.t SET n = 7 WHERE id = 2")
    moving = HotWriter(star.source, lambda _: f"UPDATE {schema}.t SET n = n + 1 WHERE id = 1")
    with holding(star.source, f"UPDATE {schema}.t SET n = 1 WHERE id = 2") as transaction, moving:
        report = run_check(star, f"{schema}.t", seconds=3, lock_hot=True)
        transaction.execute("COMMIT")
    star.wait_caught_up(60)
    assert star.source.sql(f"SELECT n FROM {schema}.t WHERE id = 2") == [("1",)]
    assert of_table(report, star.replicas[0], "t").verdict is not Verdict.IDENTICAL
    assert of_replica(report, star.replicas[1]).verdict is not Verdict.DRIFTED


@contextmanager
def holding(server: SandboxServer, statement: str) -> Iterator[Session]:
    """A transaction that has written and does not end."""
    with server.connect() as db:
        db.execute("BEGIN")
        db.execute(statement)
        try:
            yield db
        finally:
            db.execute("ROLLBACK")
