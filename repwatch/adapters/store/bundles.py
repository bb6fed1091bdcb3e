"""Bundles whose message is brought up to date: what it shows, and what has become of its members."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, case, delete, exists, func, insert, select, update

from repwatch.adapters.store import codec
from repwatch.adapters.store.tables import bundles, incidents, outbox, stamp
from repwatch.health.bundled import Tally, as_it_is, tally
from repwatch.model.notice import Bundle, Member, Notice
from repwatch.ports.notifier import BUNDLE
from repwatch.ports.store import Fate, Settled, ToldBundle


def write_bundles(connection: Connection, settled: Sequence[Settled]) -> None:
    """Those that have just arrived and can be rewritten. Of what answers an earlier message, that one is rewritten."""
    arrived: dict[tuple[str, str], list[Settled]] = defaultdict(list)
    for each in settled:
        if each.fate is Fate.DELIVERED and each.rewritable:
            arrived[each.envelope.receiver, each.envelope.message].append(each)
    for (receiver, message), members in arrived.items():
        own = [each.thread for each in members if each.thread.get(BUNDLE) == message]
        if own and not connection.execute(select(bundles.c.at).where(_key(receiver, message))).first():
            shown = tally(_notice(each.envelope.notice) for each in members)
            thread = codec.dump(codec.THREAD, dict(own[0]))
            key = {"receiver": receiver, "message": message, "thread": thread, "at": stamp(members[0].at)}
            connection.execute(insert(bundles).values(**key, ended=shown.ended, acknowledged=shown.acknowledged))


def read_outdated(connection: Connection, receiver: str) -> ToldBundle | None:
    """The one that shows for longest what is no longer so, None if all are true."""
    over = incidents.c.resolved.is_not(None)
    ended = func.sum(case((over, 1), else_=0))
    had = func.sum(case((and_(~over, incidents.c.acknowledged.is_not(None)), 1), else_=0))
    told = and_(outbox.c.receiver == bundles.c.receiver, outbox.c.message == bundles.c.message)
    statement = (
        select(bundles)
        .select_from(bundles.join(outbox, told).join(incidents, incidents.c.id == outbox.c.incident_id))
        .where(bundles.c.receiver == receiver)
        .group_by(*bundles.c)
        .having((ended != bundles.c.ended) | (had != bundles.c.acknowledged))
        .order_by(bundles.c.at)
        .limit(1)
    )
    row = connection.execute(statement).first()
    if row is None:
        return None
    members = _members(connection, receiver, row.message)
    return ToldBundle(
        receiver=receiver,
        bundle=Bundle(id=row.message, members=tuple(Member(notice=each, thread={}) for each in members)),
        thread=codec.THREAD.validate_json(row.thread),
        shown=Tally(row.ended, row.acknowledged),
    )


def _members(connection: Connection, receiver: str, message: str) -> list[Notice]:
    columns = select(outbox.c.body, incidents.c.body.label("incident"), incidents.c.acknowledged, incidents.c.acknowledged_by)
    mine = and_(outbox.c.receiver == receiver, outbox.c.message == message)
    rows = connection.execute(columns.join(incidents, incidents.c.id == outbox.c.incident_id).where(mine).order_by(outbox.c.seq))
    return [
        as_it_is(
            _notice(codec.NOTICE.validate_json(row.body)),
            codec.incident(row.incident, acknowledged=row.acknowledged is not None, by=row.acknowledged_by),
        )
        for row in rows
    ]


def write_shown(connection: Connection, told: ToldBundle, shown: Tally, now: datetime) -> None:
    """What its message shows by now; when all is over it is left alone."""
    if shown.ended == len(told.bundle.members):
        drop_bundle(connection, told)
        return
    values = {"ended": shown.ended, "acknowledged": shown.acknowledged, "at": stamp(now)}
    connection.execute(update(bundles).where(_key(told.receiver, told.bundle.id)).values(values))


def drop_bundle(connection: Connection, told: ToldBundle) -> None:
    """Its message stays as it is."""
    connection.execute(delete(bundles).where(_key(told.receiver, told.bundle.id)))


def forget_bundles(connection: Connection, old: ColumnElement[bool]) -> None:
    """Those of which an incident is about to be forgotten, their messages stay as they are: without it they would be wrong."""
    told = and_(outbox.c.receiver == bundles.c.receiver, outbox.c.message == bundles.c.message)
    connection.execute(delete(bundles).where(exists().where(told, incidents.c.id == outbox.c.incident_id, old)))


def _key(receiver: str, message: str) -> ColumnElement[bool]:
    return and_(bundles.c.receiver == receiver, bundles.c.message == message)


def _notice(letter: object) -> Notice:
    assert isinstance(letter, Notice)
    return letter
