"""From pieces that differ to rows: with few statements, few rows read one by one, and each row counted once."""

from dataclasses import dataclass, field

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.drift.report import Verdict
from repwatch.errors import StatementTimedOut
from repwatch.flows.drift import CheckRequest, check
from repwatch.flows.ranges import PART_ROWS
from repwatch.model.endpoint import Endpoint
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.database import Params, Result, Timeouts
from repwatch.sandbox import Sandbox
from tests.server.drifting import Found, drift_on, fill, fix_pieces, found_in, of_table, run_check

ROWS = 20_000
PIECE = 5_000
LOG_ROWS = 15
KEYS = {"dense": "{n}", "sparse": "{n} * 1000", "text": "CONCAT('k', {n})"}


@dataclass
class Counting:
    """Counts what is read of rows on one server: statements, and rows that came one by one."""

    address: object
    statements: int = 0
    listed: int = 0
    of: str = field(default="")

    def connect(self, endpoint: Endpoint, timeouts: Timeouts | None = None) -> Session:
        """A session that counts."""
        session = Session.connect(endpoint, timeouts)
        query = session.query

        def counted(sql: str, params: Params = ()) -> Result:
            answer = query(sql, params)
            if endpoint.address == self.address and "SHA2(" in sql and self.of in sql:
                self.statements += 1
                self.listed += 0 if "GROUP_CONCAT" in sql else len(answer.rows)
            return answer

        session.query = counted  # type: ignore[method-assign]
        return session


@pytest.mark.parametrize("key", list(KEYS))
def test_few_statements_find_many_wrong_rows(star: Sandbox, schema: str, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """As many as the differences times the logarithm of the rows at most, whatever the key is."""
    fix_pieces(monkeypatch, PIECE)
    kind = "VARCHAR(20)" if key == "text" else "BIGINT"
    star.source.sql(f"CREATE TABLE {schema}.t (id {kind} PRIMARY KEY, n INT)")
    fill(star.source, f"{schema}.t", [f"({KEYS[key].format(n=number)}, {number})" for number in range(ROWS)], ROWS // 4)
    star.wait_caught_up(120)
    for wrong in (1, 20):
        step = ROWS // wrong
        drift_on(star.replicas[0], f"UPDATE {schema}.t SET n = n - 1000000 WHERE n MOD {step} = 7 AND n > 0")
        counting = Counting(star.replicas[0].address, of=f"`{schema}`")
        request = CheckRequest(
            source=star.source.spec(), replicas=(ReplicaTarget(server=star.replicas[0].spec()),), tables=(f"{schema}.t",)
        )
        report = check(request, connect=counting.connect, clock=SystemClock())
        found = of_table(report, star.replicas[0], "t")
        assert (found.verdict, found.difference_count) == (Verdict.DRIFTED, wrong)
        assert found.rows_proved == ROWS - wrong
        assert counting.statements <= (wrong + 2) * LOG_ROWS
        assert counting.listed <= (wrong + 2) * PART_ROWS * 6  # parts drawn by chance are uneven
        drift_on(star.replicas[0], f"UPDATE {schema}.t SET n = n + 1000000 WHERE n < 0")


def test_each_replica_has_its_own_wrong_rows_and_every_row_counts_once(star: Sandbox, schema: str) -> None:
    """Parts that differ on one replica alone are not read again on the other; where several differ they are read together."""
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, v INT)")
    fill(star.source, f"{schema}.t", [f"({number}, 0)" for number in range(ROWS)], ROWS // 4)
    star.wait_caught_up(120)
    one, other = star.replicas
    drift_on(one, f"UPDATE {schema}.t SET v = 1 WHERE id MOD 2500 = 3", f"DELETE FROM {schema}.t WHERE id = 11000")
    drift_on(other, f"UPDATE {schema}.t SET v = 1 WHERE id IN (3, 15000)", f"INSERT INTO {schema}.t VALUES (-1, 0), (99999, 0)")
    report = run_check(star, f"{schema}.t")
    changed = frozenset({"v"})
    mine = {Found("changed", (str(number),), changed) for number in range(3, ROWS, 2_500)} | {Found("missing", ("11000",))}
    theirs = {Found("changed", ("3",), changed), Found("changed", ("15000",), changed)}
    theirs |= {Found("extra", ("-1",)), Found("extra", ("99999",))}
    for server, expected, lost in ((one, mine, len(mine)), (other, theirs, 2)):
        found = of_table(report, server, "t")
        assert found_in(found) == expected
        assert (found.rows, found.rows_proved, found.reason) == (ROWS, ROWS - lost, None)


def test_far_more_rows_on_the_replica_than_in_a_part_are_all_counted(star: Sandbox, schema: str) -> None:
    """Between two keys of the source, where nothing can be cut by what the source has."""
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    fill(star.source, f"{schema}.t", [f"({number * 100_000})" for number in range(3_000)])
    star.wait_caught_up(60)
    extra = [f"({200_000_000 + number})" for number in range(1, 12_001)]
    drift_on(star.replicas[0], f"INSERT INTO {schema}.t VALUES {', '.join(extra)}", f"DELETE FROM {schema}.t WHERE id = 0")
    found = of_table(run_check(star, f"{schema}.t", most=10), star.replicas[0], "t")
    assert (found.verdict, found.difference_count, len(found.differences)) == (Verdict.DRIFTED, len(extra) + 1, 10)
    assert (found.rows, found.rows_proved) == (3_000, 2_999)


def test_rows_of_a_range_that_a_replica_was_not_able_to_list_are_listed_again(star: Sandbox, schema: str) -> None:
    """An extra row is known to nobody but that replica: what the source lists there says nothing of it."""
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, n INT)")
    fill(star.source, f"{schema}.t", [f"({number}, 1)" for number in range(0, 200, 2)])
    star.wait_caught_up(60)
    replica = star.replicas[0]
    drift_on(replica, f"INSERT INTO {schema}.t VALUES (101, 1)")
    refused = 0

    class Slow(Session):
        def query(self, sql: str, params: Params = ()) -> Result:
            nonlocal refused
            lists = f"`{schema}`" in sql and "SHA2(" in sql and "GROUP_CONCAT" not in sql
            if self.endpoint.address == replica.address and lists and not refused:
                refused += 1
                raise StatementTimedOut("it took too long", server=self.server)
            return super().query(sql, params)

    targets = tuple(ReplicaTarget(server=server.spec()) for server in star.replicas)
    request = CheckRequest(source=star.source.spec(), replicas=targets, tables=(f"{schema}.t",))
    report = check(request, connect=Slow.connect, clock=SystemClock())
    assert refused
    assert found_in(of_table(report, replica, "t")) == {Found("extra", ("101",))}, report
    assert of_table(report, star.replicas[1], "t").verdict is Verdict.IDENTICAL
