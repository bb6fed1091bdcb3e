"""The differential reseed on real servers: only what differs is written, and the end is the source's, whatever the difference."""

import json
import os
import random
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.errors import StatementRefused
from repwatch.flows.ranges import PART_ROWS
from repwatch.flows.reseed import apply_reseed, plan_reseed
from repwatch.model.plan import Outcome
from repwatch.model.server import Flavour
from repwatch.ports.database import Params, Result
from repwatch.reseed.method import Method
from repwatch.reseed.progress import Progress
from repwatch.sandbox import Sandbox, SandboxServer
from tests.server.drifting import fix_pieces
from tests.server.random_tables import random_table
from tests.server.reseeding import (
    CLOCK,
    Enough,
    break_with_1062,
    contents,
    healthy,
    make_everything,
    put_back,
    request,
    reseed,
    tools,
    writer,
)

LOCAL = "SET SESSION sql_log_bin = 0"
TABLES = 120


@pytest.fixture
def replica(star: Sandbox) -> Iterator[SandboxServer]:
    """A replica that replicates again afterwards, whatever the test did to it."""
    server = star.replicas[0]
    yield server
    with server.connect() as db:
        put_back(db)
    star.wait_caught_up(60)


# Parts, leaves and transactions of a few rows, so that small tables have many.
SMALL = {"ranges.PART_ROWS": 2, "reseed_differ.LEAF_ROWS": 3, "reseed_differ._TOGETHER": 5}


