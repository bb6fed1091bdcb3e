"""Statements of MySQL's clone plugin (MySQL manual, "The Clone Plugin"), and what one must know before and after using it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from repwatch.model.endpoint import TlsMode
from repwatch.model.server import ServerVersion
from repwatch.sql.quoting import quote_name, quote_text
from repwatch.sql.replication import SourceLogin

# Plugins that were loaded from a file: those of the donor must be there on the recipient too.
PLUGINS = "SELECT PLUGIN_NAME FROM information_schema.PLUGINS WHERE PLUGIN_STATUS = 'ACTIVE' AND PLUGIN_LIBRARY IS NOT NULL"
PLUGIN = "clone"
REGISTERED = "SELECT COUNT(*) FROM mysql.plugin WHERE name = 'clone'"
# What must be the same on both sides: columns os, charset, storage.
BUILD = (
    "SELECT CONCAT(@@version_compile_os, ' ', @@version_compile_machine) AS os, "
    "CONCAT(@@GLOBAL.character_set_server, '/', @@GLOBAL.collation_server) AS charset, "
    "CONCAT(@@GLOBAL.innodb_page_size, ', ', @@GLOBAL.innodb_data_file_path) AS storage"
)
# Bytes of the files that a clone replaces, or brings: with indexes, undo logs and the dictionary, without temporary tables.
# No statement tells what is free beside them (MySQL manual, "The INFORMATION_SCHEMA INNODB_TABLESPACES Table").
FILE_BYTES = "SELECT SUM(FILE_SIZE) FROM information_schema.INNODB_TABLESPACES WHERE NAME <> 'innodb_temporary'"
# Files of user tablespaces outside the data folder: a recipient makes them at the very same path. Undo tablespaces of the
# server's own have names that begin with "innodb".
OUTSIDE_FILES = (
    "SELECT FILE_NAME AS file FROM information_schema.FILES WHERE FILE_TYPE = 'TABLESPACE' "
    "AND FILE_NAME NOT LIKE './%' AND FILE_NAME LIKE '%/%' ORDER BY 1"
)
# `begun` tells one clone from another; it is kept over restarts. PID is 0 once nobody is at work, also where a killed server
# left the state at "In Progress".
STATUS = (
    "SELECT PID AS pid, STATE AS state, BEGIN_TIME AS begun, ERROR_NO AS errno, ERROR_MESSAGE AS error, "
    "GTID_EXECUTED AS position FROM performance_schema.clone_status"
)
# The part that is at work; `estimate` and `done` in bytes.
PROGRESS = (
    "SELECT STAGE AS stage, ESTIMATE AS estimate, DATA AS done FROM performance_schema.clone_progress WHERE STATE = 'In Progress'"
)
# 0 where the last clone has removed nothing: dropping is its first part, and the parts of an earlier one may stand there still.
DROPPED = (
    "SELECT COUNT(*) FROM performance_schema.clone_progress p JOIN performance_schema.clone_status s "
    "ON p.BEGIN_TIME >= s.BEGIN_TIME WHERE p.STAGE = 'DROP DATA' AND p.STATE <> 'Not Started'"
)
SCHEDULER = "SELECT @@GLOBAL.event_scheduler"
STOP_SCHEDULER = "SET GLOBAL event_scheduler = OFF"
PERSISTED_READ_ONLY = "SELECT VARIABLE_VALUE FROM performance_schema.persisted_variables WHERE VARIABLE_NAME = 'super_read_only'"
# It survives the restart at the end, so that nobody, and no event, writes before the replica is marked again.
PERSIST_READ_ONLY = "SET PERSIST super_read_only = ON"
ENABLED_EVENTS = (
    "SELECT EVENT_SCHEMA AS s, EVENT_NAME AS n, DEFINER AS definer FROM information_schema.EVENTS WHERE STATUS = 'ENABLED' "
    "AND EVENT_SCHEMA NOT IN ('sys', 'mysql')"
)
RESTART_FAILED = 3707  # the data is cloned, and the server has ended, because nothing would start it again


class CloneState(StrEnum):
    """What became of the last clone into a server."""

    NONE = "none"
    RUNNING = "running"
    COMPLETED = "completed"  # and the server has started from it
    FAILED = "failed"
    ABANDONED = "abandoned"  # nobody works at it: the server was killed, or goes down for the restart at this moment


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneStatus:
    """The last clone into a server. `begun` is "" where there was none; `position` is known once it is completed."""

    state: CloneState
    begun: str = ""
    position: str = ""
    error: str = ""
    errno: int = 0


_STATES = {"Not Started": CloneState.NONE, "Completed": CloneState.COMPLETED, "Failed": CloneState.FAILED}


def status(rows: list[dict[str, str | None]]) -> CloneStatus:
    """The answer to STATUS."""
    if not rows:
        return CloneStatus(state=CloneState.NONE)
    row = rows[0]
    going = CloneState.RUNNING if int(row["pid"] or 0) else CloneState.ABANDONED
    return CloneStatus(
        state=_STATES.get(row["state"] or "", going),
        begun=row["begun"] or "",
        position="".join((row["position"] or "").split()),
        error=row["error"] or "",
        errno=int(row["errno"] or 0),
    )


def supports(version: ServerVersion) -> bool:
    """MySQL has the plugin since 8.0.17."""
    return not version.is_mariadb and version.at_least(8, 0, 17)


def same_series(donor: ServerVersion, recipient: ServerVersion) -> bool:
    """Whether one may be cloned to the other: within a series, and before 8.0.37 between equal versions alone.

    MySQL manual, "Clone Plugin Limitations"; between series it is never done here, although 9.7 allows some.
    """
    if donor.number[:2] != recipient.number[:2]:
        return False
    return donor.number == recipient.number or (donor.at_least(8, 0, 37) and recipient.at_least(8, 0, 37))


def allow_donor(login: SourceLogin) -> str:
    """Let the recipient clone from this server; forgotten with the restart."""
    return f"SET GLOBAL clone_valid_donor_list = {quote_text(str(login.address))}"


DONORS = "SELECT @@GLOBAL.clone_valid_donor_list"


def set_donors(value: str | None) -> str:
    """The list as it was read."""
    return f"SET GLOBAL clone_valid_donor_list = {'NULL' if value is None else quote_text(value)}"


def clone_from(login: SourceLogin) -> str:
    """Replace all data of the server by the donor's. The statement holds the password: never show or record it."""
    user, host = quote_text(login.user), quote_text(login.address.host)
    require = {TlsMode.PREFERRED: "", TlsMode.DISABLED: " REQUIRE NO SSL"}.get(login.tls, " REQUIRE SSL")
    return f"CLONE INSTANCE FROM {user}@{host}:{login.address.port} IDENTIFIED BY {quote_text(login.password)}{require}"


def persist_read_only(value: str) -> str:
    """Make `value` (ON, OFF) what the server starts with; "": what its configuration says."""
    return f"SET PERSIST super_read_only = {value}" if value else "RESET PERSIST IF EXISTS super_read_only"


def set_scheduler(value: str) -> str:
    """`value` is ON or OFF."""
    return f"SET GLOBAL event_scheduler = {value}"


def disable_event(row: Mapping[str, str | None], version: ServerVersion) -> str:
    """As on a replica that replicated it. Without DEFINER we would become its definer; all else stays (tried on 9.7)."""
    user, _, host = (row["definer"] or "").rpartition("@")
    name = f"{quote_name(row['s'] or '')}.{quote_name(row['n'] or '')}"
    word = "REPLICA" if version.at_least(8, 2) else "SLAVE"
    return f"ALTER DEFINER = {quote_text(user)}@{quote_text(host)} EVENT {name} DISABLE ON {word}"
