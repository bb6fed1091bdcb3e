"""Reads a table where all lanes show one position (`flows/drift_moment.py`, `flows/drift_stand.py`), and elsewhere meanwhile."""

from collections.abc import Mapping

from repwatch.drift.verdict import Events
from repwatch.flows.drift_sight import Reader, Sight, Unit
from repwatch.flows.drift_world import CheckWorld, OnePosition
from repwatch.ports.database import Database
from repwatch.sql.signature import TableReading


class MomentReader(Reader):
    """Reads where all lanes show one position, and as any other reader while they do not."""

    pinned = True

    def __init__(self, world: CheckWorld, stand: OnePosition, source: TableReading, replicas: Mapping[int, TableReading]) -> None:
        super().__init__(world, source, replicas, exact=not stand.decides)
        self._stand = stand

    @property
    def events(self) -> Events:
        """Statements may undo each other while the source is written to: a moment proves more, or six rounds do."""
        return Events.UNDOING if self._events is Events.STATEMENTS and self._stand.moves else self._events

    def on_replica(self, db: Database, unit: Unit, number: int, first: Sight) -> Sight:
        """R; where all show one position there is nothing to wait for. A side that has lost it proves nothing."""
        at = self._stand.shown_by(db)
        if at is None and not first.stood:
            return super().on_replica(db, unit, number, first)
        if at is None or not first.stood:
            return first.nothing()
        with self._turn(self._world.replicas[number].lane, unit):
            return self._look(db, self.replicas[number], unit, self._world.clock.monotonic(), like=first)

    def _look(self, db: Database, reading: TableReading, unit: Unit, started: float, like: Sight | None = None) -> Sight:
        at = self._stand.shown_by(db)
        if at is None:
            return super()._look(db, reading, unit, started, like)
        read = self._read_or_void if like is None else self._read
        signatures, rows, overflow = read(db, reading, unit)
        return Sight(
            signatures=signatures,
            rows=rows,
            overflow=overflow,
            started=started,
            ended=self._world.clock.monotonic(),
            position=at,
            exact=at,
            stood=True,
        )
