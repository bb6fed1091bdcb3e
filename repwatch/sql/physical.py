"""Statements of a reseed by files (MariaDB alone): where they lie, and what is done to a copy before its first start."""

from collections.abc import Mapping
from typing import Final

from repwatch.sql import reseed

_NAMES: Final = (
    "datadir", "innodb_data_home_dir", "innodb_log_group_home_dir", "innodb_undo_directory", "aria_log_dir_path",
    "innodb_data_file_path", "innodb_page_size", "innodb_encrypt_log", "innodb_encrypt_tables", "aria_encrypt_tables",
    "log_bin_basename", "relay_log_basename",
)  # fmt: skip
# By name, and not as @@variables: not every version has all of them.
VARIABLES: Final = f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({', '.join(repr(name) for name in _NAMES)})"
# Relative to the data folder, unless a table was made with DATA DIRECTORY.
TABLESPACES: Final = "SELECT FILENAME AS path FROM information_schema.INNODB_SYS_TABLESPACES WHERE FILENAME LIKE '/%'"


def bootstrap(marker: Mapping[str, str]) -> str:
    """For a server in bootstrap mode on the copy: one statement a line.

    The copy says that it is half loaded before anybody can ask it. Events of the source are disabled as replication would have
    made them, for a server that starts with event_scheduler = ON runs what it finds enabled. Where the source itself replicated
    is no position of the copy.
    """
    return (
        "\n".join(
            f"{statement};"
            for statement in (
                "SET NAMES utf8mb4",
                "SET SESSION sql_mode = ''",
                *reseed.CREATE_MARKER,
                reseed.write_marker(dict(marker)),
                "UPDATE mysql.event SET status = 'SLAVESIDE_DISABLED' WHERE status = 'ENABLED'",
                "DELETE FROM mysql.gtid_slave_pos",
            )
        )
        + "\n"
    )
