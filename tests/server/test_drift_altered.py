"""A table that is altered while it is read: what was read of it means nothing, and says so; the others are not touched."""

import re
from collections import Counter
from collections.abc import Callable
from threading import Lock

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.drift import pace
from repwatch.drift.report import DriftReport, Reason, Verdict
from repwatch.flows import drift
from repwatch.flows.drift import CheckRequest, check
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.database import Params, Result
from repwatch.sandbox import Sandbox, SandboxServer
from tests.server.drifting import drift_on, fill, of_table

ROWS = 500
# What happens to a table between two of its pieces, by the table's name.
CHANGES = {
    "added": "ALTER TABLE {} ADD COLUMN x INT NOT NULL DEFAULT 7",
    "dropped": "ALTER TABLE {} DROP COLUMN v",
    "renamed": "ALTER TABLE {} CHANGE COLUMN v other INT",
    "widened": "ALTER TABLE {} MODIFY COLUMN v BIGINT",
    "recoded": "ALTER TABLE {} MODIFY COLUMN w VARCHAR(20) CHARACTER SET latin1",
    "rekeyed": "ALTER TABLE {} DROP PRIMARY KEY, MODIFY COLUMN id VARCHAR(20) NOT NULL, ADD PRIMARY KEY (id, w)",
    "remade": "DROP TABLE {0}; CREATE TABLE {0} (id INT PRIMARY KEY, n INT)",
}
UNTOUCHED = ("a", "z")


@pytest.fixture
def tables(star: Sandbox, schema: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A table for each change, and two more. On the second replica the last row of each is wrong."""
    monkeypatch.setattr(pace, "FIRST_ROWS", 100)
    # In a snapshot the statements of a piece keep the change waiting until its end, and here it is waited for in the middle.
    monkeypatch.setattr(drift, "may_meet", lambda _: False)
    for name in (*CHANGES, *UNTOUCHED):
        star.source.sql(f"CREATE TABLE {schema}.{name} (id INT, v INT, w VARCHAR(20), PRIMARY KEY (id))")
        fill(star.source, f"{schema}.{name}", [f"({number}, 1, 'x')" for number in range(ROWS)])
    star.wait_caught_up(60)
    for name in (*CHANGES, *UNTOUCHED):
        drift_on(star.replicas[1], f"UPDATE {schema}.{name} SET v = 2 WHERE id = {ROWS - 1}")
    return schema


def checked_while(star: Sandbox, schema: str, where: SandboxServer, happens: Callable[[str], None]) -> DriftReport:
    """A check, in which something happens to each table before the second statement by which a server reads rows of it."""
    guard = Lock()
    read: Counter[str] = Counter()
    of_rows = re.compile(rf"SHA2\(.*`{schema}`\.`(\w+)`", re.DOTALL)

    class Watched(Session):
        def query(self, sql: str, params: Params = ()) -> Result:
            found = of_rows.search(sql)
            if self.endpoint.address == where.address and found:
                with guard:
                    read[found[1]] += 1
                    if read[found[1]] == 2:
                        happens(found[1])
            return super().query(sql, params)

    targets = tuple(ReplicaTarget(server=server.spec()) for server in star.replicas)
    request = CheckRequest(source=star.source.spec(), replicas=targets, tables=(f"{schema}.*",))
    report = check(request, connect=Watched.connect, clock=SystemClock())
    assert all(read[name] >= 2 for name in CHANGES), f"not all has happened: {read}"
    return report


@pytest.mark.parametrize("everywhere", [True, False], ids=["everywhere", "replica"])
def test_a_table_that_is_altered_meanwhile_is_undecided_and_not_drifted(star: Sandbox, tables: str, everywhere: bool) -> None:
    """By the source, and with it by all, or by hand on one replica."""
    right, wrong = star.replicas
    where = star.source if everywhere else wrong

    def alter(name: str) -> None:
        if name in CHANGES:
            own = "SET SESSION sql_log_bin = 0" if where is wrong else "DO 0"
            where.sql(own, "SET SESSION lock_wait_timeout = 30", *CHANGES[name].format(f"{tables}.{name}").split("; "))
            star.wait_caught_up(60)

    report = checked_while(star, tables, where, alter)
    void = dict.fromkeys(CHANGES, (Verdict.UNDECIDED, Reason.SCHEMA_CHANGED, 0))
    drifted = dict.fromkeys(UNTOUCHED, (Verdict.DRIFTED, None, 1))
    identical = dict.fromkeys((*CHANGES, *UNTOUCHED), (Verdict.IDENTICAL, None, 0))
    assert told(report, wrong) == void | drifted
    assert told(report, right) == (identical | void if everywhere else identical)


def told(report: DriftReport, server: SandboxServer) -> dict[str, tuple[Verdict, Reason | None, int]]:
    found = {name: of_table(report, server, name) for name in (*CHANGES, *UNTOUCHED)}
    return {name: (table.verdict, table.reason, table.difference_count) for name, table in found.items()}
