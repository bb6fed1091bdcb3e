"""The scheduled drift check: a drifted replica is a finding until a check clears it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.app.drift_job import drift_runner
from repwatch.drift.overview import RunOutcome
from repwatch.model.finding import FindingCode
from repwatch.model.topology import DriftSpec
from repwatch.sandbox import Sandbox


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = SqlStore.open(f"sqlite:///{tmp_path}/s.db")
    yield opened
    opened.close()


def test_drift_stands_until_a_check_clears_it(star: Sandbox, schema: str, store: SqlStore, tmp_path: Path) -> None:
    cluster = star.cluster()
    runner = drift_runner(cluster, store, tmp_path, SystemClock())
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, a INT)", f"INSERT INTO {schema}.t VALUES (1, 1), (2, 2)")
    star.wait_caught_up(60)
    runner.run()
    assert store.standing(cluster.name) == ()
    replica = star.replicas[1]
    replica.sql("SET SESSION sql_log_bin = 0", f"UPDATE {schema}.t SET a = 9 WHERE id = 2")
    runner.run()
    (finding,) = store.standing(cluster.name)
    assert (finding.subject.code, finding.subject.server) == (FindingCode.DRIFTED, str(replica.address))
    assert finding.evidence["tables"] == f"{schema}.t"
    replica.freeze()
    try:
        runner.run()
    finally:
        replica.thaw()
    assert store.standing(cluster.name) == (finding,), "what could not be checked is not cleared"
    replica.sql("SET SESSION sql_log_bin = 0", f"UPDATE {schema}.t SET a = 2 WHERE id = 2")
    runner.run()
    assert store.standing(cluster.name) == ()
    runs = store.drift_runs(cluster.name)[::-1]
    assert [run.outcome for run in runs[:2]] == [RunOutcome.IDENTICAL, RunOutcome.DRIFTED]
    assert runs[3].outcome is RunOutcome.IDENTICAL
    assert all(run.summary.whole and run.summary.tables == 1 for run in (*runs[:2], runs[3]))


class Later(SystemClock):
    """A clock that can be put forward."""

    ahead = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.ahead


def test_each_table_is_proved_in_time_and_it_is_told_where_not(
    star: Sandbox, schema: str, store: SqlStore, tmp_path: Path
) -> None:
    week = timedelta(days=7)
    cluster, clock = replace(star.cluster(), drift=DriftSpec(prove_within=week)), Later()
    runner = drift_runner(cluster, store, tmp_path, clock)
    names = [f"{schema}.a", f"{schema}.b"]
    for name in names:
        star.source.sql(f"CREATE TABLE {name} (id INT PRIMARY KEY, a INT)", f"INSERT INTO {name} VALUES (1, 1), (2, 2)")
    star.wait_caught_up(60)

    def proved() -> dict[str, datetime]:
        return {proof.table: proof.last_proved for proof in store.proofs(cluster.name)}

    runner.prove()
    first = proved()
    assert first.keys() == set(names)
    runner.prove()
    assert proved() == first, "what was proved lately is left alone"
    replica = star.replicas[1]
    replica.sql("SET SESSION sql_log_bin = 0", f"UPDATE {names[0]} SET a = 9 WHERE id = 2")
    clock.ahead = week / 2 + timedelta(hours=1)
    runner.prove()
    assert proved()[names[1]] > first[names[1]]
    assert [finding.subject.code for finding in store.standing(cluster.name)] == [FindingCode.DRIFTED]
    clock.ahead = week + timedelta(hours=1)
    runner.prove()
    late = {finding.subject.code: finding for finding in store.standing(cluster.name)}
    assert late.keys() == {FindingCode.DRIFTED, FindingCode.PROOF_OVERDUE}
    assert (late[FindingCode.PROOF_OVERDUE].subject.server, late[FindingCode.PROOF_OVERDUE].evidence["tables"]) == (
        str(replica.address),
        names[0],
    )
    replica.sql("SET SESSION sql_log_bin = 0", f"UPDATE {names[0]} SET a = 2 WHERE id = 2")
    tried = proved()
    runner.prove()
    assert proved() == tried, "what an attempt did not prove is not tried again at once"
    clock.ahead = week + week / 10 + timedelta(hours=2)
    runner.prove()
    assert store.standing(cluster.name) == ()


def test_nothing_runs_outside_the_window(star: Sandbox, schema: str, store: SqlStore, tmp_path: Path) -> None:
    star.source.sql(f"CREATE TABLE {schema}.a (id INT PRIMARY KEY)")
    clock = SystemClock()
    soon = f"{clock.now() + timedelta(hours=2):%H:%M}-{clock.now() + timedelta(hours=3):%H:%M}"
    spec = DriftSpec(schedule="0 2 * * *", prove_within=timedelta(days=7), window=(soon,))
    runner = drift_runner(replace(star.cluster(), drift=spec), store, tmp_path, clock)
    runner.prove()
    runner.run()
    assert store.proofs("shop") == ()
