"""The binary logs of a source: gone, damaged, or not what a replica can take."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from repwatch.adapters.mysql import look
from repwatch.adapters.mysql.look import OLDEST_LOG_EVERY
from repwatch.health.connecting import Reconnect
from repwatch.model.server import Flavour
from repwatch.sandbox import statements as sandbox_statements
from tests.server.scenarios.patrol import Patrol
from tests.server.scenarios.receiving import ERROR, MYSQL
from tests.server.scenarios.stage import Scenario, Stage, places

BY_HAND = frozenset({("replica1", "skipped-transactions"), ("replica1", "suspect-data")})
"""A position that was set by hand: repwatch cannot see that the rows were copied, and has them checked."""
BRIEFLY = timedelta(seconds=16)
GONE = places(("replica1", "binlog-purged"))


def binlogs(stage: Stage) -> list[str]:
    return [str(row[0]) for row in stage.source.sql("SHOW BINARY LOGS")]


def purge(stage: Stage) -> None:
    """Delete all binary logs of the source but the last; it keeps one that is being sent, or that it may need for recovery."""

    def purged() -> bool:
        logs = binlogs(stage)
        stage.source.sql(f"PURGE BINARY LOGS TO '{logs[-1]}'")
        return len(logs) == 1

    stage.until("the logs are purged", purged)


def copy_by_hand(stage: Stage, statement: str) -> None:
    """Give the replica what it missed, and the source's position."""
    position = stage.source.sql(sandbox_statements.position(stage.flavour))[0][0]
    stage.control("STOP")
    if stage.is_mariadb:
        stage.on_replica(statement)
        stage.replica.sql(f"SET GLOBAL gtid_slave_pos = '{position}'")
    else:
        stage.on_replica(statement, "RESET BINARY LOGS AND GTIDS", f"SET GLOBAL gtid_purged = '{position}'", "RESET REPLICA")
    stage.go_on()


@contextmanager
def logs_purged(stage: Stage) -> Iterator[None]:
    """While its receiver is stopped; it is not started again, so that the source alone tells of it."""
    missed = f"INSERT INTO {stage.table} VALUES (2, 'N')"
    stage.control("STOP", "IO_THREAD")
    stage.write(missed)
    stage.source.sql("FLUSH BINARY LOGS")
    purge(stage)
    yield
    copy_by_hand(stage, missed)


@contextmanager
def logs_purged_and_asked_for(stage: Stage) -> Iterator[None]:
    """While its receiver is stopped; then it is started."""
    missed = f"INSERT INTO {stage.table} VALUES (2, 'N')"
    stage.control("STOP", "IO_THREAD")
    stage.write(missed)
    stage.source.sql("FLUSH BINARY LOGS")
    purge(stage)
    stage.control("START", "IO_THREAD")
    stage.until_receiver_fails()
    yield
    copy_by_hand(stage, missed)


def needed_log(stage: Stage) -> Path:
    """A whole binary log that the replica, whose receiver is stopped for it, has not received."""
    stage.control("STOP", "IO_THREAD")
    stage.source.sql("FLUSH BINARY LOGS")
    name = binlogs(stage)[-1]
    stage.write(f"INSERT INTO {stage.table} VALUES (2, 'N')")
    stage.source.sql("FLUSH BINARY LOGS")
    return stage.source.folder / "data" / name


@contextmanager
def log_file_deleted(stage: Stage) -> Iterator[None]:
    """A binary log that the replica needs is removed from the source's disk, behind the server's back."""
    file = needed_log(stage)
    kept = file.with_name("kept")
    file.rename(kept)
    stage.control("START", "IO_THREAD")
    stage.until("the receiver does not get on", lambda: stage.state()["receiver"] in ("Connecting", "No"))
    yield
    kept.rename(file)
    stage.go_on()


def shows_no_error(stage: Stage, watch: Patrol) -> None:
    """MariaDB alone; so it is with a twin, and neither is named as the cause."""
    if stage.is_mariadb:
        assert watch.finding("replica1", "receiver-retrying").evidence["connection"] == Reconnect.WITHOUT_ERROR


