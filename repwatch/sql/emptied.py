"""Whether a clone has left a MySQL server without its data, from what the server tells."""

from collections.abc import Iterable

from repwatch.model.gtid import GtidSet
from repwatch.model.observation import ChannelObservation, Emptied
from repwatch.sql.status_columns import RawRow, StatusRow
from repwatch.sql.status_rows import Identity
from repwatch.sql.status_texts import hide_secrets


def read_clone(rows: Iterable[RawRow]) -> Emptied | None:
    """The latest clone into the server if it has begun to remove data and has not ended well."""
    row = next((StatusRow(row) for row in rows), None)
    if row is None:
        return None
    return Emptied(
        donor=row.text("donor"),
        begun=row.text("begun"),
        running=row.is_on("runs"),
        errno=row.whole("errno"),
        error=hide_secrets(row.text("error")),
    )


def is_filled(identity: Identity, channels: Iterable[ChannelObservation], has_tables: bool) -> bool:
    """True if a server whose clone has failed has been given data again; `has_tables`: it has some that are a user's.

    A clone empties gtid_executed with the data, and leaves what the relay logs have received (tried on 9.7). Started so, the
    channel goes on behind that: the table that it creates next is no sign of the rest, and its transactions do not begin with 1.
    Who loads a dump or a backup sets gtid_purged, and what is replayed from the source's first transaction on lacks nothing.
    What the server wrote itself proves nothing where a channel follows GTIDs; where none does, its tables are all that tells.
    """
    executed = GtidSet.parse(identity.gtid_executed)
    if not has_tables or any(intervals[0][0] > 1 for _, intervals in executed.ranges):
        return False
    foreign = any(uuid != identity.server_uuid for (uuid, _), _ in executed.ranges)
    return foreign or bool(identity.gtid_purged) or not any(channel.uses_gtid for channel in channels)
