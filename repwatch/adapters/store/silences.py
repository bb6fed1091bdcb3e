"""Silences in the store."""

from datetime import datetime

from sqlalchemy import Connection, select

from repwatch.adapters.store.tables import moment, silences, stamp
from repwatch.model.silence import Silence


def read_silences(connection: Connection, now: datetime) -> tuple[Silence, ...]:
    """Those that are not over."""
    rows = connection.execute(select(silences).where(silences.c.until > stamp(now)).order_by(silences.c.until))
    return tuple(
        Silence(
            id=row.id,
            target=row.target,
            author=row.author,
            reason=row.reason,
            since=moment(row.since),
            until=moment(row.until),
        )
        for row in rows
    )
