"""Which schemas of the store this version knows."""

from sqlalchemy import Connection, text

from repwatch.errors import StoreError

KNOWN = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010")
"""Revisions in `migrations/versions`, oldest first; a test holds that they are the same."""


def check(connection: Connection) -> None:
    """Refuse a schema that a newer repwatch has written. Raises StoreError; an empty database is fine."""
    if not connection.dialect.has_table(connection, "alembic_version"):
        return
    current = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if current is not None and current not in KNOWN:
        raise StoreError(
            f"the state store was written by a newer repwatch (schema {current})",
            hint="run that version, or point [store] url at another file",
        )
