"""Reseed on real servers: a broken replica ends identical and replicating, and nothing is changed where it is refused."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.drift.report import Verdict
from repwatch.errors import Refused, StatementRefused
from repwatch.flows.hold import Held, channel_state, release
from repwatch.flows.reseed import apply_reseed, cancel_reseed, plan_reseed
from repwatch.model.plan import Outcome
from repwatch.model.schema import TableName
from repwatch.model.server import Flavour
from repwatch.ports.database import Params, RawRow
from repwatch.reseed import pieces
from repwatch.reseed.method import Method
from repwatch.reseed.progress import Phase, Progress
from repwatch.reseed.stages import Stage
from repwatch.sandbox import Sandbox, SandboxServer
from repwatch.sql import replication
from repwatch.sql.replication import HOLD_DELAY
from repwatch.sql.reseed import MARKER_SCHEMA
from tests.server.reseeding import (
    CLOCK,
    Enough,
    break_with_1062,
    contents,
    healthy,
    make_everything,
    put_back,
    replication_login,
    request,
    reseed,
    stop_at,
    tools,
    writer,
)


@pytest.fixture
def replica(star: Sandbox) -> Iterator[SandboxServer]:
    """A replica that replicates again afterwards, whatever the test did to it."""
    server = star.replicas[0]
    yield server
    with server.connect() as db:
        put_back(db)
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
        applied = reseed(request(star, replica, method=Method.LOGICAL), tmp_path)
    assert (applied.outcome, applied.verdict, applied.text) == (Outcome.DONE, "identical", "")
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)
    assert (f"{schema}_extra",) not in replica.sql("SHOW DATABASES")
    events = f"SELECT STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '{schema}' ORDER BY EVENT_NAME DESC"
    (tick,), (off,) = replica.sql(events)
    assert tick in ("SLAVESIDE_DISABLED", "REPLICA_SIDE_DISABLED")
    assert off == "DISABLED"
    assert replica.sql(f"SELECT p FROM {schema}.a_on_top ORDER BY id LIMIT 1") == [("2",)]
    # What was copied goes on replicating, also after a restart: the channel has kept its password.
    replica.stop()
    replica.start()
    star.source.sql(f"INSERT INTO {schema}.parent (name) VALUES ('after')", f"DELETE FROM {schema}.parent WHERE id = 1")
    star.wait_caught_up(60)
    assert contents(replica, schema) == contents(star.source, schema)


@pytest.mark.long
def test_large_rows_and_tables_without_a_comparable_key_are_copied(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    with star.source.connect() as db:
        db.execute(f"CREATE TABLE {schema}.big (id INT PRIMARY KEY, b LONGBLOB)")
        for key in range(3):
            db.execute(f"INSERT INTO {schema}.big VALUES ({key}, REPEAT(UNHEX('FF00275C0A'), 600000))")
        db.execute(f"INSERT INTO {schema}.big VALUES (9, REPEAT(UNHEX('FF'), 12000000))")  # in hexadecimal, more than a packet
        if star.flavour is Flavour.MYSQL:
            db.execute("SET SESSION sql_generate_invisible_primary_key = ON")
            db.execute(f"CREATE TABLE {schema}.hidden_key (v INT)")
            db.execute(f"INSERT INTO {schema}.hidden_key VALUES (5), (5), (6)")
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


def test_keys_that_are_added_after_the_rows_are_those_of_the_source(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    star.source.sql(
        f"CREATE TABLE {schema}.parent (id INT PRIMARY KEY, code INT, UNIQUE KEY (code))",
        f"CREATE TABLE {schema}.child (id INT AUTO_INCREMENT PRIMARY KEY, code INT, t VARCHAR(20) DEFAULT ',', "
        "UNIQUE KEY `a``b` (t, id) COMMENT 'KEY `x`', KEY part (t(3), code), KEY (code), "
        f"CONSTRAINT `fk,` FOREIGN KEY (code) REFERENCES {schema}.parent (code) ON DELETE SET NULL)",
        f"CREATE TABLE {schema}.later (id INT PRIMARY KEY, code INT, FOREIGN KEY (code) REFERENCES {schema}.parent (code))",
        f"INSERT INTO {schema}.parent VALUES {', '.join(f'({n}, {n})' for n in range(15_000))}",
        f"INSERT INTO {schema}.child (code, t) SELECT code, CONCAT('t', id % 50) FROM {schema}.parent ORDER BY id",
        f"INSERT INTO {schema}.later SELECT * FROM {schema}.parent",
        f"ANALYZE NO_WRITE_TO_BINLOG TABLE {schema}.parent, {schema}.child, {schema}.later",
    )
    star.wait_caught_up(60)
    statements: list[str] = []

    class Listening(Session):
        def execute(self, sql: str, params: Params = ()) -> int:
            statements.append(sql)
            return super().execute(sql, params)

    listening = replace(tools(tmp_path), connect=Listening.connect)
    asked = request(star, replica, method=Method.LOGICAL)
    applied = apply_reseed(asked, listening, plan_reseed(asked, Session.connect, CLOCK).plan.plan_hash)
    assert applied.outcome is Outcome.DONE, applied.text
    altered = [text.split("\n")[0] for text in statements if text.startswith("ALTER TABLE")]
    assert sorted(altered) == [f"ALTER TABLE `{schema}`.`child`", f"ALTER TABLE `{schema}`.`later`"]  # `parent` is referred to
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)


def test_large_tables_are_copied_in_pieces(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever their keys are like: negative, far apart, beyond 2^63, of two columns; keys that are no numbers are read whole."""
    monkeypatch.setattr(pieces, "PIECE_ROWS", 100)
    tables = {
        "around": ("id INT PRIMARY KEY", "n - 600"),
        "apart": ("id BIGINT PRIMARY KEY", "n * n * n"),
        "huge": ("id BIGINT UNSIGNED PRIMARY KEY", "18446744073709551615 - n"),
        "pairs": ("a SMALLINT, id INT, PRIMARY KEY (a, id)", "n % 40, n"),
        "texts": ("id VARCHAR(20) PRIMARY KEY", "CONCAT('k', n)"),
    }
    star.source.sql(f"CREATE TABLE {schema}.n (n BIGINT)")
    star.source.sql(f"INSERT INTO {schema}.n VALUES {', '.join(f'({number})' for number in range(1200))}")
    for name, (columns, values) in tables.items():
        star.source.sql(
            f"CREATE TABLE {schema}.{name} ({columns}, v INT, UNIQUE KEY (v))",
            f"INSERT INTO {schema}.{name} SELECT {values}, n FROM {schema}.n ORDER BY n",
            f"ANALYZE NO_WRITE_TO_BINLOG TABLE {schema}.{name}",
        )
    star.wait_caught_up(60)
    cut: set[str] = set()

    class Listening(Session):
        def batches(self, sql: str) -> Iterator[list[RawRow]]:
            if "FORCE INDEX (PRIMARY)" in sql and "<=" in sql:
                cut.add(sql.partition("` FORCE")[0].rpartition("`")[2])
            return super().batches(sql)

    listening = replace(tools(tmp_path), connect=Listening.connect)
    asked = request(star, replica, method=Method.LOGICAL)
    applied = apply_reseed(asked, listening, plan_reseed(asked, Session.connect, CLOCK).plan.plan_hash)
    assert applied.outcome is Outcome.DONE, applied.text
    assert cut == {"around", "apart", "huge", "pairs"}
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)


