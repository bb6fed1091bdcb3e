"""Reads what the service last showed, from any process; writes nothing, not even an empty file."""

from sqlalchemy import Connection, select

from repwatch.adapters.store import codec, schema
from repwatch.adapters.store.engine import describe, open_engine, sqlite_file
from repwatch.adapters.store.failures import store_errors
from repwatch.adapters.store.tables import views
from repwatch.health.view import DatedView


def read_views(url: str) -> tuple[DatedView, ...]:
    """The latest of each cluster; the one named "" is repwatch itself. Empty if no service ever ran. Raises StoreError."""
    path = sqlite_file(url)
    if path is not None and not path.exists():
        return ()
    engine = open_engine(url, read_only=True)
    try:
        with store_errors(describe(url)), engine.begin() as connection:
            schema.check(connection)
            return select_views(connection) if engine.dialect.has_table(connection, views.name) else ()
    finally:
        engine.dispose()


def select_views(connection: Connection) -> tuple[DatedView, ...]:
    """All of them."""
    rows = connection.execute(select(views).order_by(views.c.cluster))
    return tuple(codec.dated_view(row.as_of, row.poll_seconds, row.body) for row in rows)
