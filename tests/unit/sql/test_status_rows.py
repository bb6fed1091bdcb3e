"""Rows of every version become the same record; what is NULL, missing or odd becomes unknown, never 0 and never an exception."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.model.observation import (
    Attempts,
    BinlogFiles,
    ChannelObservation,
    Lag,
    LagBasis,
    NoSpace,
    Pulse,
    ThreadError,
    ThreadState,
    ThreadWait,
)
from repwatch.model.server import Address
from repwatch.sql.status_rows import (
    Identity,
    read_channels,
    read_identity,
    read_log_files,
    read_no_space,
    read_oldest_log,
    read_pulses,
    read_workers,
)
from tests.unit.sql.status_shapes import NO_TIME, SHAPES, UUID, worker

NOW = datetime(2026, 1, 1, tzinfo=UTC)

IDENTITY = Identity(
    server_id=12,
    server_uuid="",
    read_only=True,
    log_bin=True,
    half_loaded=False,
    gtid_executed="0-11-5,0-12-77",
    gtid_applied="0-11-5",
    performance_schema=True,
    instance="db2:3306 /data/",
)
SAME = ChannelObservation(
    name="billing",
    source=Address("10.0.0.1", 3307),
    source_server_id=11,
    source_uuid="",
    receiver=ThreadState.RUNNING,
    applier=ThreadState.RUNNING,
    receiver_text="Waiting for master to send event",
    applier_text="Reading event from the relay log",
    lag=Lag(seconds=3.0, basis=LagBasis.STATUS),
    delay=timedelta(minutes=1),
    source_log="binlog.000004:900",
    applied_log="binlog.000003:500",
    relay_log="relay.000002:766",
)
MYSQL = replace(
    SAME,
    source_uuid=UUID,
    gtid_received=f"{UUID}:1-9",
    gtid_executed=f"{UUID}:1-5,7e11fa47-71ca-11e1-9e33-c80aa9429562:1",
)
# MariaDB's row has the heartbeats as well.
PULSE = Pulse(heartbeats=4, period=timedelta(seconds=30))
MARIADB = replace(SAME, gtid_received="0-11-9", gtid_executed="0-11-5", pulse=PULSE)  # the variable, not the column


@pytest.mark.parametrize("shape", SHAPES)
def test_every_version_gives_the_same_record(shape: str) -> None:
    assert read_channels([SHAPES[shape]], IDENTITY) == (MYSQL if shape.startswith("mysql") else MARIADB,)


@pytest.mark.parametrize(
    ("count", "interval", "pulse"),
    [
        ("4", "30.000", PULSE),
        ("0", "0.000", Pulse(heartbeats=0)),
        (None, None, Pulse()),
        ("many", "-1", Pulse()),
        ("1e999", "9e99", Pulse(period=timedelta(seconds=4294967))),
    ],
)
def test_a_pulse_beside_the_status_row(count: str | None, interval: str | None, pulse: Pulse) -> None:
    row = {"CHANNEL_NAME": "billing", "COUNT_RECEIVED_HEARTBEATS": count, "HEARTBEAT_INTERVAL": interval}
    (found,) = read_channels([SHAPES["mysql-8.4"]], IDENTITY, (), read_pulses([row]))
    assert found.pulse == pulse
    (other,) = read_channels([SHAPES["mysql-8.4"]], IDENTITY, (), read_pulses([row | {"CHANNEL_NAME": "other"}]))
    assert other.pulse == Pulse()


@pytest.mark.parametrize(
    ("before", "files", "rate"),
    [
        ([], {"bin.1": "500"}, None),
        ([("bin.1", 500)], {"bin.1": "500"}, 0.0),
        ([("bin.1", 500)], {"bin.1": "1100"}, 10.0),
        ([("bin.1", 900), ("bin.2", 500)], {"bin.2": "800", "bin.3": "300"}, 10.0),
        ([("bin.1", 500)], {"bin.2": "800", "bin.3": "300"}, None),  # that one is gone
        ([("bin.1", 500)], {}, None),
        ([("bin.1", 500)], {"bin.1": None}, 0.0),
        ([("bin.1", 500)], {"bin.1": "much"}, 0.0),
    ],
)
def test_how_fast_binary_logs_grow(before: list[tuple[str, int]], files: dict[str, str | None], rate: float | None) -> None:
    start = datetime(2026, 11, 22, tzinfo=UTC)
    known = BinlogFiles(asked=start, sizes=tuple(before))
    rows = [{"Log_name": name, "File_size": size} for name, size in files.items()]
    found = read_log_files(rows, start + timedelta(minutes=1), known)
    assert (found.rate, [name for name, _ in found.sizes]) == (rate, list(files))
    assert (found.asked, found.before) == (start + timedelta(minutes=1), start)
    assert read_log_files(rows, start, known).rate is None
    assert read_log_files(rows, start, None).rate is None


def test_an_encrypted_binary_log_ends_at_a_smaller_position_than_its_size() -> None:
    rows = [
        {"Log_name": "bin.1", "File_size": "1000", "Encrypted": "Yes"},
        {"Log_name": "bin.2", "File_size": "1000", "Encrypted": "No"},
    ]
    assert read_log_files(rows, datetime(2026, 11, 22, tzinfo=UTC), None).sizes == (("bin.1", 488), ("bin.2", 1000))


@pytest.mark.parametrize(
    ("row", "most", "clients"),
    [
        ({}, None, 0),
        ({"keep_bytes": "0", "purge_clients": "1"}, None, 1),
        ({"keep_bytes": "1073741824", "purge_clients": "0"}, 1073741824, 0),
        ({"keep_bytes": None, "purge_clients": None}, None, 0),
        ({"keep_bytes": "-1", "purge_clients": "many"}, None, 0),
    ],
)
def test_what_deletes_binary_logs_beside_their_age(row: dict[str, str | None], most: int | None, clients: int) -> None:
    identity = read_identity(row)
    assert (identity.binlog_most, identity.purge_clients) == (most, clients)


def test_the_commit_of_what_was_received_last() -> None:
    row = {"CHANNEL_NAME": "billing", "last_commit": "2026-11-22 10:00:00.250000"}
    assert read_pulses([row])["billing"].last_commit == datetime(2026, 11, 22, 10, 0, 0, 250000, tzinfo=UTC)
    assert read_pulses([row | {"last_commit": NO_TIME}])["billing"].last_commit is None


@pytest.mark.parametrize(
    ("seconds", "keep"),
    [("20", timedelta(seconds=20)), ("0", None), ("-1", None), (None, None), ("9e99", timedelta(seconds=4294967))],
)
def test_how_long_logs_are_kept(seconds: str | None, keep: timedelta | None) -> None:
    assert read_identity({"keep_seconds": seconds}).binlog_keep == keep


@pytest.mark.parametrize(
    ("events", "position"),
    [
        ([("Format_desc", "Server ver: 10.11"), ("Gtid_list", "[]")], ""),
        ([("Format_desc", "Server ver: 10.11"), ("Gtid_list", "[0-1-2]")], "0-1-2"),
        ([("Format_desc", ""), ("Start_encryption", ""), ("Gtid_list", "[0-1-2,\n1-2-3]")], "0-1-2,1-2-3"),
        ([("Format_desc", "")], ""),
        ([], ""),
    ],
)
def test_where_the_oldest_log_begins(events: list[tuple[str, str]], position: str) -> None:
    assert read_oldest_log([{"Event_type": kind, "Info": info} for kind, info in events]) == position


@pytest.mark.parametrize(
    ("stage", "wait"),
    [
        ("Waiting for source to send event", None),
        ("Waiting for the slave SQL thread to free enough relay log space", ThreadWait.RELAY_SPACE),
        ("Waiting for the replica SQL thread to free enough relay log space", ThreadWait.RELAY_SPACE),
        ("Waiting for the replica SQL thread to free relay log space", ThreadWait.RELAY_SPACE),  # MySQL 9.7
        ("Waiting for someone to free space", ThreadWait.DISK),
        ("Waiting for disk space", ThreadWait.DISK),
        (None, None),
    ],
)
def test_what_a_receiver_waits_for(stage: str | None, wait: ThreadWait | None) -> None:
    assert read({"Replica_IO_State": stage}).receiver_wait is wait


Columns = dict[str, str | None]


def read(changed: Columns, *workers: Columns, shape: str = "mysql-8.4") -> ChannelObservation:
    """One channel with some columns changed."""
    (found,) = read_channels([SHAPES[shape] | changed], IDENTITY, read_workers(workers))
    return found


@pytest.mark.parametrize(
    ("shown", "state"),
    [
        ("Yes", ThreadState.RUNNING),
        ("No", ThreadState.STOPPED),
        ("Connecting", ThreadState.CONNECTING),
        ("Preparing", ThreadState.CONNECTING),
        ("Maybe", ThreadState.UNKNOWN),
        ("", ThreadState.UNKNOWN),
        (None, ThreadState.UNKNOWN),
    ],
)
def test_states_stay_apart(shown: str | None, state: ThreadState) -> None:
    assert read({"Replica_IO_Running": shown}).receiver is state
    assert read({"Replica_SQL_Running": shown}).applier is state


@pytest.mark.parametrize(
    ("receiver", "applier", "shown", "seconds"),
    [
        ("Yes", "Yes", "0", 0.0),
        ("Yes", "Yes", "7", 7.0),
        ("Yes", "Yes", None, None),
        ("Yes", "Yes", "", None),
        ("Yes", "Yes", "soon", None),
        ("Yes", "Yes", "nan", None),
        ("Yes", "Yes", "1e999", None),
        ("Yes", "Yes", "-2", 0.0),  # the clocks
        ("No", "Yes", "0", None),  # MySQL shows 0 with a receiver that was refused
        ("Connecting", "Yes", "5", None),
        ("Yes", "No", "5", None),
    ],
)
def test_lag_is_unknown_where_it_is_not_known(receiver: str, applier: str, shown: str | None, seconds: float | None) -> None:
    found = read({"Replica_IO_Running": receiver, "Replica_SQL_Running": applier, "Seconds_Behind_Source": shown})
    assert found.lag.seconds == seconds


@pytest.mark.parametrize(
    ("shown", "committed", "lag"),
    [
        ("600", "2026-11-22 10:45:10.250000", Lag(seconds=0.25, basis=LagBasis.PERFORMANCE_SCHEMA)),  # a long transaction arrives
        ("3", "2026-11-22 10:44:00.000000", Lag(seconds=3.0, basis=LagBasis.STATUS)),  # the source's clock is behind
        ("3", "2026-11-22 10:46:00.000000", Lag(seconds=3.0, basis=LagBasis.STATUS)),  # … or ahead
        ("3", NO_TIME, Lag(seconds=3.0, basis=LagBasis.STATUS)),
        ("3", None, Lag(seconds=3.0, basis=LagBasis.STATUS)),
        (None, "2026-11-22 10:45:10.250000", Lag(seconds=None, basis=LagBasis.STATUS)),
    ],
)
def test_lag_of_the_transaction_that_is_applied(shown: str | None, committed: str | None, lag: Lag) -> None:
    busy = worker(1, APPLYING_TRANSACTION=f"{UUID}:6", APPLYING_TRANSACTION_IMMEDIATE_COMMIT_TIMESTAMP=committed)
    assert read({"Seconds_Behind_Source": shown}, busy, worker(2)).lag == lag


SEEN_BY_8 = (
    "Error connecting to source 'r@h:3306'. This was attempt 2/10, with a delay of 60 seconds between attempts. Message: no"
)
SEEN_BY_5_7 = "error connecting to master 'r@h:3306' - retry-time: 60  retries: 7"
SEEN_BY_MARIADB = "error connecting to master 'r@h:3306' - retry-time: 60  maximum-retries: 100000  message: no"


@pytest.mark.parametrize(
    ("shape", "text", "changed", "counted"),
    [
        ("mysql-8.4", SEEN_BY_8, {"Source_Retry_Count": "99"}, (2, 10)),
        ("mysql-8.0.22", SEEN_BY_8, {}, (2, 10)),
        ("mysql-5.7", SEEN_BY_5_7, {}, (7, 86400)),
        ("mysql-8.0.21", f"{SEEN_BY_5_7} message: no", {}, (7, 86400)),
        ("mysql-5.7", SEEN_BY_5_7, {"Master_Retry_Count": "0"}, None),  # it never gives up
        ("mariadb-10.5", SEEN_BY_MARIADB, {}, None),  # it does not count them
        ("mariadb-12.1", SEEN_BY_MARIADB, {"Connects_Tried": "3"}, (3, 100000)),
        ("mariadb-12.1", SEEN_BY_MARIADB, {"Connects_Tried": "1e300", "Master_Retry_Count": "1e300"}, (2**32, 2**32)),
        ("mariadb-12.1", "", {"Connects_Tried": "3"}, None),
        ("mariadb-12.1", SEEN_BY_MARIADB, {"Connects_Tried": None}, None),
    ],
)
def test_attempts_to_connect(shape: str, text: str, changed: dict[str, str | None], counted: tuple[int, int] | None) -> None:
    row = SHAPES[shape] | {"Last_IO_Errno": "2003", "Last_IO_Error": text} | changed
    (found,) = read_channels([row], IDENTITY)
    assert found.attempts == (Attempts(made=counted[0], most=counted[1], pause=timedelta(minutes=1)) if counted else None)


def test_the_workers_of_other_channels_do_not_count() -> None:
    busy = worker(
        1,
        CHANNEL_NAME="other",
        APPLYING_TRANSACTION="x:6",
        APPLYING_TRANSACTION_IMMEDIATE_COMMIT_TIMESTAMP="2026-11-22 10:45:10.250000",
    )
    assert read({}, busy).lag.seconds == 3.0


COORDINATOR = (
    "Coordinator stopped because there were error(s) in the worker(s). The most recent failure being: Worker 2 failed executing "
    f"transaction '{UUID}:6' at source log binlog.000001, end_log_pos 1558. See error log and/or "
    "performance_schema.replication_applier_status_by_worker table for more details about this failure or others, if any."
)
ROW_EVENT = (
    f"Worker 2 failed executing transaction '{UUID}:6' at source log binlog.000001, end_log_pos 1558; Could not execute "
    "Write_rows event on table shop.orders; Duplicate entry '1' for key 'orders.PRIMARY', Error_code: 1062; handler error "
    "HA_ERR_FOUND_DUPP_KEY; the event's source log binlog.000001, end_log_pos 1558"
)
FAILED = worker(
    2,
    SERVICE_STATE="OFF",
    LAST_ERROR_NUMBER="1062",
    LAST_ERROR_MESSAGE=ROW_EVENT,
    LAST_ERROR_TIMESTAMP="2026-11-22 10:45:00.659501",
    APPLYING_TRANSACTION=f"{UUID}:6",
)
STOPPED: dict[str, str | None] = {"Replica_SQL_Running": "No", "Last_SQL_Errno": "1062", "Last_SQL_Error": COORDINATOR}


def test_the_workers_own_error_is_taken() -> None:
    found = read(STOPPED, worker(1), FAILED)
    assert found.applier_error == ThreadError(
        errno=1062, text=ROW_EVENT, at=datetime(2026, 11, 22, 10, 45, 0, 659501, UTC), worker=2
    )
    assert (found.failed_gtid, found.failed_table) == (f"{UUID}:6", "shop.orders")


def test_the_worker_that_is_named_wins_over_others() -> None:
    earlier = worker(
        1,
        LAST_ERROR_NUMBER="1213",
        LAST_ERROR_MESSAGE="Worker 1 failed executing transaction 'x:5' …; Deadlock found",
        LAST_ERROR_TIMESTAMP="2026-11-22 10:44:00.000000",
    )
    error = read(STOPPED, earlier, FAILED).applier_error
    assert error
    assert error.errno == 1062


def test_without_the_workers_the_coordinators_words_must_do() -> None:
    found = read(STOPPED)
    assert (found.applier_error and found.applier_error.worker, found.failed_gtid, found.failed_table) == (2, f"{UUID}:6", "")


@pytest.mark.parametrize(("shape", "follow_up"), [("mysql-5.7", "1756"), ("mysql-5.7", "3030"), ("mariadb-11.6", "1964")])
def test_a_follow_up_leads_to_the_worker_that_failed_first(shape: str, follow_up: str) -> None:
    prior = "a prior one failed"
    second = worker(1, LAST_ERROR_NUMBER=follow_up, LAST_ERROR_MESSAGE=prior, LAST_SEEN_TRANSACTION="0-11-7")
    first = worker(3, LAST_ERROR_NUMBER="1032", LAST_ERROR_MESSAGE="no such row", LAST_SEEN_TRANSACTION="0-11-6")
    stopped: Columns = {"Slave_SQL_Running": "No", "Last_SQL_Errno": follow_up, "Last_SQL_Error": prior}
    found = read(stopped, second, first, shape=shape)
    assert found.applier_error
    assert (found.applier_error.errno, found.applier_error.worker, found.failed_gtid) == (1032, 3, "0-11-6")


def test_the_coordinators_own_error_stays() -> None:
    own: Columns = {"Replica_SQL_Running": "No", "Last_SQL_Errno": "13121", "Last_SQL_Error": "Relay log read failure"}
    found = read(own, FAILED)
    assert found.applier_error == ThreadError(errno=13121, text="Relay log read failure")


def test_rows_that_are_no_channels() -> None:
    row = SHAPES["mysql-8.4"]
    assert not read_channels([row | {"Source_Host": ""}, row | {"Source_Host": None}, {}], IDENTITY)
    assert not read_channels([row | {"Channel_Name": "group_replication_recovery"}], IDENTITY)


@pytest.mark.parametrize(
    ("row", "read_only"),
    [
        ({"read_only": "0", "super_read_only": "0"}, False),
        ({"read_only": "1", "super_read_only": "0"}, True),
        ({"read_only": "0", "super_read_only": "1"}, True),
        ({"read_only": "OFF"}, False),
        ({"read_only": "NO_LOCK_NO_ADMIN"}, True),  # MariaDB 12
        ({"read_only": None}, False),
        ({}, False),
    ],
)
def test_read_only_has_many_spellings(row: dict[str, str | None], read_only: bool) -> None:
    assert read_identity(row).read_only is read_only


def test_what_a_mariadb_server_executed_is_what_it_applied_and_what_it_wrote() -> None:
    identity = read_identity({"gtid_slave_pos": "0-1-15", "gtid_binlog_pos": "0-2-16,1-2-3", "server_id": "2"})
    assert (identity.gtid_executed, identity.gtid_applied) == ("0-2-16,1-2-3", "0-1-15")


COLUMNS = {name for row in SHAPES.values() for name in row} | set(worker(1)) | {"server_id", "gtid_slave_pos"}
NAMES = st.sampled_from(sorted(COLUMNS))
USUAL = st.sampled_from(["Yes", "No", "1e999", "nan", "-1", "1062", "0-1-2", "99999999999999999999"])
ODD = st.one_of(st.none(), st.text(), USUAL)
ROWS = st.dictionaries(NAMES, ODD)


@given(st.lists(ROWS, max_size=3), st.lists(ROWS, max_size=3), ROWS)
def test_nothing_that_a_server_says_raises(
    rows: list[dict[str, str | None]], workers: list[dict[str, str | None]], variables: dict[str, str | None]
) -> None:
    for found in read_channels(rows, read_identity(variables), read_workers(workers)):
        assert found.lag.seconds is None or found.lag.seconds >= 0
        assert found.applier_error is None or found.applier_error.errno != 0


@pytest.mark.parametrize(("seconds", "stuck_at"), [(0, "a:1-9"), (21, "a:1-9"), (23, "a:1-7"), (599, "a:1-7")])
def test_what_was_committed_last_before_a_disk_was_full_is_known_some_looks_later(seconds: int, stuck_at: str) -> None:
    """The first look at the log may have read the position before the last commits, and the line after them."""
    known = NoSpace(at=NOW, text="Disk is full writing", stuck_at="a:1-7")
    rows = [{"age": str(seconds), "told": known.text, "waits": "1"}]
    assert read_no_space(rows, NOW + timedelta(seconds=seconds), "a:1-9", known) == replace(known, stuck_at=stuck_at)


def test_a_disk_that_is_full_once_more_is_another_matter() -> None:
    known = NoSpace(at=NOW, text="Disk is full writing", stuck_at="a:1-7")
    rows = [{"age": "0", "told": known.text, "waits": "1"}]
    at = NOW + timedelta(seconds=600)
    assert read_no_space(rows, at, "a:1-8", known) == NoSpace(at=at, text=known.text, stuck_at="a:1-8")
    assert read_no_space([], at, "a:1-8", known) is None
