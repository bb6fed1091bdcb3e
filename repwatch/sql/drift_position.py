"""Statements about replication positions that a drift check needs: where the source stands, and whether a replica got there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from repwatch.model.server import ServerVersion
from repwatch.sql.filters import NO_FILTERS, ChannelFilters, parse_filters
from repwatch.sql.quoting import quote_text

SNAPSHOT: Final = "START TRANSACTION WITH CONSISTENT SNAPSHOT"
END_SNAPSHOT: Final = "COMMIT"


def source_position(version: ServerVersion) -> str:
    """All that the source has committed, as GTIDs."""
    return "SELECT @@GLOBAL.gtid_binlog_pos" if version.is_mariadb else "SELECT @@GLOBAL.gtid_executed"


def wait_for(version: ServerVersion, position: str, seconds: float) -> str:
    """Wait until a replica has applied `position`; the answer is 0 if it has."""
    function = "MASTER_GTID_WAIT" if version.is_mariadb else "WAIT_FOR_EXECUTED_GTID_SET"
    return f"SELECT {function}({quote_text(position)}, {seconds:.1f})"


def replica_position(version: ServerVersion) -> str:
    """What a replica has applied."""
    return "SELECT @@GLOBAL.gtid_slave_pos" if version.is_mariadb else "SELECT @@GLOBAL.gtid_executed"


# What a MariaDB replica has applied: read inside a snapshot, that snapshot's exact position.
SNAPSHOT_POSITION: Final = (
    "SELECT GROUP_CONCAT(CONCAT_WS('-', p.domain_id, p.server_id, p.seq_no)) FROM mysql.gtid_slave_pos AS p JOIN "
    "(SELECT domain_id, MAX(sub_id) AS sub_id FROM mysql.gtid_slave_pos GROUP BY domain_id) AS l "
    "ON p.domain_id = l.domain_id AND p.sub_id = l.sub_id"
)

# The coordinates of MariaDB's last consistent snapshot (manual: "Enhancements for START TRANSACTION WITH CONSISTENT SNAPSHOT").
SNAPSHOT_LOG: Final = "SHOW STATUS LIKE 'binlog_snapshot_%'"


def log_to_gtid(log: str, offset: str) -> str:
    """The GTID position at a place of a MariaDB binary log; the server reads the log from its beginning to there."""
    return f"SELECT BINLOG_GTID_POS({quote_text(log)}, {int(offset)})"


def source_identity(version: ServerVersion) -> str:
    """server_id, server_uuid ('' on MariaDB), binlog_format, whether it has a binary log, gtid_mode."""
    if version.is_mariadb:
        return "SELECT @@GLOBAL.server_id, '', @@GLOBAL.binlog_format, @@GLOBAL.log_bin, 'ON'"
    return "SELECT @@GLOBAL.server_id, @@GLOBAL.server_uuid, @@GLOBAL.binlog_format, @@GLOBAL.log_bin, @@GLOBAL.gtid_mode"


def channels_statement(version: ServerVersion) -> str:
    """One row for each replication channel of a replica."""
    if version.is_mariadb:
        return "SHOW ALL SLAVES STATUS"
    return "SHOW REPLICA STATUS" if version.at_least(8, 0, 22) else "SHOW SLAVE STATUS"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """What matters of a channel here. Server ids may be 0 while it has never connected."""

    name: str
    source_id: int
    receiving: bool
    applying: bool
    filters: ChannelFilters = NO_FILTERS


def parse_channels(rows: Sequence[Mapping[str, str | None]], rewrites: str | None = None) -> tuple[ChannelState, ...]:
    """The rows of `channels_statement`, in either spelling; `rewrites` as `filters.filter_settings` gives them."""
    return tuple(
        ChannelState(
            name=row.get("Connection_name") or row.get("Channel_Name") or "",
            source_id=int(row.get("Source_Server_Id") or row.get("Master_Server_Id") or 0),
            receiving=_either(row, "IO_Running") == "Yes",
            applying=_either(row, "SQL_Running") == "Yes",
            filters=parse_filters(row, rewrites),
        )
        for row in rows
    )


def _either(row: Mapping[str, str | None], what: str) -> str:
    return row.get(f"Replica_{what}") or row.get(f"Slave_{what}") or ""
