"""Brings the store's tables up to date, or refuses one that a newer repwatch has written."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from repwatch.errors import StoreError


def upgrade(connection: Connection) -> None:
    """Apply what is missing, within the connection's transaction. Raises StoreError for a newer schema."""
    check_connection(connection)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def check_connection(connection: Connection) -> None:
    """Refuse a schema that this version does not know. Raises StoreError."""
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known:
        raise StoreError(
            f"the state store was written by a newer repwatch (schema {current})",
            hint="run that version, or point [store] url at another file",
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