def test_what_stops_one_table_stops_the_others_at_their_next_rows(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    values = ", ".join(f"({number})" for number in range(300))
    for name in "abcdef":
        star.source.sql(f"CREATE TABLE {schema}.{name} (id INT PRIMARY KEY)", f"INSERT INTO {schema}.{name} VALUES {values}")
    star.wait_caught_up(60)
    told: list[str] = []

    def stop(progress: Progress) -> None:
        if progress.phase is Phase.DATA:
            told.append(progress.text)
            raise Enough

    with pytest.raises(Enough):
        reseed(request(star, replica, method=Method.LOGICAL), tmp_path, stop)
    assert len(told) <= 4  # at most once a session
    again = reseed(request(star, replica), tmp_path)
    assert (again.outcome, again.plan.method) == (Outcome.DONE, Method.LOGICAL.value)
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)


def test_a_view_that_is_broken_on_the_source_is_told(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    star.source.sql(
        f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)",
        f"CREATE TABLE {schema}.gone (id INT PRIMARY KEY)",
        f"CREATE VIEW {schema}.broken AS SELECT id FROM {schema}.gone",
        f"DROP TABLE {schema}.gone",
    )
    star.wait_caught_up(60)
    applied = reseed(request(star, replica), tmp_path)
    assert applied.outcome is Outcome.DONE
    assert f"{schema}.broken" in applied.text
    healthy(star, replica)


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


def test_the_source_is_left_as_it_was(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    """No lock, no session, no transaction of ours remains, and nothing was written to it."""
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1)")
    star.wait_caught_up(60)
    binlog = "SELECT @@GLOBAL.gtid_binlog_pos" if star.flavour is Flavour.MARIADB else "SELECT @@GLOBAL.gtid_executed"
    before = star.source.sql(binlog)
    assert reseed(request(star, replica), tmp_path).outcome is Outcome.DONE
    assert star.source.sql(binlog) == before
    healthy(star, replica)
    star.source.sql("SET SESSION lock_wait_timeout = 30", f"ALTER TABLE {schema}.t ADD COLUMN v INT")


