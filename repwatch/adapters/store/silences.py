"""Silences in the store."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from repwatch.adapters.store.tables import moment, silences, stamp
from repwatch.model.silence import Silence

_LASTING = select(silences).where(silences.c.until > bindparam("now")).order_by(silences.c.until)  # each look needs it


def read_silences(connection: Connection, now: datetime) -> tuple[Silence, ...]:
    """Those that are not over."""
    rows = connection.execute(_LASTING, {"now": stamp(now)})
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
