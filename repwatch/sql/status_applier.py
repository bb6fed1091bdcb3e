"""What is asked about an applier that does not get on: its threads, what they wait for, and who holds it. By flavour and version.

Sources: MySQL manual "The metadata_locks Table", "The data_lock_waits Table" (8.0; before that information_schema), "The threads
Table"; MariaDB manual "Information Schema INNODB_LOCK_WAITS Table", "Metadata Lock Info Plugin" (it lists granted locks alone,
and is not installed by default).
"""

from collections.abc import Sequence

from repwatch.model.server import ServerVersion
from repwatch.sql.quoting import quote_text

_MYSQL_SESSION = (
    "holder.PROCESSLIST_ID AS connection, CONCAT(holder.PROCESSLIST_USER, '@', holder.PROCESSLIST_HOST) AS account,"
    " holder.PROCESSLIST_COMMAND AS command, holder.PROCESSLIST_TIME AS seconds, holder.PROCESSLIST_INFO AS statement"
)
_MARIADB_SESSION = (
    "holder.ID AS connection, CONCAT(holder.USER, '@', SUBSTRING_INDEX(holder.HOST, ':', 1)) AS account,"
    " holder.COMMAND AS command, holder.TIME AS seconds, holder.INFO AS statement"
)
_TRANSACTION = "trx.trx_state, trx.trx_rows_modified"
# A thread is a channel's coordinator or one of its workers; without workers it is the only row of by_worker.
_MYSQL_APPLIERS = (
    "SELECT applier.CHANNEL_NAME AS channel, applier.WORKER_ID AS worker, thread.THREAD_ID AS thread,"
    " thread.PROCESSLIST_ID AS connection, thread.PROCESSLIST_STATE AS stage, thread.PROCESSLIST_INFO AS statement,"
    f" thread.PROCESSLIST_DB AS db, {_TRANSACTION} FROM performance_schema.replication_applier_status_by_worker AS applier"
    " JOIN performance_schema.threads AS thread ON thread.THREAD_ID = applier.THREAD_ID"
    " LEFT JOIN information_schema.INNODB_TRX AS trx ON trx.trx_mysql_thread_id = thread.PROCESSLIST_ID"
)
_MARIADB_APPLIERS = (
    "SELECT '' AS channel, thread.ID AS thread, thread.ID AS connection, thread.STATE AS stage, thread.INFO AS statement,"
    f" thread.DB AS db, {_TRANSACTION} FROM information_schema.PROCESSLIST AS thread"
    " LEFT JOIN information_schema.INNODB_TRX AS trx ON trx.trx_mysql_thread_id = thread.ID"
    " WHERE thread.USER = 'system user' AND thread.COMMAND IN ('Slave_SQL', 'Slave_worker')"
)
METADATA_LOCK_PLUGIN = (
    "SELECT COUNT(*) FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'METADATA_LOCK_INFO' AND PLUGIN_STATUS = 'ACTIVE'"
)


def appliers(version: ServerVersion) -> str:
    """The applier threads with their InnoDB transactions. MariaDB's process list does not tell their channels."""
    return _MARIADB_APPLIERS if version.is_mariadb else _MYSQL_APPLIERS


def metadata_locks(threads: Sequence[int]) -> str:
    """MySQL: each lock that these threads wait for, with every other lock on the same object and its owner."""
    return (
        "SELECT waiting.OWNER_THREAD_ID AS waiter, waiting.OBJECT_TYPE AS kind, waiting.OBJECT_SCHEMA AS db,"
        f" waiting.OBJECT_NAME AS name, waiting.LOCK_TYPE AS wanted, held.LOCK_TYPE AS held, {_MYSQL_SESSION}"
        " FROM performance_schema.metadata_locks AS waiting JOIN performance_schema.metadata_locks AS held"
        " ON held.OBJECT_TYPE = waiting.OBJECT_TYPE AND held.OBJECT_SCHEMA <=> waiting.OBJECT_SCHEMA"
        " AND held.OBJECT_NAME <=> waiting.OBJECT_NAME AND held.OWNER_THREAD_ID <> waiting.OWNER_THREAD_ID"
        " JOIN performance_schema.threads AS holder ON holder.THREAD_ID = held.OWNER_THREAD_ID"
        f" WHERE waiting.LOCK_STATUS = 'PENDING' AND waiting.OWNER_THREAD_ID IN ({_numbers(threads)})"
    )


