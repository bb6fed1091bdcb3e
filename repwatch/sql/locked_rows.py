"""Statements of `drift --lock-hot`: a few rows read under shared locks, and the position that names all that they show."""

import re
from collections.abc import Sequence
from typing import Final

from repwatch.model.server import ServerVersion
from repwatch.sql.keyrange import Key
from repwatch.sql.signature import TableReading, rows_of

BEGIN: Final = "START TRANSACTION"
RELEASE: Final = "ROLLBACK"
_OWNER: Final = re.compile(r"#\d+")


def lock_setup() -> tuple[str, ...]:
    """For the locking session, after `signature.session_setup`.

    READ COMMITTED locks rows and no gaps, so that nobody's insert waits. A session of which nothing is heard any more (a
    frozen client) gives its locks back after `wait_timeout`.
    """
    return (
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET SESSION innodb_lock_wait_timeout = 1, wait_timeout = 2",
    )


def locked_rows(reading: TableReading, keys: Sequence[Key], version: ServerVersion) -> str:
    """`rows_of`, under a shared lock of each row. MySQL has FOR SHARE since 8.0.1, and wants SELECT alone for it since 8.0.22."""
    new = not version.is_mariadb and version.at_least(8, 0, 1)
    return f"{rows_of(reading, keys)} {'FOR SHARE' if new else 'LOCK IN SHARE MODE'}"


def parse_owned(text: str) -> str:
    """`uuid:23#4:24#7` as a GTID set: the numbers of the threads that own them are no part of it."""
    return _OWNER.sub("", text)
