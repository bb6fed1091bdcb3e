"""`drift --lock-hot` on live servers: rows that are never met otherwise are decided, and who writes to them hardly waits."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.drift.report import ChangedRow, DriftReport, Proof, Reason, Verdict
from repwatch.flows import drift, drift_settle, drift_settling
from repwatch.flows.drift_hot import position_of_all
from repwatch.model.server import Flavour
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sql import drift_position, locked_rows
from tests.server import hot_writing
from tests.server.drifting import Found, drift_on, found_in, of_replica, of_table, run_check
from tests.server.hot_writing import HotWriter

CHECKS = 8
LOCKS = 100
ENOUGH = 30.0  # seconds, where a replica falls behind ever more: it has to catch up afterwards
LONGEST_WAIT = 30.0  # seconds; a lock that is not bounded costs its writers 50, and this machine may be busy


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
def test_a_hot_row_is_decided_under_a_lock(star: Sandbox, schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Now and then such a row is met without a lock, by luck: each check says the truth, and one soon says it by a lock."""
    monkeypatch.setattr(drift_settling, "LOCK_AFTER", 0.0)
    monkeypatch.setattr(drift_settle, "HOT_TRIES", 0)
    monkeypatch.setattr(drift, "may_meet", lambda _: False)  # a moment of all servers would decide first
    wrong, right = star.replicas
    with hot_table(star, schema) as writers:
        drift_on(wrong, f"UPDATE {schema}.t SET n = n + 1000000 WHERE id = 1")
        proofs = set()
        for _ in range(CHECKS):
            begun = [writer.done for writer in writers]
            report = run_check(star, f"{schema}.t", seconds=20, lock_hot=True)
            assert all(writer.done > before for writer, before in zip(writers, begun, strict=True))
            assert_true(report, wrong, right)
            proofs |= {of_table(report, server, "t").proof for server in star.replicas}
            if Proof.LOCKED in proofs:
                break
    assert Proof.LOCKED in proofs
    assert max(writer.longest for writer in writers) < LONGEST_WAIT


def assert_true(report: DriftReport, wrong: SandboxServer, right: SandboxServer) -> None:
    """Never the contrary; what was read under a lock differs by a million, as it does at each position."""
    found, clean = of_table(report, wrong, "t"), of_table(report, right, "t")
    assert found.verdict is not Verdict.IDENTICAL
    assert found_in(found) <= {Found("changed", ("1",), frozenset({"n"}))}
    if found.proof is Proof.LOCKED and found.verdict is Verdict.DRIFTED:
        (difference,) = found.differences
        assert isinstance(difference, ChangedRow)
        values = difference.columns["n"]
        assert int(str(values.replica)) - int(str(values.source)) == 1_000_000
    assert clean.verdict is not Verdict.DRIFTED
    assert clean.reason in (None, Reason.HOT_ROWS)  # the row that comes and goes may not be there whenever it is asked for
    assert clean.rows_proved >= 2


def test_the_position_under_a_lock_names_all_that_the_row_shows(
    star: Sandbox, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many writers, many locks: a replica that has applied the position, and waits for nothing else, shows the same row."""
    monkeypatch.setattr(hot_writing, "PAUSE", 0.0)
    table = f"{schema}.t"
    star.source.sql(f"CREATE TABLE {table} (id INT PRIMARY KEY, n BIGINT)", f"INSERT INTO {table} VALUES (1, 0), (2, 0), (3, 0)")
    star.wait_caught_up(60)
    shown: list[tuple[str | None, str | None]] = []
    with ExitStack() as stack:
        db, there = (stack.enter_context(server.connect(Account.WATCH)) for server in (star.source, star.replicas[0]))
        isolation, _ = locked_rows.lock_setup()  # its limits would end this session on a machine that stands still
        db.execute(isolation)
        for row in (1, 1, 2, 3):
            statement = f"UPDATE {table} SET n = n + 1 WHERE id = {row}"
            stack.enter_context(HotWriter(star.source, partial(str.format, statement)))
        enough = time.monotonic() + ENOUGH
        for _ in range(LOCKS):
            if shown and time.monotonic() > enough:
                break
            db.execute(locked_rows.BEGIN)
            here = db.scalar(f"SELECT n FROM {table} WHERE id = 1 LOCK IN SHARE MODE")
            position = position_of_all(db)
            if there.scalar(drift_position.wait_for(there.version, position, 10.0)) == "0":
                shown.append((here, there.scalar(f"SELECT n FROM {table} WHERE id = 1")))
            db.execute(locked_rows.RELEASE)
    assert shown
    assert [pair for pair in shown if pair[0] != pair[1]] == []
    star.wait_caught_up(120)


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
