"""One connection to one server. Driver exceptions stop here: everything raised is from `repwatch.errors`.

Values travel raw: bytes as the server sent them, None for NULL. The driver's converted values cannot be compared
(a zero date arrives as None, like NULL) and cost five times as much.
A session belongs to one thread (the driver's threadsafety is 1); `kill` may be called from another.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Self

import mysql.connector
from mysql.connector.abstracts import MySQLConnectionAbstract
from mysql.connector.constants import ClientFlag

from repwatch.adapters.mysql.failures import connect_failure, statement_failure
from repwatch.adapters.secrets import reveal
from repwatch.errors import OutcomeUnknown, Unreachable
from repwatch.model.endpoint import Endpoint, TlsMode
from repwatch.model.server import ServerVersion
from repwatch.ports.database import Params, Result, Row, Timeouts, as_text

# Fixed for every session, so that text, times and dates mean the same on every server; NO_ZERO_DATE and the like would
# turn zero dates into NULL inside functions, ANSI_QUOTES and NO_BACKSLASH_ESCAPES would change what we send.
SESSION_SETUP = "SET SESSION time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO'"


class Session:
    """An open connection with autocommit, UTC, utf8mb4 and a permissive SQL mode."""

    def __init__(
        self, connection: MySQLConnectionAbstract, endpoint: Endpoint, version: ServerVersion, timeouts: Timeouts
    ) -> None:
        self._connection = connection
        self.endpoint = endpoint
        self.version = version
        self.server = str(endpoint.address)
        self._timeouts = timeouts
        self._closed = False
        self._streaming = False

    @classmethod
    def connect(cls, endpoint: Endpoint, timeouts: Timeouts | None = None) -> Self:
        """Log in. Raises Unreachable, LoginRefused, NotMySQL, or UsageError where the secret cannot be read."""
        timeouts = timeouts or Timeouts()
        try:
            connection = mysql.connector.connect(**_options(endpoint, timeouts))
        except (mysql.connector.Error, OSError, NotImplementedError, ValueError, IndexError, TypeError) as error:
            # A peer that is no MySQL server makes the driver fail in its parser, with any of the last three.
            raise connect_failure(error, endpoint) from None
        assert isinstance(connection, MySQLConnectionAbstract)
        session = cls(connection, endpoint, ServerVersion.parse("0.0"), timeouts)
        try:
            session._verify_tls()
            version, comment = session.text_row("SELECT VERSION(), @@version_comment")
            session.version = ServerVersion.parse(version or "", comment or "")
            session.execute(SESSION_SETUP)
        except BaseException:
            session.close()
            raise
        return session

    def _verify_tls(self) -> None:
        # The driver connects in plain text where its options seem to forbid it, so the server itself is asked.
        if self.endpoint.tls in (TlsMode.DISABLED, TlsMode.PREFERRED) or self.endpoint.address.socket:
            return
        (_, cipher) = self.text_row("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        if not cipher:
            raise Unreachable(
                f"the connection is not encrypted, and tls = {self.endpoint.tls.value!r} demands it",
                server=self.server,
                hint="enable TLS on the server, or set tls = 'preferred'",
            )

    def query(self, sql: str, params: Params = ()) -> Result:
        """Run one statement that returns rows, and read them all."""
        with _Cursor(self, sql, params) as cursor:
            return Result(cursor.columns, list(cursor.rows()))

    def stream(self, sql: str, params: Params = ()) -> Iterator[Row]:
        """Run one statement and yield its rows in batches; the statement is killed if the caller stops early."""
        with _Cursor(self, sql, params) as cursor:
            self._streaming = True
            yield from cursor.rows()
            self._streaming = False

    def execute(self, sql: str, params: Params = ()) -> int:
        """Run one statement; the number of affected rows, or of rows returned and dropped."""
        with _Cursor(self, sql, params) as cursor:
            dropped = sum(1 for _ in cursor.rows()) if cursor.columns else 0
            return dropped or cursor.affected

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
        return [dict(zip(result.columns, map(as_text, row), strict=True)) for row in result.rows]

    def warnings(self) -> list[tuple[int, str]]:
        """The warnings of the last statement, as (number, text)."""
        return [(int(as_text(code) or 0), as_text(text) or "") for _, code, text in self.query("SHOW WARNINGS").rows]

    @property
    def connection_id(self) -> int:
        """The server's id of this connection, for KILL."""
        return int(self._connection.connection_id or 0)

    @property
    def raw(self) -> MySQLConnectionAbstract:
        """The driver's connection, for LOAD DATA and the like."""
        return self._connection

    def kill_running(self) -> None:
        """End the statement that runs on this session, from any thread, over a connection of its own (KILL QUERY)."""
        with Session.connect(self.endpoint, Timeouts(connect=self._timeouts.connect, read=5)) as other, suppress(Exception):
            other.execute(f"KILL QUERY {self.connection_id}")

    def close(self) -> None:
        """Close; never raises. Unread rows are abandoned by killing their statement first (the driver would drain them)."""
        if self._closed:
            return
        self._closed = True
        with suppress(Exception):
            if self._streaming:
                self.kill_running()
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()