def test_settings_and_an_intended_delay_come_back(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    super_read_only = star.flavour is Flavour.MYSQL
    with replica.connect() as db:
        db.execute(replication.stop_channel(db.version, ""))
        db.execute(replication.set_delay(db.version, "", 2))
        db.execute(replication.start_channel(db.version, ""))
        db.execute("SET GLOBAL super_read_only = 1" if super_read_only else "SET GLOBAL read_only = 0")
    try:
        assert reseed(request(star, replica), tmp_path).outcome is Outcome.DONE
        with replica.connect() as db:
            assert channel_state(db, "").delay == 2
            if super_read_only:
                assert db.scalar("SELECT @@GLOBAL.super_read_only") == "1"
            else:
                assert db.scalar("SELECT @@GLOBAL.read_only") == "0"
            assert db.scalar("SELECT @@GLOBAL.log_bin_trust_function_creators") == "0"
    finally:
        with replica.connect() as db:
            if super_read_only:
                db.execute("SET GLOBAL super_read_only = 0")
            release(db, "", Held(delay=0, receiver=True, applier=True))


@pytest.mark.parametrize("method", [Method.LOGICAL, Method.DIFFERENTIAL])
def test_a_schema_change_during_the_copy_is_not_missed(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, method: Method
) -> None:
    """An instantly added column shows in an old read view without an error; the replica would get it twice."""
    star.source.sql(
        f"CREATE TABLE {schema}.a (id INT PRIMARY KEY, v INT)",
        f"CREATE TABLE {schema}.b (id INT PRIMARY KEY, v INT)",
        f"INSERT INTO {schema}.a VALUES (1, 1)",
        f"INSERT INTO {schema}.b VALUES (1, 1)",
    )
    star.wait_caught_up(60)
    snapshots: list[Phase] = []
    begun: list[str] = []
    refused: list[str] = []

    def alter_the_other(progress: Progress) -> None:
        if progress.phase is Phase.SNAPSHOT:
            snapshots.append(progress.phase)
        if progress.phase in {Phase.COMPARE, Phase.DATA} and not begun:  # the other one waits until this has been told
            begun.append(progress.text)
            other = "b" if progress.text == f"{schema}.a" else "a"
            alteration = f"ALTER TABLE {schema}.{other} ADD COLUMN w INT DEFAULT 3, ALGORITHM=INSTANT"
            try:
                star.source.sql("SET SESSION lock_wait_timeout = 1", alteration)
            except StatementRefused as error:
                refused.append(str(error))

    applied = reseed(request(star, replica, method=method), tmp_path, alter_the_other)
    assert applied.outcome is Outcome.DONE, applied.text
    if star.flavour is Flavour.MARIADB:
        assert len(snapshots) == 2  # it was noticed, and all begun anew
    else:
        assert refused  # LOCK INSTANCE FOR BACKUP kept it out
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)


@pytest.mark.long
def test_a_target_that_restarts_in_the_middle_is_loaded_anew(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1), (2)")
    star.wait_caught_up(60)

    def restart(progress: Progress) -> None:
        if progress.phase is Phase.COMPARE:
            replica.kill()
            replica.start()
            star.source.sql(f"INSERT IGNORE INTO {schema}.t VALUES (3)")

    first = reseed(request(star, replica), tmp_path, restart)
    assert first.outcome is Outcome.FAILED
    with replica.connect() as db:
        assert channel_state(db, "").held  # the server started its applier, and it applied nothing
        assert db.query(f"SHOW TABLES FROM {MARKER_SCHEMA}").rows
    assert plan_reseed(request(star, replica), Session.connect, CLOCK).taken_up is Stage.LOADING
    second = reseed(request(star, replica), tmp_path)
    assert (second.outcome, second.verdict) == (Outcome.DONE, "identical")
    healthy(star, replica)


def test_a_reseed_that_has_changed_nothing_yet_is_cancelled(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1), (2)")
    star.wait_caught_up(60)

    with pytest.raises(Enough):
        reseed(request(star, replica), tmp_path, stop_at(Phase.SNAPSHOT))
    # As if it had ended just before the data.
    with replica.connect() as db:
        db.execute("SET SESSION sql_log_bin = 0")
        db.execute(f"UPDATE {MARKER_SCHEMA}.marker SET value = 'quiet' WHERE name = 'stage'")
        assert channel_state(db, "").held
    cancel_reseed(request(star, replica), tools(tmp_path))
    healthy(star, replica)
    with replica.connect() as db:
        assert channel_state(db, "").applier_running
    with pytest.raises(Refused):
        cancel_reseed(request(star, replica), tools(tmp_path))


