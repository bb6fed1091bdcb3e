"""Reads what the service last showed, from any process; writes nothing, not even an empty file."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, Table, select

from repwatch.adapters.store import codec, schema
from repwatch.adapters.store.engine import describe, open_engine, sqlite_file
from repwatch.adapters.store.failures import store_errors
from repwatch.adapters.store.proofs import read_proofs
from repwatch.adapters.store.tables import proofs, views
from repwatch.drift.proving import TableProof
from repwatch.health.view import DatedView

T = TypeVar("T")


def read_views(url: str) -> tuple[DatedView, ...]:
    """The latest of each cluster; the one named "" is repwatch itself. Empty if no service ever ran. Raises StoreError."""
    return _read(url, views, select_views)


def read_known_proofs(url: str, cluster: str) -> tuple[TableProof, ...]:
    """When each table of a cluster was last proved; empty if no service ever ran. Raises StoreError."""
    return _read(url, proofs, partial(read_proofs, cluster=cluster))


def _read(url: str, table: Table, read: Callable[[Connection], tuple[T, ...]]) -> tuple[T, ...]:
    path = sqlite_file(url)
    if path is not None and not path.exists():
        return ()
    engine = open_engine(url, read_only=True)
    try:
        with store_errors(describe(url)), engine.begin() as connection:
            schema.check(connection)
            return read(connection) if engine.dialect.has_table(connection, table.name) else ()
    finally:
        engine.dispose()


def select_views(connection: Connection) -> tuple[DatedView, ...]:
    """All of them."""
    rows = connection.execute(select(views).order_by(views.c.cluster))
    return tuple(codec.dated_view(row.as_of, row.poll_seconds, row.body) for row in rows)
