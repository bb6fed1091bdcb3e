"""Tables that are rebuilt after the snapshot was taken in which they are to be read: InnoDB refuses them there (error 1412)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.adapters.records import FileRecords
from repwatch.drift import pace
from repwatch.drift.report import DriftReport, Reason, Verdict
from repwatch.flows.drift import CheckRequest, check
from repwatch.flows.drift_holds import HOLDS
from repwatch.flows.drift_pipeline import MOST_OUTDATED
from repwatch.flows.drift_stand import ExactMeans
from repwatch.model.server import Flavour
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.database import Params, Result
from repwatch.sandbox import Sandbox
from repwatch.sql import snapshot
from tests.server.drifting import drift_on, fill, of_table

ROWS = 1000
WRONG = 900
OFTEN = 20  # times that one may be rebuilt: more than a check takes snapshots


@pytest.fixture
def tables(star: Sandbox, schema: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Tables that are read in several pieces each. On the second replica one row of each is wrong."""
    monkeypatch.setattr(pace, "FIRST_ROWS", 100)
    monkeypatch.setattr(pace, "MOST_ROWS", 100)
    for name in ("a", "b"):
        star.source.sql(f"CREATE TABLE {schema}.{name} (id INT PRIMARY KEY, v INT)")
        fill(star.source, f"{schema}.{name}", [f"({number}, 1)" for number in range(ROWS)])
    star.wait_caught_up(60)
    for name in ("a", "b"):
        drift_on(star.replicas[1], f"UPDATE {schema}.{name} SET v = 2 WHERE id = {WRONG}")
    return schema


def checked(star: Sandbox, schema: str, taken: Callable[[], None], exact: ExactMeans | None = None) -> DriftReport:
    """A check while the source is written to; `taken` is called when all snapshots are open and nothing was read in them.

    Nobody writes but before a reading of the source outside of them: so servers meet at a moment as soon as it is tried.
    """
    pinned: set[Session] = set()

    class Watched(Session):
        def execute(self, sql: str, params: Params = ()) -> int:
            done = super().execute(sql, params)
            if sql == snapshot.SAVEPOINT:
                pinned.add(self)
                if self.endpoint.address == star.replicas[0].address:
                    taken()
            return done

        def query(self, sql: str, params: Params = ()) -> Result:
            if self.endpoint.address == star.source.address and f"`{schema}`.`a`" in sql and self not in pinned:
                star.source.sql(f"UPDATE {schema}.a SET v = v + 1 WHERE id = 0")
            return super().query(sql, params)

    targets = tuple(ReplicaTarget(server=server.spec()) for server in star.replicas)
    request = CheckRequest(source=star.source.spec(), replicas=targets, tables=(f"{schema}.*",))
    return check(request, connect=Watched.connect, clock=SystemClock(), exact=exact)


class Rebuilding:
    """Rebuilds a table, at most so many times. Nothing of it changes, neither its definition nor its rows."""

    def __init__(self, star: Sandbox, table: str, *, everywhere: bool, most: int) -> None:
        self._star, self._table, self._everywhere, self._most = star, table, everywhere, most
        self.done = 0

    def __call__(self) -> None:
        if self.done == self._most:
            return
        self.done += 1
        where = self._star.source if self._everywhere else self._star.replicas[0]
        own = "DO 0" if self._everywhere else "SET SESSION sql_log_bin = 0"
        where.sql(own, "SET SESSION lock_wait_timeout = 60", f"ALTER TABLE {self._table} FORCE")
        if self._everywhere:
            self._star.wait_caught_up(60)


def told(star: Sandbox, report: DriftReport) -> list[tuple[Verdict, Reason | None, int]]:
    found = [of_table(report, server, name) for server in star.replicas for name in ("a", "b")]
    return [(table.verdict, table.reason, table.difference_count) for table in found]


RIGHT = [(Verdict.IDENTICAL, None, 0)] * 2 + [(Verdict.DRIFTED, None, 1)] * 2


@pytest.mark.parametrize("flavour", [Flavour.MARIADB], indirect=True, ids=str)
@pytest.mark.parametrize("everywhere", [True, False], ids=["everywhere", "replica"])
def test_a_table_that_is_rebuilt_during_a_moment_is_read_in_the_next_one(star: Sandbox, tables: str, everywhere: bool) -> None:
    rebuilding = Rebuilding(star, f"{tables}.b", everywhere=everywhere, most=1)
    report = checked(star, tables, rebuilding)
    assert rebuilding.done
    assert told(star, report) == RIGHT


@pytest.mark.parametrize("flavour", [Flavour.MARIADB], indirect=True, ids=str)
def test_a_table_that_is_rebuilt_in_each_moment_is_read_outside_of_them(star: Sandbox, tables: str) -> None:
    rebuilding = Rebuilding(star, f"{tables}.b", everywhere=True, most=OFTEN)
    report = checked(star, tables, rebuilding)
    assert MOST_OUTDATED <= rebuilding.done < OFTEN
    assert told(star, report) == RIGHT


def test_a_table_that_is_rebuilt_during_an_exact_check_is_read_at_the_next_position(
    star: Sandbox, tables: str, tmp_path: Path
) -> None:
    rebuilding = Rebuilding(star, f"{tables}.b", everywhere=False, most=1)
    report = checked(star, tables, rebuilding, ExactMeans(records=FileRecords(tmp_path / HOLDS)))
    assert rebuilding.done
    assert told(star, report) == RIGHT


def test_a_table_that_is_rebuilt_at_each_exact_position_is_undecided(star: Sandbox, tables: str, tmp_path: Path) -> None:
    """On the replica where that happens; the other is not to blame."""
    rebuilding = Rebuilding(star, f"{tables}.b", everywhere=False, most=OFTEN)
    report = checked(star, tables, rebuilding, ExactMeans(records=FileRecords(tmp_path / HOLDS)))
    assert MOST_OUTDATED <= rebuilding.done < OFTEN
    assert told(star, report) == [RIGHT[0], (Verdict.UNDECIDED, Reason.SCHEMA_CHANGED, 0), *RIGHT[2:]]
