"""The outbox: a row for each notice and receiver, and what a receiver remembers of an incident."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, bindparam, exists, func, insert, or_, select, update

from repwatch.adapters.store import codec
from repwatch.adapters.store.tables import FAR, TRY_AGAIN, RowState, incidents, outbox, stamp, threads
from repwatch.adapters.store.under_way import take_up
from repwatch.health.notice import Posting
from repwatch.ports.notifier import Thread
from repwatch.ports.store import Envelope, Fate, Settled

_STATES: Final = {
    Fate.DELIVERED: RowState.DELIVERED,
    Fate.POSTPONED: RowState.WAITING,
    Fate.REFUSED: RowState.GIVEN_UP,
    Fate.MOOT: RowState.GIVEN_UP,
}


_MINE: Final = and_(outbox.c.receiver == bindparam("receiver"), outbox.c.state == RowState.WAITING)


def _envelopes() -> Select[Any]:
    """Rows with what the receiver remembers of their incidents, oldest first."""
    earlier = outbox.alias("earlier")
    arrived = exists().where(
        earlier.c.incident_id == outbox.c.incident_id,
        earlier.c.receiver == outbox.c.receiver,
        earlier.c.seq < outbox.c.seq,
        earlier.c.state == RowState.DELIVERED,
    )
    thread = and_(threads.c.incident_id == outbox.c.incident_id, threads.c.receiver == outbox.c.receiver)
    return (
        select(outbox, threads.c.body.label("thread"), arrived.label("reached"))
        .select_from(outbox.outerjoin(threads, thread))
        .order_by(outbox.c.seq)
    )


def _due() -> Select[Any]:
    """Of each subject the first that waits: also the end of one incident goes before the beginning of the next."""
    of_incident = outbox.join(incidents, incidents.c.id == outbox.c.incident_id)
    first = select(func.min(outbox.c.seq)).select_from(of_incident).where(_MINE).group_by(incidents.c.key)
    ripe = or_(outbox.c.next_attempt <= bindparam("now"), outbox.c.next_attempt > bindparam("far"))
    return _envelopes().where(outbox.c.seq.in_(first), ripe).limit(bindparam("most"))


_DUE: Final = _due()  # once: making it costs more than running it
_POST: Final = insert(outbox)
_TOLD_IN: Final = _envelopes().where(_MINE, outbox.c.message == bindparam("message"))


def read_due(connection: Connection, receiver: str, now: datetime, most: int) -> tuple[Envelope, ...]:
    """The oldest that may be tried now, one of each subject."""
    values = {"receiver": receiver, "now": stamp(now), "far": stamp(now + FAR), "most": most}
    return tuple(_envelope(row) for row in connection.execute(_DUE, values))


def _envelope(row: Row[Any]) -> Envelope:
    return Envelope(
        seq=row.seq,
        incident_id=row.incident_id,
        receiver=row.receiver,
        notice=codec.NOTICE.validate_json(row.body),
        attempts=row.attempts,
        thread=codec.THREAD.validate_json(row.thread) if row.thread else {},
        reached=bool(row.reached),
        message=row.message or "",
    )


def read_told_in(connection: Connection, receiver: str, message: str) -> tuple[Envelope, ...]:
    """What waits to be told in that message."""
    return tuple(_envelope(row) for row in connection.execute(_TOLD_IN, {"receiver": receiver, "message": message}))


def write_message(connection: Connection, message: str, envelopes: Sequence[Envelope]) -> None:
    """They are told in that message."""
    rows = outbox.c.seq.in_([envelope.seq for envelope in envelopes])
    connection.execute(update(outbox).where(rows).values(message=message))


def _overtaken() -> Select[tuple[int]]:
    """What was refused by a receiver that took a later notice of the same subject: told now, it would speak of what is past.

    One that was tried in vain counts as taken, for the answer may have been lost; so does one that was put into a message, which
    has to stay whole.
    """
    tried = outbox.c.retried_since.is_not(None)
    gathered = and_(outbox.c.state == RowState.WAITING, outbox.c.message.is_not(None))
    taken = or_(outbox.c.state == RowState.DELIVERED, tried, gathered)
    of_incident = outbox.join(incidents, incidents.c.id == outbox.c.incident_id)
    last = (
        select(outbox.c.receiver, incidents.c.key, func.max(outbox.c.seq).label("seq"))
        .select_from(of_incident)
        .where(taken)
        .group_by(outbox.c.receiver, incidents.c.key)
        .subquery()
    )
    later = and_(last.c.receiver == outbox.c.receiver, last.c.key == incidents.c.key, last.c.seq > outbox.c.seq)
    return select(outbox.c.seq).select_from(of_incident.join(last, later)).where(outbox.c.state == RowState.GIVEN_UP)


def take_up_notices(connection: Connection, receivers: Sequence[str], now: datetime) -> None:
    """What was refused of what began lately is tried again, put into messages anew, unless it is overtaken."""
    recent = select(incidents.c.id).where(incidents.c.since >= stamp(now - TRY_AGAIN))
    refused = and_(outbox.c.state == RowState.GIVEN_UP, outbox.c.incident_id.in_(recent), outbox.c.seq.not_in(_overtaken()))
    connection.execute(update(outbox).where(refused).values(state=RowState.WAITING, message=None))
    take_up(connection, outbox, receivers, now)


def write_posting(connection: Connection, posting: Posting, now: datetime) -> None:
    """A row for each receiver."""
    body = codec.dump(codec.NOTICE, posting.notice)
    row = {"notice_id": posting.notice.id, "incident_id": posting.incident_id, "body": body, "state": RowState.WAITING}
    row |= {"next_attempt": stamp(now), "last_error": ""}
    for receiver in posting.receivers:
        connection.execute(_POST, {**row, "receiver": receiver, "attempts": 0})


def marks(settled: Settled) -> dict[str, str | int]:
    """What becomes of a row by that."""
    values: dict[str, str | int] = {
        "state": _STATES[settled.fate],
        "attempts": settled.envelope.attempts + 1,
        "last_error": settled.text,
    }
    match settled.fate:
        case Fate.DELIVERED:
            values["delivered_at"] = stamp(settled.at)
        case Fate.POSTPONED:
            values["next_attempt"] = stamp(settled.at)
    return values


def write_settled(connection: Connection, settled: Settled) -> None:
    """What became of one notice."""
    row = outbox.c.seq == settled.envelope.seq
    connection.execute(update(outbox).where(row).values(**marks(settled)))
    if settled.fate is Fate.POSTPONED:
        first = outbox.c.retried_since.is_(None)
        connection.execute(update(outbox).where(row, first).values(retried_since=stamp(settled.at)))
    _write_thread(connection, settled.envelope, settled.thread)


def _write_thread(connection: Connection, envelope: Envelope, thread: Thread) -> None:
    if thread == envelope.thread:
        return
    body = codec.dump(codec.THREAD, dict(thread))
    key = and_(threads.c.incident_id == envelope.incident_id, threads.c.receiver == envelope.receiver)
    if not connection.execute(update(threads).where(key).values(body=body)).rowcount:
        connection.execute(insert(threads).values(incident_id=envelope.incident_id, receiver=envelope.receiver, body=body))
