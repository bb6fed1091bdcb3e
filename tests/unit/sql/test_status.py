"""One statement for each part, by flavour and version; and the privileges that are asked for are those that doctor prints."""

import pytest

from repwatch.model.server import ServerVersion
from repwatch.sql.privileges import watch_needs
from repwatch.sql.status import STATEMENTS, Part, show_relay_event, statement


@pytest.mark.parametrize(
    ("version", "sql", "needs"),
    [
        ("5.7.44", "SHOW SLAVE STATUS", "REPLICATION CLIENT"),
        ("8.0.21", "SHOW SLAVE STATUS", "REPLICATION CLIENT"),
        ("8.0.22", "SHOW REPLICA STATUS", "REPLICATION CLIENT"),
        ("8.0.36-28", "SHOW REPLICA STATUS", "REPLICATION CLIENT"),
        ("8.4.3", "SHOW REPLICA STATUS", "REPLICATION CLIENT"),
        ("26.7.0", "SHOW REPLICA STATUS", "REPLICATION CLIENT"),
        ("10.3.39-MariaDB", "SHOW ALL SLAVES STATUS", "REPLICATION CLIENT"),
        ("10.5.8-MariaDB", "SHOW ALL SLAVES STATUS", "REPLICATION SLAVE ADMIN"),
        ("10.5.9-MariaDB", "SHOW ALL SLAVES STATUS", "SLAVE MONITOR"),
        ("5.5.5-10.11.19-MariaDB", "SHOW ALL SLAVES STATUS", "SLAVE MONITOR"),
        ("12.3.2-MariaDB", "SHOW ALL SLAVES STATUS", "SLAVE MONITOR"),
    ],
)
def test_the_statement_for_channels(version: str, sql: str, needs: str) -> None:
    row = statement(Part.CHANNELS, ServerVersion.parse(version))
    assert row
    assert (row.sql, row.needs, row.essential) == (sql, needs, True)
    assert row.grant("'w'@'%'") == f"GRANT {needs} ON *.* TO 'w'@'%'"


@pytest.mark.parametrize(
    ("version", "part", "known"),
    [
        ("10.5.20-MariaDB", Part.WORKERS, False),
        ("10.6.0-MariaDB", Part.WORKERS, True),
        ("5.7.44", Part.WORKERS, True),
        ("5.6.51", Part.CHANNELS, False),
        ("5.7.44", Part.IDENTITY, True),
        ("10.3.0-MariaDB", Part.CLIENTS, False),
        ("10.3.0-MariaDB", Part.OLDEST_LOG, False),
        ("10.5.2-MariaDB", Part.OLDEST_LOG, True),
        ("8.4.3", Part.OLDEST_LOG, False),
        ("5.7.44", Part.PULSES, True),
    ],
)
def test_what_a_version_does_not_have_is_not_asked(version: str, part: Part, known: bool) -> None:
    assert (statement(part, ServerVersion.parse(version)) is not None) is known


@pytest.mark.parametrize(
    ("version", "variable"),
    [
        ("5.7.44", "expire_logs_days"),
        ("8.0.28", "binlog_expire_logs_seconds"),
        ("8.0.29", "binlog_expire_logs_auto_purge"),
        ("26.7.0", "binlog_expire_logs_auto_purge"),
        ("10.11.19-MariaDB", "expire_logs_days"),
    ],
)
def test_how_long_logs_are_kept(version: str, variable: str) -> None:
    row = statement(Part.IDENTITY, ServerVersion.parse(version))
    assert row
    assert variable in row.sql


@pytest.mark.parametrize("version", ["5.7.44", "8.0.36", "9.7.4", "10.3.39-MariaDB", "10.5.5-MariaDB", "10.11.19-MariaDB"])
def test_the_watching_account_may_send_all_of_it(version: str) -> None:
    parsed = ServerVersion.parse(version)
    granted = {privilege for grant in watch_needs(parsed) for privilege in grant.privileges}
    rows = [row for part in Part if (row := statement(part, parsed))]
    assert {row.needs for row in rows if row.needs} <= granted


def test_no_statement_takes_the_binary_logs_lock() -> None:
    """But for the files of a server, seldom and where somebody needs them, and what is set at a server's start."""
    often = [row for row in STATEMENTS if row.part not in (Part.LOG_FILES, Part.LOG_FILTERS)]
    assert not [row.sql for row in often if "MASTER STATUS" in row.sql or "BINARY LOG" in row.sql]


def test_the_relay_event_of_a_connection() -> None:
    assert show_relay_event("", "relay.000002", 1716) == "SHOW RELAYLOG EVENTS IN 'relay.000002' FROM 1716 LIMIT 1"
    assert show_relay_event("it's", "r.1", 4) == "SHOW RELAYLOG 'it\\'s' EVENTS IN 'r.1' FROM 4 LIMIT 1"
