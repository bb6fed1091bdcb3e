"""`reseed --table` on real servers: one table is put right in place, nothing else is touched, and the replica goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.flows.hold import channel_state
from repwatch.flows.reseed import plan_reseed
from repwatch.model.plan import Outcome
from repwatch.model.schema import TableName
from repwatch.reseed.method import Method
from repwatch.sandbox import Sandbox, SandboxServer
from repwatch.sql import replication
from repwatch.sql.reseed import MARKER_SCHEMA
from tests.server.filtering import filtering
from tests.server.reseeding import (
    CLOCK,
    break_with_1062,
    contents,
    healthy,
    make_everything,
    put_back,
    request,
    reseed,
    run_command,
    writer,
)

LOCAL = "SET SESSION sql_log_bin = 0"


@pytest.fixture
def replica(star: Sandbox) -> Iterator[SandboxServer]:
    """A replica that replicates again afterwards, whatever the test did to it."""
    server = star.replicas[0]
    yield server
    with server.connect() as db:
        put_back(db)
        db.execute(replication.start_channel(db.version, ""))
    star.wait_caught_up(60)


def rows(server: SandboxServer, schema: str, table: str) -> object:
    return server.sql(f"SELECT * FROM {schema}.{table} ORDER BY 1")


def test_a_table_is_put_right_in_place_and_nothing_else_is_touched(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    make_everything(star, schema)
    star.source.sql(
        f"CREATE TABLE {schema}.busy (id INT AUTO_INCREMENT PRIMARY KEY, v INT DEFAULT 0)",
        f"CREATE TABLE {schema}.redefined (id INT PRIMARY KEY, v INT)",
        f"INSERT INTO {schema}.redefined VALUES (1, 1)",
    )
    star.wait_caught_up(60)
    replica.sql(
        LOCAL,
        "SET SESSION foreign_key_checks = 0",
        f"UPDATE {schema}.counted SET n = 77 WHERE id = 1",
        f"DELETE FROM {schema}.parent WHERE id = 2",
        f"UPDATE {schema}.parent SET name = 'wrong' WHERE id = 1",
        f"DROP TRIGGER {schema}.count_two",
        f"CREATE TRIGGER {schema}.only_here BEFORE DELETE ON {schema}.parent FOR EACH ROW SET @x = 1",
        f"DROP TABLE {schema}.redefined",
        f"CREATE TABLE {schema}.redefined (id INT PRIMARY KEY)",
    )
    with replica.connect() as db:
        db.execute(replication.stop_channel(db.version, ""))
        db.execute(replication.set_delay(db.version, "", 1))
        db.execute(replication.start_channel(db.version, ""))
    asked = request(star, replica, tables=(TableName(schema, "parent"), TableName(schema, "redefined")))
    plan = plan_reseed(asked, Session.connect, CLOCK).plan
    assert plan.method == Method.TABLE.value
    assert f"{schema}.child" in plan.reason
    assert any(step.what.startswith(f"quarantine trigger {schema}.only_here") for step in plan.steps)
    with writer(star, f"INSERT INTO {schema}.busy (v) VALUES (1)", f"UPDATE {schema}.parent SET n = n + 1 WHERE id <> 2"):
        applied = reseed(asked, tmp_path)
    assert (applied.outcome, applied.verdict, applied.text) == (Outcome.DONE, "identical", "")
    with replica.connect() as db:
        state = channel_state(db, "")
        assert (state.delay, state.applier_running, state.receiver_running) == (1, True, True)
    assert rows(replica, schema, "counted") == [("1", "77")]  # no trigger fired for the rows that were written
    replica.sql(LOCAL, f"UPDATE {schema}.counted SET n = 0 WHERE id = 1")
    star.source.sql(f"UPDATE {schema}.counted SET n = 0 WHERE id = 1")
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)


def test_a_table_beside_one_that_the_replica_leaves_out(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    for name in ("orders", "log"):
        star.source.sql(f"CREATE TABLE {schema}.{name} (id INT PRIMARY KEY)", f"INSERT INTO {schema}.{name} VALUES (1), (2)")
    star.wait_caught_up(60)
    replica.sql(LOCAL, f"DELETE FROM {schema}.orders", f"DELETE FROM {schema}.log")
    with filtering(replica, "replicate_wild_ignore_table", f"{schema}.log%"):
        assert reseed(request(star, replica, tables=(TableName(schema, "orders"),)), tmp_path).outcome is Outcome.DONE
    assert (rows(replica, schema, "orders"), rows(replica, schema, "log")) == ([("1",), ("2",)], [])
    healthy(star, replica)


def test_what_cannot_be_done_in_place_is_refused(star: Sandbox, schema: str, replica: SandboxServer) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"CREATE VIEW {schema}.v AS SELECT 1 AS one")
    star.wait_caught_up(60)
    missing = request(star, replica, tables=(TableName(schema, "t"), TableName(schema, "v"), TableName(schema, "none")))
    (refusal,) = plan_reseed(missing, Session.connect, CLOCK).plan.refusals
    assert refusal.code == "no-such-table"
    assert f"{schema}.none" in refusal.summary
    assert f"{schema}.t" not in refusal.summary
    break_with_1062(star, replica, f"{schema}.t", 7)
    stopped = request(star, replica, tables=(TableName(schema, "t"),))
    assert {refusal.code for refusal in plan_reseed(stopped, Session.connect, CLOCK).plan.refusals} == {"applier-error"}
    replica.sql(LOCAL, f"DELETE FROM {schema}.t")


def test_a_replica_that_cannot_run_up_to_the_snapshot_is_left_as_it_was(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, v INT)", f"INSERT INTO {schema}.t VALUES (1, 1)")
    star.wait_caught_up(60)
    with replica.connect() as db:
        db.execute(replication.stop_applier(db.version, ""))
    replica.sql(LOCAL, f"UPDATE {schema}.t SET v = 5", f"INSERT INTO {schema}.t VALUES (2, 2)")
    star.source.sql(f"INSERT INTO {schema}.t VALUES (2, 2)")
    applied = reseed(request(star, replica, tables=(TableName(schema, "t"),)), tmp_path)
    assert applied.outcome is Outcome.FAILED
    assert (MARKER_SCHEMA,) not in replica.sql("SHOW DATABASES")
    assert rows(replica, schema, "t") == [("1", "5"), ("2", "2")]
    with replica.connect() as db:
        assert not channel_state(db, "").held
    replica.sql(LOCAL, f"DELETE FROM {schema}.t WHERE id = 2")


def test_the_command_takes_tables(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1), (2)")
    star.wait_caught_up(60)
    replica.sql(LOCAL, f"DELETE FROM {schema}.t")
    configuration = tmp_path / "repwatch.toml"
    configuration.write_text(star.configuration(), encoding="utf-8")
    words = (replica.name, "--table", f"{schema}.t", "--state", str(tmp_path / "state"))
    assert run_command(configuration, *words).returncode == 1
    assert run_command(configuration, *words, "--method", "logical").returncode == 2
    assert run_command(configuration, replica.name, "--table", "t").returncode == 2
    done = run_command(configuration, *words, "--apply", "--yes")
    assert done.returncode == 0, done.stdout
    healthy(star, replica)

    assert contents(replica, schema) == contents(star.source, schema)
