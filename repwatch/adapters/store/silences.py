"""Silences in the store."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from repwatch.adapters.store.tables import moment, silences, stamp
from repwatch.model.silence import Silence

COLUMNS: Final = (
    silences.c.id,
    silences.c.target,
    silences.c.author,
    silences.c.reason,
    silences.c.since,
    silences.c.until,
)
LASTING: Final = silences.c.until > bindparam("now")
_READ: Final = select(*COLUMNS).where(LASTING).order_by(silences.c.until)


def read_silences(connection: Connection, now: datetime) -> tuple[Silence, ...]:
    """Those that are not over."""
    return tuple(silence(row) for row in connection.execute(_READ, {"now": stamp(now)}))


def silence(row: Sequence[Any]) -> Silence:
    """What stands in COLUMNS."""
    number, target, author, reason, since, until = row
    return Silence(id=int(number), target=target, author=author, reason=reason, since=moment(since), until=moment(until))
