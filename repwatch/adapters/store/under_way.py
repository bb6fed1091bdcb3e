"""What the two tables of things on their way to receivers have in common: the outbox of notices, and digests."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Table, func, select, update

from repwatch.adapters.store.tables import RowState, digests, outbox, stamp


def count_waiting(connection: Connection) -> int:
    """How many notices and digests are not delivered yet."""
    counts = (select(func.count()).select_from(table).where(table.c.state == RowState.WAITING) for table in (outbox, digests))
    return sum(connection.execute(count).scalar_one() for count in counts)


def take_up(connection: Connection, table: Table, receivers: Sequence[str], now: datetime) -> None:
    """At a start: all back-off starts anew, and what waits for a receiver that is no more is given up."""
    waiting = table.c.state == RowState.WAITING
    gone = {"state": RowState.GIVEN_UP, "last_error": "the receiver is no longer configured for it"}
    connection.execute(update(table).where(waiting).values(next_attempt=stamp(now), attempts=0))
    connection.execute(update(table).where(waiting, table.c.receiver.not_in(receivers)).values(**gone))
