"""Checks of rows that change all the time, on one moment of all servers (MariaDB), and where no such moment comes."""

from contextlib import suppress

import pytest

from repwatch.drift.progress import Progress
from repwatch.drift.report import Reason, Verdict
from repwatch.errors import StatementRefused
from repwatch.sandbox import Sandbox, SandboxServer
from repwatch.sql import snapshot
from tests.server.drifting import Found, drift_on, found_in, of_table, run_check
from tests.server.test_drift import busy, orders, writing

ALMOST_ALL = 19_980  # of the 20,000 rows of `orders`, and those that are inserted meanwhile


def by_statements(star: Sandbox) -> bool:
    return star.source.sql("SELECT @@GLOBAL.binlog_format")[0][0] != "ROW"


def test_rows_that_are_set_to_and_fro_are_identical_or_not(star: Sandbox, schema: str) -> None:
    """`v = 1 - v` carries a difference on for ever, and a round meets it in step now and then; a row image puts it right."""
    table = f"{schema}.t"
    star.source.sql(f"CREATE TABLE {table} (id INT PRIMARY KEY, v INT)", f"INSERT INTO {table} VALUES (1, 0), (2, 0), (3, 1)")
    star.wait_caught_up(60)
    right, wrong = star.replicas
    drift_on(wrong, f"UPDATE {table} SET v = 1 - v WHERE id = 1")
    with writing(star.source, lambda _: f"UPDATE {table} SET v = 1 - v", pause=0.002):
        reports = [run_check(star, table) for _ in range(3)]
    for report in reports:
        assert of_table(report, right, "t").verdict is Verdict.IDENTICAL, report
        found = of_table(report, wrong, "t")
        if by_statements(star):
            assert found_in(found) == {Found("changed", ("1",), frozenset({"v"}))}, report
        else:
            assert found.verdict is Verdict.IDENTICAL, report


class Losing:
    """Told of the check's progress, it ends all of its sessions a few times."""

    def __init__(self, *servers: SandboxServer) -> None:
        self._servers, self._rows, self.lost = servers, 0, 0

    def __call__(self, progress: Progress) -> None:
        if self.lost < 4 and progress.rows >= self._rows + 2000:
            self._rows = progress.rows
            self.lost += 1
            for server in self._servers:
                self._end_sessions(server)

    def _end_sessions(self, server: SandboxServer) -> None:
        with server.connect() as db:
            for row in db.query("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'repwatch'").rows:
                with suppress(StatementRefused):  # it may be gone already
                    db.execute(f"KILL {int(row[0] or 0)}")


def test_a_moment_whose_sessions_are_lost_makes_nothing_false(star: Sandbox, schema: str) -> None:
    """Snapshots are gone with their sessions; what is read beside one that is left proves nothing."""
    table = orders(star, schema)
    wrong = star.replicas[1]
    drift_on(wrong, f"UPDATE {table} SET status = 'X' WHERE id IN (5000, 5900)")
    losing = Losing(star.source, wrong)
    with writing(star.source, *busy(table), pause=0.01):
        report = run_check(star, table, progress=losing)
    assert losing.lost
    assert of_table(report, star.replicas[0], "orders").verdict is Verdict.IDENTICAL, report
    expected = {Found("changed", (str(key),), frozenset({"status"})) for key in (5000, 5900)}
    assert found_in(of_table(report, wrong, "orders")) == expected, report


def test_where_no_moment_comes_rounds_decide(star: Sandbox, schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does the check end where a server refuses a statement of it. On a slow machine a row may be written to all the time."""
    monkeypatch.setattr(snapshot, "SAVEPOINT", "SAVEPOINT")
    table = orders(star, schema)
    wrong = star.replicas[1]
    drift_on(wrong, f"DELETE FROM {table} WHERE id = 5500")
    with writing(star.source, *busy(table), pause=0.02):
        report = run_check(star, table)
    right = of_table(report, star.replicas[0], "orders")
    assert right.verdict is Verdict.IDENTICAL or (right.reason is Reason.HOT_ROWS and not right.difference_count), report
    assert right.rows_proved > ALMOST_ALL, report
    assert found_in(of_table(report, wrong, "orders")) == {Found("missing", ("5500",))}, report
