"""Suspicions in their table."""

from collections.abc import Iterable

from sqlalchemy import Connection, delete, insert, select

from repwatch.adapters.store import codec
from repwatch.adapters.store.tables import suspicions
from repwatch.model.risks import Suspicion


def read_suspicions(connection: Connection, cluster: str) -> tuple[Suspicion, ...]:
    """All of a cluster."""
    bodies = connection.execute(select(suspicions.c.body).where(suspicions.c.cluster == cluster)).scalars()
    return tuple(codec.SUSPICION.validate_json(body) for body in bodies)


def write_suspicions(connection: Connection, cluster: str, all_of_it: Iterable[Suspicion]) -> None:
    """Put them in the place of what was kept of the cluster."""
    connection.execute(delete(suspicions).where(suspicions.c.cluster == cluster))
    for each in all_of_it:
        key = {"cluster": cluster, "server": each.server, "channel": each.channel, "cause": each.cause.value}
        connection.execute(insert(suspicions).values(**key, body=codec.dump(codec.SUSPICION, each)))
