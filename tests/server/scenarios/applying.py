"""What an applier stops on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from repwatch.model.gtid import missing_count
from repwatch.model.server import Flavour
from repwatch.sandbox import statements as sandbox_statements
from tests.server.scenarios.patrol import Patrol
from tests.server.scenarios.receiving import MARIADB, MYSQL, remedy_works
from tests.server.scenarios.stage import Part, Scenario, Stage, places

ERROR = places(("replica1", "applier-error"))
SUSPECT = frozenset({("replica1", "suspect-data")})
"""An error that says that rows differ makes them suspect; the error itself is what people are told."""


@contextmanager
def applier_stopped(stage: Stage) -> Iterator[None]:
    stage.control("STOP", "SQL_THREAD")
    yield
    stage.go_on()


@contextmanager
def duplicate_key(stage: Stage) -> Iterator[None]:
    stage.on_replica(f"INSERT INTO {stage.table} VALUES (7, 'x')")
    stage.write(f"INSERT INTO {stage.table} VALUES (7, 'N')", f"INSERT INTO {stage.table} VALUES (8, 'N')")
    stage.until_applier_fails(1062)
    yield
    stage.on_replica(f"DELETE FROM {stage.table} WHERE id = 7")
    stage.go_on()


@contextmanager
def settings(stage: Stage, **wanted: str) -> Iterator[None]:
    """The replica's applier works with these global settings; in the end it does with its own again."""
    before = {name: stage.replica.sql(f"SELECT @@GLOBAL.{name}")[0][0] or "" for name in wanted}
    stage.control("STOP")
    stage.replica.sql(*(f"SET GLOBAL {name} = {value}" for name, value in wanted.items()))
    stage.go_on()
    yield
    stage.control("STOP")
    for name, value in before.items():
        stage.replica.sql(f"SET GLOBAL {name} = {value if value.isdigit() else repr(value)}")
    stage.go_on()


@contextmanager
def in_parallel(stage: Stage) -> Iterator[None]:
    """Four workers apply, out of order as far as they may."""
    wanted = {"slave_parallel_threads": "4"} if stage.is_mariadb else {"replica_parallel_workers": "4"}
    with settings(stage, **wanted):
        yield


@contextmanager
def worker_fails(stage: Stage) -> Iterator[None]:
    """One of many transactions that are applied side by side."""
    stage.on_replica(f"INSERT INTO {stage.table} VALUES (50, 'x')")
    stage.control("STOP", "SQL_THREAD")
    stage.write(*(f"INSERT INTO {stage.table} VALUES ({number}, 'N')" for number in range(40, 60)))
    stage.control("START", "SQL_THREAD")
    stage.until("the applier has stopped", lambda: stage.state()["applier"] == "No")
    yield
    stage.on_replica(f"DELETE FROM {stage.table} WHERE id = 50")
    stage.go_on()


@contextmanager
def row_to_change_is_missing(stage: Stage) -> Iterator[None]:
    stage.on_replica(f"DELETE FROM {stage.table}")
    stage.write(f"UPDATE {stage.table} SET status = 'P' WHERE id = 1")
    stage.until_applier_fails(1032)
    yield
    stage.on_replica(f"INSERT INTO {stage.table} VALUES (1, 'N')")
    stage.go_on()


@contextmanager
def row_to_delete_is_missing(stage: Stage) -> Iterator[None]:
    stage.on_replica(f"DELETE FROM {stage.table}")
    stage.write(f"DELETE FROM {stage.table} WHERE id = 1")
    stage.until_applier_fails(1032)
    yield
    stage.on_replica(f"INSERT INTO {stage.table} VALUES (1, 'N')")
    stage.go_on()