def killed_at(*words: str) -> type[Session]:
    """Sessions with which a run ends before a statement that has all these words."""

    class Killed(Session):
        def execute(self, sql: str, params: Params = ()) -> int:
            if all(word in sql for word in words):
                raise Enough
            return super().execute(sql, params)

    return Killed


@pytest.mark.parametrize("method", [Method.LOGICAL, Method.TABLE])
def test_killed_between_the_stop_and_the_hold_it_is_cancelled_and_runs_again(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, method: Method
) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1), (2)")
    star.wait_caught_up(60)
    tables = (TableName(schema, "t"),) if method is Method.TABLE else ()
    asked = request(star, replica, method=None if tables else method, tables=tables)
    plan = plan_reseed(asked, Session.connect, CLOCK).plan
    with pytest.raises(Enough):
        apply_reseed(asked, replace(tools(tmp_path), connect=killed_at("_DELAY", str(HOLD_DELAY)).connect), plan.plan_hash)
    with replica.connect() as db:
        assert not channel_state(db, "").applier_running
    cancel_reseed(asked, tools(tmp_path))
    with replica.connect() as db:
        state = channel_state(db, "")
        assert (state.delay, state.applier_running, state.receiver_running) == (0, True, True)
    healthy(star, replica)


def test_killed_before_it_has_marked_the_replica_the_settings_are_put_back(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1), (2)")
    star.wait_caught_up(60)
    settings = "@@GLOBAL.read_only" if star.flavour is Flavour.MARIADB else "@@GLOBAL.read_only, @@GLOBAL.super_read_only"
    if star.flavour is Flavour.MYSQL:
        replica.sql("SET GLOBAL super_read_only = 1")
    before = replica.sql(f"SELECT {settings}")
    asked = request(star, replica)
    plan = plan_reseed(asked, Session.connect, CLOCK).plan
    with pytest.raises(Enough):
        apply_reseed(asked, replace(tools(tmp_path), connect=killed_at("CREATE DATABASE").connect), plan.plan_hash)
    cancel_reseed(asked, tools(tmp_path))
    assert replica.sql(f"SELECT {settings}") == before
    with pytest.raises(Refused):
        cancel_reseed(asked, tools(tmp_path))
    if star.flavour is Flavour.MYSQL:
        replica.sql("SET GLOBAL super_read_only = 0")


def marked(replica: SandboxServer) -> bool:
    return (MARKER_SCHEMA,) in replica.sql("SHOW DATABASES")


def test_a_reseed_that_goes_on_while_it_is_being_cancelled_is_not_cancelled(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    """It loads, and is killed, between the two questions of the one who cancels: the marker must stay."""
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1), (2)")
    star.wait_caught_up(60)
    with pytest.raises(Enough):
        reseed(request(star, replica), tmp_path, stop_at(Phase.SNAPSHOT))
    stage = f"UPDATE {MARKER_SCHEMA}.marker SET value = '{{}}' WHERE name = 'stage'"
    replica.sql("SET SESSION sql_log_bin = 0", stage.format("quiet"))

    class Slow(Session):
        def scalar(self, sql: str, params: Params = ()) -> str | None:
            if "GET_LOCK" in sql:
                replica.sql("SET SESSION sql_log_bin = 0", stage.format("loading"))
            return super().scalar(sql, params)

    with pytest.raises(Refused):
        cancel_reseed(request(star, replica), replace(tools(tmp_path), connect=Slow.connect))
    assert marked(replica)
    assert reseed(request(star, replica), tmp_path).outcome is Outcome.DONE
    healthy(star, replica)


@pytest.mark.long
def test_a_half_loaded_replica_is_not_cancelled(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1), (2)")
    star.wait_caught_up(60)

    with pytest.raises(Enough):
        reseed(request(star, replica), tmp_path, stop_at(Phase.COMPARE))
    with pytest.raises(Refused):
        cancel_reseed(request(star, replica), tools(tmp_path))
    assert marked(replica)
    assert reseed(request(star, replica), tmp_path).outcome is Outcome.DONE
    healthy(star, replica)


def test_a_server_without_a_channel_is_attached_with_the_account_of_the_configuration(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1), (2)")
    star.wait_caught_up(60)
    if star.flavour is Flavour.MARIADB:
        replica.sql("STOP SLAVE", "RESET SLAVE ALL")
    else:
        replica.sql("STOP REPLICA", "RESET REPLICA ALL")
    asked = request(star, replica, login=True)
    assert {refusal.code for refusal in plan_reseed(asked, Session.connect, CLOCK).plan.refusals} == {"standalone"}
    allowed = replace(asked, overwrite_standalone=str(replica.address))
    assert reseed(allowed, tmp_path).outcome is Outcome.DONE
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)
    journal = (tmp_path / "journal.jsonl").read_text(encoding="utf-8")
    assert replication_login(star).password not in journal
