"""The scheduled drift check: a drifted replica is a finding until a check clears it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.app.drift_job import drift_runner
from repwatch.model.finding import FindingCode
from repwatch.sandbox import Sandbox


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = SqlStore.open(f"sqlite:///{tmp_path}/s.db")
    yield opened
    opened.close()


def test_drift_stands_until_a_check_clears_it(star: Sandbox, schema: str, store: SqlStore) -> None:
    cluster = star.cluster()
    runner = drift_runner(cluster, "0 2 * * *", store, SystemClock())
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
    with store._engine.connect() as connection:
        outcomes = connection.exec_driver_sql("SELECT outcome FROM drift_runs ORDER BY id").scalars().all()
    assert outcomes[0] == outcomes[3] == "identical"
    assert outcomes[1] == "drifted"
