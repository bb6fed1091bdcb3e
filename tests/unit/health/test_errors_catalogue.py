"""Number and text choose the class; both numberings agree; every template can be filled."""

import string

import pytest

from repwatch.health import commands
from repwatch.health.errors_applier import APPLIER_ERRORS
from repwatch.health.errors_catalogue import UNKNOWN, Advice, ErrorClass, advise
from repwatch.health.errors_receiver import RECEIVER_ERRORS
from repwatch.model.server import Flavour
from tests.unit.health.worlds import star, world

# The texts are the servers' own, as MySQL 5.7 to 9.7 and MariaDB 10.11 word them.
PURGED = (
    "Cannot replicate because the source purged required binary logs. Replicate the missing transactions from elsewhere",
    "The slave is connecting using CHANGE MASTER TO MASTER_AUTO_POSITION = 1, but the master has purged binary logs …",
    "Could not find GTID state requested by slave in any binlog files. Probably the slave state is too old and required binlog …",
    "Could not find first log file name in binary log index file",
)
IDENTITY = (
    "A replica with the same server_uuid/server_id as this replica has connected to the source; the first event 'binlog.000001'",
    "A slave with the same server_uuid as this slave has connected to the master",
)
ERRANT = (
    "Replica has more GTIDs than the source has, using the source's SERVER_UUID. This may indicate that the end …",
    "Error: connecting slave requested to start from GTID 0-2-16, which is not in the master's binlog",
    "… it probably means that the slave has diverged due to executing extra erroneous transactions",
    "The binlog on the master is missing the GTID 0-1-5 requested by the slave",
)
SETTING = (
    "log event entry exceeded max_allowed_packet; Increase max_allowed_packet on source; the first event 'binlog.000001' at 4",
    "Binary log is not open",
    "Misconfigured master - server_id was not set",
)
GTID_MODE = (
    "The replication receiver thread cannot start because the source has GTID_MODE = OFF and this server has GTID_MODE = ON.",
    "The replication sender thread cannot start in AUTO_POSITION mode: this server has GTID_MODE = OFF instead of ON.",
    "Cannot replicate anonymous transaction when AUTO_POSITION = 1, at file ./binlog.000004, position 197.; the first event …",
)
SOURCE_LOG = (
    "bogus data in log event; the first event 'binlog.000001' at 4",
    "Client requested source to start replication from impossible position; the first event",
    "Client requested source to start replication from position > file size; the first event 'binlog.000003' at 1893, the last …",
    "event read from binlog did not pass crc check",
    "binlog truncated in the middle of event; consider out of disk space on source",
    "something that nobody has seen yet",
)
REFUSALS = [
    *((text, ErrorClass.PURGED) for text in PURGED),
    *((text, ErrorClass.DUPLICATE_IDENTITY) for text in IDENTITY),
    *((text, ErrorClass.ERRANT) for text in ERRANT),
    *((text, ErrorClass.SETTING) for text in SETTING),
    *((text, ErrorClass.SOURCE_LOG) for text in SOURCE_LOG),
]


@pytest.mark.parametrize("errno", [1236, 13114])
@pytest.mark.parametrize(("text", "error_class"), REFUSALS)
def test_a_refusal_is_told_by_its_text_in_both_numberings(errno: int, text: str, error_class: ErrorClass) -> None:
    wrapped = f"Got fatal error 1236 from source when reading data from binary log: '{text}'"
    assert advise(errno, wrapped, RECEIVER_ERRORS).error_class is error_class


@pytest.mark.parametrize("end", SOURCE_LOG[1:3])
def test_a_source_that_has_lost_the_end_of_its_log_calls_for_a_check_of_the_data(end: str) -> None:
    assert "{drift}" in advise(13114, end, RECEIVER_ERRORS).remedy


