"""The port to one database server: statements in, raw values out. `adapters/mysql/session.Session` implements it.

Values are raw: bytes as the server sent them, None for NULL. Errors are those of `repwatch.errors`.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from repwatch.model.endpoint import Endpoint
from repwatch.model.server import ServerVersion

Value = bytes | None
Row = tuple[Value, ...]
RawRow = Sequence[bytes | bytearray | None]
Params = Sequence[str | int | float | bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds. `read` bounds the wait for each answer; after it the connection is gone and the outcome unknown."""

    connect: float = 4.0
    read: float = 30.0


@dataclass(frozen=True, slots=True)
class Result:
    """A result set, whole."""

    columns: tuple[str, ...]
    rows: list[Row]


def as_text(value: Value) -> str | None:
    """Decode one raw value; bytes that are no UTF-8 keep their meaning as backslash escapes."""
    return None if value is None else value.decode("utf-8", "backslashreplace")


class Database(Protocol):
    """An open connection with autocommit, UTC, utf8mb4 and a permissive SQL mode. It belongs to one thread."""

    version: ServerVersion
    server: str  # `host:port`, for messages
    endpoint: Endpoint

    def query(self, sql: str, params: Params = ()) -> Result:
        """Run one statement that returns rows, and read them all."""
        ...

    def stream(self, sql: str, params: Params = ()) -> Iterator[Row]:
        """Run one statement and yield its rows in batches; it is killed if the caller stops early."""
        ...

    def batches(self, sql: str) -> Iterator[list[RawRow]]:
        """As `stream`, some rows at a time. Values that are only handed on need not be made into bytes, which costs as much
        as reading them.
        """
        ...

    def execute(self, sql: str, params: Params = ()) -> int:
        """Run one statement; the number of affected rows."""
        ...

    def load(self, statement: Callable[[str], str], content: bytes) -> int:
        """Run a LOAD DATA LOCAL, which `statement` makes of the name of a file that holds `content`; the number of rows stored.

        `content` has at least `least_load` bytes. Raises StatementRefused where no file can be offered, too.
        """
        ...

    @property
    def least_load(self) -> int:
        """Bytes; less cannot be loaded."""
        ...

    def scalar(self, sql: str, params: Params = ()) -> str | None:
        """The first value of the first row, decoded; None for NULL and where there is no row."""
        ...

    def text_row(self, sql: str, params: Params = ()) -> tuple[str | None, ...]:
        """The first row, decoded; an empty tuple if there is none."""
        ...

    def texts(self, sql: str, params: Params = ()) -> list[dict[str, str | None]]:
        """All rows as dictionaries of decoded text; for status and catalogue views."""
        ...

    def together(self, statements: Sequence[str]) -> Generator[list[dict[str, str | None]]]:
        """As `texts` of each, in one round trip, up to the first that is refused; nothing where they cannot be sent so.

        Raises StatementTimedOut for one that the server ended. If the caller stops early the session is closed.
        """
        ...

    def warnings(self) -> list[tuple[int, str]]:
        """The warnings of the last statement, as (number, text)."""
        ...

    @property
    def connection_id(self) -> int:
        """The server's id of this connection, for KILL."""
        ...

    def kill_running(self) -> None:
        """End the statement that runs on this session; from any thread."""
        ...

    def close(self) -> None:
        """Close; never raises."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *details: object) -> None: ...


class Connect(Protocol):
    """Opens connections. Raises Unreachable, LoginRefused, NotMySQL."""

    def __call__(self, endpoint: Endpoint, timeouts: Timeouts | None = None) -> Database: ...
