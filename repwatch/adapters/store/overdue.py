"""What receivers are owed and do not take: nothing of it, or one notice while others arrive."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, exists, func, select

from repwatch.adapters.store import codec
from repwatch.adapters.store.tables import RowState, outbox, stamp
from repwatch.health.overdue import STUCK, TOO_LONG, Overdue
from repwatch.model.notice import Notice


def read_overdue(connection: Connection, receivers: Collection[str], now: datetime) -> tuple[Overdue, ...]:
    """At most one of each receiver: that it takes nothing says more than that it does not take something."""
    silent = _silent(connection, receivers, now)
    named = {each.receiver for each in silent}
    return (*silent, *_stuck(connection, [each for each in receivers if each not in named], now))


def _silent(connection: Connection, receivers: Collection[str], now: datetime) -> Sequence[Overdue]:
    """Those that have been owed a notice for TOO_LONG, and were tried, and have taken nothing meanwhile."""
    before = now - TOO_LONG
    tried = and_(outbox.c.receiver.in_(receivers), outbox.c.state == RowState.WAITING, outbox.c.attempts > 0)
    first = select(func.min(outbox.c.seq)).where(tried).group_by(outbox.c.receiver)
    rows = connection.execute(select(outbox).where(outbox.c.seq.in_(first))).all()
    owed = [Overdue(row.receiver, _notice(row.body).at, row.last_error) for row in rows]
    return [each for each in owed if each.since <= before and not _took_since(connection, each.receiver, before)]


def _stuck(connection: Connection, receivers: Collection[str], now: datetime) -> Sequence[Overdue]:
    """Those that have been offered a notice again and again for STUCK. What was tried before a start counts as well."""
    late = and_(
        outbox.c.receiver.in_(receivers), outbox.c.state == RowState.WAITING, outbox.c.retried_since <= stamp(now - STUCK)
    )
    first = select(func.min(outbox.c.seq)).where(late).group_by(outbox.c.receiver)
    rows = connection.execute(select(outbox).where(outbox.c.seq.in_(first))).all()
    return [
        Overdue(row.receiver, datetime.fromisoformat(row.retried_since), row.last_error, stuck=_notice(row.body).subject.key)
        for row in rows
    ]


def _notice(body: str) -> Notice:
    notice = codec.NOTICE.validate_json(body)
    assert isinstance(notice, Notice)
    return notice


def _took_since(connection: Connection, receiver: str, moment: datetime) -> bool:
    taken = and_(outbox.c.receiver == receiver, outbox.c.state == RowState.DELIVERED, outbox.c.delivered_at > stamp(moment))
    return bool(connection.execute(select(exists().where(taken))).scalar())