@pytest.mark.parametrize(
    ("errno", "text", "error_class"),
    [
        (0, "", ErrorClass.NETWORK),
        (2003, "error connecting to master 'repl@10.0.0.1:3306'", ErrorClass.NETWORK),
        (2013, "Lost connection", ErrorClass.NETWORK),
        (2026, "SSL connection error", ErrorClass.NETWORK),
        (1045, "Access denied for user 'repl'@'10.0.0.2'", ErrorClass.LOGIN),
        (13120, "Source command COM_REGISTER_REPLICA failed: Access denied for user 'repl'@'%' (Errno: 1045)", ErrorClass.LOGIN),
        (1597, "Master command COM_REGISTER_SLAVE failed: Access denied for user 'repl'@'%' (Errno: 1045)", ErrorClass.LOGIN),
        (13120, "Source command COM_REGISTER_REPLICA failed: failed registering on source, reconnecting", ErrorClass.NETWORK),
        (4151, "Access denied, this account is locked", ErrorClass.LOGIN),
        (2061, "Authentication requires secure connection", ErrorClass.LOGIN),
        (1129, "Host is blocked", ErrorClass.LOGIN),
        (1040, "Too many connections", ErrorClass.HOST),
        (1593, "Fatal error: The slave I/O thread stops because master and slave have equal MySQL server ids", "identity"),
        (1593, "Fatal error: The slave I/O thread stops because master and slave have equal MariaDB server ids", "identity"),
        (13117, "Fatal error: The replica I/O thread stops because source and replica have equal MySQL server UUIDs", "identity"),
        (13117, "Fatal error: Failed to run 'after_read_event' hook.", ErrorClass.OTHER),
        *((errno, text, ErrorClass.SETTING) for errno in (1236, 13114, 1593, 13117) for text in GTID_MODE),
        (1595, "Relay log write failure", ErrorClass.HOST),
        (13122, "Relay log write failure", ErrorClass.HOST),
        (1595, "Relay log write failure: could not queue event from master", ErrorClass.OTHER),
        (13122, "Relay log write failure: could not queue event from source", ErrorClass.OTHER),
        (1789, "", ErrorClass.PURGED),
        (4052, "", "identity"),
        (4052, "A slave with the same server_uuid/server_id as this slave has connected to the master", "identity"),
        (1743, "Replication event checksum verification failed", ErrorClass.TRANSIENT),
        (1872, "Slave failed to initialize relay log info structure from the repository", ErrorClass.RELAY_LOG),
        (65000, "who knows", ErrorClass.OTHER),
    ],
)
def test_receiver_errors(errno: int, text: str, error_class: ErrorClass | str) -> None:
    wanted = ErrorClass.DUPLICATE_IDENTITY if error_class == "identity" else error_class
    assert advise(errno, text, RECEIVER_ERRORS).error_class is wanted


@pytest.mark.parametrize(
    ("errnos", "error_class"),
    [
        ((1062,), ErrorClass.DUPLICATE_KEY),
        ((1032,), ErrorClass.ROW_NOT_FOUND),
        ((1146, 1049, 1054, 1051, 1091, 1050, 1007, 1008, 1060, 1061, 1396), ErrorClass.SCHEMA),
        ((1677, 13146, 1785, 1837), ErrorClass.SCHEMA),
        ((1451, 1452), ErrorClass.FOREIGN_KEY),
        ((1205, 1213, 1317, 1927, 3024), ErrorClass.TRANSIENT),
        ((1590,), ErrorClass.LOST_EVENTS),
        ((1594, 13121), ErrorClass.RELAY_LOG),
        ((1950, 1951, 1952), ErrorClass.ERRANT),
        ((1942, 1946, 1197, 1534, 1864, 1290, 1966), ErrorClass.SETTING),
        ((1114, 1021, 1030), ErrorClass.HOST),
        ((1964, 1756, 3030, 65000), ErrorClass.OTHER),
    ],
)
def test_applier_errors(errnos: tuple[int, ...], error_class: ErrorClass) -> None:
    assert {advise(errno, "any text", APPLIER_ERRORS).error_class for errno in errnos} == {error_class}


@pytest.mark.parametrize(
    ("errno", "text", "error_class"),
    [
        (13117, "Could not open log file", ErrorClass.RELAY_LOG),
        (1593, "Fatal error: Could not find target log during relay log initialization", ErrorClass.RELAY_LOG),
        (13117, "Fatal error: Failed during replica worker thread creation", ErrorClass.OTHER),
    ],
)
def test_a_fatal_error_of_the_applier_is_told_by_its_text(errno: int, text: str, error_class: ErrorClass) -> None:
    assert advise(errno, text, APPLIER_ERRORS).error_class is error_class


ADVICES = [UNKNOWN, *(entry.advice for entry in (*RECEIVER_ERRORS, *APPLIER_ERRORS))]


@pytest.mark.parametrize("advice", ADVICES, ids=lambda advice: f"{advice.error_class.value} {advice.meaning[:20]}")
@pytest.mark.parametrize("flavour", list(Flavour))
def test_every_template_can_be_filled(flavour: Flavour, advice: Advice) -> None:
    made = world(star(flavour))
    fields = commands.fields(made, made.servers[1], "", "shop.orders")
    for template in (advice.meaning, advice.remedy):
        assert {name for _, name, _, _ in string.Formatter().parse(template) if name} <= set(fields)


def test_what_no_reseed_can_mend_does_not_send_people_there() -> None:
    harmless = {ErrorClass.TRANSIENT, ErrorClass.NETWORK, ErrorClass.LOGIN, ErrorClass.DUPLICATE_IDENTITY, ErrorClass.SETTING}
    assert not [advice.remedy for advice in ADVICES if advice.error_class in harmless and "{reseed}" in advice.remedy]


def test_no_entry_hides_behind_another() -> None:
    for entries in (RECEIVER_ERRORS, APPLIER_ERRORS):
        open_ended: set[int] = set()
        for entry in entries:
            assert entry.errnos - open_ended, entry
            assert not entry.errnos & open_ended, f"{sorted(entry.errnos & open_ended)} never get to {entry.advice.meaning[:40]}"
            open_ended |= entry.errnos if not entry.pattern else set()
