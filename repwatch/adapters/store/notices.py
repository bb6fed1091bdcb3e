"""The outbox: a row for each notice and receiver, and what a receiver remembers of an incident."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, bindparam, exists, func, insert, or_, select, update

from repwatch.adapters.store import codec
from repwatch.adapters.store.tables import FAR, RowState, incidents, outbox, stamp, threads
from repwatch.health.notice import Posting
from repwatch.ports.notifier import Thread
from repwatch.ports.store import Envelope, Fate, Settled

_STATES: Final = {
    Fate.DELIVERED: RowState.DELIVERED,
    Fate.POSTPONED: RowState.WAITING,
    Fate.REFUSED: RowState.GIVEN_UP,
    Fate.MOOT: RowState.GIVEN_UP,
}


def _due() -> Select[Any]:
    """Of each subject the first that waits: also the end of one incident goes before the beginning of the next."""
    mine = and_(outbox.c.receiver == bindparam("receiver"), outbox.c.state == RowState.WAITING)
    of_incident = outbox.join(incidents, incidents.c.id == outbox.c.incident_id)
    first = select(func.min(outbox.c.seq)).select_from(of_incident).where(mine).group_by(incidents.c.key)
    ripe = or_(outbox.c.next_attempt <= bindparam("now"), outbox.c.next_attempt > bindparam("far"))
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
        .where(outbox.c.seq.in_(first), ripe)
        .order_by(outbox.c.seq)
        .limit(bindparam("most"))
    )


_DUE: Final = _due()  # once: making it costs more than running it


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
    )


def select_overtaken() -> Select[tuple[int]]:
    """What was refused by a receiver that took a later notice of the same subject: told now, it would speak of what is past."""
    of_incident = outbox.join(incidents, incidents.c.id == outbox.c.incident_id)
    last = (
        select(outbox.c.receiver, incidents.c.key, func.max(outbox.c.seq).label("seq"))
        .select_from(of_incident)
        .where(outbox.c.state == RowState.DELIVERED)
        .group_by(outbox.c.receiver, incidents.c.key)
        .subquery()
    )
    later = and_(last.c.receiver == outbox.c.receiver, last.c.key == incidents.c.key, last.c.seq > outbox.c.seq)
    return select(outbox.c.seq).select_from(of_incident.join(last, later)).where(outbox.c.state == RowState.GIVEN_UP)


def took_since(connection: Connection, receiver: str, moment: datetime) -> bool:
    """True if a receiver has taken something since that time."""
    taken = and_(outbox.c.receiver == receiver, outbox.c.state == RowState.DELIVERED, outbox.c.delivered_at > stamp(moment))
    return bool(connection.execute(select(exists().where(taken))).scalar())


def write_posting(connection: Connection, posting: Posting, now: datetime) -> None:
    """A row for each receiver."""
    body = codec.dump(codec.NOTICE, posting.notice)
    row = {"notice_id": posting.notice.id, "incident_id": posting.incident_id, "body": body, "state": RowState.WAITING}
    row |= {"next_attempt": stamp(now), "last_error": ""}
    for receiver in posting.receivers:
        connection.execute(insert(outbox).values(**row, receiver=receiver, attempts=0))


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
    connection.execute(update(outbox).where(outbox.c.seq == settled.envelope.seq).values(**marks(settled)))
    _write_thread(connection, settled.envelope, settled.thread)


def _write_thread(connection: Connection, envelope: Envelope, thread: Thread) -> None:
    if thread == envelope.thread:
        return
    body = codec.dump(codec.THREAD, dict(thread))
    key = and_(threads.c.incident_id == envelope.incident_id, threads.c.receiver == envelope.receiver)
    if not connection.execute(update(threads).where(key).values(body=body)).rowcount:
        connection.execute(insert(threads).values(incident_id=envelope.incident_id, receiver=envelope.receiver, body=body))
