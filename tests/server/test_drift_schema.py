"""Definitions that differ, and definitions that only look different or are on their way, on real servers of both flavours."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.drift.report import DriftReport, Effect, NotCompared, Reason, SchemaDifference, Verdict
from repwatch.drift.summary import exit_status
from repwatch.flows.drift import CheckRequest, check
from repwatch.model.endpoint import LiteralSecret
from repwatch.model.server import Flavour
from repwatch.model.topology import ReplicaTarget
from repwatch.sandbox import Sandbox, SandboxServer
from tests.server.drifting import drift_on, of_replica, of_table, run_check

BOTH = tuple(Flavour)
Told = tuple[str, str, Effect]  # what, name, effect
NONE, BEHAVIOUR, DATA = Effect.NONE, Effect.BEHAVIOUR, Effect.DATA


@dataclass(frozen=True)
class Case:
    """A table of the source, what happens to it on one replica, and what must be told of it. {t} is the table."""

    name: str
    columns: str
    drift: tuple[str, ...]
    told: frozenset[Told]
    flavours: tuple[Flavour, ...] = BOTH


def case(name: str, columns: str, *drift: str, told: list[Told], flavours: tuple[Flavour, ...] = BOTH) -> Case:
    return Case(name, columns, drift, frozenset(told), flavours)


PLAIN = "id INT PRIMARY KEY, v INT"
TABLES = [
    case("index_extra", PLAIN, "ALTER TABLE {t} ADD INDEX i (v)", told=[("index", "i", NONE)]),
    case("index_missing", f"{PLAIN}, INDEX i (v)", "ALTER TABLE {t} DROP INDEX i", told=[("index", "i", NONE)]),
    case(
        "index_unique",
        f"{PLAIN}, INDEX i (v)",
        "ALTER TABLE {t} DROP INDEX i, ADD UNIQUE i (v)",
        told=[("index", "i", BEHAVIOUR)],
    ),
    case(
        "index_columns",
        f"{PLAIN}, w INT, UNIQUE i (v, w)",
        "ALTER TABLE {t} DROP INDEX i, ADD UNIQUE i (w, v)",
        told=[("index", "i", BEHAVIOUR)],
    ),
    case(
        "index_prefix",
        "id INT PRIMARY KEY, v VARCHAR(20), INDEX i (v(5))",
        "ALTER TABLE {t} DROP INDEX i, ADD INDEX i (v(6))",
        told=[("index", "i", NONE)],
    ),
    case(
        "index_order", f"{PLAIN}, INDEX i (v)", "ALTER TABLE {t} DROP INDEX i, ADD INDEX i (v DESC)", told=[("index", "i", NONE)]
    ),
    case(
        "index_fulltext",
        "id INT PRIMARY KEY, v TEXT, INDEX i (v(9))",
        "ALTER TABLE {t} DROP INDEX i, ADD FULLTEXT i (v)",
        told=[("index", "i", NONE)],
    ),
    case(
        "index_ignored",
        f"{PLAIN}, INDEX i (v)",
        "ALTER TABLE {t} ALTER INDEX i IGNORED",
        told=[("index", "i", NONE)],
        flavours=(Flavour.MARIADB,),
    ),
    case(
        "index_hidden",
        f"{PLAIN}, INDEX i (v)",
        "ALTER TABLE {t} ALTER INDEX i INVISIBLE",
        told=[("index", "i", NONE)],
        flavours=(Flavour.MYSQL,),
    ),
    case(
        "index_expression",
        f"{PLAIN}, INDEX i ((v + 1))",
        "ALTER TABLE {t} DROP INDEX i, ADD INDEX i ((v + 2))",
        told=[("index", "i", NONE)],
        flavours=(Flavour.MYSQL,),
    ),
    case(
        "check_missing",
        f"{PLAIN}, CONSTRAINT c CHECK (v > 0)",
        "ALTER TABLE {t} DROP CONSTRAINT c",
        told=[("check", "c", BEHAVIOUR)],
    ),
    case(
        "check_changed",
        f"{PLAIN}, CONSTRAINT c1 CHECK (v > 0)",
        "ALTER TABLE {t} DROP CONSTRAINT c1",
        "ALTER TABLE {t} ADD CONSTRAINT c1 CHECK (v >= 0)",
        told=[("check", "c1", BEHAVIOUR)],
    ),
    case(
        "check_letters",
        "id INT PRIMARY KEY, v CHAR(1), CONSTRAINT c2 CHECK (v <> 'x')",
        "ALTER TABLE {t} DROP CONSTRAINT c2",
        "ALTER TABLE {t} ADD CONSTRAINT c2 CHECK (v <> 'X')",
        told=[("check", "c2", BEHAVIOUR)],
    ),
    case(
        "check_off",
        f"{PLAIN}, CONSTRAINT c3 CHECK (v > 0)",
        "ALTER TABLE {t} ALTER CHECK c3 NOT ENFORCED",
        told=[("check", "c3", BEHAVIOUR)],
        flavours=(Flavour.MYSQL,),
    ),
    case(
        "check_same",
        f"{PLAIN}, CONSTRAINT c4 CHECK (v > 0 AND id < 9)",
        "ALTER TABLE {t} DROP CONSTRAINT c4",
        "ALTER TABLE {t} ADD CONSTRAINT c4 CHECK ((`v` > (0)) and (ID < 9))",
        told=[],
    ),
    case(
        "foreign_missing",
        f"{PLAIN}, CONSTRAINT f1 FOREIGN KEY (v) REFERENCES parent (id)",
        "ALTER TABLE {t} DROP FOREIGN KEY f1",
        told=[("foreign-key", "f1", BEHAVIOUR)],
    ),
    case(
        "foreign_rule",
        f"{PLAIN}, CONSTRAINT f2 FOREIGN KEY (v) REFERENCES parent (id)",
        "ALTER TABLE {t} DROP FOREIGN KEY f2",
        "ALTER TABLE {t} ADD CONSTRAINT f2 FOREIGN KEY (v) REFERENCES parent (id) ON DELETE CASCADE",
        told=[("foreign-key", "f2", BEHAVIOUR)],
    ),
    case(
        "foreign_same",
        f"{PLAIN}, CONSTRAINT f3 FOREIGN KEY (v) REFERENCES parent (id)",
        "ALTER TABLE {t} DROP FOREIGN KEY f3",
        "ALTER TABLE {t} ADD CONSTRAINT f3 FOREIGN KEY (v) REFERENCES parent (id) ON DELETE RESTRICT",
        told=[],
    ),
    case(
        "default_changed",
        "id INT PRIMARY KEY, v INT DEFAULT 5",
        "ALTER TABLE {t} ALTER v SET DEFAULT 6",
        told=[("default", "v", BEHAVIOUR)],
    ),
    case(
        "default_null",
        "id INT PRIMARY KEY, v VARCHAR(9)",
        "ALTER TABLE {t} ALTER v SET DEFAULT 'NULL'",
        told=[("default", "v", BEHAVIOUR)],
    ),
    case(
        "default_letters",
        "id INT PRIMARY KEY, v VARCHAR(9) DEFAULT 'a'",
        "ALTER TABLE {t} ALTER v SET DEFAULT 'A'",
        told=[("default", "v", BEHAVIOUR)],
    ),
    case(
        "default_moment",
        "id INT PRIMARY KEY, v DATETIME DEFAULT CURRENT_TIMESTAMP",
        "ALTER TABLE {t} MODIFY v DATETIME",
        told=[("default", "v", BEHAVIOUR)],
    ),
    case(
        "default_expression",
        "id INT PRIMARY KEY, v INT DEFAULT (1 + 1)",
        "ALTER TABLE {t} MODIFY v INT DEFAULT (1 + 2)",
        told=[("default", "v", BEHAVIOUR)],
    ),
    case(
        "on_update",
        "id INT PRIMARY KEY, v DATETIME NULL ON UPDATE CURRENT_TIMESTAMP",
        "ALTER TABLE {t} MODIFY v DATETIME NULL",
        told=[("on-update", "v", BEHAVIOUR)],
    ),
    case(
        "counting",
        "id INT AUTO_INCREMENT PRIMARY KEY, v INT",
        "ALTER TABLE {t} MODIFY id INT NOT NULL",
        told=[("auto-increment", "id", BEHAVIOUR)],
    ),
    case("counter", "id INT AUTO_INCREMENT PRIMARY KEY, v INT", "ALTER TABLE {t} AUTO_INCREMENT = 77", told=[]),
    case("invisible", PLAIN, "ALTER TABLE {t} MODIFY v INT INVISIBLE", told=[("invisible", "v", BEHAVIOUR)]),
    case("nullable", PLAIN, "ALTER TABLE {t} MODIFY v INT NOT NULL", told=[("nullability", "v", BEHAVIOUR)]),
    case("column_comment", PLAIN, "ALTER TABLE {t} MODIFY v INT COMMENT 'metres'", told=[("comment", "v", NONE)]),
    case(
        "column_order",
        f"{PLAIN}, w INT",
        "ALTER TABLE {t} MODIFY v INT AFTER w",
        told=[("column-order", "d.column_order", BEHAVIOUR)],
    ),
    case("row_format", PLAIN, "ALTER TABLE {t} ROW_FORMAT = COMPACT", told=[("row-format", "d.row_format", NONE)]),
    case("row_format_said", PLAIN, "ALTER TABLE {t} ROW_FORMAT = DYNAMIC", told=[]),
    case("options", PLAIN, "ALTER TABLE {t} STATS_PERSISTENT = 0", told=[("options", "d.options", NONE)]),
    case("table_comment", PLAIN, "ALTER TABLE {t} COMMENT 'shop'", told=[("comment", "d.table_comment", NONE)]),
    case(
        "default_collation",
        PLAIN,
        "ALTER TABLE {t} COLLATE utf8mb4_bin",
        told=[("default-collation", "d.default_collation", BEHAVIOUR)],
    ),
    case(
        "partitions", PLAIN, "ALTER TABLE {t} PARTITION BY HASH (id) PARTITIONS 2", told=[("partitioning", "d.partitions", NONE)]
    ),
    case(
        "generated_otherwise",
        "id INT PRIMARY KEY, a INT, b INT, g INT AS ((a + b) * 2)",
        "ALTER TABLE {t} DROP g",
        "ALTER TABLE {t} ADD g INT AS (a + (b * 2))",
        told=[("generated", "g", DATA)],
    ),
    case(
        "generated_same",
        "id INT PRIMARY KEY, a INT, b INT, g INT AS (a + b * 2)",
        "ALTER TABLE {t} DROP g",
        "ALTER TABLE {t} ADD g INT AS ((`A` + ((b * 2))))",
        told=[],
    ),
    case(
        "versioned",
        PLAIN,
        "ALTER TABLE {t} ADD SYSTEM VERSIONING",
        told=[("system-versioning", "d.versioned", BEHAVIOUR)],
        flavours=(Flavour.MARIADB,),
    ),
]

OBJECTS = (
    "CREATE TABLE d.base (id INT PRIMARY KEY, v INT)",
    "CREATE VIEW d.v_same AS SELECT id FROM d.base",
    "CREATE VIEW d.v_text AS SELECT id FROM d.base",
    "CREATE VIEW d.v_missing AS SELECT id FROM d.base",
    "CREATE VIEW d.v_definer AS SELECT id FROM d.base",
    "CREATE VIEW d.v_security AS SELECT id FROM d.base",
    "CREATE TRIGGER d.g_same BEFORE INSERT ON d.base FOR EACH ROW SET NEW.v = 1",
    "CREATE TRIGGER d.g_first BEFORE UPDATE ON d.base FOR EACH ROW SET NEW.v = 2",
    "CREATE TRIGGER d.g_second BEFORE UPDATE ON d.base FOR EACH ROW SET NEW.v = 3",
    "CREATE TRIGGER d.g_missing AFTER INSERT ON d.base FOR EACH ROW SET @x = 1",
    "CREATE PROCEDURE d.p_same (IN x INT) SELECT x",
    "CREATE PROCEDURE d.p_text (IN x INT) SELECT x",
    "CREATE PROCEDURE d.p_parameters (IN x INT) SELECT 1",
    "CREATE FUNCTION d.f_returns () RETURNS INT DETERMINISTIC RETURN 1",
    "CREATE FUNCTION d.f_missing () RETURNS INT DETERMINISTIC RETURN 1",
    "CREATE EVENT d.e_same ON SCHEDULE EVERY 1 DAY DO SET @x = 1",
    "CREATE EVENT d.e_off ON SCHEDULE EVERY 1 DAY DISABLE DO SET @x = 1",
    "CREATE EVENT d.e_runs ON SCHEDULE EVERY 1 DAY DO SET @x = 1",
    "CREATE EVENT d.e_schedule ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO SET @x = 1",
    "CREATE EVENT d.e_missing ON SCHEDULE EVERY 1 DAY DO SET @x = 1",
    "CREATE DATABASE d_empty",
    "CREATE DATABASE d_collation CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
    "CREATE USER same@'%' IDENTIFIED BY 'secret'",
    "CREATE USER missing@'%' IDENTIFIED BY 'secret'",
    "CREATE USER more@'%' IDENTIFIED BY 'secret'",
    "GRANT SELECT ON d.* TO same@'%', missing@'%', more@'%'",
    "GRANT SELECT (id) ON d.base TO same@'%'",
    "GRANT EXECUTE ON PROCEDURE d.p_same TO same@'%'",
    "CREATE ROLE readers",
    "GRANT readers TO same@'%'",
)
SEQUENCES = (
    "CREATE SEQUENCE d.s_same",
    "CREATE SEQUENCE d.s_step",
    "CREATE SEQUENCE d.s_value NOCACHE",
)
OBJECT_DRIFT = (
    "CREATE OR REPLACE VIEW d.v_text AS SELECT id, v FROM d.base",
    "DROP VIEW d.v_missing",
    "CREATE VIEW d.v_extra AS SELECT 1 AS one",
    "ALTER DEFINER = somebody@'%' VIEW d.v_definer AS SELECT id FROM d.base",
    "ALTER SQL SECURITY INVOKER VIEW d.v_security AS SELECT id FROM d.base",
    "DROP TRIGGER d.g_missing",
    "DROP TRIGGER d.g_first",
    "CREATE TRIGGER d.g_first BEFORE UPDATE ON d.base FOR EACH ROW SET NEW.v = 2",
    "DROP PROCEDURE d.p_text",
    "CREATE PROCEDURE d.p_text (IN x INT) SELECT x + 1",
    "DROP PROCEDURE d.p_parameters",
    "CREATE PROCEDURE d.p_parameters (IN x BIGINT) SELECT 1",
    "DROP FUNCTION d.f_returns",
    "CREATE FUNCTION d.f_returns () RETURNS BIGINT DETERMINISTIC RETURN 1",
    "DROP FUNCTION d.f_missing",
    "ALTER EVENT d.e_runs ENABLE",
    "ALTER EVENT d.e_schedule ON SCHEDULE EVERY 2 DAY STARTS '2030-01-01 00:00:00'",
    "DROP EVENT d.e_missing",
    "DROP DATABASE d_empty",
    "ALTER DATABASE d_collation COLLATE utf8mb4_bin",
    "DROP USER missing@'%'",
    "GRANT INSERT ON d.* TO more@'%'",
)
SEQUENCE_DRIFT = ("ALTER SEQUENCE d.s_step INCREMENT BY 2", "SELECT SETVAL(d.s_value, 500)")
OBJECTS_TOLD: dict[tuple[str, str], set[Effect]] = {
    ("view", "d.v_text"): {BEHAVIOUR},
    ("view", "d.v_missing"): {BEHAVIOUR},
    ("view", "d.v_extra"): {BEHAVIOUR},
    ("view", "d.v_definer"): {BEHAVIOUR},
    ("view", "d.v_security"): {BEHAVIOUR},
    ("trigger", "d.g_missing"): {BEHAVIOUR},
    ("trigger", "d.g_first"): {BEHAVIOUR},
    ("trigger", "d.g_second"): {BEHAVIOUR},
    ("procedure", "d.p_text"): {BEHAVIOUR},
    ("procedure", "d.p_parameters"): {BEHAVIOUR},
    ("function", "d.f_returns"): {BEHAVIOUR},
    ("function", "d.f_missing"): {BEHAVIOUR},
    ("event", "d.e_runs"): {BEHAVIOUR},
    ("event", "d.e_schedule"): {BEHAVIOUR},
    ("event", "d.e_missing"): {BEHAVIOUR},
    ("database", "d_empty"): {BEHAVIOUR},
    ("database", "d_collation"): {BEHAVIOUR},
    ("account", "'missing'@'%'"): {BEHAVIOUR},
    ("grant", "'more'@'%' ON d.*"): {BEHAVIOUR},
}
SEQUENCES_TOLD: dict[tuple[str, str], set[Effect]] = {
    ("sequence", "d.s_step"): {BEHAVIOUR},
    ("sequence-value", "d.s_value"): {NONE},
}


@pytest.fixture(scope="module")
def drifted(flavour: Flavour) -> Iterator[tuple[Sandbox, DriftReport]]:
    """All tables and objects, made on the source, changed on the second replica, and checked at once."""
    mariadb = flavour is Flavour.MARIADB
    with Sandbox.start(flavour, replicas=2) as star:
        star.source.sql("CREATE DATABASE d CHARACTER SET utf8mb4", "CREATE TABLE d.parent (id INT PRIMARY KEY)")
        with star.source.connect() as db:
            db.execute("USE d")
            for found in _cases(flavour):
                db.execute(f"CREATE TABLE {found.name} ({found.columns})")
        star.source.sql(*OBJECTS, *(SEQUENCES if mariadb else ()))
        star.wait_caught_up(120)
        drift_on(
            star.replicas[1],
            "USE d",
            *(statement.replace("{t}", f"d.{found.name}") for found in _cases(flavour) for statement in found.drift),
            *OBJECT_DRIFT,
            *(SEQUENCE_DRIFT if mariadb else ()),
        )
        yield star, run_check(star, users=True)


def _cases(flavour: Flavour) -> list[Case]:
    return [found for found in TABLES if flavour in found.flavours]


def test_a_table_that_is_defined_otherwise_is_told_of(drifted: tuple[Sandbox, DriftReport]) -> None:
    star, report = drifted
    cases = _cases(star.source.flavour)
    tables = {expected.name: of_table(report, star.replicas[1], expected.name) for expected in cases}
    told = {name: {_told(found) for found in table.differences} for name, table in tables.items()}
    assert told == {expected.name: expected.told for expected in cases}
    drifted_tables = {expected.name for expected in cases if any(effect is DATA for _, _, effect in expected.told)}
    assert {name for name, table in tables.items() if table.verdict is Verdict.DRIFTED} == drifted_tables
    assert {name for name, table in tables.items() if table.verdict is Verdict.UNDECIDED} == set()


def _told(found: object) -> Told:
    assert isinstance(found, SchemaDifference)
    return found.what, found.name, found.effect


def test_an_object_that_is_defined_otherwise_is_told_of(drifted: tuple[Sandbox, DriftReport]) -> None:
    star, report = drifted
    replica = of_replica(report, star.replicas[1])
    told: dict[tuple[str, str], set[Effect]] = {}
    for found in _without_salts(replica.objects):
        told.setdefault((found.what, found.name), set()).add(found.effect)
    assert told == OBJECTS_TOLD | (SEQUENCES_TOLD if star.source.flavour is Flavour.MARIADB else {})
    assert replica.not_compared == ()


def test_equal_definitions_are_equal(drifted: tuple[Sandbox, DriftReport]) -> None:
    star, report = drifted
    replica = of_replica(report, star.replicas[0])
    assert [table for table in replica.tables if table.difference_count] == []
    assert (_without_salts(replica.objects), replica.not_compared, replica.verdict) == ([], (), Verdict.IDENTICAL)


def _without_salts(found: tuple[SchemaDifference, ...]) -> list[SchemaDifference]:
    """The accounts of a sandbox are made on each server for itself: on MySQL their stored passwords differ by a salt."""
    own = {"'root'", "'repl'", "'repwatch'", "'repwatch_op'"}
    return [item for item in found if not (item.what == "account" and item.name.partition("@")[0] in own and item.effect is NONE)]


def test_strictly_every_difference_counts(drifted: tuple[Sandbox, DriftReport]) -> None:
    star, _ = drifted
    lax = run_check(star, "d.index_extra", "d.parent", replicas=[star.replicas[1]])
    strict = run_check(star, "d.index_extra", "d.parent", replicas=[star.replicas[1]], strict=True)
    clean = run_check(star, "d.index_extra", "d.parent", replicas=[star.replicas[0]], strict=True)
    assert [exit_status(report) for report in (lax, strict, clean)] == [0, 1, 0]
    assert of_table(strict, star.replicas[1], "index_extra").verdict is Verdict.DRIFTED
    assert of_table(strict, star.replicas[1], "parent").verdict is Verdict.IDENTICAL


def test_what_an_account_may_not_see_is_neither_missing_nor_equal(drifted: tuple[Sandbox, DriftReport]) -> None:
    """The account may read rows on the replica, and nothing else."""
    star, _ = drifted
    mysql = star.source.flavour is Flavour.MYSQL
    status = "REPLICATION CLIENT" if mysql else "SLAVE MONITOR, BINLOG MONITOR"
    poor = star.replicas[0]
    drift_on(poor, "CREATE USER poor@'%' IDENTIFIED BY 'poor'", f"GRANT SELECT, PROCESS, {status} ON *.* TO poor@'%'")
    endpoint = replace(poor.spec().endpoint, user="poor", password=LiteralSecret("poor"))
    request = CheckRequest(
        source=star.source.spec(),
        replicas=(ReplicaTarget(server=replace(poor.spec(), endpoint=endpoint)),),
        tables=("d.foreign_missing",),
    )
    found = of_replica(check(request, connect=Session.connect, clock=SystemClock()), poor)
    strict = check(replace(request, strict=True), connect=Session.connect, clock=SystemClock())
    assert (found.verdict, found.objects) == (Verdict.IDENTICAL, ())
    assert {item.what for item in found.not_compared} >= {"view", "trigger", "event"}
    assert all(_names_a_remedy(item, poor) for item in found.not_compared)
    assert (exit_status(strict), of_replica(strict, poor).reason) == (3, Reason.HIDDEN)


def _names_a_remedy(item: NotCompared, server: SandboxServer) -> bool:
    return item.server == str(server.address) and item.reason is Reason.HIDDEN and (item.grant or "").endswith("TO 'poor'@'%';")


def test_a_change_on_its_way_is_no_difference(star: Sandbox, schema: str) -> None:
    """The replica's applier hangs on a lock when the check first looks, and goes on when the check waits for it."""
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, v INT)")
    star.wait_caught_up(60)
    behind = star.replicas[0]
    with _table_locked(behind, f"{schema}.t"):
        star.source.sql(
            f"ALTER TABLE {schema}.t ADD INDEX i (v), ALTER v SET DEFAULT 5",
            f"CREATE VIEW {schema}.w AS SELECT id FROM {schema}.t",
            f"CREATE PROCEDURE {schema}.p () SELECT 1",
            f"CREATE EVENT {schema}.e ON SCHEDULE EVERY 1 DAY DO SET @x = 1",
            f"CREATE TRIGGER {schema}.g BEFORE INSERT ON {schema}.t FOR EACH ROW SET NEW.v = 1",
        )
        report = run_check(star, f"{schema}.*", strict=True)
    for server in star.replicas:
        replica = of_replica(report, server)
        assert (replica.verdict, replica.objects, replica.not_compared) == (Verdict.IDENTICAL, (), ()), replica
        assert of_table(report, server, "t").difference_count == 0


@contextmanager
def _table_locked(server: SandboxServer, table: str) -> Iterator[None]:
    """Hold a lock on a table until a check waits for the replica, or is over."""
    over = threading.Event()
    locked = threading.Event()

    def hold() -> None:
        with server.connect() as db, server.connect() as other:
            db.execute(f"LOCK TABLES {table} READ")
            locked.set()
            waits = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'repwatch' AND info LIKE 'SELECT %GTID%(%'"
            while not over.wait(0.05) and other.scalar(waits) == "0":
                pass
            db.execute("UNLOCK TABLES")

    thread = threading.Thread(target=hold)
    thread.start()
    assert locked.wait(60)
    try:
        yield
    finally:
        over.set()
        thread.join()
