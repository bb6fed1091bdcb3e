"""Makes the driver's cursors without a round trip of their own."""

from typing import Any, TypeGuard

from mysql.connector.abstracts import MySQLConnectionAbstract

try:
    from mysql.connector.connection_cext import CMySQLConnection
    from mysql.connector.cursor_cext import CMySQLCursorRaw
except ImportError:  # the driver has lost its C extension; `doctor` says so
    CMySQLConnection = None  # type: ignore[assignment, misc]


def raw_cursor(connection: MySQLConnectionAbstract) -> Any:
    """An unbuffered cursor whose values are bytes; the driver's own type for it is a union of eight.

    `connection.cursor()` pings the server each time (Connector/Python 9.7), so that each statement costs two round trips. The
    statement itself notices as well that a connection is gone.
    """
    return CMySQLCursorRaw(connection) if has_c_extension(connection) else connection.cursor(raw=True)


def has_c_extension(connection: MySQLConnectionAbstract) -> "TypeGuard[CMySQLConnection]":
    """True if the driver's C half speaks over it."""
    return CMySQLConnection is not None and isinstance(connection, CMySQLConnection)
