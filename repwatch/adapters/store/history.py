"""Incidents of all clusters, past ones among them, as people are shown them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, false, or_, select

from repwatch.adapters.store import codec
from repwatch.adapters.store.tables import incidents, moment, stamp
from repwatch.health.incident import Incident, Phase

MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """An incident as the store has it, with when somebody acknowledged it."""

    incident: Incident
    acknowledged: datetime | None


def read_incidents(connection: Connection, resolved_since: datetime | None) -> tuple[Filed, ...]:
    """The open ones, and those that were resolved since a time; the latest first, MOST at most."""
    lately = incidents.c.resolved >= stamp(resolved_since) if resolved_since is not None else false()
    told = and_(or_(incidents.c.resolved.is_(None), lately), incidents.c.phase != Phase.PENDING)
    rows = connection.execute(select(incidents).where(told).order_by(incidents.c.since.desc()).limit(MOST)).all()
    return tuple(
        Filed(
            incident=codec.incident(row.body, acknowledged=row.acknowledged is not None, by=row.acknowledged_by),
            acknowledged=moment(row.acknowledged) if row.acknowledged else None,
        )
        for row in rows
    )
