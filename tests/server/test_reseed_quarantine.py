"""What only the replica has is put aside by a reseed, whole, and dropped when all is proved."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.errors import Refused, StatementRefused
from repwatch.flows.reseed import apply_reseed, cancel_reseed, plan_reseed
from repwatch.flows.reseed_definitions import read_definitions, read_present
from repwatch.flows.reseed_quarantine import discard, set_aside
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.model.plan import Outcome
from repwatch.model.schema import TableName
from repwatch.model.server import Flavour
from repwatch.ports.database import Params
from repwatch.reseed.method import Method
from repwatch.reseed.progress import Phase
from repwatch.sandbox import Sandbox, SandboxServer
from repwatch.sql.definitions import reader_setup
from repwatch.sql.reseed import CREATE_MARKER, MARKER_SCHEMA
from repwatch.sql.rowcopy import loader_setup
from tests.server.reseeding import CLOCK, Enough, contents, healthy, put_back, request, reseed, stop_at, tools

LOCAL = "SET SESSION sql_log_bin = 0"
LONG = "l" * 64


@pytest.fixture
def replica(star: Sandbox) -> Iterator[SandboxServer]:
    """A replica that replicates again afterwards, whatever the test did to it."""
    server = star.replicas[0]
    yield server
    with server.connect() as db:
        put_back(db)
        for name in [name for (name,) in server.sql("SHOW DATABASES") if str(name).endswith("_own")]:
            db.execute(f"DROP DATABASE {name}")
    star.wait_caught_up(60)


def interrupted(asked: ReseedRequest, folder: Path, phase: Phase) -> None:
    with pytest.raises(Enough):
        reseed(asked, folder, stop_at(phase))


# One statement a paragraph, in two schemas with equal names in them; @s@ is the one that the source has.
EXTRA = """
CREATE TABLE @s@.parent (id INT PRIMARY KEY, v INT, CONSTRAINT positive CHECK (v > 0))

INSERT INTO @s@.parent VALUES (1, 10), (2, 20)

CREATE TABLE @s@.child (id INT AUTO_INCREMENT PRIMARY KEY, p INT, k INT,
  CONSTRAINT up FOREIGN KEY (p) REFERENCES @s@.parent (id),
  CONSTRAINT beside FOREIGN KEY (k) REFERENCES @s@.kept (id) ON DELETE CASCADE)

INSERT INTO @s@.child (p, k) VALUES (1, 1), (2, 2)

CREATE TABLE @s@.@long@ (v VARCHAR(10))

INSERT INTO @s@.@long@ VALUES ('a'), ('a')

CREATE TRIGGER @s@.both BEFORE INSERT ON @s@.child FOR EACH ROW SET NEW.k = 1

CREATE TRIGGER @s@.own_trigger AFTER INSERT ON @s@.kept FOR EACH ROW DELETE FROM @s@.parent

CREATE VIEW @s@.own_view AS SELECT c.id FROM @s@.child AS c JOIN @s@.parent AS p ON p.id = c.p

CREATE FUNCTION @s@.own_function(x INT) RETURNS INT DETERMINISTIC NO SQL RETURN x + 1

CREATE PROCEDURE @s@.own_procedure() SELECT 'it''s', "a\\\\b"

CREATE EVENT @s@.own_event ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM @s@.parent

CREATE DATABASE @s@_extra CHARACTER SET latin1

CREATE TABLE @s@_extra.parent (id INT PRIMARY KEY, v INT, CONSTRAINT positive CHECK (v > 0))

INSERT INTO @s@_extra.parent VALUES (3, 30)

CREATE TABLE @s@_extra.child (id INT PRIMARY KEY, p INT, CONSTRAINT up FOREIGN KEY (p) REFERENCES @s@_extra.parent (id))

INSERT INTO @s@_extra.child VALUES (1, 3)

CREATE TRIGGER @s@_extra.both BEFORE INSERT ON @s@_extra.child FOR EACH ROW SET NEW.p = 3

CREATE VIEW @s@_extra.own_view AS SELECT 1 AS one
"""
MARIADB = """
CREATE SEQUENCE @s@.own_sequence START WITH 7 INCREMENT BY 3 NOCACHE

CREATE TABLE @s@.versioned (id INT PRIMARY KEY, k INT,
  CONSTRAINT past FOREIGN KEY (k) REFERENCES @s@.kept (id)) WITH SYSTEM VERSIONING

INSERT INTO @s@.versioned VALUES (1, 1)