@contextmanager
def log_damaged(stage: Stage) -> Iterator[None]:
    """Bytes of a binary log that the replica needs are not those that the source wrote."""
    file = needed_log(stage)
    whole = file.read_bytes()
    middle = whole.index(stage.schema.encode(), len(whole) // 2)
    file.write_bytes(whole[:middle] + b"x" * len(stage.schema) + whole[middle + len(stage.schema) :])
    stage.control("START", "IO_THREAD")
    stage.until_receiver_fails()
    yield
    file.write_bytes(whole)
    stage.go_on()


@contextmanager
def events_too_large(stage: Stage) -> Iterator[None]:
    """The source sends an event that is larger than the replica takes."""
    variable = "slave_max_allowed_packet" if stage.is_mariadb else "replica_max_allowed_packet"
    before = stage.replica.sql(f"SELECT @@GLOBAL.{variable}")[0][0]
    stage.write(f"CREATE TABLE {stage.schema}.large (id INT PRIMARY KEY, b LONGBLOB)")
    stage.box.wait_caught_up(60)
    stage.control("STOP", "IO_THREAD")
    stage.replica.sql(f"SET GLOBAL {variable} = 65536")
    stage.write(f"INSERT INTO {stage.schema}.large VALUES (1, REPEAT('x', 3000000))")
    stage.control("START", "IO_THREAD")
    stage.until_receiver_fails()
    yield
    stage.replica.sql(f"SET GLOBAL {variable} = {before}")
    stage.control("STOP")
    stage.go_on()


@contextmanager
def ahead_of_source(stage: Stage) -> Iterator[None]:
    """The replica has a transaction by the source's name that the source never made, as after a crash that lost it."""
    uuid = stage.source.sql("SELECT @@GLOBAL.server_uuid")[0][0]
    before = stage.replica.sql("SELECT @@GLOBAL.gtid_executed")[0][0]
    stage.control("STOP")
    stage.replica.sql(f"SET GTID_NEXT = '{uuid}:999999'", "BEGIN", "COMMIT", "SET GTID_NEXT = 'AUTOMATIC'")
    stage.control("START")
    stage.until_receiver_fails()
    yield
    stage.control("STOP")
    stage.replica.sql("RESET BINARY LOGS AND GTIDS", f"SET GLOBAL gtid_purged = '{before}'")
    stage.go_on()


@contextmanager
def logs_kept_briefly(stage: Stage) -> Iterator[None]:
    """The source, which is written to, deletes binary logs after BRIEFLY, and the receiver has been stopped."""
    with kept_briefly(stage):
        stage.control("STOP", "IO_THREAD")
        with written_to(stage):
            yield
    stage.go_on()


@contextmanager
def logs_kept_briefly_of_one_write(stage: Stage) -> Iterator[None]:
    """The same, but the source has been written to once, as the receiver was stopped: no look sees it move."""
    with kept_briefly(stage):
        stage.control("STOP", "IO_THREAD")
        stage.write(f"INSERT INTO {stage.table} VALUES (2, 'N')")
        yield
    stage.go_on()


@contextmanager
def kept_briefly(stage: Stage) -> Iterator[None]:
    variable = "binlog_expire_logs_seconds"
    before = stage.source.sql(f"SELECT @@GLOBAL.{variable}")[0][0]
    stage.source.sql(f"SET GLOBAL {variable} = {BRIEFLY.seconds}")
    yield
    stage.source.sql(f"SET GLOBAL {variable} = {before}")


@contextmanager
def written_to(stage: Stage) -> Iterator[None]:
    """A row twice a second."""
    enough = threading.Event()

    def write() -> None:
        number = 100
        while not enough.wait(0.5):
            number += 1
            stage.write(f"INSERT INTO {stage.table} VALUES ({number}, 'N')")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        enough.set()
        writer.join()


@contextmanager
def logs_kept_briefly_of_a_place(stage: Stage) -> Iterator[None]:
    """The same where the replica goes by file and position; the source is asked for its list of logs in each look."""
    with pytest.MonkeyPatch.context() as settings, kept_briefly(stage):
        settings.setattr(look, "LOG_FILES_EVERY", timedelta(0))
        stage.change("USE_GTID = no" if stage.is_mariadb else "AUTO_POSITION = 0")
        stage.box.wait_connected(90)
        stage.control("STOP", "IO_THREAD")
        with written_to(stage):
            yield
    stage.change("USE_GTID = slave_pos" if stage.is_mariadb else "AUTO_POSITION = 1")
    stage.go_on()


def told_by_the_place(_stage: Stage, watch: Patrol) -> None:
    assert "bytes_missing" in watch.finding("replica1", "purge-horizon").evidence


UNSAFE = ("replica1", "unsafe-settings")  # without GTIDs its relay log would have to be recovered

LOGS = (
    Scenario(
        name="binlogs-purged",
        what="the source deletes binary logs that a stopped receiver lacks",
        breaks=logs_purged,
        told=places(("replica1", "binlog-purged"), ("replica1", "receiver-stopped")),
        beside=BY_HAND,
        within=OLDEST_LOG_EVERY,  # MariaDB is asked for its oldest log that seldom
    ),
    Scenario(
        name="binlogs-purged-and-asked-for",
        what="the source has deleted binary logs that a receiver asks for",
        breaks=logs_purged_and_asked_for,
        told=GONE,
        follows=frozenset({("replica1", "receiver-error")}),
        beside=BY_HAND,
        long=True,
    ),
    Scenario(
        name="binlog-file-deleted",
        what="a file of the source's binary log is removed behind its back",
        breaks=log_file_deleted,
        told={
            Flavour.MARIADB: frozenset({("replica1", "receiver-retrying")}),  # it shows no error, and tries again and again
            Flavour.MYSQL: frozenset({("replica1", "receiver-error")}),
        },
        claims=shows_no_error,
    ),
    Scenario(
        name="binlog-damaged",
        what="the source's binary log is damaged",
        breaks=log_damaged,
        told=ERROR,
        evidence={"error_class": "other"},  # "could not queue event" has more than one cause
    ),
    Scenario(
        name="event-too-large",
        what="the source sends a larger event than the replica takes",
        breaks=events_too_large,
        told=ERROR,
        evidence={"error_class": "setting"},
        long=True,
    ),
    Scenario(
        name="replica-ahead-of-source",
        what="a replica has transactions of its source that the source has lost",
        breaks=ahead_of_source,
        told=places(("replica1", "receiver-error"), ("replica1", "errant-transactions"), ("replica1", "suspect-data")),
        beside=BY_HAND,  # its number was given by hand
        looks=2,  # errant is what the source is not seen to have in the next look either
        evidence={"error_class": "errant"},
        on=MYSQL,
        long=True,
    ),
    Scenario(
        name="binlogs-kept-briefly",
        what="the source will soon delete binary logs that a stopped receiver lacks",
        breaks=logs_kept_briefly,
        told=places(("replica1", "purge-horizon"), ("replica1", "receiver-stopped")),
        within=BRIEFLY,
        long=True,
    ),
    Scenario(
        name="binlogs-kept-briefly-of-one-write",
        what="the source will soon delete the one transaction that a stopped receiver lacks",
        breaks=logs_kept_briefly_of_one_write,
        told=places(("replica1", "purge-horizon"), ("replica1", "receiver-stopped")),
        within=BRIEFLY,
        long=True,
    ),
    Scenario(
        name="binlogs-kept-briefly-of-a-place",
        what="the source will soon delete binary logs that a stopped receiver lacks, which goes by file and position",
        breaks=logs_kept_briefly_of_a_place,
        told=places(("replica1", "purge-horizon"), ("replica1", "receiver-stopped"), UNSAFE),
        within=BRIEFLY,
        claims=told_by_the_place,
        long=True,
    ),
)
