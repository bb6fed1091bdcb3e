"""Who replicates from whom, who may write, what may have changed data unseen, and settings that let it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from repwatch.health import rules_source
from repwatch.model.server import Flavour
from repwatch.model.topology import AUTO
from repwatch.sandbox import Account
from repwatch.sandbox import statements as sandbox_statements
from repwatch.sql.reseed import MARKER_SCHEMA
from tests.server.diagnosing import locally
from tests.server.scenarios.patrol import Patrol
from tests.server.scenarios.reach import log_out
from tests.server.scenarios.receiving import MARIADB, MYSQL
from tests.server.scenarios.stage import Part, Scenario, Stage, places


@contextmanager
def reset_away(stage: Stage) -> Iterator[None]:
    stage.control("STOP")
    stage.control("RESET", "ALL")
    yield
    stage.attach(stage.replica, stage.source.address)
    stage.go_on()


@contextmanager
def moved_to_sibling(stage: Stage) -> Iterator[None]:
    stage.attach(stage.other, stage.replica.address)
    stage.box.wait_connected(90)
    yield
    stage.attach(stage.other, stage.source.address)
    stage.go_on()


@contextmanager
def source_follows(stage: Stage) -> Iterator[None]:
    stage.attach(stage.source, stage.replica.address)
    stage.until("it is connected", lambda: stage.state(stage.source)["receiver"] == "Yes")
    yield
    for verb, thread in (("STOP", ""), ("RESET", "ALL")):
        stage.control(verb, thread, stage.source)


@contextmanager
def switched_over(stage: Stage) -> Iterator[None]:
    """The first replica becomes the source, by the book; the configuration goes on to name the old one."""
    old, new, other = stage.source, stage.replica, stage.other
    old.sql("SET GLOBAL read_only = ON")
    stage.box.wait_caught_up(60)
    stage.control("STOP")
    stage.control("RESET", "ALL")
    new.sql("SET GLOBAL sync_binlog = 1", "SET GLOBAL innodb_flush_log_at_trx_commit = 1", "SET GLOBAL read_only = OFF")
    if stage.is_mariadb:
        old.sql("SET GLOBAL gtid_slave_pos = @@GLOBAL.gtid_binlog_pos")
    for replica in (old, other):
        stage.attach(replica, new.address)
    stage.until("both follow", lambda: all(stage.state(replica)["receiver"] == "Yes" for replica in (old, other)))
    yield
    go_back(stage)


@contextmanager
def followed(stage: Stage) -> Iterator[None]:
    """The configuration leaves it to the replicas who the source is; for how long a change is told of may be set."""
    stage.cluster = replace(stage.cluster, source=AUTO)
    with pytest.MonkeyPatch.context() as stage.settings:
        yield


@contextmanager
def two_sources(stage: Stage) -> Iterator[None]:
    """The first replica is promoted while applications go on to write to the old source, which nobody has stopped."""
    old, new, other = stage.source, stage.replica, stage.other
    stage.box.wait_caught_up(60)
    before = old.sql(sandbox_statements.position(stage.flavour))[0][0]
    for verb, thread in (("STOP", ""), ("RESET", "ALL")):
        stage.control(verb, thread)
    new.sql("SET GLOBAL sync_binlog = 1", "SET GLOBAL innodb_flush_log_at_trx_commit = 1", "SET GLOBAL read_only = OFF")
    stage.attach(other, new.address)
    stage.until("the other follows", lambda: stage.state(other)["receiver"] == "Yes")
    for server, row in ((old, 20), (new, 21)):
        server.sql(f"INSERT INTO {stage.table} VALUES ({row}, 'N')")
    yield
    old.sql("SET GLOBAL read_only = ON")
    locally(old, f"DELETE FROM {stage.table} WHERE id = 20")
    if stage.is_mariadb:
        old.sql("RESET MASTER", f"SET GLOBAL gtid_slave_pos = '{before}'")
    else:
        old.sql("RESET BINARY LOGS AND GTIDS", f"SET GLOBAL gtid_purged = '{before}'")
    stage.attach(old, new.address)
    written = f"SELECT 1 FROM {stage.table} WHERE id = 21"
    stage.until("both have the row", lambda: all(server.sql(written) for server in (old, other)))
    go_back(stage)


def go_back(stage: Stage) -> None:
    """The old source becomes the source again; all have the same."""
    old, new, other = stage.source, stage.replica, stage.other
    for verb, thread in (("STOP", ""), ("RESET", "ALL")):
        stage.control(verb, thread, old)
    new.sql("SET GLOBAL sync_binlog = 0", "SET GLOBAL innodb_flush_log_at_trx_commit = 2", "SET GLOBAL read_only = ON")
    if stage.is_mariadb:
        new.sql("SET GLOBAL gtid_slave_pos = @@GLOBAL.gtid_binlog_pos")
    old.sql("SET GLOBAL read_only = OFF")
    for replica in (new, other):
        stage.attach(replica, old.address)
    stage.go_on()


@contextmanager
def followed_in_silence(stage: Stage) -> Iterator[None]:
    """As `followed`; nobody is told of the change itself."""
    with followed(stage):
        assert stage.settings is not None
        stage.settings.setattr(rules_source, "ANNOUNCED", timedelta(0))
        yield


def ends_when_announced(stage: Stage, watch: Patrol) -> None:
    """It ends though nobody puts anything back. That the servers go back later is announced again, and ends as well."""
    assert stage.settings is not None
    stage.settings.setattr(rules_source, "ANNOUNCED", timedelta(0))
    watch.until_calm()


@contextmanager
def values_cut(stage: Stage) -> Iterator[None]:
    """A replica with a narrower column: what the source has is longer, and replication goes on."""
    with set_globally("slave_type_conversions", "'ALL_LOSSY'", "''", "replica_type_conversions")(stage):
        stage.write(f"CREATE TABLE {stage.schema}.names (id INT PRIMARY KEY, name VARCHAR(10))")
        stage.box.wait_caught_up(60)
        stage.on_replica(f"ALTER TABLE {stage.schema}.names MODIFY name VARCHAR(3)")
        stage.write(f"INSERT INTO {stage.schema}.names VALUES (1, 'replica')")
        stage.box.wait_caught_up(60)
        assert stage.replica.sql(f"SELECT name FROM {stage.schema}.names") == [("rep",)]
        yield


def set_globally(name: str, value: str, back: str, mysql: str = "", *, on_source: bool = False) -> Part:
    """A global setting (`mysql`: its name there), and its value afterwards."""

    @contextmanager
    def play(stage: Stage) -> Iterator[None]:
        server = stage.source if on_source else stage.replica
        variable = name if stage.is_mariadb else mysql or name
        server.sql(f"SET GLOBAL {variable} = {value}")
        yield
        server.sql(f"SET GLOBAL {variable} = {back}")

    return play


@contextmanager
def errors_passed_over(stage: Stage) -> Iterator[None]:
    """It can only be set at a start. A row that is there already stays as it is, and replication goes on."""
    option = "--slave-skip-errors" if stage.is_mariadb else "--replica-skip-errors"
    restart(stage, f"{option}=1062")
    stage.on_replica(f"INSERT INTO {stage.table} VALUES (9, 'x')")
    stage.write(f"INSERT INTO {stage.table} VALUES (9, 'N')")
    stage.box.wait_caught_up(60)
    assert stage.replica.sql(f"SELECT status FROM {stage.table} WHERE id = 9") == [("x",)]
    yield
    stage.on_replica(f"UPDATE {stage.table} SET status = 'N' WHERE id = 9")
    restart(stage, f"{option}=OFF")


def restart(stage: Stage, *options: str) -> None:
    """The replica, with these options as well."""
    stage.replica.stop()
    stage.replica.use(*options)
    stage.replica.start()
    stage.go_on()


@contextmanager
def clock_ahead(stage: Stage) -> Iterator[None]:
    """An hour, in every session of an ordinary account: a server's clock is its machine's, which this test shares."""
    stage.replica.sql("SET GLOBAL init_connect = 'SET timestamp = UNIX_TIMESTAMP() + 3600'")
    log_out(stage.replica, Account.WATCH)
    yield
    stage.replica.sql("SET GLOBAL init_connect = ''")
    log_out(stage.replica, Account.WATCH)


@contextmanager
def marked(stage: Stage) -> Iterator[None]:
    """What a reseed that was killed leaves behind."""
    stage.on_replica(f"CREATE DATABASE {MARKER_SCHEMA}")
    yield
    stage.on_replica(f"DROP DATABASE {MARKER_SCHEMA}")


@contextmanager
def skipped(stage: Stage) -> Iterator[None]:
    """Somebody leaves out the next transaction of the source, as a runbook says."""
    with skipped_after(stage, ""):
        yield


@contextmanager
def room_for_digests(stage: Stage) -> Iterator[None]:
    """MySQL counts statements that set GTID_NEXT by their digests; sandbox servers keep few of them, and use them up."""
    if not stage.is_mariadb:
        stage.replica.sql("TRUNCATE TABLE performance_schema.events_statements_summary_by_digest")
    yield


@contextmanager
def skipped_when_received(stage: Stage) -> Iterator[None]:
    """The transaction is in the relay log already."""
    with skipped_after(stage, "SQL_THREAD"):
        yield


@contextmanager
def skipped_after(stage: Stage, stopped: str) -> Iterator[None]:
    """`stopped`: the thread, or both."""
    stage.control("STOP", stopped)
    missed = f"INSERT INTO {stage.table} VALUES (9, 'N')"
    before = None if stage.is_mariadb else stage.source.sql("SELECT @@GLOBAL.gtid_executed")[0][0]
    stage.write(missed)
    if stage.is_mariadb:
        stage.replica.sql("SET GLOBAL sql_slave_skip_counter = 1", "START SLAVE")
    else:
        # Subtracted, for the source may have transactions of other servers as well, in any order, or just one of its own.
        gtid = stage.source.sql(f"SELECT GTID_SUBTRACT(@@GLOBAL.gtid_executed, '{before}')")[0][0]
        empty = (f"SET GTID_NEXT = '{gtid}'", "BEGIN", "COMMIT", "SET GTID_NEXT = 'AUTOMATIC'")
        stage.replica.sql(*empty, "START REPLICA")
    stage.write(f"INSERT INTO {stage.table} VALUES (10, 'N')")  # what it never received shows between two that it did
    stage.go_on()
    assert stage.replica.sql(f"SELECT * FROM {stage.table} WHERE id = 9") == []
    yield
    stage.on_replica(missed)
    if not stage.is_mariadb:  # else what it never received stays to be seen, also by those who look for the first time
        for verb in ("STOP", "RESET"):
            stage.control(verb)
        stage.go_on()


@contextmanager
def written_by_hand(stage: Stage) -> Iterator[None]:
    """Somebody writes on the replica, and its binary log has it."""
    statement = f"INSERT INTO {stage.table} VALUES (9, 'x')"
    before = stage.replica.sql("SELECT @@GLOBAL.gtid_slave_pos" if stage.is_mariadb else "SELECT @@GLOBAL.gtid_executed")[0][0]
    stage.replica.sql(statement)
    yield
    stage.on_replica(f"DELETE FROM {stage.table} WHERE id = 9")
    stage.control("STOP")
    if stage.is_mariadb:
        stage.replica.sql("RESET MASTER", f"SET GLOBAL gtid_slave_pos = '{before}'")
    else:
        stage.replica.sql("RESET BINARY LOGS AND GTIDS", f"SET GLOBAL gtid_purged = '{before}'")
    stage.go_on()


@contextmanager
def filtered(stage: Stage) -> Iterator[None]:
    name = f"{stage.schema}.left_out"
    stage.control("STOP", server=stage.other)
    if stage.is_mariadb:
        setting, away = f"SET GLOBAL replicate_ignore_table = '{name}'", "SET GLOBAL replicate_ignore_table = ''"
    else:
        setting, away = (f"CHANGE REPLICATION FILTER REPLICATE_IGNORE_TABLE = ({each})" for each in (name, ""))
    stage.other.sql(setting)
    stage.control("START", server=stage.other)
    stage.box.wait_connected(90)
    yield
    stage.control("STOP", server=stage.other)
    stage.other.sql(away)
    stage.control("START", server=stage.other)
    stage.box.wait_connected(90)


@contextmanager
def by_file_and_position(stage: Stage) -> Iterator[None]:
    """The replica does not use GTIDs, and its relay log is not recovered after a crash."""
    stage.change("USE_GTID = no" if stage.is_mariadb else "AUTO_POSITION = 0")
    stage.box.wait_connected(90)
    yield
    stage.change("USE_GTID = slave_pos" if stage.is_mariadb else "AUTO_POSITION = 1")
    stage.box.wait_connected(90)


SUSPECT = ("replica1", "suspect-data")
PASSED_OVER = frozenset({SUSPECT, ("replica1", "unsafe-settings")})
UNSAFE = places(("source", "unsafe-settings"))

ROLES = (
    Scenario(
        name="replication-reset",
        what="the replica's channel is reset away",
        breaks=reset_away,
        told=places(("replica1", "replication-missing")),
    ),
    Scenario(
        name="moved-to-sibling",
        what="a replica is pointed to another replica",
        breaks=moved_to_sibling,
        told=places(("replica2", "wrong-source")),
    ),
    Scenario(
        name="source-follows",
        what="the source replicates from its own replica",
        breaks=source_follows,
        told=places(("source", "wrong-source")),
    ),
    Scenario(
        name="switched-over",
        what="another server has become the source, and the configuration names the old one",
        breaks=switched_over,
        told=places(("", "wrong-source")),
        follows=frozenset(
            {
                ("source", "wrong-source"),
                ("source", "source-read-only"),
                ("replica1", "replication-missing"),
                ("replica1", "replica-writable"),
                ("replica2", "wrong-source"),
            }
        ),
    ),
    Scenario(
        name="switched-over-and-followed",
        what="another server has become the source, and the configuration leaves that to the replicas",
        breaks=switched_over,
        prepare=followed,
        told=places(("replica1", "source-changed")),
        claims=ends_when_announced,
    ),
    Scenario(
        name="two-sources",
        what="a replica was promoted, and both it and the old source take writes",
        breaks=two_sources,
        prepare=followed_in_silence,
        told=places(
            *(("source", code) for code in ("replication-missing", "replica-writable", "errant-transactions", "suspect-data"))
        ),
        beside=frozenset(
            {SUSPECT, ("replica1", "skipped-transactions")}
        ),  # its position is set by hand when it goes back (MariaDB)
    ),
    Scenario(
        name="writable",
        what="a replica takes writes",
        breaks=set_globally("read_only", "OFF", "ON"),
        told=places(("replica1", "replica-writable")),
    ),
    Scenario(
        name="source-read-only",
        what="the source takes no writes",
        breaks=set_globally("read_only", "ON", "OFF", on_source=True),
        told=places(("source", "source-read-only")),
    ),
    Scenario(
        name="skipped",
        what="somebody skips a transaction",
        breaks=skipped,
        told=places(("replica1", "skipped-transactions"), SUSPECT),
    ),
    Scenario(
        name="skipped-when-received",
        what="somebody skips a transaction that the replica has received",
        breaks=skipped_when_received,
        prepare=room_for_digests,
        told=places(("replica1", "skipped-transactions"), SUSPECT),
        long=True,
    ),
    Scenario(
        name="written-by-hand",
        what="somebody writes on a replica",
        breaks=written_by_hand,
        told=places(("replica1", "errant-transactions"), SUSPECT),
    ),
    Scenario(
        name="idempotent",
        what="a replica passes over rows that are missing or there already",
        breaks=set_globally("slave_exec_mode", "IDEMPOTENT", "STRICT", "replica_exec_mode"),
        told=places(("replica1", "unsafe-settings"), SUSPECT),
    ),
    Scenario(
        name="values-cut",
        what="a replica cuts values that its column is too narrow for",
        breaks=values_cut,
        told=places(("replica1", "unsafe-settings")),
    ),
    Scenario(
        name="errors-passed-over",
        what="a replica passes over errors, and has done so",
        breaks=errors_passed_over,
        told={
            Flavour.MARIADB: frozenset({*PASSED_OVER, ("replica1", "skipped-transactions")}),  # it counts them
            Flavour.MYSQL: PASSED_OVER,
        },
    ),
    Scenario(
        name="filters-differ",
        what="a replica leaves out what its sibling does not",
        breaks=filtered,
        told=places(("replica2", "replication-filters-differ")),
    ),
    Scenario(
        name="statements-logged",
        what="the source logs statements in the place of rows",
        breaks=set_globally("binlog_format", "STATEMENT", "DEFAULT", on_source=True),
        told=UNSAFE,
        evidence={"binlog_format": "STATEMENT"},
    ),
    Scenario(
        name="row-images-minimal",
        what="the source logs of a changed row its key and what changed alone",
        breaks=set_globally("binlog_row_image", "MINIMAL", "FULL", on_source=True),
        told=UNSAFE,
        evidence={"binlog_row_image": "MINIMAL"},
        long=True,
    ),
    Scenario(
        name="gtid-mode-differs",
        what="a replica has another gtid_mode than its source",
        breaks=set_globally("gtid_mode", "ON_PERMISSIVE", "ON"),
        told=places(("replica1", "unsafe-settings")),
        evidence={"gtid_mode": "ON_PERMISSIVE"},
        on=MYSQL,
    ),
    Scenario(
        name="replica-logs-statements",
        what="a replica would log statements in the place of rows if it became the source",
        breaks=set_globally("binlog_format", "STATEMENT", "DEFAULT"),
        told=places(("replica1", "unsafe-settings")),
        evidence={"binlog_format": "STATEMENT"},
        on=MARIADB,  # MySQL does not let it be changed while an applier runs
        long=True,
    ),
    Scenario(
        name="binlog-not-synced",
        what="the source may lose what it has sent",
        breaks=set_globally("sync_binlog", "0", "1", on_source=True),
        told=UNSAFE,
        evidence={"sync_binlog": "0"},
        long=True,
    ),
    Scenario(
        name="redo-not-flushed",
        what="the source may lose what it has logged",
        breaks=set_globally("innodb_flush_log_at_trx_commit", "0", "1", on_source=True),
        told=UNSAFE,
        evidence={"innodb_flush_log_at_trx_commit": "0"},
        long=True,
    ),
    Scenario(
        name="by-file-and-position",
        what="a replica uses no GTIDs, and would not recover its relay log",
        breaks=by_file_and_position,
        told=places(("replica1", "unsafe-settings")),
        long=True,
    ),
    Scenario(
        name="clock-ahead",
        what="a replica's clock is wrong",
        breaks=clock_ahead,
        told=places(("replica1", "clock-skew")),
    ),
    Scenario(
        name="half-loaded",
        what="a reseed was begun and not finished",
        breaks=marked,
        told=places(("replica1", "half-loaded")),
    ),
)
