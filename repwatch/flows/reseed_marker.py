"""The marker on a half-loaded replica: read, written, removed. Nothing of it reaches the binary log.

Sessions that write it have `sql_log_bin = 0`.
"""

from repwatch.errors import Refused
from repwatch.ports.database import Database
from repwatch.reseed.stages import Marker
from repwatch.sql import reseed as sql


def read_marker(db: Database) -> Marker | None:
    """The marker, None if there is none. Raises Refused if what stands there is not understood."""
    if db.scalar(sql.MARKER_EXISTS) == "0":
        return None
    entries = {row["name"] or "": row["value"] or "" for row in db.texts(sql.READ_MARKER)}
    if not entries:
        return None  # killed between CREATE and the first REPLACE: nothing has been changed yet
    try:
        return Marker.from_entries(entries)
    except (KeyError, ValueError):
        raise Refused(
            f"{db.server} has a marker {sql.MARKER} that this version does not understand",
            hint=f"finish with the version that wrote it, or drop the schema {sql.MARKER_SCHEMA} and reseed anew",
        ) from None


def write_marker(db: Database, marker: Marker) -> None:
    """Make or replace it."""
    for statement in sql.CREATE_MARKER:
        db.execute(statement)
    db.execute(sql.write_marker(marker.entries()))


def drop_marker(db: Database) -> None:
    """Remove it: the replica is proved, or nothing was changed on it."""
    db.execute(sql.DROP_MARKER)
