"""One connection to one server. Driver exceptions stop here: everything raised is from `repwatch.errors`.

Values travel raw: bytes as the server sent them, None for NULL. The driver's converted values cannot be compared
(a zero date arrives as None, like NULL) and cost five times as much.
A session belongs to one thread (the driver's threadsafety is 1); `kill_running` may be called from another.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from typing import Any, Self
from uuid import uuid4

import mysql.connector
from mysql.connector.abstracts import MySQLConnectionAbstract

from repwatch.adapters.mysql.cursor import raw_cursor
from repwatch.adapters.mysql.failures import connect_failure, statement_failure
from repwatch.adapters.mysql.library import begin_library
from repwatch.adapters.mysql.local_file import LEAST, LocalFile
from repwatch.adapters.mysql.options import DRIVER_ERRORS, connect_options, is_encrypted
from repwatch.adapters.mysql.together import answers_together
from repwatch.errors import (
    LoginRefused,
    NotMySQL,
    OutcomeUnknown,
    ServerError,
    StatementRefused,
    StatementTimedOut,
    Unreachable,
)
from repwatch.model.endpoint import Endpoint, TlsMode
from repwatch.model.server import ServerVersion
from repwatch.ports.database import Params, RawRow, Result, Row, Timeouts, as_text
from repwatch.sql.quoting import quote_text

# Fixed for every session, so that text, times and dates mean the same on every server; NO_ZERO_DATE and the like would
# turn zero dates into NULL inside functions, ANSI_QUOTES and NO_BACKSLASH_ESCAPES would change what we send.
SESSION_SETUP = "SET SESSION time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO'"
# Each session holds a lock of a name of its own, so that another one finds it, and nobody else: after a restart the number of a
# connection that was lost belongs to another, often one of ours.
GREETING = "SELECT VERSION(), @@version_comment"
MARK = ", GET_LOCK({}, 0)"
WHO_HOLDS = "SELECT IS_USED_LOCK({})"
# The protocol counts warnings in two bytes, and a server that has more says this (MySQL's source, "OK_Packet").
_MOST_WARNINGS = 65_535
# How long `close` waits for the end of a statement that it kills; the rest happens behind its back.
CLOSE_SECONDS = 1.0
# The client library's number for a file that the server may not have.
CR_FILE_REJECTED = 2068
BATCH = 1000


class Session:
    """An open connection with autocommit, UTC, utf8mb4 and a permissive SQL mode."""

    def __init__(
        self, connection: MySQLConnectionAbstract, endpoint: Endpoint, timeouts: Timeouts, *, together: bool = False
    ) -> None:
        self._connection = connection
        self._takes_several = together
        self.endpoint = endpoint
        self.version = ServerVersion.parse("0.0")
        self.server = str(endpoint.address)
        self._id = int(connection.connection_id or 0)
        self._opened = time.monotonic()
        self._mark = quote_text(f"repwatch {uuid4().hex}")
        self._greeted = False
        self._timeouts = timeouts
        self._closed = False
        self._warned = 0  # warnings of the last statement, as its answer said
        self._unread = False  # a statement runs, or rows of it have not been read
        self._file: LocalFile | None = None  # of `load`

    @classmethod
    def connect(cls, endpoint: Endpoint, timeouts: Timeouts | None = None) -> Self:
        """Log in. Raises Unreachable, LoginRefused, NotMySQL, or UsageError where the secret cannot be read."""
        return cls._open(endpoint, timeouts or Timeouts(), together=False)

    @classmethod
    def connect_for_looks(cls, endpoint: Endpoint, timeouts: Timeouts | None = None) -> Self:
        """As `connect`; over this one `together` sends what it is given at once."""
        return cls._open(endpoint, timeouts or Timeouts(), together=True)

    @classmethod
    def _open(cls, endpoint: Endpoint, timeouts: Timeouts, *, together: bool) -> Self:
        options = connect_options(endpoint, timeouts, together=together)
        begin_library()
        started = time.monotonic()
        try:
            connection = mysql.connector.connect(**options)
        except (*DRIVER_ERRORS, NotImplementedError, ValueError, TypeError) as error:
            left = timeouts.connect - (time.monotonic() - started)
            raise connect_failure(error, endpoint, left) from None
        assert isinstance(connection, MySQLConnectionAbstract)
        session = cls(connection, endpoint, timeouts, together=together)
        try:
            session._greet()
        except BaseException:
            session.close()
            raise
        return session

    def _greet(self) -> None:
        self._verify_tls()
        try:
            version, comment, *_ = self._introduced()
            self.version = ServerVersion.parse(version or "", comment or "")
            self.execute(SESSION_SETUP)
            self._greeted = True
        except OutcomeUnknown as error:  # nothing of the caller's was sent
            raise Unreachable(error.text, server=self.server, errno=error.errno, hint=error.hint) from None
        except StatementRefused as error:  # an expired password lets one in, and nothing more (1820)
            raise LoginRefused(error.text, server=self.server, errno=error.errno, hint=error.hint) from None
        except ValueError as error:
            raise NotMySQL(str(error), server=self.server) from None

    def _introduced(self) -> tuple[str | None, ...]:
        try:
            return self.text_row(GREETING + MARK.format(self._mark))
        except StatementRefused:  # some releases know no such locks in a cluster; what else there is against us comes again
            self._mark = ""
            return self.text_row(GREETING)

    def _verify_tls(self) -> None:
        # The driver connects in plain text where its options seem to forbid it.
        if self.endpoint.tls in (TlsMode.DISABLED, TlsMode.PREFERRED) or self.endpoint.address.socket:
            return
        if not is_encrypted(self._connection):
            raise Unreachable(
                f"the connection is not encrypted, and tls = {self.endpoint.tls.value!r} demands it",
                server=self.server,
                hint="enable TLS on the server, or set tls = 'preferred'",
            )

    def query(self, sql: str, params: Params = ()) -> Result:
        """Run one statement that returns rows, and read them all."""
        cursor = self._send(sql, params)
        return Result(_columns(cursor), list(self._rows(cursor)))

    def together(self, statements: Sequence[str]) -> Generator[list[dict[str, str | None]]]:
        """As `texts` of each, in one round trip, up to the first that is refused: none over a session that is not for looks.

        Raises StatementTimedOut for one that the server ended. If the caller stops early the session is closed.
        """
        self._demand_idle()
        self._unread = True
        try:
            for columns, rows in answers_together(self._connection, statements if self._takes_several else ()):
                yield _texts(columns, rows)
        except DRIVER_ERRORS as error:
            failure = self._failure(error)
            if not isinstance(failure, StatementRefused) or isinstance(failure, StatementTimedOut):
                raise failure from None
        except BaseException:  # as in `_send`, and where the caller stops: there are more answers to come
            self.close()
            raise
        self._unread, self._warned = False, 0

    def stream(self, sql: str, params: Params = ()) -> Iterator[Row]:
        """Run one statement and yield its rows in batches; if the caller stops early it is killed and the session closed."""
        yield from self._rows(self._send(sql, params))

    def batches(self, sql: str) -> Iterator[list[RawRow]]:
        """As `stream`, some rows at a time, with values as the driver has them."""
        yield from self._batches(self._send(sql, ()))

    def execute(self, sql: str, params: Params = ()) -> int:
        """Run one statement; the number of affected rows, or of rows returned and dropped."""
        cursor = self._send(sql, params)
        affected = max(int(cursor.rowcount), 0)
        return sum(1 for _ in self._rows(cursor)) or affected

    def load(self, statement: Callable[[str], str], content: bytes) -> int:
        """Run a LOAD DATA LOCAL, which `statement` makes of the name of a file that holds `content`; the number of rows stored.

        Raises StatementRefused where no file can be offered, too.
        """
        self._demand_open()
        try:
            file = self._file = self._file or LocalFile()
            connection: Any = self._connection  # both kinds of connection have what their common type lacks
            connection.set_allow_local_infile_in_path(str(file.folder))
            with file.holding(content):
                return self.execute(statement(str(file.path)))
        except OSError as error:
            raise StatementRefused(f"no file can be offered: {error}", server=self.server, errno=CR_FILE_REJECTED) from None

    @property
    def least_load(self) -> int:
        """Bytes; less cannot be loaded."""
        return LEAST

    def _demand_open(self) -> None:
        if self._closed:
            raise Unreachable("this connection was closed", server=self.server, hint="connect again")

    def _demand_idle(self) -> None:
        self._demand_open()
        if self._unread:
            raise RuntimeError("the rows of another statement have not been read")

    def _send(self, sql: str, params: Params) -> Any:
        self._demand_idle()
        self._unread = True
        try:
            cursor = raw_cursor(self._connection)
            cursor.execute(sql, tuple(params))
        except DRIVER_ERRORS as error:
            raise self._failure(error) from None
        except BaseException:  # a signal, somewhere in the protocol: the connection is good for nothing more
            self.close()
            raise
        self._unread = cursor.description is not None
        self._warned = cursor.warning_count
        return cursor

    def _rows(self, cursor: Any) -> Iterator[Row]:
        for batch in self._batches(cursor):
            for row in batch:
                yield tuple([None if value is None else bytes(value) for value in row])  # a third faster than without the list

    def _batches(self, cursor: Any) -> Iterator[list[RawRow]]:
        try:
            while self._unread:
                batch = cursor.fetchmany(BATCH)
                if batch:
                    yield batch
                self._unread = bool(batch)
            self._warned = cursor.warning_count  # it comes with the end of the rows
        except DRIVER_ERRORS as error:
            raise self._failure(error) from None
        finally:
            if self._unread:
                self.close()
            else:
                with suppress(Exception):
                    cursor.close()

    def _failure(self, error: Exception) -> Exception:
        if isinstance(error, mysql.connector.ProgrammingError) and (error.errno or 0) <= 0:
            self._unread = False
            return ValueError(f"the driver did not send the statement: {error.msg}")
        failure = statement_failure(error, self.server)
        if isinstance(failure, OutcomeUnknown):
            self._shut(wait=0)
        self._unread = False
        return failure

    def text_row(self, sql: str, params: Params = ()) -> tuple[str | None, ...]:
        """The first row, decoded; an empty tuple if there is none."""
        rows = self.query(sql, params).rows
        return tuple(as_text(value) for value in rows[0]) if rows else ()

    def scalar(self, sql: str, params: Params = ()) -> str | None:
        """The first value of the first row, decoded; None for NULL and where there is no row."""
        row = self.text_row(sql, params)
        return row[0] if row else None

    def texts(self, sql: str, params: Params = ()) -> list[dict[str, str | None]]:
        """All rows as dictionaries of decoded text; for status and catalogue views."""
        result = self.query(sql, params)
        return _texts(result.columns, result.rows)

    def warnings(self) -> list[tuple[int, str]]:
        """The warnings of the last statement, as (number, text). Their number came with its answer: none costs nothing.

        A server keeps `max_error_count` of them; what is missing stands at the end as one warning with the number 0. So does
        that the server may have had more than it can count.
        """
        count = self._warned
        if not count:
            return []
        kept = [(int(as_text(code) or 0), as_text(text) or "") for _, code, text in self.query("SHOW WARNINGS").rows]
        if len(kept) < count:
            return [*kept, (0, f"{count - len(kept)} more were not kept")]
        return kept if count < _MOST_WARNINGS else [*kept, (0, "there may be more, which were not kept")]

    @property
    def connection_id(self) -> int:
        """The server's id of this connection, for KILL."""
        return self._id

    @property
    def raw(self) -> MySQLConnectionAbstract:
        """The driver's connection, for LOAD DATA and the like."""
        return self._connection

    def kill_running(self) -> None:
        """End the statement that runs on this session, from any thread; the session stays usable.

        Raises Unreachable or LoginRefused if the second connection that this needs does not come about.
        """
        self._kill("QUERY")

    def _kill(self, what: str) -> None:
        with Session.connect(self.endpoint, Timeouts(connect=self._timeouts.connect, read=5)) as other:
            mine = self._number_for(other)
            if mine is None:  # it has ended, with its server perhaps
                return
            with suppress(StatementRefused):  # 1094: it is gone already
                other.execute(f"KILL {what} {mine}")

    def _number_for(self, other: "Session") -> str | None:
        """The number of this session by which another one may end it."""
        if self._mark:
            return other.scalar(WHO_HOLDS.format(self._mark))
        uptime = int(other.text_row("SHOW GLOBAL STATUS LIKE 'Uptime'")[1] or 0)  # counts whole seconds
        return str(self._id) if uptime > time.monotonic() - self._opened + 1 else None

    def close(self) -> None:
        """Close; never raises, and takes about a second at most. A statement that still runs is killed."""
        self._shut(wait=CLOSE_SECONDS)

    def _shut(self, wait: float) -> None:
        if self._closed:
            return
        self._closed = True
        if self._file:
            self._file.close()
        if not self._unread:
            with suppress(Exception):
                self._connection.close()
            return
        # The driver would read all the rest of the rows first, or wait for a server that never answers.
        ending = threading.Thread(target=self._abandon, name=f"abandon {self.server}", daemon=True)
        ending.start()
        ending.join(wait)

    def _abandon(self) -> None:
        if self._greeted:  # else the next one would most likely hang in its greeting as well, and so on
            with suppress(ServerError, OSError):
                self._kill("CONNECTION")
        with suppress(Exception):
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()


def _columns(cursor: Any) -> tuple[str, ...]:
    return tuple(part[0] for part in cursor.description or ())


def _texts(columns: Sequence[str], rows: Sequence[Row]) -> list[dict[str, str | None]]:
    return [dict(zip(columns, map(as_text, row), strict=True)) for row in rows]
