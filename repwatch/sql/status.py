"""The statements of one probe, by flavour and version, in one table. All are cheap, and none writes or waits for a lock of data.

Variables are SELECTed: in SHOW GLOBAL VARIABLES a GTID set is cut at 1024 characters (the width of VARIABLE_VALUE), and reading
all variables costs ten times as much. SHOW MASTER STATUS and SHOW BINARY LOGS take the binary log's lock: the one is sent once
after each start of a server, the other once a minute where a server deletes by size or is followed by file and position.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from repwatch.model.server import Flavour, ServerVersion
from repwatch.sql import risks
from repwatch.sql.catalogue import SYSTEM_SCHEMAS
from repwatch.sql.disks import DISKS
from repwatch.sql.quoting import quote_text
from repwatch.sql.reseed import MARKER_SCHEMA

Version = tuple[int, ...]


class Part(StrEnum):
    """What a statement is asked for."""

    IDENTITY = "identity"
    CHANNELS = "channels"
    WORKERS = "workers"
    PULSES = "pulses"
    CLIENTS = "clients"
    OLDEST_LOG = "oldest-log"
    LOG_FILES = "log-files"
    NO_SPACE = "no-space"
    DISKS = "disks"
    SETTINGS = "settings"
    COUNTERS = "counters"
    LOG_FILTERS = "log-filters"
    BY_HAND = "by-hand"
    CLONE = "clone"
    HAS_TABLES = "has-tables"


@dataclass(frozen=True, slots=True)
class StatusStatement:
    """One row of the table: `since` is the first version it is for."""

    part: Part
    flavour: Flavour
    since: Version
    sql: str
    needs: str = ""  # the privilege, as in GRANT
    on: str = "*.*"

    @property
    def essential(self) -> bool:
        """True if there is no observation without its answer."""
        return self.part in (Part.IDENTITY, Part.CHANNELS)

    def grant(self, account: str) -> str:
        """The GRANT that the statement lacks, "" if it needs none."""
        return f"GRANT {self.needs} ON {self.on} TO {account}" if self.needs else ""


# The marker that a reseed leaves on a half-loaded replica until it is proved (`sql.reseed`); a schema of that name is enough.
_HALF_LOADED = (
    f"(SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {quote_text(MARKER_SCHEMA)}) AS half_loaded"
)
# The session's time zone is UTC. Both flavours give the time at which the statement began.
_NOW = "UTC_TIMESTAMP(6) AS now_utc"
_MYSQL_IDENTITY = (
    "SELECT @@global.server_id AS server_id, @@global.server_uuid AS server_uuid, @@global.read_only AS read_only,"
    " @@global.super_read_only AS super_read_only, @@global.log_bin AS log_bin, @@global.gtid_executed AS gtid_executed,"
    " @@global.performance_schema AS performance_schema, @@hostname AS hostname, @@port AS port, @@datadir AS datadir,"
    f" @@global.gtid_purged AS gtid_purged, {_NOW}, {_HALF_LOADED}"
)
# For how long binary logs are kept; 0 is for ever. MySQL 8.0.29 can leave them in spite of their age.
_KEEP_DAYS = ", @@global.expire_logs_days * 86400 AS keep_seconds"
_KEEP_SECONDS = ", @@global.binlog_expire_logs_seconds AS keep_seconds"
_KEEP_UNLESS_OFF = ", IF(@@global.binlog_expire_logs_auto_purge, @@global.binlog_expire_logs_seconds, 0) AS keep_seconds"
# MariaDB deletes by size as well, and not while too few replicas are connected (MariaDB manual, "max_binlog_total_size" and
# "slave_connections_needed_for_purge", both new in 11.4; seen by hand on 11.8, there is no such server in the tests).
_KEEP_BYTES = (
    _KEEP_DAYS + ", @@global.max_binlog_total_size AS keep_bytes, @@global.slave_connections_needed_for_purge AS purge_clients"
)
# The variable gtid_slave_pos, not the column Gtid_Slave_Pos of the status: with a transaction of the replica's own (0-2-16 after
# 0-1-15) the column shows that one, the variable the last replicated one (seen on 10.11).
_MARIADB_IDENTITY = (
    "SELECT @@global.server_id AS server_id, @@global.read_only AS read_only, @@global.log_bin AS log_bin,"
    " @@global.gtid_slave_pos AS gtid_slave_pos, @@global.gtid_binlog_pos AS gtid_binlog_pos,"
    " @@global.gtid_binlog_state AS gtid_binlog_state,"
    " @@global.performance_schema AS performance_schema, @@hostname AS hostname, @@port AS port, @@datadir AS datadir,"
    f" {_NOW}, {_HALF_LOADED}"
)
# In the session's time zone, so these times are UTC, too; the server's own clock is what they compare with.
_WORKERS = f"SELECT {_NOW}, worker.* FROM performance_schema.replication_applier_status_by_worker AS worker"
# The status row has no heartbeats. A join by name alone: a channel has one row in each of the two.
_PULSES = "SELECT connection.CHANNEL_NAME, connection.COUNT_RECEIVED_HEARTBEATS, settings.HEARTBEAT_INTERVAL"
_LAST_COMMIT = ", connection.LAST_QUEUED_TRANSACTION_IMMEDIATE_COMMIT_TIMESTAMP AS last_commit"
_OF_CONNECTIONS = (
    " FROM performance_schema.replication_connection_status AS connection"
    " JOIN performance_schema.replication_connection_configuration AS settings ON settings.CHANNEL_NAME = connection.CHANNEL_NAME"
)
_MYSQL_CLIENTS = (
    "SELECT COUNT(*) AS clients FROM performance_schema.threads WHERE PROCESSLIST_COMMAND IN ('Binlog Dump', 'Binlog Dump GTID')"
)
# Without a name it reads the oldest file, whose second or third event lists the position at which the file begins. Before 10.5.2
# it wanted REPLICATION SLAVE, which is more than looking needs.
_OLDEST_LOG = "SHOW BINLOG EVENTS LIMIT 3"
_P_S = "performance_schema.*"
# InnoDB does not stop when its disk is full. It tells of it once, tries again in silence, and an applier waits in its commit
# (vitess#20056); or it refuses the row, with 1114. Who writes a log waits, and tells of it every ten minutes. The table has the
# rows of the error log (MySQL manual, "The error_log Table").
_NO_SPACE = (
    "SELECT TIMESTAMPDIFF(SECOND, LOGGED, NOW(6)) AS age, DATA AS told, SUBSYSTEM = 'Server' AS waits"
    " FROM performance_schema.error_log WHERE LOGGED > NOW() - INTERVAL 7 DAY"
    " AND (SUBSYSTEM = 'InnoDB' AND (DATA LIKE '%error number 28.%' OR DATA LIKE '%disk is full.%')"
    " OR SUBSYSTEM = 'Server' AND DATA LIKE 'Disk is full writing %') ORDER BY LOGGED DESC LIMIT 1"
)


# A clone into a server removes its data first; if it fails then, nothing is left, the mark of a reseed neither, and the channels
# are (MySQL manual, "Remote Cloning Operation Failure Handling"; tried on 9.7, where they can be started over the empty server).
# The tables outlive a restart, and are there with the plugin alone. A clone into a folder has that as its DESTINATION. PID is
# that of the session, 0 once nobody is at work.
_CLONE = (
    "SELECT s.SOURCE AS donor, s.BEGIN_TIME AS begun, s.STATE = 'In Progress' AND s.PID > 0 AS runs, s.ERROR_NO AS errno,"
    " s.ERROR_MESSAGE AS error FROM performance_schema.clone_status s"
    " WHERE s.STATE IN ('In Progress', 'Failed') AND s.DESTINATION = 'LOCAL INSTANCE'"
    " AND EXISTS (SELECT 1 FROM performance_schema.clone_progress p WHERE p.BEGIN_TIME >= s.BEGIN_TIME"
    " AND p.STAGE = 'DROP DATA' AND p.STATE <> 'Not Started')"
)
# Of any engine, and in any tablespace. A reseed's mark is none of a user's.
_HAS_TABLES = (
    "SELECT EXISTS (SELECT 1 FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE'"
    f" AND TABLE_SCHEMA NOT IN ({', '.join(map(quote_text, (*SYSTEM_SCHEMAS, MARKER_SCHEMA)))})) AS has_tables"
)
NO_SUCH_TABLE = 1146  # the plugin is not there


# Sources: MySQL manual "SHOW REPLICA STATUS" (the name from 8.0.22; the old one is gone in 8.4); MariaDB manual "SHOW REPLICA
# STATUS" (REPLICATION SLAVE ADMIN from 10.5.2, SLAVE MONITOR from 10.5.9), "Performance Schema" (replication tables from 10.6).
STATEMENTS = (
    StatusStatement(Part.IDENTITY, Flavour.MYSQL, (5, 7), _MYSQL_IDENTITY + _KEEP_DAYS),
    StatusStatement(Part.IDENTITY, Flavour.MYSQL, (8, 0, 11), _MYSQL_IDENTITY + _KEEP_SECONDS),
    StatusStatement(Part.IDENTITY, Flavour.MYSQL, (8, 0, 29), _MYSQL_IDENTITY + _KEEP_UNLESS_OFF),
    StatusStatement(Part.IDENTITY, Flavour.MARIADB, (10, 0), _MARIADB_IDENTITY + _KEEP_DAYS),
    StatusStatement(Part.IDENTITY, Flavour.MARIADB, (11, 4, 1), _MARIADB_IDENTITY + _KEEP_BYTES),
    StatusStatement(Part.CHANNELS, Flavour.MYSQL, (5, 7), "SHOW SLAVE STATUS", "REPLICATION CLIENT"),
    StatusStatement(Part.CHANNELS, Flavour.MYSQL, (8, 0, 22), "SHOW REPLICA STATUS", "REPLICATION CLIENT"),
    StatusStatement(Part.CHANNELS, Flavour.MARIADB, (10, 0), "SHOW ALL SLAVES STATUS", "REPLICATION CLIENT"),
    StatusStatement(Part.CHANNELS, Flavour.MARIADB, (10, 5, 2), "SHOW ALL SLAVES STATUS", "REPLICATION SLAVE ADMIN"),
    StatusStatement(Part.CHANNELS, Flavour.MARIADB, (10, 5, 9), "SHOW ALL SLAVES STATUS", "SLAVE MONITOR"),
    StatusStatement(Part.WORKERS, Flavour.MYSQL, (5, 7), _WORKERS, "SELECT", _P_S),
    StatusStatement(Part.WORKERS, Flavour.MARIADB, (10, 6), _WORKERS, "SELECT", _P_S),
    StatusStatement(Part.PULSES, Flavour.MYSQL, (5, 7), _PULSES + _OF_CONNECTIONS, "SELECT", _P_S),
    StatusStatement(Part.PULSES, Flavour.MYSQL, (8, 0, 11), _PULSES + _LAST_COMMIT + _OF_CONNECTIONS, "SELECT", _P_S),
    StatusStatement(Part.CLIENTS, Flavour.MYSQL, (5, 7), _MYSQL_CLIENTS, "SELECT", _P_S),
    StatusStatement(Part.OLDEST_LOG, Flavour.MARIADB, (10, 5, 2), _OLDEST_LOG, "BINLOG MONITOR"),
    StatusStatement(Part.LOG_FILES, Flavour.MYSQL, (5, 7), "SHOW BINARY LOGS", "REPLICATION CLIENT"),
    StatusStatement(Part.LOG_FILES, Flavour.MARIADB, (10, 0), "SHOW BINARY LOGS", "REPLICATION CLIENT"),
    StatusStatement(Part.LOG_FILES, Flavour.MARIADB, (10, 5, 2), "SHOW BINARY LOGS", "BINLOG MONITOR"),
    StatusStatement(Part.NO_SPACE, Flavour.MYSQL, (8, 0, 22), _NO_SPACE, "SELECT", _P_S),
    StatusStatement(Part.DISKS, Flavour.MARIADB, (10, 1, 32), DISKS),
    StatusStatement(Part.SETTINGS, Flavour.MYSQL, (5, 7), risks.MYSQL_57_SETTINGS),
    StatusStatement(Part.SETTINGS, Flavour.MYSQL, (8, 0, 26), risks.MYSQL_SETTINGS),
    StatusStatement(Part.SETTINGS, Flavour.MARIADB, (10, 3, 3), risks.MARIADB_SETTINGS),
    StatusStatement(Part.COUNTERS, Flavour.MYSQL, (5, 7), risks.COUNTERS),
    StatusStatement(Part.COUNTERS, Flavour.MARIADB, (10, 0), risks.COUNTERS),
    # No variable of MySQL has them, nor of MariaDB 10.11.
    StatusStatement(Part.LOG_FILTERS, Flavour.MYSQL, (5, 7), "SHOW MASTER STATUS", "REPLICATION CLIENT"),
    StatusStatement(Part.LOG_FILTERS, Flavour.MYSQL, (8, 2), "SHOW BINARY LOG STATUS", "REPLICATION CLIENT"),
    StatusStatement(Part.LOG_FILTERS, Flavour.MARIADB, (10, 0), "SHOW MASTER STATUS", "REPLICATION CLIENT"),
    StatusStatement(Part.LOG_FILTERS, Flavour.MARIADB, (10, 5, 2), "SHOW MASTER STATUS", "BINLOG MONITOR"),
    StatusStatement(Part.BY_HAND, Flavour.MYSQL, (5, 7), risks.MYSQL_57_BY_HAND, "SELECT", _P_S),
    StatusStatement(Part.BY_HAND, Flavour.MYSQL, (8, 0, 23), risks.MYSQL_BY_HAND, "SELECT", _P_S),
    StatusStatement(Part.CLONE, Flavour.MYSQL, (8, 0, 17), _CLONE, "SELECT", _P_S),
    StatusStatement(Part.HAS_TABLES, Flavour.MYSQL, (8, 0, 17), _HAS_TABLES, "SELECT"),
)


@lru_cache(4096)
def statement(part: Part, version: ServerVersion) -> StatusStatement | None:
    """The statement for that part on that server: the latest of the table that its version has reached, None if there is none."""
    fitting = [row for row in STATEMENTS if row.part is part and row.flavour is version.flavour and version.at_least(*row.since)]
    return max(fitting, key=lambda row: row.since, default=None)


def show_relay_event(channel: str, file: str, position: int) -> str:
    """MariaDB: the event at a place of the relay log. Where the applier stopped it is the GTID of the transaction that failed."""
    connection = f"{quote_text(channel)} " if channel else ""
    return f"SHOW RELAYLOG {connection}EVENTS IN {quote_text(file)} FROM {position} LIMIT 1"


# An account always sees its own connections. After a restart the same number is another connection, which has not run that long.
STILL_RUNS = "SELECT COUNT(*) FROM information_schema.processlist WHERE ID = %s AND COMMAND = 'Query' AND TIME >= %s"
# The stages of a thread that waits for space: MariaDB's, MySQL's. Others' threads show with the privilege PROCESS alone.
WAIT_FOR_SPACE = (
    "SELECT COUNT(*) FROM information_schema.processlist"
    " WHERE STATE LIKE 'Waiting for someone to free space%' OR STATE LIKE 'Waiting for disk space%'"
)
CURRENT_ACCOUNT = "SELECT CURRENT_USER()"