@pytest.fixture
def sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other sizes than usual."""
    for name, rows in request.param.items():
        monkeypatch.setattr(f"repwatch.flows.{name}", rows)


def numbers(schema: str, table: str, count: int) -> str:
    """Rows 1 … `count` of (id, u, v), u being id."""
    return (
        f"INSERT INTO {schema}.{table} WITH RECURSIVE n AS (SELECT 1 AS id UNION ALL SELECT id + 1 FROM n WHERE id < {count}) "
        "SELECT id, id, REPEAT('x', 20) FROM n"
    )


def make_numbers(star: Sandbox, schema: str, table: str, count: int) -> None:
    # As rows: a replica that runs the statement itself stops it after a thousand.
    setup = "binlog_format = 'ROW', max_recursive_iterations" if star.flavour is Flavour.MARIADB else "cte_max_recursion_depth"
    star.source.sql(
        f"SET SESSION {setup} = 1000000",
        f"CREATE TABLE {schema}.{table} (id INT AUTO_INCREMENT PRIMARY KEY, u INT, v VARCHAR(40), UNIQUE KEY (u))",
        numbers(schema, table, count),
    )


def written(folder: Path) -> int:
    """Rows that the reseed says to have inserted."""
    lines = (folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return next(int(entry["rows"]) for entry in map(json.loads, lines) if entry["event"] == "written")


def test_everything_that_can_differ_is_put_right(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    make_everything(star, schema)
    star.source.sql(
        f"CREATE TABLE {schema}.busy (id INT AUTO_INCREMENT PRIMARY KEY, v INT DEFAULT 0)",
        f"CREATE TABLE {schema}.keyless (v INT, w VARCHAR(10))",
        f"INSERT INTO {schema}.keyless VALUES (1, 'a'), (1, 'a'), (2, NULL)",
        f"CREATE TABLE {schema}.keyless_equal (v INT)",
        f"INSERT INTO {schema}.keyless_equal VALUES (1), (1), (2)",
        f"CREATE TABLE {schema}.letters (k VARCHAR(10) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT)",
        f"INSERT INTO {schema}.letters VALUES ('A', 1), ('b', 2), ('ö', 3)",
        f"CREATE TABLE {schema}.redefined (id INT PRIMARY KEY, v INT)",
        f"INSERT INTO {schema}.redefined VALUES (1, 1)",
        f"CREATE TABLE {schema}.lost (id INT PRIMARY KEY)",
        f"INSERT INTO {schema}.lost VALUES (1)",
        f"CREATE DATABASE {schema}_absent CHARACTER SET latin1",
        f"CREATE TABLE {schema}_absent.t (id INT PRIMARY KEY)",
        f"INSERT INTO {schema}_absent.t VALUES (1)",
    )
    star.wait_caught_up(60)
    break_with_1062(star, replica, f"{schema}.busy", 1_000)
    replica.sql(
        LOCAL,
        "SET SESSION foreign_key_checks = 0",
        f"CREATE DATABASE {schema}_extra",
        f"DROP DATABASE {schema}_absent",
        f"ALTER DATABASE {schema} CHARACTER SET latin1",
        f"DELETE FROM {schema}.child WHERE b = 1",
        f"INSERT INTO {schema}.child VALUES ('zz', 9, 99)",
        f"UPDATE {schema}.`odd ``name` SET v = 11, secret = 1",
        f"UPDATE {schema}.kinds SET f = 2.5, txt = 'other', blob_ = NULL WHERE id = 1",
        f"DELETE FROM {schema}.kinds WHERE id = -5",
        f"DELETE FROM {schema}.keyless LIMIT 1",
        f"UPDATE {schema}.letters SET k = 'a' WHERE k = 'A'",
        f"ALTER TABLE {schema}.redefined ADD COLUMN more INT",
        f"DROP TABLE {schema}.lost",
        f"CREATE TABLE {schema}.extra (id INT PRIMARY KEY)",
        f"CREATE VIEW {schema}.extra_view AS SELECT 1 AS one",
        f"CREATE TRIGGER {schema}.extra_trigger AFTER INSERT ON {schema}.letters FOR EACH ROW DELETE FROM {schema}.counted",
        f"ALTER TABLE {schema}.parent AUTO_INCREMENT = 500",
        f"DROP PROCEDURE {schema}.orphan",
    )
    with writer(star, f"INSERT INTO {schema}.busy (v) VALUES (1)", f"UPDATE {schema}.kinds SET y = y + 1 WHERE id = 1"):
        applied = reseed(request(star, replica, method=Method.DIFFERENTIAL), tmp_path)
    assert (applied.outcome, applied.verdict, applied.text) == (Outcome.DONE, "identical", "")
    healthy(star, replica)
    assert contents(replica, schema, f"{schema}_absent") == contents(star.source, schema, f"{schema}_absent")
    names = {name for (name,) in replica.sql("SHOW DATABASES")}
    assert f"{schema}_extra" not in names
    assert replica.sql(f"SHOW CREATE DATABASE {schema}") == star.source.sql(f"SHOW CREATE DATABASE {schema}")
    star.source.sql(f"DROP DATABASE {schema}_absent", f"INSERT INTO {schema}.parent (name) VALUES ('after')")
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)


def test_only_wrong_rows_are_written(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    """Unique values are swapped between rows far apart, and whole ranges are too many or missing."""
    make_numbers(star, schema, "t", 60_000)
    make_numbers(star, schema, "equal", 20_000)
    make_numbers(star, schema, "tail", 2_000)
    make_numbers(star, schema, "emptied", 25_000)
    star.source.sql(f"DELETE FROM {schema}.tail WHERE id > 10", f"DELETE FROM {schema}.emptied")
    star.wait_caught_up(120)
    replica.sql(
        LOCAL,
        f"UPDATE {schema}.t SET u = -1 WHERE id = 5",
        f"UPDATE {schema}.t SET u = 5 WHERE id = 59000",
        f"UPDATE {schema}.t SET u = 59000 WHERE id = 5",
        f"UPDATE {schema}.t SET u = NULL WHERE id = 100",
        f"UPDATE {schema}.t SET u = 100 WHERE id = 30000",
        f"UPDATE {schema}.t SET v = 'y' WHERE id % 3001 = 0",
        f"DELETE FROM {schema}.t WHERE id BETWEEN 40000 AND 40100",
        f"INSERT INTO {schema}.t VALUES (-7, -7, ''), (70000, 40050, '')",
        f"INSERT INTO {schema}.tail SELECT id + 20000, u + 20000, v FROM {schema}.t",
        f"INSERT INTO {schema}.emptied SELECT id + 40000, u, v FROM {schema}.t",
    )
    applied = reseed(request(star, replica, method=Method.DIFFERENTIAL), tmp_path)
    assert (applied.outcome, applied.text) == (Outcome.DONE, "")
    assert written(tmp_path) == 101 + 4 + 19 + 10  # lost, with swapped values, changed, and among far too many others
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)
    # A second run finds nothing to do.
    assert reseed(request(star, replica, method=Method.DIFFERENTIAL), tmp_path / "again").outcome is Outcome.DONE
    assert written(tmp_path / "again") == 0


def test_few_statements_find_many_wrong_rows_and_few_write_them(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A piece that differs costs two readings, and a wrong row at most the few hundred rows around it."""
    fix_pieces(monkeypatch, 5_000)
    wrong = 40
    make_numbers(star, schema, "t", 60_000)
    star.wait_caught_up(120)
    replica.sql(LOCAL, f"UPDATE {schema}.t SET v = 'y' WHERE id % 1500 = 7", f"DELETE FROM {schema}.t WHERE id = 59999")
    statements: list[str] = []
    listed = writing = 0

    class Counting(Session):
        def query(self, sql: str, params: Params = ()) -> Result:
            nonlocal listed
            answer = super().query(sql, params)
            if self.endpoint.address == replica.address and "SHA2(" in sql and f"`{schema}`" in sql:
                statements.append(sql)
                listed += len(answer.rows) if "GROUP_CONCAT" not in sql else 0
            return answer

        def execute(self, sql: str, params: Params = ()) -> int:
            nonlocal writing
            writing += sql.startswith((f"INSERT INTO `{schema}`", f"DELETE FROM `{schema}`"))
            return super().execute(sql, params)

    asked = request(star, replica, method=Method.DIFFERENTIAL)
    plan = plan_reseed(asked, Session.connect, CLOCK).plan
    proof = replace(tools(tmp_path), connect=Counting.connect)
    assert apply_reseed(asked, proof, plan.plan_hash).outcome is Outcome.DONE
    assert written(tmp_path) == wrong + 1
    assert writing == 2
    assert len(statements) <= wrong * 4  # the final check's included
    assert listed <= wrong * PART_ROWS * 2
    assert contents(replica, schema) == contents(star.source, schema)


