"""Read-only statements with which `doctor` and `init` get to know a server."""

from repwatch.model.server import ServerVersion

CURRENT_USER = "SELECT CURRENT_USER()"
SHOW_GRANTS = "SHOW GRANTS"
TLS_VERSION = "SHOW SESSION STATUS LIKE 'Ssl_version'"
VARIABLES = (
    "binlog_format", "binlog_row_image", "datadir", "gtid_mode", "hostname",
    "innodb_flush_log_at_trx_commit", "log_bin", "log_replica_updates", "log_slave_updates", "lower_case_table_names", "port",
    "performance_schema", "read_only", "report_host", "report_port", "server_id", "server_uuid", "sync_binlog",
    "system_time_zone", "time_zone",
)  # fmt: skip


def show_variables() -> str:
    """Those of VARIABLES that the server knows."""
    names = ", ".join(f"'{name}'" for name in VARIABLES)
    return f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})"


def show_replicas(version: ServerVersion) -> str:
    """The replicas that are connected and announced themselves. MySQL 8.0.22 named it anew, 8.4 took the old name away."""
    return "SHOW REPLICAS" if not version.is_mariadb and version.at_least(8, 0, 22) else "SHOW SLAVE HOSTS"


def dump_clients(version: ServerVersion) -> str:
    """From where binary logs are read now, as `host:port` of the client's end; needs PROCESS, else it is silently empty.

    MySQL 8.0.22 has a process list that takes no lock on all threads, and 9.x warns of the old one.
    """
    schema = "performance_schema" if not version.is_mariadb and version.at_least(8, 0, 22) else "information_schema"
    return f"SELECT host FROM {schema}.processlist WHERE command IN ('Binlog Dump', 'Binlog Dump GTID')"
