"""Opens the store's database, with SQLite told to be safe against kills and power cuts."""

import sqlite3
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry

from repwatch.errors import StoreError, UsageError

SQLITE = "sqlite:///"
KEPT = 32  # connections; those beyond them are opened and set up for one transaction
BUSY_SECONDS = 5


def parse(url: str) -> URL:
    """The URL of a store. Raises UsageError."""
    try:
        return make_url(url)
    except ArgumentError:
        raise UsageError("the store's URL cannot be understood", hint="sqlite:///path/to/repwatch.db") from None


def sqlite_file(url: str) -> Path | None:
    """The database's file, None where the store is no SQLite file."""
    # The path stands in the URL as it is: a folder may have a percent sign or a question mark in its name.
    return Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) and url != SQLITE else None


def describe(url: str) -> str:
    """What the store is called in messages; without any password."""
    return str(sqlite_file(url) or parse(url).render_as_string(hide_password=True))


def open_engine(url: str, *, read_only: bool = False) -> Engine:
    """An engine; nothing is read or written yet. Raises UsageError, StoreError."""
    path = sqlite_file(url)
    if path is None:
        return _other(url)
    if not read_only:
        # Errors of servers stand in it, with values of rows. The group may read it: `status` runs as a monitor's user.
        # SQLite makes its journals like their database.
        with suppress(OSError):  # what is wrong with the place is told when it is opened
            path.touch(mode=0o640, exist_ok=True)
    query = {"mode": "ro" if read_only else "rwc", "uri": "true"}
    place = URL.create("sqlite", database=f"file:{quote(str(path.absolute()))}", query=query)
    engine = create_engine(place, connect_args={"timeout": BUSY_SECONDS}, pool_size=KEPT)
    event.listen(engine, "connect", _read_only_setup if read_only else _setup)
    event.listen(engine, "begin", _begin)
    return engine


def _other(url: str) -> Engine:
    try:
        return create_engine(parse(url), pool_pre_ping=True)
    except NoSuchModuleError:
        raise UsageError("the store's URL names an unknown kind of database", hint="sqlite:///path/to/repwatch.db") from None
    except ImportError as error:
        raise StoreError(f"the driver for the store is missing: {error.name}", hint="install it into repwatch's venv") from None


def _setup(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late for a consistent read; `_begin` sends it
    # FULL rather than NORMAL: after a power cut NORMAL may forget a commit, and with it that a notice was delivered, under an
    # id that the next start would not make again. One fsync for each look is nothing.
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _read_only_setup(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA query_only = ON")


def _begin(connection: Connection) -> None:
    # A write that begins as a read cannot wait for another writer, it fails at once as locked; IMMEDIATE waits.
    immediate = connection.get_execution_options().get("repwatch_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
