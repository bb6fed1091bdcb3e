"""Statements of a reseed besides the copying itself: facts to decide on, the marker, the GTID state, the read-only flags."""

from repwatch.model.schema import TableName
from repwatch.model.server import ServerVersion
from repwatch.sql.quoting import quote_name, quote_table, quote_text

# The marker is a schema of its own on the replica: it survives restarts, everyone who lists the schemas reads it, and it is
# there exactly from before the first change until the replica has been proved identical. Documented in docs/reseed.md.
MARKER_SCHEMA = "repwatch_half_loaded"
MARKER = TableName(MARKER_SCHEMA, "marker")

# `innodb_flush_log_at_trx_commit` may be lax, but redo is in order: when the marker says "loaded", the rows are there too.
CREATE_MARKER = (
    f"CREATE DATABASE IF NOT EXISTS {quote_name(MARKER_SCHEMA)}",
    (
        f"CREATE TABLE IF NOT EXISTS {quote_table(MARKER)} "
        "(name VARCHAR(64) CHARACTER SET ascii NOT NULL PRIMARY KEY, value LONGTEXT CHARACTER SET utf8mb4 NOT NULL) "
        "ENGINE=InnoDB COMMENT='repwatch: this server is being reseeded; do not read from it, do not promote it'"
    ),
)
MARKER_EXISTS = (
    "SELECT COUNT(*) FROM information_schema.TABLES "
    f"WHERE TABLE_SCHEMA = {quote_text(MARKER_SCHEMA)} AND TABLE_NAME = {quote_text(MARKER.table)}"
)
READ_MARKER = f"SELECT name, value FROM {quote_table(MARKER)}"
DROP_MARKER = f"DROP DATABASE IF EXISTS {quote_name(MARKER_SCHEMA)}"


def write_marker(entries: dict[str, str]) -> str:
    """One statement, hence all entries or none."""
    rows = ", ".join(f"({quote_text(name)}, {quote_text(value)})" for name, value in entries.items())
    return f"REPLACE INTO {quote_table(MARKER)} (name, value) VALUES {rows}"


NO_BINLOG = "SET SESSION sql_log_bin = 0"
XA_RECOVER = "XA RECOVER"
READ_ONLY = "SELECT @@GLOBAL.read_only"
SUPER_READ_ONLY = "SELECT @@GLOBAL.super_read_only"  # MySQL
# Where the binary log is on, only SUPER may make functions and triggers without it, whatever sql_log_bin says (error 1419).
TRUST_CREATORS = "SELECT @@GLOBAL.log_bin_trust_function_creators"
PROCESSES = (
    "SELECT ID AS id, USER AS user, HOST AS host, COMMAND AS command FROM information_schema.PROCESSLIST "
    "WHERE ID <> CONNECTION_ID()"
)


def identity(version: ServerVersion) -> str:
    """Columns server_id, server_uuid, log_bin, updates, gtid, names, packet, expires, member, and hostname, port,
    report_host, report_port: what preconditions compare.

    `expires` is in seconds, 0 for never; `gtid` and `member` (of Galera) are 1 or 0.
    """
    if version.is_mariadb:
        expires = "@@GLOBAL.binlog_expire_logs_seconds" if version.at_least(10, 6) else "@@GLOBAL.expire_logs_days * 86400"
        own = f"'' AS server_uuid, 1 AS gtid, {expires} AS expires, @@GLOBAL.wsrep_on AS member"
    else:
        own = (
            "@@GLOBAL.server_uuid AS server_uuid, @@GLOBAL.gtid_mode = 'ON' AS gtid, "
            "@@GLOBAL.binlog_expire_logs_seconds AS expires, 0 AS member"
        )
    renamed = not version.is_mariadb and version.at_least(8, 0, 26)
    updates = "log_replica_updates" if renamed else "log_slave_updates"
    return (
        f"SELECT @@GLOBAL.server_id AS server_id, @@GLOBAL.log_bin AS log_bin, @@GLOBAL.{updates} AS updates, "
        "@@GLOBAL.lower_case_table_names AS names, "
        f"@@GLOBAL.max_allowed_packet AS packet, {own}, @@GLOBAL.hostname AS hostname, @@GLOBAL.port AS port, "
        "@@GLOBAL.report_host AS report_host, @@GLOBAL.report_port AS report_port"
    )


# MySQL: 1 where this server is a member of a replication group.
GROUP_MEMBER = "SELECT COUNT(*) FROM performance_schema.replication_group_members WHERE MEMBER_STATE <> 'OFFLINE'"


# Sessions that have changed rows and not committed, replication's own left out: id and user.
WRITING_TRANSACTIONS = (
    "SELECT p.ID AS id, p.USER AS user FROM information_schema.INNODB_TRX t JOIN information_schema.PROCESSLIST p "
    "ON p.ID = t.trx_mysql_thread_id WHERE t.trx_rows_modified > 0 AND p.USER NOT IN ('system user', 'event_scheduler')"
)


def set_read_only(*, on: bool) -> str:
    """On, only accounts with administrative privileges and replication write."""
    return f"SET GLOBAL read_only = {int(on)}"


def set_trust_creators(*, on: bool) -> str:
    """On, accounts without SUPER may make functions and triggers."""
    return f"SET GLOBAL log_bin_trust_function_creators = {int(on)}"


def set_super_read_only(*, on: bool) -> str:
    """MySQL: on, not even those accounts write; it turns `read_only` on with it."""
    return f"SET GLOBAL super_read_only = {int(on)}"


def forget_history(version: ServerVersion) -> str:
    """Delete the server's own binary logs and, on MySQL, its GTID history."""
    return "RESET BINARY LOGS AND GTIDS" if not version.is_mariadb and version.at_least(8, 2) else "RESET MASTER"


# What `forget_history` would delete on MariaDB: "" where nothing has been written to the binary log, as in a new data folder.
MARIADB_HISTORY = "SELECT @@GLOBAL.gtid_binlog_state"
# After a write RESET MASTER waits until InnoDB flushes its log, up to a second where innodb_flush_log_at_trx_commit is not 1. To
# make a table flushes it at once, whatever that setting is; FLUSH ENGINE LOGS does not (10.11). The table goes with the marker.
MARIADB_FLUSH = f"CREATE OR REPLACE TABLE {MARKER_SCHEMA}.flushed (n INT) ENGINE=InnoDB"


def set_position(version: ServerVersion, position: str) -> str:
    """Say that everything up to `position` is in the data. On MySQL the history must be empty."""
    variable = "gtid_slave_pos" if version.is_mariadb else "gtid_purged"
    return f"SET GLOBAL {variable} = {quote_text(position)}"


def lock(name: str, seconds: int = 0) -> str:
    """Take a lock that lives as long as this session: 1 if it was got at once, or within so many seconds."""
    return f"SELECT GET_LOCK({quote_text(name)}, {seconds})"


LOCK_NAME = "repwatch.reseed"
