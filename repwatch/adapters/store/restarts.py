"""Restarts of threads in their table. What is to be found for longer stands in the incidents."""

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from repwatch.adapters.store import codec
from repwatch.adapters.store.tables import restarts, stamp
from repwatch.model.restart import REMEMBERED, Restart


def read_restarts(connection: Connection, cluster: str) -> tuple[Restart, ...]:
    """Those of a cluster, the oldest first."""
    query = select(restarts.c.body).where(restarts.c.cluster == cluster).order_by(restarts.c.at)
    return tuple(codec.RESTART.validate_json(body) for body in connection.execute(query).scalars())


def write_restart(connection: Connection, restart: Restart) -> None:
    """Put it down, or in the place of what was put down of it before."""
    body = codec.dump(codec.RESTART, restart)
    if not connection.execute(update(restarts).where(restarts.c.id == restart.id).values(body=body)).rowcount:
        values = {"id": restart.id, "cluster": restart.cluster, "at": stamp(restart.at), "body": body}
        connection.execute(insert(restarts).values(**values))


def forget_restarts(connection: Connection, now: datetime) -> None:
    """What is old goes."""
    connection.execute(delete(restarts).where(restarts.c.at < stamp(now - REMEMBERED)))
