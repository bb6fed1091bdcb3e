"""How far a replica is behind, as it says."""

from collections.abc import Sequence

from repwatch.ports.database import Database
from repwatch.sql import drift_position as positions
from repwatch.sql import replication
from repwatch.sql.drift_position import CheckedChannel


def channels_from(db: Database, source_id: int) -> list[CheckedChannel]:
    """A replica's channels from that server. One that has not connected since its server's start may be one."""
    channels = positions.parse_channels(db.texts(replication.show_channels(db.version)))
    return [channel for channel in channels if channel.source_id in (0, source_id)]


def greatest_lag(channels: Sequence[CheckedChannel]) -> float | None:
    """Seconds; None where none tells."""
    return max((channel.lag for channel in channels if channel.lag is not None), default=None)
