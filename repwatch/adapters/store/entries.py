"""What looks leave behind. The statements are made once: making one costs as much as running it."""

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, and_, bindparam, delete, insert, update

from repwatch.adapters.store import codec
from repwatch.adapters.store.notices import write_posting
from repwatch.adapters.store.tables import incidents, sources, stamp, views
from repwatch.health.incident import Change, Incident, Phase
from repwatch.health.view import DatedView
from repwatch.health.world import SettledSource
from repwatch.ports.store import Entry, StoreConflict

_HELD: Final = and_(incidents.c.id == bindparam("held_id"), incidents.c.revision == bindparam("held_revision"))
_CHANGED: Final = ("phase", "since", "resolved", "revision", "body")
_BEGIN: Final = insert(incidents)
_CHANGE: Final = update(incidents).where(_HELD).values({name: bindparam(name) for name in _CHANGED})
_DROP: Final = delete(incidents).where(_HELD)
_RENEW_VIEW: Final = (
    update(views)
    .where(views.c.cluster == bindparam("name"))
    .values({name: bindparam(name) for name in ("as_of", "poll_seconds", "body")})
)
_RENEW_SOURCE: Final = update(sources).where(sources.c.cluster == bindparam("name")).values(body=bindparam("body"))


def write_entry(connection: Connection, entry: Entry, now: datetime) -> None:
    """All of it. Raises StoreConflict."""
    for change in entry.changes:
        _write_change(connection, change)
    for posting in entry.postings:
        write_posting(connection, posting, now)
    if entry.view is not None:
        _write_view(connection, entry.view)
    if entry.source is not None:
        _write_source(connection, entry.source)


def _write_change(connection: Connection, change: Change) -> None:
    before, after = change.before, change.after
    if before is None:
        assert after is not None
        name = {"id": after.id, "key": after.subject.key, "cluster": after.subject.cluster}
        connection.execute(_BEGIN, name | _columns(after))
        return
    held = {"held_id": before.id, "held_revision": before.revision}
    done = connection.execute(_DROP, held) if after is None else connection.execute(_CHANGE, held | _columns(after))
    if done.rowcount != 1:
        raise StoreConflict(f"the incident {before.subject.key} was changed by somebody else")


def _columns(incident: Incident) -> dict[str, str | int | None]:
    return {
        "phase": incident.phase,
        "since": stamp(incident.since),
        "resolved": stamp(incident.resolved) if incident.resolved and incident.phase is Phase.RESOLVED else None,
        "revision": incident.revision,
        "body": codec.dump(codec.INCIDENT, incident),
    }


def _write_view(connection: Connection, view: DatedView) -> None:
    name = view.cluster.name
    values = {"as_of": stamp(view.as_of), "poll_seconds": view.poll_interval.total_seconds()}
    values["body"] = codec.dump(codec.CLUSTER, view.cluster)
    if not connection.execute(_RENEW_VIEW, {**values, "name": name}).rowcount:
        connection.execute(insert(views).values(cluster=name, **values))


def _write_source(connection: Connection, source: SettledSource) -> None:
    body = codec.dump(codec.SOURCE, source)
    if not connection.execute(_RENEW_SOURCE, {"name": source.cluster, "body": body}).rowcount:
        connection.execute(insert(sources).values(cluster=source.cluster, body=body))
