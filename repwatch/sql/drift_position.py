"""Statements about replication positions that only a drift check needs: snapshots, and whether a replica got to a position."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from repwatch.model.observation import ThreadState
from repwatch.model.server import ServerVersion
from repwatch.sql.filters import NO_FILTERS, ChannelFilters, parse_filters
from repwatch.sql.quoting import quote_text
from repwatch.sql.replication import HOLD_DELAY, executed
from repwatch.sql.status_columns import RawRow, StatusRow

SNAPSHOT: Final = "START TRANSACTION WITH CONSISTENT SNAPSHOT"
END_SNAPSHOT: Final = "COMMIT"


# What is in the binary log of a MySQL server and not in gtid_executed yet, each with the thread that owns it. A transaction
# gets there before it is written to the log, stays while semi-synchronous replication waits, and leaves as gtid_executed takes
# it in, which is after the engine has committed (manual, "gtid_owned"; seen on 9.7).
UNNAMED: Final = "SELECT @@GLOBAL.gtid_owned"


# What of a MariaDB source's log its engine shows: the place of the last commit that does, and how many wait for an
# acknowledgement (AFTER_SYNC): in the log, on replicas and in gtid_binlog_pos, and shown nowhere. Both are asked, as a log that
# ends with such a commit moves the place to the next log at once (seen on 10.11).
SHOWN: Final = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN "
    "('Binlog_snapshot_file', 'Binlog_snapshot_position', 'Rpl_semi_sync_master_wait_sessions')"
)
_WAITING: Final = "rpl_semi_sync_master_wait_sessions"
# Who waits AFTER_COMMIT, the default, is counted as well, and shows already.
WAIT_POINT: Final = "SHOW GLOBAL VARIABLES LIKE 'rpl_semi_sync_master_wait_point'"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a MariaDB source shows of its log. `place` is the last commit that shows; `waits`: one is logged and does not."""

    place: str
    waits: bool


ALL_SHOWN: Final = Shown("", waits=False)  # of a server that is not asked


def parse_shown(rows: Sequence[RawRow]) -> Shown:
    """The rows of SHOWN."""
    found = {(row.get("Variable_name") or "").lower(): row.get("Value") or "" for row in rows}
    place = f"{found.get('binlog_snapshot_file', '')}:{found.get('binlog_snapshot_position', '')}"
    return Shown(place, found.get(_WAITING, "0") != "0")


def hides(rows: Sequence[RawRow]) -> bool:
    """The rows of WAIT_POINT: False where sessions wait for an acknowledgement only of what shows already."""
    return not any((row.get("Value") or "").upper() == "AFTER_COMMIT" for row in rows)


def wait_for(version: ServerVersion, position: str, seconds: float) -> str:
    """Wait until a replica has applied `position`; the answer is 0 if it has."""
    function = "MASTER_GTID_WAIT" if version.is_mariadb else "WAIT_FOR_EXECUTED_GTID_SET"
    return f"SELECT {function}({quote_text(position)}, {seconds:.1f})"


# What a MariaDB replica has applied: read inside a snapshot, that snapshot's exact position.
SNAPSHOT_POSITION: Final = (
    "SELECT GROUP_CONCAT(CONCAT_WS('-', p.domain_id, p.server_id, p.seq_no)) FROM mysql.gtid_slave_pos AS p JOIN "
    "(SELECT domain_id, MAX(sub_id) AS sub_id FROM mysql.gtid_slave_pos GROUP BY domain_id) AS l "
    "ON p.domain_id = l.domain_id AND p.sub_id = l.sub_id"
)

# The coordinates of MariaDB's last consistent snapshot (manual: "Enhancements for START TRANSACTION WITH CONSISTENT SNAPSHOT").
SNAPSHOT_LOG: Final = "SHOW STATUS LIKE 'binlog_snapshot_%'"


def parse_coordinates(rows: Sequence[RawRow]) -> tuple[str, str] | None:
    """The rows of SNAPSHOT_LOG: a file and an offset in it; None where there is no binary log."""
    found = {row.get("Variable_name"): row.get("Value") or "" for row in rows}
    log, offset = found.get("Binlog_snapshot_file", ""), found.get("Binlog_snapshot_position", "")
    return (log, offset) if log else None


def log_to_gtid(log: str, offset: str) -> str:
    """The GTID position at a place of a MariaDB binary log; the server reads the log from its beginning to there."""
    return f"SELECT BINLOG_GTID_POS({quote_text(log)}, {int(offset)})"


def applied(version: ServerVersion) -> str:
    """What a replica has applied of others' transactions. Its own are nobody else's, so that no other waits for them."""
    if version.is_mariadb:
        return executed(version)
    return "SELECT GTID_SUBTRACT(@@GLOBAL.gtid_executed, CONCAT(@@GLOBAL.server_uuid, ':1-9223372036854775806'))"


def received(rows: Sequence[RawRow]) -> tuple[str, ...]:
    """How far the receiver of each channel is, out of the rows of `replication.show_channels`."""
    return tuple(StatusRow(row).text("retrieved_gtid_set", "gtid_io_pos") for row in rows)


def source_identity(version: ServerVersion) -> str:
    """server_id, server_uuid ('' on MariaDB), binlog_format, whether it has a binary log, gtid_mode."""
    if version.is_mariadb:
        return "SELECT @@GLOBAL.server_id, '', @@GLOBAL.binlog_format, @@GLOBAL.log_bin, 'ON'"
    return "SELECT @@GLOBAL.server_id, @@GLOBAL.server_uuid, @@GLOBAL.binlog_format, @@GLOBAL.log_bin, @@GLOBAL.gtid_mode"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedChannel:
    """What matters of a channel here. Server ids may be 0 while it has never connected."""

    name: str
    source_id: int
    receiving: bool
    applying: bool
    filters: ChannelFilters = NO_FILTERS
    delay: int = 0  # seconds by which it applies later, as is intended
    lag: float | None = None  # seconds behind, the delay included; None where the server does not tell


def parse_channels(rows: Sequence[RawRow], rewrites: str | None = None) -> tuple[CheckedChannel, ...]:
    """The rows of `replication.show_channels`; `rewrites` as `filters.filter_settings` gives them."""
    return tuple(_channel(StatusRow(row), parse_filters(row, rewrites)) for row in rows)


def _channel(row: StatusRow, filters: ChannelFilters) -> CheckedChannel:
    return CheckedChannel(
        name=row.text("connection_name", "channel_name"),
        source_id=row.whole("source_server_id"),
        receiving=row.thread("replica_io_running") is ThreadState.RUNNING,
        applying=row.thread("replica_sql_running") is ThreadState.RUNNING,
        filters=filters,
        delay=row.whole("sql_delay") if row.whole("sql_delay") != HOLD_DELAY else 0,
        lag=row.number("seconds_behind_source"),
    )
