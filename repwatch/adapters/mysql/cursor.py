"""Makes the driver's cursors without a round trip of their own."""

from typing import Any

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
    if CMySQLConnection is not None and isinstance(connection, CMySQLConnection):
        return CMySQLCursorRaw(connection)
    return connection.cursor(raw=True)
