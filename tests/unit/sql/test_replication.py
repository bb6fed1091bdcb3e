"""The words of each version, and statements that name their channel safely."""

import pytest

from repwatch.model.endpoint import TlsMode
from repwatch.model.server import Address, ServerVersion
from repwatch.sql import replication
from repwatch.sql.replication import HOLD_DELAY, SourceLogin, channel_state

MYSQL = ServerVersion.parse("9.7.0")
OLD = ServerVersion.parse("8.0.21")
MARIADB = ServerVersion.parse("10.11.6-MariaDB")


@pytest.mark.parametrize(
    ("version", "statement"),
    [
        (MYSQL, "STOP REPLICA SQL_THREAD FOR CHANNEL 'it\\'s'"),
        (OLD, "STOP SLAVE SQL_THREAD FOR CHANNEL 'it\\'s'"),
        (MARIADB, "STOP SLAVE 'it\\'s' SQL_THREAD"),
    ],
)
def test_a_channel_is_named_in_the_words_of_the_version(version: ServerVersion, statement: str) -> None:
    assert replication.stop_applier(version, "it's") == statement


@pytest.mark.parametrize(
    ("version", "statement"),
    [
        (MYSQL, "CHANGE REPLICATION SOURCE TO SOURCE_DELAY = 2147483647 FOR CHANNEL ''"),
        (OLD, "CHANGE MASTER TO MASTER_DELAY = 2147483647 FOR CHANNEL ''"),
        (MARIADB, "CHANGE MASTER '' TO MASTER_DELAY = 2147483647"),
    ],
)
def test_the_hold(version: ServerVersion, statement: str) -> None:
    assert replication.set_delay(version, "", HOLD_DELAY) == statement


def test_mariadb_never_resets_a_channel() -> None:
    with pytest.raises(AssertionError):
        replication.forget_relay_logs(MARIADB, "")


LOGIN = SourceLogin(address=Address("db1", 3307), user="repl", password="a'b\\c", tls=TlsMode.REQUIRED)


def test_a_login_shows_no_password() -> None:
    assert "a'b" not in repr(LOGIN)


@pytest.mark.parametrize("version", [MYSQL, OLD, MARIADB], ids=str)
def test_a_new_channel_is_held_and_reads_by_gtid(version: ServerVersion) -> None:
    statement = replication.connect_channel(version, "c", LOGIN, HOLD_DELAY)
    assert f"_DELAY = {HOLD_DELAY}" in statement
    assert "_USE_GTID = slave_pos" in statement or "_AUTO_POSITION = 1" in statement
    assert "_PASSWORD = 'a\\'b\\\\c'" in statement
    assert "_SSL = 1" in statement


MARIADB_ROW = {
    "Connection_name": "", "Master_Host": "db1", "Master_Port": "3306", "Master_Server_Id": "1",
    "Slave_IO_Running": "Preparing", "Slave_SQL_Running": "No", "Last_IO_Errno": "0", "Last_IO_Error": "",
    "Last_SQL_Errno": "1062", "Last_SQL_Error": "Duplicate",
    "SQL_Delay": str(HOLD_DELAY), "Using_Gtid": "Slave_Pos",
}  # fmt: skip


def test_a_row_is_read() -> None:
    state = channel_state(MARIADB_ROW)
    assert (state.channel, state.source, state.source_id) == ("", Address("db1", 3306), 1)
    assert state.held
    assert state.receiver_running
    assert not state.applier_running
    assert state.applier_errno == 1062
    assert not channel_state(MARIADB_ROW | {"SQL_Delay": "0"}).held


def test_an_error_is_read_without_the_password_of_its_statement() -> None:
    error = "Error 'x' on query. Query: 'SET PASSWORD FOR a = 'geheim'"
    state = channel_state(MARIADB_ROW | {"Last_SQL_Error": error, "Last_IO_Error": error})
    assert "geheim" not in state.applier_error + state.receiver_error


@pytest.mark.parametrize(("value", "expected"), [("No", False), ("Current_Pos", True), ("Slave_Pos", True)])
def test_gtid_use_is_read(value: str, expected: bool) -> None:
    assert channel_state(MARIADB_ROW | {"Using_Gtid": value}).uses_gtid is expected