def used_tables(threads: Sequence[int]) -> str:
    """MySQL: the tables that these threads have locked, in the order in which they took them."""
    return (
        "SELECT OWNER_THREAD_ID AS thread, OBJECT_SCHEMA AS db, OBJECT_NAME AS name FROM performance_schema.metadata_locks"
        f" WHERE OBJECT_TYPE = 'TABLE' AND LOCK_STATUS = 'GRANTED' AND OBJECT_SCHEMA <> 'mysql'"
        f" AND OBJECT_NAME NOT LIKE '#%' AND OWNER_THREAD_ID IN ({_numbers(threads)})"
    )


def row_locks(version: ServerVersion, connections: Sequence[int]) -> str:
    """Who holds the rows for which these connections wait."""
    if version.is_mariadb or not version.at_least(8, 0):
        waits, waiting, blocking = "information_schema.INNODB_LOCK_WAITS", "requesting_trx_id", "blocking_trx_id"
    else:
        waits = "performance_schema.data_lock_waits"
        waiting, blocking = "REQUESTING_ENGINE_TRANSACTION_ID", "BLOCKING_ENGINE_TRANSACTION_ID"
    session, place = (
        (_MARIADB_SESSION, "information_schema.PROCESSLIST AS holder ON holder.ID")
        if version.is_mariadb
        else (_MYSQL_SESSION, "performance_schema.threads AS holder ON holder.PROCESSLIST_ID")
    )
    return (
        f"SELECT waiter.trx_mysql_thread_id AS waiter, {session} FROM {waits} AS wait"
        f" JOIN information_schema.INNODB_TRX AS waiter ON waiter.trx_id = wait.{waiting}"
        f" JOIN information_schema.INNODB_TRX AS blocker ON blocker.trx_id = wait.{blocking}"
        f" JOIN {place} = blocker.trx_mysql_thread_id"
        f" WHERE waiter.trx_mysql_thread_id IN ({_numbers(connections)})"
    )


# Where MariaDB does not tell who holds a lock: who is in a transaction or runs something, else who is connected.
MARIADB_SUSPECTS = (
    f"SELECT {_MARIADB_SESSION}, trx.trx_id IS NOT NULL OR holder.COMMAND = 'Query' AS active"
    " FROM information_schema.PROCESSLIST AS holder"
    " LEFT JOIN information_schema.INNODB_TRX AS trx ON trx.trx_mysql_thread_id = holder.ID"
    " WHERE holder.USER <> 'system user' AND holder.COMMAND IN ('Sleep', 'Query', 'Execute') AND holder.ID <> CONNECTION_ID()"
    " ORDER BY active DESC, holder.TIME DESC LIMIT 10"
)
MARIADB_METADATA_LOCKS = (
    "SELECT locks.LOCK_MODE AS held, locks.LOCK_TYPE AS kind, locks.TABLE_SCHEMA AS db, locks.TABLE_NAME AS name,"
    f" {_MARIADB_SESSION}"
    " FROM information_schema.METADATA_LOCK_INFO AS locks"
    " JOIN information_schema.PROCESSLIST AS holder ON holder.ID = locks.THREAD_ID"
    " WHERE holder.USER <> 'system user' AND holder.ID <> CONNECTION_ID()"
)


def unique_keys(table: str) -> str:
    """How many primary or unique keys a table (`schema.table`) has; it must not be locked exclusively by anybody."""
    schema, _, name = table.partition(".")
    return (
        "SELECT COUNT(*) FROM information_schema.TABLE_CONSTRAINTS WHERE CONSTRAINT_TYPE IN ('PRIMARY KEY', 'UNIQUE')"
        f" AND TABLE_SCHEMA = {quote_text(schema)} AND TABLE_NAME = {quote_text(name)}"
    )


def _numbers(values: Sequence[int]) -> str:
    return ", ".join(str(value) for value in values)
