"""Several statements in one round trip: each of its own costs a way there and back, and two changes of threads at both ends."""

from collections.abc import Iterator, Sequence
from typing import Any

from mysql.connector.abstracts import MySQLConnectionAbstract
from mysql.connector.errors import get_mysql_exception

from repwatch.adapters.mysql.cursor import has_c_extension
from repwatch.ports.database import Row

try:
    from _mysql_connector import MySQLInterfaceError  # type: ignore[import-not-found]
except ImportError:  # without the C extension nothing raises it

    class MySQLInterfaceError(Exception):  # type: ignore[no-redef]
        """Never raised."""


Answer = tuple[tuple[str, ...], list[Row]]
"""Names of columns, and rows of raw values."""


def answers_together(connection: MySQLConnectionAbstract, statements: Sequence[str]) -> Iterator[Answer]:
    """Their answers, in order. Needs MULTI_STATEMENTS; nothing is sent over the driver's pure connection, which reads one answer.

    Raises what the driver raises. A server stops at the first statement that it refuses, and so does this.
    """
    if not has_c_extension(connection) or not statements:
        return
    driver: Any = connection  # its common type lacks what both kinds have
    driver.cmd_query(";".join(statements), raw=True, buffered=True)
    while True:
        yield _answer(driver)
        if not _go_on(driver):
            return


def _answer(driver: Any) -> Answer:
    if not driver.result_set_available:
        return (), []
    columns = driver.fetch_eof_columns()["columns"]
    return tuple(column[0] for column in columns), driver.get_rows(raw=True)[0]


def _go_on(driver: Any) -> bool:
    try:
        return bool(driver.next_result())
    except MySQLInterfaceError as error:  # the driver translates those of the first answer alone
        raise get_mysql_exception(error.errno, msg=error.msg, sqlstate=error.sqlstate) from error
