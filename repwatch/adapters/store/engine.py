"""Opens the store's database, with SQLite told to be safe against kills and power cuts."""

import sqlite3
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry

from repwatch.errors import StoreError, UsageError

SQLITE = "sqlite:///"
KEPT = 32  # connections; those beyond them are opened and set up for one transaction
BUSY_SECONDS = 5
# How long PostgreSQL's driver waits for a machine that says nothing (libpq's parameters; the URL may have its own). Without them
# a cut connection is noticed after a quarter of an hour at the earliest.
PATIENCE = {
    "connect_timeout": 5,  # s
    "tcp_user_timeout": 10_000,  # ms, for what was sent
    "keepalives_idle": 10,  # s, for what is waited for
    "keepalives_interval": 5,
    "keepalives_count": 2,
}


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
        return _other(url, read_only=read_only)
    if not read_only:
        # Errors of servers stand in it, with values of rows. The group may read it: `status` runs as a monitor's user.
        # SQLite makes its journals like their database.
        with suppress(OSError):  # what is wrong with the place is told when it is opened
            path.touch(mode=0o640, exist_ok=True)
    # No later connection makes a file ("rwc"): while the store is moved away it would be another store in the same place, kept
    # in use when the store is back.
    query = {"mode": "ro" if read_only else "rw", "uri": "true"}
    place = URL.create("sqlite", database=f"file:{quote(str(path.absolute()))}", query=query)
    engine = create_engine(place, connect_args={"timeout": BUSY_SECONDS}, pool_size=KEPT)
    event.listen(engine, "connect", _read_only_setup if read_only else _setup)
    event.listen(engine, "begin", _begin)
    return engine


def _other(url: str, *, read_only: bool) -> Engine:
    place = parse(url)
    options = {name: value for name, value in PATIENCE.items() if name not in place.query}
    try:
        engine = create_engine(place, pool_pre_ping=True, connect_args=options)
    except NoSuchModuleError:
        raise UsageError("the store's URL names an unknown kind of database", hint="sqlite:///path/to/repwatch.db") from None
    except ImportError as error:
        raise StoreError(f"the driver for the store is missing: {error.name}", hint="install it into repwatch's venv") from None
    event.listen(engine, "connect", partial(_postgresql_setup, read_only=read_only))
    return engine


def _postgresql_setup(connection: DBAPIConnection, _: ConnectionPoolEntry, *, read_only: bool) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
    if read_only:
        cursor.execute("SET default_transaction_read_only = on")
    cursor.close()
    connection.commit()  # else the settings would go with a transaction that is rolled back


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
    # One statement alone sees one state without either.
    options = connection.get_execution_options()
    if not options.get("repwatch_alone", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("repwatch_writes", False) else "BEGIN")
