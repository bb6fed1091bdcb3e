"""Which privileges an account needs, by flavour and version, as GRANT texts with `{account}` for `'user'@'host'`.

Sources: MySQL manual "Privileges Provided by MySQL"; MariaDB manual "GRANT" (10.5.2 split SUPER and REPLICATION CLIENT,
10.5.9 added SLAVE MONITOR). Names are those that SHOW GRANTS prints, so that what is missing can be told by comparing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from repwatch.model.server import ServerVersion

ACCOUNT = "{account}"


@dataclass(frozen=True, slots=True)
class Grant:
    """Privileges on one level; `on` is `*.*`, `schema.*` or a table."""

    privileges: tuple[str, ...]
    on: str = "*.*"

    @property
    def text(self) -> str:
        """The statement, with `{account}` for the account."""
        return f"GRANT {', '.join(self.privileges)} ON {self.on} TO {ACCOUNT}"

    @property
    def refused(self) -> tuple[str, ...]:
        """Statements that a server refuses without these privileges, as far as they are known by name."""
        return tuple(statement for privilege in self.privileges for statement in REFUSED_WITHOUT.get(privilege, ()))


# SELECT reads the rows; the other three let the catalogue show definitions, which it otherwise leaves out without a word.
_READ = ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT")
_CHANGE = (
    "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "REFERENCES", "CREATE TEMPORARY TABLES", "LOCK TABLES",
    "CREATE VIEW", "CREATE ROUTINE", "ALTER ROUTINE", "EXECUTE", "RELOAD",
)  # fmt: skip


# What a server refuses without them; accounts of managed services are never given some of these.
# Sources: MySQL manual "sql_log_bin", "STOP REPLICA"; MariaDB manual "SET SQL_LOG_BIN", "STOP REPLICA".
REFUSED_WITHOUT: Final[Mapping[str, tuple[str, ...]]] = {
    "BINLOG ADMIN": ("SET sql_log_bin",),
    "SYSTEM_VARIABLES_ADMIN": ("SET sql_log_bin",),
    "REPLICATION SLAVE ADMIN": ("STOP REPLICA",),
    "REPLICATION_SLAVE_ADMIN": ("STOP REPLICA",),
    "SUPER": ("SET sql_log_bin", "STOP REPLICA"),
}


def watch_needs(version: ServerVersion) -> tuple[Grant, ...]:
    """What watching and drift checks need, and nothing that changes anything.

    PROCESS: without it the process list shows only the account's own threads, silently.
    """
    if version.is_mariadb:
        return (Grant((*_mariadb_monitor(version), "PROCESS", *_READ)),)
    dynamic = (Grant(("SHOW_ROUTINE",)),) if version.at_least(8, 0, 20) else ()
    return (Grant(("REPLICATION CLIENT", "PROCESS", *_READ)), *dynamic)


def drift_needs(version: ServerVersion, *, is_source: bool) -> tuple[Grant, ...]:
    """What a drift check cannot do without, of all that `watch_needs` asks for: rows, and on a replica its channels."""
    if is_source:
        return (Grant(("SELECT",)),)
    monitor = _mariadb_monitor(version)[-1] if version.is_mariadb else "REPLICATION CLIENT"
    return (Grant((monitor, "SELECT")),)


def moment_needs() -> Grant:
    """What a check of busy MariaDB servers at one moment reads on a replica: the position of its own snapshot."""
    return Grant(("SELECT",), "`mysql`.`gtid_slave_pos`")


def applied_statements_needs() -> Grant:
    """What a check of busy MySQL servers reads on a replica: whether it applies statements or row images."""
    return Grant(("SELECT",), "`performance_schema`.*")


def lock_hot_needs(version: ServerVersion) -> tuple[Grant, ...]:
    """What `drift --lock-hot` needs on the source beside watching (MySQL manual, "Locking Reads": SELECT alone since 8.0.22)."""
    return () if version.is_mariadb or version.at_least(8, 0, 22) else (Grant(("LOCK TABLES",)),)


def operator_needs(version: ServerVersion) -> tuple[Grant, ...]:
    """What repair, reseed and exact checks need beside watching, on the replica as on the source (a snapshot at its position)."""
    if version.is_mariadb:
        return (Grant((*_mariadb_monitor(version), "PROCESS", *_READ, *_CHANGE, *_mariadb_admin(version))),)
    return (Grant(("REPLICATION CLIENT", "PROCESS", *_READ, *_CHANGE)), Grant(_mysql_admin(version)))


def restart_needs(version: ServerVersion) -> tuple[Grant, ...]:
    """What it takes to start a replication thread again, and to see before that it is still stopped."""
    if version.is_mariadb:
        admin = "REPLICATION SLAVE ADMIN" if version.at_least(10, 5, 2) else "SUPER"
        return (Grant(tuple(dict.fromkeys((*_mariadb_monitor(version), admin)))),)
    return (Grant(("REPLICATION CLIENT",)), Grant(("REPLICATION_SLAVE_ADMIN" if version.at_least(8, 0) else "SUPER",)))


def export_needs() -> tuple[Grant, ...]:
    """What `reseed --export-errant` needs on the replica beside: reading a binary log as a replica does."""
    return (Grant(("REPLICATION SLAVE",)),)


def clone_needs(version: ServerVersion) -> tuple[Grant, ...]:
    """What `reseed --method clone` needs on the replica beside `operator_needs`, whose BACKUP_ADMIN is enough on the source."""
    return () if version.is_mariadb or not version.at_least(8, 0, 17) else (Grant(("CLONE_ADMIN",)),)


def replication_needs(version: ServerVersion) -> tuple[Grant, ...]:
    """What the account needs with which a replica connects to its source."""
    del version  # the same everywhere so far
    return (Grant(("REPLICATION SLAVE",)),)


def discovery_needs(version: ServerVersion) -> tuple[Grant, ...]:
    """What lists the replicas that announced themselves to a source; `init` works without it, but sees less."""
    if version.is_mariadb:
        return (Grant(("REPLICATION MASTER ADMIN" if version.at_least(10, 5, 2) else "REPLICATION SLAVE",)),)
    return (Grant(("REPLICATION SLAVE",)),)


def watch_grants(version: ServerVersion) -> tuple[str, ...]:
    """`watch_needs` as statements; put the account in with `text.format(account="'repwatch'@'%'")`."""
    return tuple(grant.text for grant in watch_needs(version))


def operator_grants(version: ServerVersion) -> tuple[str, ...]:
    """`operator_needs` as statements."""
    return tuple(grant.text for grant in operator_needs(version))


def clone_grants(version: ServerVersion) -> tuple[str, ...]:
    """`clone_needs` as statements."""
    return tuple(grant.text for grant in clone_needs(version))


def replication_grants(version: ServerVersion) -> tuple[str, ...]:
    """`replication_needs` as statements."""
    return tuple(grant.text for grant in replication_needs(version))


def _mariadb_monitor(version: ServerVersion) -> tuple[str, ...]:
    if version.at_least(10, 5, 9):
        return ("BINLOG MONITOR", "SLAVE MONITOR")
    if version.at_least(10, 5, 2):
        return ("BINLOG MONITOR", "REPLICATION SLAVE ADMIN")  # SHOW REPLICA STATUS wanted the admin privilege there
    return ("REPLICATION CLIENT",)


def _mariadb_admin(version: ServerVersion) -> tuple[str, ...]:
    if version.at_least(10, 5, 2):
        return ("BINLOG ADMIN", "REPLICATION SLAVE ADMIN", "READ_ONLY ADMIN", "SET USER", "CONNECTION ADMIN")
    return ("SUPER",)


def _mysql_admin(version: ServerVersion) -> tuple[str, ...]:
    if not version.at_least(8, 0):
        return ("SUPER",)
    definer = ("SET_ANY_DEFINER", "ALLOW_NONEXISTENT_DEFINER") if version.at_least(8, 2) else ("SET_USER_ID",)
    routine = ("SHOW_ROUTINE",) if version.at_least(8, 0, 20) else ()
    # XA_RECOVER_ADMIN: a prepared transaction that nobody may see would be missing from every copy.
    admin = ("BACKUP_ADMIN", "CONNECTION_ADMIN", "REPLICATION_SLAVE_ADMIN", "SYSTEM_VARIABLES_ADMIN", "XA_RECOVER_ADMIN")
    # SYSTEM_USER: only who has it may make a view, routine, trigger or event whose definer has it, as root does.
    system_user = ("SYSTEM_USER",) if version.at_least(8, 0, 16) else ()
    return (*admin, *definer, *routine, *system_user)