def breaking(
    *errnos: int, both: tuple[str, ...] = (), only: tuple[str, ...], write: tuple[str, ...], mend: tuple[str, ...]
) -> Part:
    """A way in four parts of statements: on all servers, on the replica only, on the source, and what puts the replica right.

    `{s}` is the schema, `{t}` the table.
    """

    @contextmanager
    def play(stage: Stage) -> Iterator[None]:
        def filled(statements: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(text.format(s=stage.schema, t=stage.table) for text in statements)

        stage.source.sql(*filled(both))
        stage.box.wait_caught_up(60)
        stage.on_replica(*filled(only))
        stage.write(*filled(write))
        stage.until_applier_fails(*errnos)
        yield
        stage.on_replica(*filled(mend))
        stage.go_on()

    return play


table_missing = breaking(
    1146,
    only=("DROP TABLE {t}",),
    write=("INSERT INTO {t} VALUES (9, 'N')",),
    mend=("CREATE TABLE {t} (id INT PRIMARY KEY, status CHAR(1))", "INSERT INTO {t} VALUES (1, 'N')"),
)
schema_missing = breaking(
    1049,
    both=("CREATE DATABASE {s}_b",),
    only=("DROP DATABASE {s}_b",),
    write=("CREATE TABLE {s}_b.t (id INT PRIMARY KEY)", "DROP DATABASE {s}_b"),
    mend=("CREATE DATABASE {s}_b",),
)
# MariaDB forgives both (slave_ddl_exec_mode).
schema_already_gone = breaking(
    1008,
    both=("CREATE DATABASE {s}_b",),
    only=("DROP DATABASE {s}_b",),
    write=("DROP DATABASE {s}_b",),
    mend=("CREATE DATABASE {s}_b",),
)
table_already_there = breaking(
    1050,
    only=("CREATE TABLE {s}.early (id INT PRIMARY KEY)",),
    write=("CREATE TABLE {s}.early (id INT PRIMARY KEY)",),
    mend=("DROP TABLE {s}.early",),
)
column_missing = breaking(
    1054,
    both=("ALTER TABLE {t} ADD note INT",),
    only=("ALTER TABLE {t} DROP note",),
    write=("ALTER TABLE {t} CHANGE note remark INT",),
    mend=("ALTER TABLE {t} ADD note INT",),
)
index_missing = breaking(
    1091,
    both=("ALTER TABLE {t} ADD INDEX by_status (status)",),
    only=("ALTER TABLE {t} DROP INDEX by_status",),
    write=("ALTER TABLE {t} DROP INDEX by_status",),
    mend=("ALTER TABLE {t} ADD INDEX by_status (status)",),
)
type_differs = breaking(
    1677,
    13146,
    only=("ALTER TABLE {t} MODIFY status INT",),
    write=("INSERT INTO {t} VALUES (9, 'N')",),
    mend=("TRUNCATE {t}", "ALTER TABLE {t} MODIFY status CHAR(1)", "INSERT INTO {t} VALUES (1, 'N')"),
)
out_of_range = breaking(
    1264,
    only=("ALTER TABLE {t} MODIFY id TINYINT",),
    write=("SET SESSION binlog_format = STATEMENT, sql_mode = STRICT_ALL_TABLES", "INSERT INTO {t} VALUES (1000, 'N')"),
    mend=("ALTER TABLE {t} MODIFY id INT",),
)
constraint_stricter = breaking(
    3819,
    4025,
    only=("ALTER TABLE {t} ADD CONSTRAINT short CHECK (id < 100)",),
    write=(
        "SET SESSION binlog_format = STATEMENT",
        "INSERT INTO {t} VALUES (1000, 'N')",
    ),
    mend=("ALTER TABLE {t} DROP CONSTRAINT short",),
)
parent_missing = breaking(
    1452,
    both=(
        "CREATE TABLE {s}.parts (id INT PRIMARY KEY, o INT, FOREIGN KEY (o) REFERENCES {t} (id))",
        "INSERT INTO {t} VALUES (3, 'N')",
    ),
    only=("SET SESSION foreign_key_checks = 0", "DELETE FROM {t} WHERE id = 3"),
    write=("INSERT INTO {s}.parts VALUES (1, 3)",),
    mend=("INSERT INTO {t} VALUES (3, 'N')",),
)
child_left = breaking(
    1451,
    both=(
        "CREATE TABLE {s}.parts (id INT PRIMARY KEY, o INT, FOREIGN KEY (o) REFERENCES {t} (id))",
        "INSERT INTO {t} VALUES (3, 'N')",
    ),
    only=("INSERT INTO {s}.parts VALUES (1, 3)",),
    write=("DELETE FROM {t} WHERE id = 3",),
    mend=("DELETE FROM {s}.parts",),
)
account_missing = breaking(
    1396,
    both=("CREATE USER {s}@'%'",),
    only=("DROP USER {s}@'%'",),
    write=("DROP USER {s}@'%'",),
    mend=("CREATE USER {s}@'%'",),
)
routine_missing = breaking(
    1305,
    both=("CREATE PROCEDURE {s}.p() SELECT 1",),
    only=("DROP PROCEDURE {s}.p",),
    write=("DROP PROCEDURE {s}.p",),
    mend=("CREATE PROCEDURE {s}.p() SELECT 1",),
)
trigger_refuses = breaking(
    1644,
    only=("CREATE TRIGGER {s}.t BEFORE INSERT ON {t} FOR EACH ROW SIGNAL SQLSTATE '45000'",),
    write=("SET SESSION binlog_format = STATEMENT", "INSERT INTO {t} VALUES (9, 'N')"),
    mend=("DROP TRIGGER {s}.t",),
)
table_full = breaking(
    1114,
    both=("CREATE TABLE {s}.m (id INT PRIMARY KEY, b VARCHAR(4000)) ENGINE = MEMORY",),
    only=("SET SESSION max_heap_table_size = 16384", "ALTER TABLE {s}.m MAX_ROWS = 2"),
    write=tuple(f"INSERT INTO {{s}}.m VALUES ({number}, REPEAT('x', 4000))" for number in range(20)),
    mend=("ALTER TABLE {s}.m MAX_ROWS = 0",),
)


@contextmanager
def impatient(stage: Stage) -> Iterator[None]:
    """The replica's applier waits a second for a row, once."""
    retries = "slave_transaction_retries" if stage.is_mariadb else "replica_transaction_retries"
    with settings(stage, **{retries: "0", "innodb_lock_wait_timeout": "1"}):
        yield


@contextmanager
def row_locked_too_long(stage: Stage) -> Iterator[None]:
    with stage.replica.connect() as holder:
        holder.execute("START TRANSACTION")
        holder.query(f"SELECT * FROM {stage.table} FOR UPDATE")
        stage.write(f"UPDATE {stage.table} SET status = 'P'")
        stage.until_applier_fails(1205)
        yield
        holder.execute("ROLLBACK")
    stage.go_on()


@contextmanager
def small_cache(stage: Stage) -> Iterator[None]:
    """The replica takes transactions of 4 KiB at most."""
    with settings(stage, max_binlog_cache_size="4096", binlog_cache_size="4096"):
        yield


transaction_too_large = breaking(
    1197,
    both=("CREATE TABLE {s}.large (id INT PRIMARY KEY, b LONGTEXT)",),
    only=(),
    write=("INSERT INTO {s}.large VALUES (1, REPEAT('x', 100000)), (2, REPEAT('x', 100000))",),
    mend=(),
)


@contextmanager
def enough_cache(stage: Stage) -> Iterator[None]:
    with transaction_too_large(stage):
        yield
        stage.replica.sql("SET GLOBAL max_binlog_cache_size = 4294967296")


@contextmanager
def applier_killed(stage: Stage) -> Iterator[None]:
    """Somebody ends the applier's thread."""
    query = "SELECT ID FROM information_schema.processlist WHERE USER = 'system user' AND STATE LIKE '%read all relay log%'"
    seen: list[tuple[str | None, ...]] = []

    def is_idle() -> bool:
        seen[:] = stage.replica.sql(query)
        return bool(seen)

    stage.until("the applier is idle", is_idle)
    stage.replica.sql(f"KILL {seen[0][0]}")
    stage.until("the applier has stopped", lambda: stage.state()["applier"] == "No")
    yield
    stage.go_on()


def relay_log(stage: Stage) -> Path:
    """The newest relay log of the replica."""
    return max((stage.replica.folder / "data").glob("relay.[0-9]*"))


def filled_relay_log(stage: Stage) -> Path:
    """A relay log that holds a row for the table, that nobody writes to any more, and that the applier has not read yet."""
    stage.control("STOP", "SQL_THREAD")
    file, name = relay_log(stage), stage.schema.encode()
    before = file.stat().st_size
    stage.write(f"INSERT INTO {stage.table} VALUES (9, 'N')")
    stage.until("the row has arrived", lambda: name in file.read_bytes()[before:])
    stage.replica.sql("FLUSH LOCAL RELAY LOGS")  # else it is a transaction of its own (MySQL)
    stage.until("there is another relay log", lambda: relay_log(stage) != file)
    return file


def apply_in_vain(stage: Stage) -> None:
    """Start the applier, and wait until it has stopped again."""
    stage.control("START", "SQL_THREAD")
    stage.until("the applier has stopped", lambda: (s := stage.state())["applier"] == "No" and s["applier_errno"] != "0")


@contextmanager
def relay_log_damaged(stage: Stage) -> Iterator[None]:
    """Bytes that the applier has not read yet are not those that the receiver wrote."""
    file, name = filled_relay_log(stage), stage.schema.encode()
    whole = file.read_bytes()
    place = whole.rindex(name)
    file.write_bytes(whole[:place] + b"x" * len(name) + whole[place + len(name) :])
    apply_in_vain(stage)
    yield
    refetch(stage)


@contextmanager
def relay_log_deleted(stage: Stage) -> Iterator[None]:
    filled_relay_log(stage).unlink()
    apply_in_vain(stage)
    yield
    refetch(stage)


def refetch(stage: Stage) -> None:
    """What the remedy says: throw the relay logs away, and fetch them again."""
    stage.control("STOP")
    if stage.is_mariadb:
        stage.replica.sql("CHANGE MASTER TO MASTER_USE_GTID = slave_pos")
    else:
        stage.control("RESET")
    stage.go_on()


@contextmanager
def out_of_order(stage: Stage) -> Iterator[None]:
    """The replica has written a transaction of its own, and takes its order seriously (gtid_strict_mode)."""
    stage.replica.sql("SET GLOBAL gtid_strict_mode = 1", f"INSERT INTO {stage.table} VALUES (90, 'x')")
    stage.write(f"INSERT INTO {stage.table} VALUES (9, 'N')")
    stage.until_applier_fails(1950)
    yield
    stage.on_replica(f"DELETE FROM {stage.table} WHERE id = 90")
    stage.control("STOP")
    position = stage.replica.sql("SELECT @@GLOBAL.gtid_slave_pos")[0][0]
    stage.replica.sql("SET GLOBAL gtid_strict_mode = 0", "RESET MASTER", f"SET GLOBAL gtid_slave_pos = '{position}'")
    stage.go_on()


def names_the_transaction(stage: Stage, watch: Patrol) -> None:
    """It is one of the source's, and none that the replica has."""
    evidence = watch.finding("replica1", "applier-error").evidence
    position = stage.source.sql(sandbox_statements.position(stage.flavour))[0][0] or ""
    failed = evidence["transaction"]
    assert missing_count(stage.flavour, position, failed) == 0, f"{failed} is none of the source's {position}"
    assert missing_count(stage.flavour, evidence["gtid_executed"], failed) >= 1, f"{failed} is applied already"


def names_the_table_too(stage: Stage, watch: Patrol) -> None:
    names_the_transaction(stage, watch)
    assert watch.finding("replica1", "applier-error").evidence["table"] == stage.table


def failing(name: str, what: str, breaks: Part, error_class: str, errno: str = "", **more: Any) -> Scenario:
    """An applier stops on an error of that class."""
    evidence = {"error_class": error_class} | ({"errno": errno} if errno else {})
    return Scenario(name=name, what=what, breaks=breaks, told=ERROR, evidence=evidence, **more)


APPLYING = (
    Scenario(
        name="applier-stopped",
        what="somebody stops the applier",
        breaks=applier_stopped,
        told=places(("replica1", "applier-stopped")),
        claims=remedy_works("applier-stopped"),
    ),
    failing(
        "duplicate-key", "the replica has a row that the source inserts", duplicate_key, "duplicate-key", "1062",
        follows=SUSPECT, claims=names_the_table_too,
    ),
    failing(
        "worker-fails", "one of several workers stops", worker_fails, "duplicate-key", "1062",
        follows=SUSPECT, prepare=in_parallel,
        long=True,
    ),
    failing(
        "row-to-change-missing", "the replica lacks a row that the source changes", row_to_change_is_missing,
        "row-not-found", "1032", follows=SUSPECT, claims=names_the_table_too,
    ),
    failing(
        "row-to-delete-missing", "the replica lacks a row that the source deletes", row_to_delete_is_missing,
        "row-not-found", "1032", follows=SUSPECT, claims=names_the_table_too,
        long=True,
    ),
    failing("table-missing", "the replica lacks a table", table_missing, "schema", "1146", claims=names_the_table_too),
    failing("schema-missing", "the replica lacks a schema", schema_missing, "schema", "1049", long=True),
    failing("schema-gone", "the source drops a schema that it lacks", schema_already_gone, "schema", "1008", on=MYSQL, long=True),
    failing("table-there", "the source creates a table that it has", table_already_there, "schema", "1050", on=MYSQL, long=True),
    failing("column-missing", "the replica lacks a column", column_missing, "schema", "1054", long=True),
    failing("index-missing", "the replica lacks an index", index_missing, "schema", "1091", long=True),
    failing("type-differs", "a column has another type on the replica", type_differs, "schema", claims=names_the_table_too),
    failing("out-of-range", "a value does not fit into the replica's column", out_of_range, "schema", "1264", long=True),
    failing("constraint-stricter", "the replica has a CHECK that the source has not", constraint_stricter, "schema", long=True),
    failing("parent-missing", "the replica lacks the parent of a foreign key", parent_missing, "foreign-key", "1452"),
    failing("child-left", "the replica has a child that the source has not", child_left, "foreign-key", "1451", long=True),
    failing("account-missing", "the source drops an account that it lacks", account_missing, "schema", "1396", long=True),
    failing("routine-missing", "the source drops a routine that it lacks", routine_missing, "schema", "1305", long=True),
    failing("trigger-refuses", "a trigger of the replica's own refuses a row", trigger_refuses, "other", "1644", long=True),
    failing("table-full", "a table may hold less than the source's", table_full, "host", "1114", on=MYSQL, long=True),
    failing(
        "row-locked-too-long", "a session on the replica holds a row for longer than the applier tries", row_locked_too_long,
        "transient", "1205", prepare=impatient,
    ),
    failing(
        "transaction-too-large", "a transaction is larger than the replica's binary log takes", enough_cache, "setting", "1197",
        prepare=small_cache,
        long=True,
    ),
    Scenario(
        name="applier-killed",
        what="somebody kills the applier's thread",
        breaks=applier_killed,
        told={
            Flavour.MARIADB: frozenset({("replica1", "applier-stopped")}),
            Flavour.MYSQL: frozenset({("replica1", "applier-error")}),  # 1756: its workers stop with the coordinator
        },
        long=True,
    ),
    failing("relay-log-damaged", "the relay log is damaged", relay_log_damaged, "relay-log"),
    failing("relay-log-deleted", "a relay log is removed behind the server's back", relay_log_deleted, "relay-log", long=True),
    Scenario(
        name="out-of-order",
        what="the replica has a transaction of its own, in strict GTID mode",
        breaks=out_of_order,
        told=places(("replica1", "applier-error"), ("replica1", "errant-transactions")),
        follows=SUSPECT,
        evidence={"error_class": "errant", "errno": "1950"},
        on=MARIADB,
    ),
)  # fmt: skip
