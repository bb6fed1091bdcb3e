"""One moment that all MariaDB servers of a check show, met by trying: nothing is stopped, held or locked for it.

Readings of different moments prove little of what changes all the time, and where statements replicate even equal ones may
deceive: a row that differs and is set to and fro may be met in step. So while the source is written to, a snapshot is opened on
it, and one on each replica as soon as that has applied what the source's snapshot shows. A replica that has gone on by then is at
another position, and all try again. What is read in snapshots of one position is proved by one round, equal or different.

The source's snapshot knows its place in the binary log, and only reading that log turns it into a GTID: too late for a replica.
So a position that did not move while the snapshot was opened is taken for its own, and only when all have met is the log asked.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Final

from repwatch.errors import ServerError
from repwatch.flows.drift_lane import PATIENT_SECONDS, STATEMENT_SECONDS, Lane
from repwatch.flows.drift_reach import Halt, await_position, fall_reason, note_position, shown, source_answer
from repwatch.flows.drift_world import CheckWorld, ReplicaSide
from repwatch.model.gtid import MariadbPosition, of_origins
from repwatch.model.server import Flavour
from repwatch.ports.database import Connect, Database, Timeouts
from repwatch.sql import drift_position as positions
from repwatch.sql import replication, snapshot
from repwatch.sql.signature import session_setup

log = logging.getLogger("repwatch.drift")

MOMENT_SECONDS: Final = 30.0  # a moment is used for so long, as old snapshots keep old versions of rows
_TRIES: Final = 20
_TRY_SECONDS: Final = 2.0  # of one taking, in which nothing is read
_WAIT_SECONDS: Final = 1.0  # for a replica that is near
_MOVES_SECONDS: Final = 5.0  # a source that has not moved for so long is read as it stands
_FIRST_REST: Final = 0.25  # seconds after a taking that failed, and twice as long after each further one
_LONGEST_REST: Final = 30.0
_READ: Final = Timeouts(connect=10.0, read=PATIENT_SECONDS + 10)


def may_meet(world: CheckWorld) -> bool:
    """True if all servers tell the exact positions of snapshots."""
    source = world.source
    sides = [world.replicas[number] for number in world.standing()]
    tells = source.version.is_mariadb and source.tells_snapshots and all(side.tells_snapshots for side in sides)
    return tells and bool(sides) and not world.static and not world.delay


class CommonMoment:
    """The one moment, met again and again. A context manager: leaving it lets the lanes show the present."""

    def __init__(self, world: CheckWorld, connect: Connect) -> None:
        self._world, self._connect = world, connect
        self._position: str | None = None
        self._since = 0.0
        self._spoilt = False
        self._pinned: dict[Lane, Database] = {}
        self._sessions: dict[Lane, Database] = {}
        self._failures = 0
        self._next_try = 0.0
        self._pool = ThreadPoolExecutor(len(world.replicas), thread_name_prefix="drift-moment")

    def __enter__(self) -> "CommonMoment":
        return self

    def __exit__(self, *details: object) -> None:
        self.drop()
        self._pool.shutdown()
        while self._sessions:
            self._sessions.popitem()[1].close()

    @property
    def decides(self) -> bool:
        return False

    @property
    def moves(self) -> bool:
        return self._world.source.watermark.moved_since(self._now() - _MOVES_SECONDS)

    def shown_by(self, db: Database) -> str | None:
        """The position that this session shows; None if it shows the present."""
        return self._position if db in self._pinned.values() else None

    @property
    def tired(self) -> bool:
        """True once it is old or spoilt, or a lane has lost its session."""
        if self._position is None:
            return False
        lost = any(lane.pinned is not session for lane, session in self._pinned.items())
        return self._spoilt or lost or self._now() > self._since + MOMENT_SECONDS

    @property
    def due(self) -> bool:
        """True if it should be tried before more is read: not where the source stands still, as that proves as much."""
        if self._position is not None:
            return self.tired
        return self._now() >= self._next_try and self.moves

    def take(self) -> None:
        """Try for a moment. A replica that cannot be waited for falls. Raises SourceLost."""
        self._await_replicas()
        sides = [self._world.replicas[number] for number in self._world.standing()]
        if sides and self._met(sides):
            self._failures, self._since = 0, self._now()
            return
        self._end(list(self._sessions))
        self._next_try = self._now() + min(_LONGEST_REST, _FIRST_REST * 2**self._failures)
        self._failures += 1

    def spoil(self) -> bool:
        """A table cannot be read in it, as it was altered since."""
        fresh = self._position is not None and not self._spoilt
        self._spoilt = self._spoilt or fresh
        return fresh

    def drop(self) -> None:
        """Let the lanes show the present again; the snapshots end."""
        for lane in self._pinned:
            lane.pin(None)
        self._end(list(self._pinned))
        self._pinned, self._position, self._spoilt = {}, None, False

    def _now(self) -> float:
        return self._world.clock.monotonic()

    def _await_replicas(self) -> None:
        """Until they are near, as each reading would."""
        world = self._world
        position = source_answer(world.source.lane.submit(partial(note_position, world)))
        sides = [world.replicas[number] for number in world.standing()]
        waits = [side.lane.submit(partial(await_position, world, replica=side, position=position)) for side in sides]
        for side, future in zip(sides, waits, strict=True):
            try:
                future.result()
            except (ServerError, Halt) as error:
                side.fallen = fall_reason(error)

    def _met(self, sides: list[ReplicaSide]) -> bool:
        """Some tries; True if all lanes show one position now. What fails with a session is a reason to go on without."""
        lanes = [self._world.source.lane, *(side.lane for side in sides)]
        until = self._now() + _TRY_SECONDS
        for _ in range(_TRIES):
            if self._now() >= until or self._world.cancelled():
                return False
            try:
                position = self._try(sides)
                if position is not None:
                    for lane in lanes:
                        self._sessions[lane].execute(snapshot.SAVEPOINT)
            except ServerError as error:
                log.info("drift.no_moment %s", error)
                self._forget(lanes)
                return False
            if position is not None:
                self._pin(lanes, sides, position)
                return True
        return False

    def _try(self, sides: list[ReplicaSide]) -> str | None:
        """One try: the position, if all snapshots are of it. Raises ServerError."""
        source = self._session(self._world.source.lane)
        place, position = self._open_on_source(source)
        if position is None:
            return None
        opened = list(self._pool.map(lambda side: _open_at(self._session(side.lane), position), sides))
        if not all(_same(there, position) for there in self._of_source(source, opened)):
            return None
        return position if place is None or _same(source.scalar(positions.log_to_gtid(*place)) or "", position) else None

    def _of_source(self, source: Database, opened: list[str]) -> list[str]:
        """The part of replicas' positions that comes from the source: of domains that it has logged by now."""
        if self._world.source.applies:
            return opened
        logged = source.scalar(replication.written(source.version)) or ""
        return [of_origins(Flavour.MARIADB, there, logged) for there in opened]

    def _open_on_source(self, db: Database) -> tuple[tuple[str, str] | None, str | None]:
        """A snapshot; its place in the log, and its position as far as that is known: None if the source moved meanwhile."""
        if self._world.source.applies:  # a replica's snapshot tells by itself
            db.execute(positions.SNAPSHOT)
            return None, db.scalar(positions.SNAPSHOT_POSITION)
        before = db.scalar(replication.written(db.version))
        if shown(db).waits:
            return None, None  # named, and shown nowhere
        db.execute(positions.SNAPSHOT)
        place = positions.parse_coordinates(db.texts(positions.SNAPSHOT_LOG))
        moved = db.scalar(replication.written(db.version)) != before
        return place, None if moved or place is None else before

    def _pin(self, lanes: list[Lane], sides: list[ReplicaSide], position: str) -> None:
        for lane in lanes:
            self._pinned[lane] = self._sessions[lane]
            lane.pin(self._pinned[lane], lasts=False)
        for side in sides:
            side.as_of = position
        self._position = position

    def _session(self, lane: Lane) -> Database:
        """The session whose snapshots are tried on a lane's server. Raises ServerError."""
        if lane not in self._sessions:
            with ExitStack() as opened:
                session = opened.enter_context(self._connect(lane.endpoint, _READ))
                for statement in (*snapshot.session_setup(session.version), *session_setup(session.version, STATEMENT_SECONDS)):
                    session.execute(statement)
                opened.pop_all()
            self._sessions[lane] = session
        return self._sessions[lane]

    def _end(self, lanes: list[Lane]) -> None:
        """End the snapshots; a session that is lost has ended its own."""
        for lane in lanes:
            try:
                self._sessions[lane].execute(positions.END_SNAPSHOT)
            except ServerError:
                self._forget([lane])

    def _forget(self, lanes: list[Lane]) -> None:
        for lane in lanes:
            if (session := self._sessions.pop(lane, None)) is not None:
                session.close()


def _open_at(db: Database, position: str) -> str:
    """A snapshot of a replica, as soon as it has applied a position; its own, "" if it is not near. Raises ServerError."""
    if db.scalar(positions.wait_for(db.version, position, _WAIT_SECONDS)) != "0":
        return ""
    db.execute(positions.SNAPSHOT)
    return db.scalar(positions.SNAPSHOT_POSITION) or ""


def _same(one: str, other: str) -> bool:
    return MariadbPosition.parse(one) == MariadbPosition.parse(other)
