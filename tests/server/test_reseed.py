"""Reseed on real servers: a broken replica ends identical and replicating, and nothing is changed where it is refused."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.drift.report import Verdict
from repwatch.errors import Refused
from repwatch.flows.hold import Held, channel_state, release
from repwatch.flows.reseed import Proposal, apply_reseed, cancel_reseed, plan_reseed
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.model.plan import Outcome
from repwatch.model.server import Flavour
from repwatch.model.topology import ReplicaTarget
from repwatch.reseed.progress import Phase, Progress
from repwatch.reseed.stages import Stage
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sql.reseed import MARKER_SCHEMA
from tests.server.reseeding import (
    break_with_1062,
    contents,
    healthy,
    make_everything,
    replication_login,
    request,
    reseed,
    tools,
    writer,
)


@pytest.fixture
def replica(star: Sandbox) -> Iterator[SandboxServer]:
    """A replica that replicates again afterwards, whatever the test did to it."""
    server = star.replicas[0]
    yield server
    with server.connect() as db:
        with suppress(Refused):
            if channel_state(db, "").held:
                release(db, "", Held(delay=0, receiver=True, applier=True))
        db.execute("SET SESSION sql_log_bin = 0")
        db.execute(f"DROP DATABASE IF EXISTS {MARKER_SCHEMA}")
        db.execute("SET GLOBAL read_only = 1")
    star.wait_caught_up(60)


def test_a_broken_replica_ends_identical_and_replicating(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    make_everything(star, schema)
    star.source.sql(f"CREATE TABLE {schema}.busy (id INT AUTO_INCREMENT PRIMARY KEY, v INT DEFAULT 0)")
    star.wait_caught_up(60)
    break_with_1062(star, replica, f"{schema}.busy", 1_000)
    replica.sql("SET SESSION sql_log_bin = 0", f"CREATE DATABASE {schema}_extra", f"DELETE FROM {schema}.child")
    with writer(
        star, f"INSERT INTO {schema}.busy (v) VALUES (1)", f"UPDATE {schema}.busy SET v = v + 1 ORDER BY id DESC LIMIT 5"
    ):
        applied = reseed(request(star, replica), tmp_path)
    assert (applied.outcome, applied.verdict, applied.text) == (Outcome.DONE, "identical", "")
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)
    assert (f"{schema}_extra",) not in replica.sql("SHOW DATABASES")
    statuses = dict(replica.sql(f"SELECT EVENT_NAME, STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '{schema}'"))
    assert statuses["tick"] in ("SLAVESIDE_DISABLED", "REPLICA_SIDE_DISABLED")
    assert statuses["off"] == "DISABLED"
    assert replica.sql(f"SELECT p FROM {schema}.a_on_top ORDER BY id LIMIT 1") == [("2",)]
    # What was copied goes on replicating, also after a restart: the channel has kept its password.
    replica.stop()
    replica.start()
    star.source.sql(f"INSERT INTO {schema}.parent (name) VALUES ('after')", f"DELETE FROM {schema}.parent WHERE id = 1")
    star.wait_caught_up(60)
    assert contents(replica, schema) == contents(star.source, schema)


def test_large_rows_and_tables_without_a_comparable_key_are_copied(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    with star.source.connect() as db:
        db.execute(f"CREATE TABLE {schema}.big (id INT PRIMARY KEY, b LONGBLOB)")
        for key in range(3):
            db.execute(f"INSERT INTO {schema}.big VALUES ({key}, REPEAT(UNHEX('FF00275C0A'), 600000))")
        db.execute(f"CREATE TABLE {schema}.f (k FLOAT PRIMARY KEY, v INT)")
        db.execute(f"INSERT INTO {schema}.f VALUES (0.1, 1), (1e20, 2), (-3.3, 3)")
        db.execute(f"CREATE TABLE {schema}.p (t VARCHAR(50), u INT, PRIMARY KEY (t(5), u))")
        db.execute(f"INSERT INTO {schema}.p VALUES ('abcdefgh', 1), ('abcdefgi', 2), ('', 3)")
        db.execute(f"CREATE TABLE {schema}.many (a VARCHAR(30) CHARACTER SET latin1, b DATETIME, c INT, PRIMARY KEY (a, b))")
        values = ", ".join(
            f"(CONCAT(CHAR({n % 90 + 160} USING latin1), {n % 40}), '2024-01-01' + INTERVAL {n} SECOND, {n})"
            for n in range(12_000)
        )
        db.execute(f"INSERT INTO {schema}.many VALUES {values}")
    star.wait_caught_up(60)
    reseed(request(star, replica), tmp_path)
    assert contents(replica, schema) == contents(star.source, schema)


def test_a_replica_that_cannot_be_proved_stays_marked(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    star.source.sql(f"CREATE TABLE {schema}.keyless (v INT)", f"INSERT INTO {schema}.keyless VALUES (1), (1), (2)")
    star.wait_caught_up(60)
    applied = reseed(request(star, replica), tmp_path)
    if applied.verdict != Verdict.IDENTICAL:
        assert applied.outcome is Outcome.NEEDS_PERSON
        assert (MARKER_SCHEMA,) in replica.sql("SHOW DATABASES")
        star.source.sql(f"DROP TABLE {schema}.keyless")
        star.wait_caught_up(60)
        again = reseed(request(star, replica), tmp_path)
        assert again.outcome is Outcome.DONE
        assert "loaded" not in again.done_steps  # only what was missing is done
    healthy(star, replica)
