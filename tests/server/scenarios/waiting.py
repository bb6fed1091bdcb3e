"""Appliers and receivers that run and do not get on."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial

from repwatch.errors import StatementRefused
from repwatch.model.finding import Severity
from repwatch.sandbox import Account, SandboxServer
from tests.server.diagnosing import locally, with_server
from tests.server.disks import mount
from tests.server.scenarios.patrol import Patrol
from tests.server.scenarios.reach import REPLICA
from tests.server.scenarios.room import RELAY_LOGS, on_disk
from tests.server.scenarios.stage import Claims, Scenario, Stage, places

BLOCKED = places(("replica1", "applier-blocked"))
LOOKS = 2  # an applier that stands where the look before found it is asked what it waits for
SECOND = timedelta(seconds=1)
A_THIRD = timedelta(seconds=0.3)
RETRIES_AFTER = timedelta(minutes=1)  # a server that met a full disk


@contextmanager
def held(stage: Stage, *statements: str, write: str) -> Iterator[None]:
    """A session on the replica holds a lock that the applier needs for what the source writes then."""
    with stage.replica.connect() as holder:
        for statement in statements:
            holder.execute(statement)
        stage.holder = holder.connection_id
        stage.write_what_waits(write)
        yield
    stage.go_on()


@contextmanager
def table_locked(stage: Stage) -> Iterator[None]:
    with held(stage, f"LOCK TABLES {stage.table} WRITE", write=f"UPDATE {stage.table} SET status = 'P'"):
        yield


@contextmanager
def table_read(stage: Stage) -> Iterator[None]:
    with held(stage, "START TRANSACTION", f"SELECT * FROM {stage.table}", write=f"ALTER TABLE {stage.table} ADD note INT"):
        yield


@contextmanager
def everything_locked(stage: Stage) -> Iterator[None]:
    with held(stage, "FLUSH TABLES WITH READ LOCK", write=f"UPDATE {stage.table} SET status = 'P'"):
        yield


@contextmanager
def row_locked(stage: Stage) -> Iterator[None]:
    with held(
        stage,
        "START TRANSACTION",
        f"SELECT * FROM {stage.table} FOR UPDATE",
        write=f"UPDATE {stage.table} SET status = 'P'",
    ):
        yield


@contextmanager
def row_prepared(stage: Stage) -> Iterator[None]:
    """A prepared transaction holds the row, and the session that made it is gone."""
    update = f"UPDATE {stage.table} SET status = 'x'"
    stage.on_replica("XA START 'left'", update, "XA END 'left'", "XA PREPARE 'left'")
    stage.write_what_waits(f"UPDATE {stage.table} SET status = 'P'")
    yield
    stage.on_replica("XA ROLLBACK 'left'")
    stage.go_on()


def names_the_holder(wait: str, *, table: bool = True) -> Claims:
    """The evidence names the lock and, as a fact or as a suspicion, the connection that holds it."""

    def claims(stage: Stage, watch: Patrol) -> None:
        evidence = watch.finding("replica1", "applier-blocked").evidence
        certain = wait == "row-lock" or not stage.is_mariadb
        named = evidence["blocker" if certain else "blocker_candidates"]
        assert evidence["wait"] == wait
        assert f"connection {stage.holder} of {Account.ROOT}@" in named
        if certain:
            assert named.count("connection ") == 1
        if table:
            assert evidence["table"] == stage.table

    return claims


@contextmanager
def second_at_most(stage: Stage) -> Iterator[None]:
    """The first replica may be a second behind."""
    stage.cluster = with_server(stage.cluster, replace(stage.replica.spec(), max_lag=SECOND))
    yield


@contextmanager
def meant_to_be_a_second_behind(stage: Stage) -> Iterator[None]:
    """The inventory intends a delay of a second for the first replica."""
    stage.cluster = with_server(stage.cluster, replace(stage.replica.spec(), max_lag=SECOND, delay=SECOND))
    yield


@contextmanager
def delay_forgotten(stage: Stage) -> Iterator[None]:
    """The replica was given an hour, for a while, and nobody took it away."""
    stage.change("DELAY = 3600")
    stage.box.wait_connected(90)
    stage.write(f"INSERT INTO {stage.table} VALUES (2, 'N')")
    yield
    stage.change("DELAY = 0")
    stage.go_on()


@contextmanager
def without_key(stage: Stage) -> Iterator[None]:
    """A large table without a key: replicas search for each row anew, for long. The first may be a third of a second behind."""
    doubled = 14 if stage.is_mariadb else 17
    log = f"{stage.schema}.log"
    grow = [f"INSERT INTO {log} SELECT a + {2**times}, b FROM {log}" for times in range(doubled)]
    stage.source.sql(f"CREATE TABLE {log} (a INT, b INT)", f"INSERT INTO {log} VALUES (1, 1)", *grow)
    stage.box.wait_caught_up(180)
    stage.cluster = with_server(stage.cluster, replace(stage.replica.spec(), max_lag=A_THIRD))
    yield


@contextmanager
def all_rows_changed(stage: Stage) -> Iterator[None]:
    """As soon as enough was seen, the replicas are given an index, with which they take a moment."""
    stage.write(f"UPDATE {stage.schema}.log SET b = 2")
    yield
    for replica in stage.box.replicas:
        stage.until("the applier has stopped", partial(is_killed, stage, replica))
        locally(replica, f"CREATE INDEX by_number ON {stage.schema}.log (a)")
        stage.control("START", "SQL_THREAD", replica)
    stage.box.wait_caught_up(180)


def is_killed(stage: Stage, replica: SandboxServer) -> bool:
    """Told to stop, an applier comes to the end of its transaction first."""
    query = "SELECT ID FROM information_schema.processlist WHERE USER = 'system user' AND STATE NOT LIKE '%for % to send event%'"
    for (thread,) in replica.sql(query):
        with suppress(StatementRefused):  # it has ended by itself
            replica.sql(f"KILL {thread}")
    return stage.state(replica)["applier"] == "No"


@contextmanager
def little_room(stage: Stage) -> Iterator[None]:
    """The replica may keep 64 kB of relay logs; a server reads that at its start."""
    restart(stage, "--relay-log-space-limit=65536", "--max-relay-log-size=4096")
    yield
    restart(stage, "--relay-log-space-limit=0", "--max-relay-log-size=0")


def restart(stage: Stage, *options: str) -> None:
    stage.replica.kill()
    stage.replica.use(*options)
    stage.replica.start()
    stage.box.wait_connected(90)


@contextmanager
def relay_logs_full(stage: Stage) -> Iterator[None]:
    """More than may be kept arrives while the applier is stopped."""
    stage.write(f"CREATE TABLE {stage.schema}.large (id INT PRIMARY KEY, b LONGTEXT)")
    stage.box.wait_caught_up(60)
    stage.control("STOP", "SQL_THREAD")
    stage.write(*(f"INSERT INTO {stage.schema}.large VALUES ({number}, '{'x' * 10_000}')" for number in range(30)))
    waiting = "SELECT 1 FROM information_schema.processlist WHERE STATE LIKE '%relay log space%'"
    stage.until("the receiver waits for room", lambda: bool(stage.replica.sql(waiting)))
    yield
    stage.go_on()


def is_critical(code: str) -> Claims:
    def claims(stage: Stage, watch: Patrol) -> None:
        del stage
        assert watch.finding("replica1", code).severity is Severity.CRITICAL

    return claims


MEGABYTE = 1_000_000


@contextmanager
def on_small_disk(stage: Stage) -> Iterator[None]:
    """The relay logs lie on three megabytes."""
    with on_disk(stage, "3m"):
        yield


@contextmanager
def disk_full(stage: Stage) -> Iterator[None]:
    """The source writes more than fits. With room it goes on by itself: the server tries again once a minute."""
    insert = f"INSERT INTO {stage.schema}.large (b) VALUES ('{'x' * MEGABYTE}')"
    stage.write(f"CREATE TABLE {stage.schema}.large (id INT PRIMARY KEY AUTO_INCREMENT, b LONGTEXT)", *[insert] * 6)
    yield
    mount(stage.folder / RELAY_LOGS, "64m")


def names_the_keyless_table(stage: Stage, watch: Patrol) -> None:
    evidence = watch.finding("replica1", "applier-stalled").evidence
    assert (evidence["table"], evidence["primary_key"]) == (f"{stage.schema}.log", "none")


WAITING = (
    Scenario(
        name="table-locked",
        what="a session on the replica holds a table (LOCK TABLES)",
        breaks=table_locked,
        told=BLOCKED,
        claims=names_the_holder("metadata-lock"),
        looks=LOOKS,
    ),
    Scenario(
        name="table-read",
        what="a session on the replica reads a table, in a transaction, that the source alters",
        breaks=table_read,
        told=BLOCKED,
        claims=names_the_holder("metadata-lock"),
        looks=LOOKS,
        long=True,
    ),
    Scenario(
        name="everything-locked",
        what="a session on the replica holds everything (FLUSH TABLES WITH READ LOCK)",
        breaks=everything_locked,
        told=BLOCKED,
        claims=names_the_holder("global-lock", table=False),
        looks=LOOKS,
        long=True,
    ),
    Scenario(
        name="row-locked",
        what="a session on the replica holds a row",
        breaks=row_locked,
        told=BLOCKED,
        claims=names_the_holder("row-lock"),
        looks=LOOKS,
    ),
    Scenario(
        name="row-prepared",
        what="a prepared transaction, whose session is gone, holds a row",
        breaks=row_prepared,
        told=BLOCKED,
        evidence={"wait": "row-lock"},
        looks=LOOKS,
        long=True,
    ),
    Scenario(
        name="lag-behind-lock",
        what="a lock on the replica makes it later than it may be",
        breaks=table_locked,
        prepare=second_at_most,
        told=BLOCKED,
        follows=frozenset({("replica1", "lagging")}),
        looks=LOOKS,
        long=True,
    ),
    Scenario(
        name="relay-logs-full",
        what="the relay logs have the size that they may have, and the receiver waits",
        breaks=relay_logs_full,
        prepare=little_room,
        told=places(("replica1", "relay-space-full"), ("replica1", "applier-stopped")),
        evidence={"relay_log_space_limit": "65536"},
        claims=is_critical("relay-space-full"),
    ),
    Scenario(
        name="delay-forgotten",
        what="a replica has a longer delay than is intended",
        breaks=delay_forgotten,
        prepare=meant_to_be_a_second_behind,
        told=places(("replica1", "lagging")),
        within=2 * SECOND,
        long=True,
    ),
    Scenario(
        name="rows-without-key",
        what="one transaction changes many rows of a table without a key",
        breaks=all_rows_changed,
        prepare=without_key,
        told=places(("replica1", "applier-stalled")),
        beside=frozenset({("replica1", "lagging")}),  # as soon as it is seen; as a consequence, if the other was seen before
        claims=names_the_keyless_table,
        within=A_THIRD,
        long=True,
    ),
    Scenario(
        name="disk-full",
        what="the disk of the relay logs is full",
        breaks=disk_full,
        prepare=on_small_disk,
        told=places(("replica1", "disk-full")),
        within=RETRIES_AFTER,
        silent=REPLICA,
        long=True,
        root=True,
    ),
)
