"""Statements that tell how a server's data may come to differ, and their answers as values."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from repwatch.model.risks import Risks, SemiSync
from repwatch.sql.quoting import quote_text
from repwatch.sql.status_columns import RawRow, StatusRow

SETTINGS: Final = (
    "replica_exec_mode",
    "replica_skip_errors",
    "replica_type_conversions",
    "sync_binlog",
    "innodb_flush_log_at_trx_commit",
    "binlog_format",
    "binlog_row_image",
    "relay_log_recovery",
    "log_replica_updates",
    "gtid_strict_mode",
    "gtid_mode",
    "relay_log_space_limit",
    "rpl_semi_sync_replica_enabled",
    "rpl_semi_sync_source_timeout",
    "rpl_semi_sync_source_wait_for_replica_count",
)


def _select(*names: str) -> str:
    return "SELECT " + ", ".join(f"@@global.{name} AS {name}" for name in names)


_SHARED = (
    "sync_binlog",
    "innodb_flush_log_at_trx_commit",
    "binlog_format",
    "binlog_row_image",
    "relay_log_recovery",
    "relay_log_space_limit",
)
_OLD_NAMES = ("slave_exec_mode", "slave_skip_errors", "slave_type_conversions", "log_slave_updates")
_NEW_NAMES = ("replica_exec_mode", "replica_skip_errors", "replica_type_conversions", "log_replica_updates")
# MySQL has the first from 8.0.22 on and the second up to 8.3; both count the same.
_STARTS = ("Com_replica_start", "Com_slave_start", "Com_start_slave", "Com_start_all_slaves")
_STOPS = ("Com_replica_stop", "Com_slave_stop", "Com_stop_slave", "Com_stop_all_slaves")
_SEMISYNC = ("clients", "no_times", "no_tx", "status", "wait_sessions", "yes_tx")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(quote_text, names))


# MySQL's plugins are called source and replica from 8.0.26 on; the old ones may be loaded instead.
_PLUGINS = {
    "rpl_semi_sync_source_enabled": "rpl_semi_sync_master_enabled",
    "rpl_semi_sync_source_timeout": "rpl_semi_sync_master_timeout",
    "rpl_semi_sync_source_wait_for_replica_count": "rpl_semi_sync_master_wait_for_slave_count",
    "rpl_semi_sync_replica_enabled": "rpl_semi_sync_slave_enabled",
}
# Their variables are there only if they are loaded; this table can be read by everybody.
_PLUGIN = (
    ", plugins.* FROM (SELECT "
    + ", ".join(f"MAX(IF(VARIABLE_NAME IN ({_listed(names)}), VARIABLE_VALUE, NULL)) AS {names[0]}" for names in _PLUGINS.items())
    + " FROM performance_schema.global_variables"
    f" WHERE VARIABLE_NAME IN ({_listed((*_PLUGINS, *_PLUGINS.values()))})) AS plugins"
)
MYSQL_57_SETTINGS: Final = _select(*_SHARED, "gtid_mode", *_OLD_NAMES) + _PLUGIN
# The new names from 8.0.26 on (MySQL manual, "Replication and Binary Logging Option and Variable Reference").
MYSQL_SETTINGS: Final = _select(*_SHARED, "gtid_mode", *_NEW_NAMES) + _PLUGIN
# Semi-synchronous replication is built in from 10.3.3 on.
MARIADB_SETTINGS: Final = _select(
    *_SHARED,
    *_OLD_NAMES,
    "gtid_strict_mode",
    "rpl_semi_sync_master_enabled",
    "rpl_semi_sync_master_timeout",
    "rpl_semi_sync_slave_enabled",
)


def _semisync_names() -> list[str]:
    """By the names of both sets of plugins; MariaDB has the old ones."""
    return [f"Rpl_semi_sync_{word}_{name}" for word in ("source", "master") for name in _SEMISYNC]


_CLIENTS: Final = "Slaves_connected"  # of MariaDB
# SHOW, because performance_schema.global_status has no Com_… counters.
COUNTERS: Final = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN ("
    + _listed(["Uptime", *_STARTS, *_STOPS, "Slave_skipped_errors", _CLIENTS, *_semisync_names()])
    + ")"
)
# An empty transaction in the place of one of the source begins with SET GTID_NEXT; without GTIDs people set the skip counter.
# The text of every digest has to be made for it, which takes a large server some milliseconds.
_BY_HAND = (
    "SELECT COALESCE(SUM(COUNT_STAR), 0) AS by_hand, {assigning} AS assigns_gtids"
    " FROM performance_schema.events_statements_summary_by_digest"
    " WHERE DIGEST_TEXT LIKE 'SET %GTID_NEXT%' OR DIGEST_TEXT LIKE 'SET %skip_counter%'"
)
MYSQL_57_BY_HAND: Final = _BY_HAND.format(assigning="0")
MYSQL_BY_HAND: Final = _BY_HAND.format(
    assigning="(SELECT COUNT(*) FROM performance_schema.replication_applier_configuration"
    " WHERE ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS_TYPE <> 'OFF')"
)


def read_risks(settings: RawRow, counters: Iterable[RawRow]) -> Risks:
    """Translate the rows. `counters` are rows of a name and a value."""
    shown, counted = StatusRow(settings), StatusRow(_pairs(counters))
    return Risks(
        settings={name: text.lower() for name in SETTINGS if (text := shown.text(name))},
        semisync=_semisync(counted, enabled=shown.is_on("rpl_semi_sync_source_enabled")),
        uptime=counted.number("uptime") or 0.0,
        # MariaDB says start_slave where MySQL says slave_start.
        starts=sum(counted.whole(name) for name in ("com_replica_start", "com_start_replica", "com_start_all_replicas")),
        stops=sum(counted.whole(name) for name in ("com_replica_stop", "com_stop_replica", "com_stop_all_replicas")),
        skipped_errors=counted.whole("replica_skipped_errors"),
    )


def count_clients(counters: Iterable[RawRow]) -> int | None:
    """How many threads of a MariaDB server send its binary log; None where it does not tell."""
    value = _pairs(counters).get(_CLIENTS)
    return int(value) if value and value.isdigit() else None


def _pairs(counters: Iterable[RawRow]) -> dict[str, str | None]:
    pairs = [(*row.values(),) for row in counters]
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and pair[0]}


def with_by_hand(risks: Risks, row: RawRow) -> Risks:
    """With what is known of people's own work on a replica."""
    told = StatusRow(row)
    return replace(risks, by_hand=told.whole("by_hand"), assigns_gtids=told.is_on("assigns_gtids"))


def read_log_filters(rows: Iterable[RawRow]) -> Mapping[str, str]:
    """Those that are set."""
    row = StatusRow(next(iter(rows), {}))
    return {name: text for name in ("binlog_do_db", "binlog_ignore_db") if (text := row.text(name))}


def _semisync(counted: StatusRow, *, enabled: bool) -> SemiSync | None:
    if not counted.text("rpl_semi_sync_source_status"):
        return None
    return SemiSync(
        enabled=enabled,
        active=counted.is_on("rpl_semi_sync_source_status"),
        clients=counted.whole("rpl_semi_sync_source_clients"),
        fallbacks=counted.whole("rpl_semi_sync_source_no_times"),
        unacknowledged=counted.whole("rpl_semi_sync_source_no_tx"),
        acknowledged=counted.whole("rpl_semi_sync_source_yes_tx"),
        waiting=counted.whole("rpl_semi_sync_source_wait_sessions"),
    )
