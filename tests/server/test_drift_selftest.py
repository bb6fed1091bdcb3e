"""A server whose functions do not tell different rows apart: a check does not go on with it, and says which.

No real server is that blind, so that the statements of the self-test are changed on their way to one.
"""

import logging
from collections.abc import Callable

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.drift.report import Reason, Verdict
from repwatch.errors import SelfTestFailed
from repwatch.flows.drift import CheckRequest, check
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.database import Params, Result
from repwatch.sandbox import Sandbox, SandboxServer
from repwatch.sql.selftest import CUT_TEST
from tests.server.drifting import of_replica, run_check


def hashes_all_alike(sql: str) -> str:
    return sql.replace("SHA2(", "ELT(1, 'x', ")


def misses_one_pair(sql: str) -> str:
    """Of the two sides of one pair, the right one becomes the left one."""
    return sql.replace("x'FE' AS `a`", "x'FF' AS `a`")


def finds_equal_rows_unlike(sql: str) -> str:
    return sql.replace("SHA2(", "CONCAT_WS('', RAND(), ")


def cuts_silently(sql: str) -> str:
    return "SELECT 1" if sql == CUT_TEST else sql


BLINDNESS = [hashes_all_alike, misses_one_pair, finds_equal_rows_unlike, cuts_silently]


def blind(server: SandboxServer, change: Callable[[str], str]) -> type[Session]:
    """Sessions of which those to one server change each statement that reads no table."""

    class Blind(Session):
        def query(self, sql: str, params: Params = ()) -> Result:
            if self.endpoint.address == server.address and "`.`" not in sql:
                sql = change(sql)
            return super().query(sql, params)

    return Blind


def test_nothing_is_concluded_from_a_server_that_fails_the_self_test(
    star: Sandbox, schema: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As a replica it is left out, and as the source it ends the check."""
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1), (2)")
    star.wait_caught_up(60)
    seeing, failing = star.replicas
    targets = tuple(ReplicaTarget(server=server.spec()) for server in star.replicas)
    request = CheckRequest(source=star.source.spec(), replicas=targets, tables=(f"{schema}.*",))
    for change in BLINDNESS:
        caplog.clear()
        with caplog.at_level(logging.WARNING, "repwatch.drift"):
            report = check(request, connect=blind(failing, change).connect, clock=SystemClock())
        left, whole = of_replica(report, failing), of_replica(report, seeing)
        assert (left.verdict, left.reason) == (Verdict.UNDECIDED, Reason.UNREADABLE), change
        assert {table.reason for table in left.tables} == {Reason.UNREADABLE}, change
        assert any(str(failing.address) in record.getMessage() for record in caplog.records), "what it misses is told"
        assert whole.verdict is Verdict.IDENTICAL, change
        with pytest.raises(SelfTestFailed):
            check(request, connect=blind(star.source, change).connect, clock=SystemClock())
    assert run_check(star, f"{schema}.*").verdict is Verdict.IDENTICAL