UPDATE @s@.versioned SET k = 2
"""
TABLES = ("parent", "child", LONG)


def statements(text: str, schema: str) -> list[str]:
    return [part.replace("@s@", schema).replace("@long@", LONG) for part in text.strip().split("\n\n")]


def damage(star: Sandbox, schema: str, replica: SandboxServer) -> None:
    """Beside all that, a row is missing, and a trigger is on another table than on the source."""
    star.source.sql(
        f"CREATE TABLE {schema}.kept (id INT PRIMARY KEY, v INT)",
        f"INSERT INTO {schema}.kept VALUES (1, 1), (2, 2), (3, 3)",
        f"CREATE TRIGGER {schema}.elsewhere BEFORE INSERT ON {schema}.kept FOR EACH ROW SET NEW.v = 1",
    )
    star.wait_caught_up(60)
    replica.sql(
        LOCAL,
        f"DELETE FROM {schema}.kept WHERE id = 3",
        f"DROP TRIGGER {schema}.elsewhere",
        *statements(EXTRA, schema),
        f"CREATE TRIGGER {schema}.elsewhere BEFORE UPDATE ON {schema}.child FOR EACH ROW SET NEW.k = 1",
        *(statements(MARIADB, schema) if star.flavour is Flavour.MARIADB else ()),
    )


def kept(replica: SandboxServer, schema: str, name: str) -> str:
    """Where a table is in quarantine."""
    (row,) = replica.sql(
        f"SELECT id FROM {MARKER_SCHEMA}.quarantine WHERE db = '{schema}' AND name = '{name}' AND kind <> 'view'"
    )
    return f"{MARKER_SCHEMA}.kept_{row[0]}"


def texts(replica: SandboxServer, *schemas: str) -> dict[tuple[object, ...], object]:
    """(kind, schema, name) and statement of all that is there and kept as a text, as SHOW CREATE tells it."""
    with replica.connect() as db:
        for statement in reader_setup(db.version):
            db.execute(statement)
        items = [item for item in read_definitions(db) if item.schema in schemas]
    return {(item.kind.value, item.schema, item.name): item.statement for item in items}


def rows(replica: SandboxServer, table: str) -> list[object]:
    return sorted(replica.sql(f"SELECT * FROM {table}"), key=repr)


@pytest.mark.parametrize("method", [Method.DIFFERENTIAL, Method.LOGICAL])
def test_what_only_the_replica_has_is_kept_whole_until_the_proof(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, method: Method
) -> None:
    damage(star, schema, replica)
    own = {(s, t): rows(replica, f"{s}.{t}") for s in (schema, f"{schema}_extra") for t in TABLES if t != LONG or s == schema}
    made = texts(replica, schema, f"{schema}_extra")
    asked = request(star, replica, method=method)
    interrupted(asked, tmp_path, Phase.VERIFY)
    # Replication runs again: what the rows that are put aside referred to comes and goes without them.
    star.source.sql(f"DELETE FROM {schema}.kept")
    star.wait_caught_up(60)
    assert {name: rows(replica, kept(replica, *name)) for name in own} == own
    theirs = texts(star.source, schema)
    written = replica.sql(f"SELECT kind, db, name, statement FROM {MARKER_SCHEMA}.quarantine")
    assert {tuple(row[:3]): row[3] for row in written} == {
        key: text for key, text in made.items() if key[-1] == "elsewhere" or key not in theirs
    }
    if star.flavour is Flavour.MARIADB:
        assert replica.sql(f"SELECT NEXTVAL({kept(replica, schema, 'own_sequence')})") == [("7",)]
        assert len(replica.sql(f"SELECT * FROM {kept(replica, schema, 'versioned')} FOR SYSTEM_TIME ALL")) == 2
    again = reseed(request(star, replica), tmp_path)
    assert (again.outcome, again.verdict, again.text) == (Outcome.DONE, "identical", "")
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)
    assert (f"{schema}_extra",) not in replica.sql("SHOW DATABASES")


def test_stopped_at_each_statement_nothing_is_lost_or_done_twice(star: Sandbox, schema: str, replica: SandboxServer) -> None:
    """Each run carries out one statement and loses the answer to it; the next one goes on."""
    replica.sql(
        LOCAL,
        f"CREATE TABLE {schema}.above (id INT PRIMARY KEY)",
        f"CREATE TABLE {schema}.below (id INT PRIMARY KEY, CONSTRAINT up FOREIGN KEY (id) REFERENCES {schema}.above (id))",
        f"INSERT INTO {schema}.above VALUES (1), (2)",
        f"INSERT INTO {schema}.below VALUES (1), (2)",
        f"CREATE TRIGGER {schema}.own BEFORE INSERT ON {schema}.below FOR EACH ROW SET NEW.id = 1",
        f"CREATE DATABASE {schema}_extra",
        f"CREATE VIEW {schema}_extra.v AS SELECT 1 AS one",
        "SET GLOBAL log_bin_trust_function_creators = 1",  # as a reseed sets it
    )
    made = texts(replica, schema, f"{schema}_extra")
    with star.source.connect() as source:
        ours = [item for item in read_definitions(source) if item.schema == schema]

    class Dying(Session):
        left = 0

        def execute(self, sql: str, params: Params = ()) -> int:
            done = super().execute(sql, params)
            if sql.startswith(("INSERT", "ALTER", "DROP")):
                self.left -= 1
                if not self.left:
                    raise Enough
            return done

    def go_on(steps: int) -> bool:
        with Dying.connect(replica.spec().writer) as writer, replica.connect() as reader:
            for statement in (*loader_setup(writer.version), *CREATE_MARKER):
                writer.execute(statement)
            for statement in reader_setup(reader.version):
                reader.execute(statement)
            writer.left = steps
            theirs = [item for item in read_present(reader) if item.schema in (schema, f"{schema}_extra")]
            try:
                return set_aside(writer, reader, ours, theirs)
            except Enough:
                return True

    while go_on(1):
        there = texts(replica, schema, f"{schema}_extra")
        written = replica.sql(f"SELECT kind, db, name, statement FROM {MARKER_SCHEMA}.quarantine")
        aside: dict[tuple[object, ...], object] = {tuple(row[:3]): row[3] for row in written}
        assert len(aside) == len(written)
        # The foreign key of a table that is still there has followed the one that has been moved; its first text is kept.
        assert there | aside == made
    with replica.connect() as db:
        assert rows(replica, kept(replica, schema, "below")) == rows(replica, kept(replica, schema, "above")) == [("1",), ("2",)]
        db.execute(LOCAL)
        discard(db)
        assert not db.texts(f"SHOW TABLES FROM {MARKER_SCHEMA} LIKE 'kept%'")
        db.execute("SET GLOBAL log_bin_trust_function_creators = 0")


def test_what_is_brought_back_as_the_documentation_says_stays(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    damage(star, schema, replica)
    own, made = rows(replica, f"{schema}.child"), texts(replica, schema)
    asked = request(star, replica, method=Method.DIFFERENTIAL)
    interrupted(asked, tmp_path, Phase.COMPARE)
    with pytest.raises(Refused) as refused:
        cancel_reseed(asked, tools(tmp_path))
    assert f"{MARKER_SCHEMA}.quarantine" in refused.value.hint
    where = f"FROM {MARKER_SCHEMA}.quarantine WHERE db = '{schema}' AND name"
    ((mode, charset, collation, statement),) = replica.sql(
        f"SELECT sql_mode, charset, collation, statement {where} = 'own_procedure'"
    )
    replica.sql(
        LOCAL,
        "SET SESSION foreign_key_checks = 0",
        f"CREATE DATABASE {schema}_own",
        f"RENAME TABLE {kept(replica, schema, 'child')} TO {schema}_own.child",
        f"RENAME TABLE {kept(replica, schema, 'parent')} TO {schema}_own.parent",
        f"ALTER TABLE {schema}_own.child ADD CONSTRAINT up FOREIGN KEY (p) REFERENCES {schema}_own.parent (id)",
        f"SET SESSION sql_mode = '{mode}', character_set_client = '{charset}', collation_connection = '{collation}'",
        f"USE {schema}_own",
        str(statement),
    )
    spec = replace(asked.replica.server, local_tables=(f"{schema}_own.*",))
    resumed = replace(asked, replica=replace(asked.replica, server=spec))
    assert reseed(resumed, tmp_path).outcome is Outcome.DONE
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)
    assert rows(replica, f"{schema}_own.child") == own
    back = texts(replica, f"{schema}_own")
    assert back["procedure", f"{schema}_own", "own_procedure"] == made["procedure", schema, "own_procedure"]


def test_a_table_that_cannot_be_moved_stops_the_reseed_and_is_named(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    damage(star, schema, replica)
    own = rows(replica, f"{schema}.{LONG}")

    class Damaged(Session):
        def execute(self, sql: str, params: Params = ()) -> int:
            if sql.startswith(f"ALTER TABLE `{schema}`.`{LONG}`"):
                raise StatementRefused("Table doesn't exist in engine", server=self.server, errno=1932)
            return super().execute(sql, params)

    asked = request(star, replica, method=Method.DIFFERENTIAL)
    plan = plan_reseed(asked, Session.connect, CLOCK).plan
    applied = apply_reseed(asked, replace(tools(tmp_path), connect=Damaged.connect), plan.plan_hash)
    assert applied.outcome is Outcome.FAILED
    assert f"{schema}.{LONG}" in applied.text
    assert f"{MARKER_SCHEMA}.quarantine" in applied.text
    assert rows(replica, f"{schema}.{LONG}") == own
    assert reseed(request(star, replica), tmp_path).outcome is Outcome.DONE
    healthy(star, replica)


def test_a_trigger_of_the_replicas_own_is_kept_beside_single_tables(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    star.source.sql(f"CREATE TABLE {schema}.kept (id INT PRIMARY KEY)", f"CREATE TABLE {schema}.other (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    triggers = [
        f"CREATE TRIGGER {schema}.on_{table} AFTER INSERT ON {schema}.{table} FOR EACH ROW DELETE FROM {schema}.kept"
        for table in ("kept", "other")
    ]
    replica.sql(LOCAL, *triggers)
    made = texts(replica, schema)
    asked = request(star, replica, tables=(TableName(schema, "kept"),))
    interrupted(asked, tmp_path, Phase.VERIFY)
    written = replica.sql(f"SELECT db, name, statement FROM {MARKER_SCHEMA}.quarantine")
    assert written == [(schema, "on_kept", made["trigger", schema, "on_kept"])]
    assert ("trigger", schema, "on_other") in texts(replica, schema)
    assert reseed(asked, tmp_path).outcome is Outcome.DONE
    assert (MARKER_SCHEMA,) not in replica.sql("SHOW DATABASES")
