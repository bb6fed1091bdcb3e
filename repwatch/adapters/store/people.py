"""What people say to the service through its store, from any process: acknowledgements and silences. The next look obeys.

They write only columns and rows that the service reads and never writes, so that neither gets in the other's way.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from difflib import get_close_matches

from sqlalchemy import Connection, and_, delete, insert, select, update

from repwatch.adapters.store import schema
from repwatch.adapters.store.engine import describe, open_engine, sqlite_file
from repwatch.adapters.store.failures import store_errors
from repwatch.adapters.store.history import Filed, read_incidents
from repwatch.adapters.store.silences import read_silences
from repwatch.adapters.store.tables import incidents, silences, stamp
from repwatch.errors import StoreError, UsageError
from repwatch.model.silence import Silence


class People:
    """The desk of one store. Nothing is opened until it is needed; every method may raise StoreError."""

    def __init__(self, url: str) -> None:
        self._url = url

    @contextmanager
    def _open(self, *, write: bool) -> Iterator[Connection]:
        path = sqlite_file(self._url)
        if path is not None and not path.exists():
            raise StoreError(f"there is no state store {path}", hint="it is made by the first `repwatch run`")
        engine = open_engine(self._url, read_only=not write)
        try:
            with store_errors(describe(self._url)), engine.execution_options(repwatch_writes=write).begin() as connection:
                schema.check(connection)
                if not engine.dialect.has_table(connection, silences.name):
                    raise StoreError("the state store is older than this repwatch", hint="restart `repwatch run`")
                yield connection
        finally:
            engine.dispose()

    def incidents(self, resolved_since: datetime | None = None) -> tuple[Filed, ...]:
        """The open ones, and those that were resolved since a time; the latest first."""
        with self._open(write=False) as connection:
            return read_incidents(connection, resolved_since)

    def acknowledge(self, key: str, author: str, now: datetime) -> str:
        """Acknowledge the open incident of that key or id; who has. The first word counts. Raises UsageError if there is none."""
        with self._open(write=True) as connection:
            open_ones = connection.execute(select(incidents).where(incidents.c.resolved.is_(None))).all()
            row = next((row for row in open_ones if key in (row.key, row.id)), None)
            if row is None:
                known = [each.key for each in open_ones]
                near = get_close_matches(key, known, n=1)
                raise UsageError(
                    f"no incident {key!r} is open",
                    hint=f"did you mean {near[0]!r}?" if near else "`repwatch incidents` lists them",
                )
            if row.acknowledged is not None:
                return str(row.acknowledged_by or author)
            values = {"acknowledged": stamp(now), "acknowledged_by": author}
            connection.execute(update(incidents).where(incidents.c.id == row.id).values(**values))
        return author

    def silence(self, silence: Silence) -> int:
        """Keep it; its number. What ended a while ago goes."""
        values = {"target": silence.target, "author": silence.author, "reason": silence.reason}
        span = {"since": stamp(silence.since), "until": stamp(silence.until)}
        with self._open(write=True) as connection:
            connection.execute(delete(silences).where(silences.c.until < stamp(silence.since - timedelta(days=90))))
            number = connection.execute(insert(silences).values(**values, **span)).inserted_primary_key
            assert number is not None
            return int(number[0])

    def silences(self, now: datetime) -> tuple[Silence, ...]:
        """Those that hold or will hold."""
        with self._open(write=False) as connection:
            return read_silences(connection, now)

    def end_silence(self, number: int, now: datetime) -> None:
        """It ends now. Raises UsageError if it does not hold."""
        held = and_(silences.c.id == number, silences.c.until > stamp(now))
        with self._open(write=True) as connection:
            if not connection.execute(update(silences).where(held).values(until=stamp(now))).rowcount:
                raise UsageError(f"there is no silence {number}", hint="`repwatch silence` lists them")