class _Cursor:
    """A raw, unbuffered cursor that translates errors and is always closed."""

    BATCH = 1000

    def __init__(self, session: Session, sql: str, params: Params) -> None:
        self._session = session
        self._sql = sql
        self._params = params
        self._finished = False

    def __enter__(self) -> Self:
        try:
            self._cursor: Any = self._session.raw.cursor(raw=True)
            self._cursor.execute(self._sql, tuple(self._params))
        except (mysql.connector.Error, OSError) as error:
            raise self._failure(error) from None
        self.columns: tuple[str, ...] = tuple(part[0] for part in self._cursor.description or ())
        self._finished = not self.columns
        return self

    def _failure(self, error: Exception) -> Exception:
        failure = statement_failure(error, self._session.server)
        self._finished = True
        if isinstance(failure, OutcomeUnknown):
            self._session.close()
        return failure

    @property
    def affected(self) -> int:
        return max(int(self._cursor.rowcount), 0)

    def rows(self) -> Iterator[Row]:
        while not self._finished:
            try:
                batch = self._cursor.fetchmany(self.BATCH)
            except (mysql.connector.Error, OSError) as error:
                raise self._failure(error) from None
            if not batch:
                self._finished = True
            for row in batch:
                yield tuple(None if value is None else bytes(value) for value in row)

    def __exit__(self, *details: object) -> None:
        if not self._finished:
            self._session.close()
        else:
            with suppress(Exception):
                self._cursor.close()


def _options(endpoint: Endpoint, timeouts: Timeouts) -> dict[str, Any]:
    """The driver's keyword arguments; each is set on purpose (see docs/decisions/0001-driver.md)."""
    address = endpoint.address
    options: dict[str, Any] = {
        "user": endpoint.user,
        "password": reveal(endpoint.password) if endpoint.password else "",
        "autocommit": True,
        "charset": "utf8mb4",
        "collation": "utf8mb4_general_ci",  # the one that every version of both flavours knows
        "connection_timeout": max(1, round(timeouts.connect)),
        "read_timeout": max(1, round(timeouts.read)),
        "write_timeout": max(1, round(timeouts.read)),
        "client_flags": [-ClientFlag.MULTI_STATEMENTS],
        "ssl_disabled": endpoint.tls is TlsMode.DISABLED,
        "allow_local_infile": False,
    }
    options |= {"unix_socket": address.socket} if address.socket else {"host": address.host, "port": address.port}
    if endpoint.ca:
        options["ssl_ca"] = str(endpoint.ca)
    if endpoint.tls in (TlsMode.VERIFY_CA, TlsMode.VERIFY_IDENTITY):
        options["ssl_verify_cert"] = True
    if endpoint.tls is TlsMode.VERIFY_IDENTITY:
        options["ssl_verify_identity"] = True
    return options