def test_an_interrupted_run_leaves_less_to_do(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    make_numbers(star, schema, "a", 3_000)
    make_numbers(star, schema, "b", 3_000)
    star.wait_caught_up(60)
    replica.sql(LOCAL, *(f"DELETE FROM {schema}.{table} WHERE id % 100 = 0" for table in "ab"))

    def stop(progress: Progress) -> None:
        if progress.text == f"{schema}.b":
            raise Enough

    asked = request(star, replica, method=Method.DIFFERENTIAL)
    with pytest.raises(Enough):
        reseed(asked, tmp_path, stop)
    applied = reseed(replace(asked, method=None), tmp_path)
    assert (applied.outcome, applied.plan.method) == (Outcome.DONE, Method.DIFFERENTIAL.value)
    assert written(tmp_path) == 30
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)


def test_what_costs_less_is_chosen(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    make_numbers(star, schema, "t", 30_000)
    star.wait_caught_up(60)
    with star.source.connect() as source, replica.connect() as db:
        db.execute(LOCAL)
        for session in (source, db):
            session.query(f"ANALYZE NO_WRITE_TO_BINLOG TABLE {schema}.t")
        agreed = plan_reseed(request(star, replica), Session.connect, CLOCK).plan
        assert agreed.method == Method.DIFFERENTIAL.value
        db.execute(f"TRUNCATE {schema}.t")
        db.query(f"ANALYZE NO_WRITE_TO_BINLOG TABLE {schema}.t")
    assert plan_reseed(request(star, replica), Session.connect, CLOCK).plan.method == Method.LOGICAL.value
    # What a person has agreed to is done, whatever estimates say by now.
    applied = apply_reseed(request(star, replica), tools(tmp_path), agreed.plan_hash)
    assert (applied.outcome, applied.plan.method) == (Outcome.DONE, Method.DIFFERENTIAL.value)
    healthy(star, replica)
    star.source.sql(f"DROP TABLE {schema}.t")


@pytest.mark.long
@pytest.mark.parametrize("sizes", [{}, SMALL], ids=["usual", "small"], indirect=True)
@pytest.mark.usefixtures("sizes")
def test_random_tables_with_random_drift_end_equal(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    """REPWATCH_SEED repeats a failure."""
    seed = os.environ.get("REPWATCH_SEED") or secrets.token_hex(8)
    chance = random.Random(seed)
    tables = [random_table(chance, f"t{number}") for number in range(TABLES)]
    star.source.sql(f"USE {schema}", *(statement for table in tables for statement in table.creation))
    star.wait_caught_up(120)
    replica.sql(LOCAL, f"USE {schema}", *(statement for table in tables for statement in table.drift))
    applied = reseed(request(star, replica, method=Method.DIFFERENTIAL), tmp_path)
    assert (applied.outcome, applied.text) == (Outcome.DONE, ""), f"REPWATCH_SEED={seed}"
    assert contents(replica, schema) == contents(star.source, schema), f"REPWATCH_SEED={seed}"


def test_a_table_that_is_damaged_on_the_replica_is_copied(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    """Its definition cannot be read, which is no reason not to make it right."""
    make_numbers(star, schema, "t", 100)
    make_numbers(star, schema, "damaged", 100)
    star.wait_caught_up(60)

    class Damaged(Session):
        def texts(self, sql: str, params: Params = ()) -> list[dict[str, str | None]]:
            if sql == f"SHOW CREATE TABLE `{schema}`.`damaged`" and self.endpoint.address == replica.address:
                raise StatementRefused("Table doesn't exist in engine", server=self.server, errno=1932)
            return super().texts(sql, params)

    asked = request(star, replica, method=Method.DIFFERENTIAL)
    plan = plan_reseed(asked, Damaged.connect, CLOCK).plan
    assert any(step.what.startswith(f"drop {schema}.damaged and copy") for step in plan.steps)
    applied = apply_reseed(asked, replace(tools(tmp_path), connect=Damaged.connect), plan.plan_hash)
    assert applied.outcome is Outcome.DONE, applied.text
    assert written(tmp_path) == 100
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)
