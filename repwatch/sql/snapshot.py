"""Statements of a consistent read of a source together with the exact GTID position that it shows.

MariaDB gives both without a lock: a transaction started WITH CONSISTENT SNAPSHOT knows the binary log coordinates of its
read view (status Binlog_snapshot_file and _position), and BINLOG_GTID_POS turns them into a GTID position. MySQL has no
such pairing: there the tables are read-locked for the moment in which the read views open and `gtid_executed` is read.
"""

from collections.abc import Sequence

from repwatch.model.schema import TableName
from repwatch.model.server import ServerVersion
from repwatch.sql.quoting import quote_table

# Seconds that an idle session of a snapshot is kept by the server: it waits while others are read, and while a replica runs.
_KEEP = 86_400
# Seconds: a lock session of which nothing is heard any more (a frozen client) gives its locks back after these.
_LOCK_SESSION_LIFE = 3

START = "START TRANSACTION WITH CONSISTENT SNAPSHOT"
# The table metadata locks that a read takes are held until the transaction ends, and a waiting ALTER makes everybody queue
# behind it; going back to a savepoint gives them back and keeps the read view (MySQL manual, "Metadata Locking").
SAVEPOINT = "SAVEPOINT repwatch_read"
RELEASE_METADATA_LOCKS = "ROLLBACK TO SAVEPOINT repwatch_read"

XA_RECOVER = "XA RECOVER"
# XA COMMIT and ROLLBACK are counted when they begin, and the branch stays in XA RECOVER until they end.
XA_ENDED = (
    "SELECT SUM(VARIABLE_VALUE) FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME IN ('COM_XA_COMMIT', 'COM_XA_ROLLBACK')"
)

MARIADB_COORDINATES = "SHOW SESSION STATUS WHERE Variable_name IN ('Binlog_snapshot_file', 'Binlog_snapshot_position')"
MARIADB_GTID_AT = "SELECT BINLOG_GTID_POS(%s, %s)"

MYSQL_FREEZE_DDL = "LOCK INSTANCE FOR BACKUP"
MYSQL_POSITION = "SELECT @@GLOBAL.gtid_executed"
UNLOCK_TABLES = "UNLOCK TABLES"


def session_setup(version: ServerVersion) -> tuple[str, ...]:
    """What a session needs before its snapshot: repeatable reads, and no limit of the server that would end it while it waits."""
    limits = (
        ("max_statement_time = 0", "idle_transaction_timeout = 0", "idle_readonly_transaction_timeout = 0")
        if version.is_mariadb
        else ("max_execution_time = 0",)
    )
    return (
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        f"SET SESSION wait_timeout = {_KEEP}, net_write_timeout = 600, net_read_timeout = 600, {', '.join(limits)}",
    )


def can_snapshot(version: ServerVersion) -> str:
    """A row (log_bin, GTID in use) of '1' and '0': without both there is no position to speak of."""
    gtid = "1" if version.is_mariadb else "@@GLOBAL.gtid_mode = 'ON'"
    return f"SELECT @@GLOBAL.log_bin, {gtid}"


def freeze_setup() -> tuple[str, ...]:
    """For the session that holds LOCK INSTANCE FOR BACKUP: it waits for running DDL and stays as long as the snapshot."""
    return (f"SET SESSION wait_timeout = {_KEEP}, lock_wait_timeout = 5",)


def lock_setup() -> tuple[str, ...]:
    """For the session that locks tables: 1 s is the least `lock_wait_timeout`; the caller kills its wait earlier."""
    return (f"SET SESSION wait_timeout = {_LOCK_SESSION_LIFE}, lock_wait_timeout = 1",)


def lock_tables(tables: Sequence[TableName]) -> str:
    """Read locks on all of them: granted when no transaction that wrote to one of them is open."""
    return "LOCK TABLES " + ", ".join(f"{quote_table(table)} READ" for table in sorted(set(tables)))
