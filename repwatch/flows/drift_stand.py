"""`drift --proof exact`: source and replicas are read at one exact position, whatever replicates and however busy they are.

A stand is taken in this order: replicas near the source; each applier held (written down first); a snapshot of the source at a
position P; each applier run up to P; a snapshot opened on each replica there; the appliers let go. What is read afterwards, at
leisure, is the state after P on all sides. Each stand is used for STAND_SECONDS, as old snapshots keep old versions of rows.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

from repwatch.drift.repair_preconditions import server_refusals
from repwatch.drift.report import Reason
from repwatch.errors import LoginRefused, OutcomeUnknown, PrivilegeMissing, Refused, RepwatchError, ServerError, Unreachable
from repwatch.flows.drift_catalogue import read_names
from repwatch.flows.drift_holds import HoldBook, let_go
from repwatch.flows.drift_lane import PATIENT_SECONDS, STATEMENT_SECONDS
from repwatch.flows.drift_moment_reader import MomentReader
from repwatch.flows.drift_reach import Halt, SourceLost, TableFailed, await_position, fall_reason, note_position, source_answer
from repwatch.flows.drift_world import CheckWorld, OnePosition, ReplicaSide
from repwatch.flows.hold import ApplierFailed, Held, PositionNotReached, arrived, hold, release, run_until
from repwatch.flows.reseed_survey import ReseedRequest, survey
from repwatch.flows.snapshot import Snapshot, take_snapshot
from repwatch.flows.turn import KILLED_SECONDS, take_turn
from repwatch.model.endpoint import Endpoint
from repwatch.model.schema import TableName
from repwatch.model.topology import ServerSpec
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Database, Timeouts
from repwatch.ports.records import Records
from repwatch.sql import repair, snapshot
from repwatch.sql.signature import TableReading, session_setup

log = logging.getLogger("repwatch.drift")

STAND_SECONDS: Final = 60.0
HASHED_ROWS: Final = 25_000  # rows without a key that are read at once; more are parted by their hashes
_TRIES: Final = 3  # of a busy source, or one whose definitions change: replicas catch up in between
RUN_SECONDS: Final = 30.0  # for a replica that is near to reach the snapshot's position
_READ: Final = Timeouts(connect=10.0, read=PATIENT_SECONDS + 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactMeans:
    """What an exact check needs beside an ordinary one. `others` are the servers of the inventory."""

    records: Records
    others: tuple[ServerSpec, ...] = ()


@dataclass(kw_only=True)
class _Side:
    """A replica with the session that holds and steers its applier. `held` is the channel as it was, while it is held."""

    replica: ReplicaSide
    control: Database
    book: HoldBook
    held: Held | None = None
    reader: Database | None = None

    @property
    def channel(self) -> str:
        return self.replica.target.channel

    def hold(self) -> None:
        self.held = held = self.book.begin(self.control)
        hold(self.control, self.channel, held)

    def open_at(self, position: str, world: CheckWorld, connect: Connect) -> None:
        """Run up to the position, and open a session that shows it. Raises AlreadyPast too if it moved on meanwhile."""
        run_until(self.control, self.channel, position, world.clock, RUN_SECONDS)
        self.reader = reader = connect(self.replica.target.server.endpoint, _READ)
        for statement in (*snapshot.session_setup(reader.version), *session_setup(reader.version, STATEMENT_SECONDS)):
            reader.execute(statement)
        reader.execute(snapshot.START)
        reader.execute(snapshot.SAVEPOINT)
        if not arrived(self.control, position):
            raise PositionNotReached(f"is not at {position} any more", server=self.control.server)
        self.replica.as_of = position

    def let_go(self, connect: Connect, clock: Clock) -> None:
        """Replication as it was, also where the session on it is lost. What fails now is left to the next start."""
        if self.held is None:
            return
        try:
            release(self.control, self.channel, self.held)
            self.book.end()
        except (OutcomeUnknown, Unreachable):
            let_go(self.replica.target, self.book.records, connect, clock, patience=KILLED_SECONDS)
            if self.book.left() is not None:
                return  # the server has not ended the lost session, which has the turn: it is tried again at the end
        self.held = None


class Stand:
    """The one position of all servers, taken again and again. A context manager: leaving it lets go of everything."""

    def __init__(self, world: CheckWorld, connect: Connect, means: ExactMeans, tables: Sequence[TableName]) -> None:
        self._world, self._connect, self._means, self._tables = world, connect, means, tables
        self._snapshot: Snapshot | None = None
        self._since = 0.0
        self._spoilt = False
        self._opened = ExitStack()
        self._sides: list[_Side] = []

    def __enter__(self) -> "Stand":
        """Before anything is changed, a replica that may not be held, or whose operator cannot log in, falls.

        Raises ServerError if that of the source cannot: no replica is to blame.
        """
        try:
            self._connect(self._world.source.spec.writer, _READ).close()
            for number in self._world.standing():
                self._admit(self._world.replicas[number])
        except BaseException:
            self._opened.close()
            raise
        return self

    def _admit(self, replica: ReplicaSide) -> None:
        label = replica.target.server.label
        try:
            self._sides.append(self._side(replica))
        except (Refused, PrivilegeMissing) as refused:
            log.warning("drift.replica_left replica=%s: %s", label, refused)
            replica.fallen = Reason.NOT_HELD
        except ServerError as error:
            log.warning("drift.replica_left replica=%s: %s", label, error)
            replica.fallen = fall_reason(error)

    def __exit__(self, *details: object) -> None:
        self.drop()
        if left := [side for side in self._sides if side.held is not None]:
            _each(left, lambda side: side.let_go(self._connect, self._world.clock), after_all=True)
        self._opened.close()

    @property
    def decides(self) -> bool:
        return True

    @property
    def moves(self) -> bool:
        return True

    def shown_by(self, db: Database) -> str | None:
        """What a pinned session shows: a lane fails if it has lost its own."""
        del db
        return self._snapshot.position if self._snapshot else None

    @property
    def due(self) -> bool:
        """True if all are to be brought to a position before more is read."""
        return self._snapshot is None or self.tired

    @property
    def tired(self) -> bool:
        """True once the stand should be given up."""
        old = self._world.clock.monotonic() > self._since + STAND_SECONDS
        return self._snapshot is not None and (self._spoilt or old)

    def _side(self, replica: ReplicaSide) -> _Side:
        source, target = self._world.source.spec, replica.target
        if replica.delay:
            raise Refused(f"{target.server.label} is delayed on purpose, and would have to catch up", hint="leave it out")
        others = tuple(server for server in self._means.others if server not in (source, target.server))
        facts = survey(ReseedRequest(source=source, replica=target, others=others), self._connect, self._world.clock)
        if refusals := server_refusals(facts, own_hold=False):
            raise Refused("; ".join(f"{refusal.code}: {refusal.summary}" for refusal in refusals))
        control = self._opened.enter_context(self._connect(target.server.writer, _READ))
        control.execute(repair.keep_alive())
        if not take_turn(control, self._world.clock):
            raise Refused(f"a repair, a reseed or another exact check of {control.server} runs", hint="wait for it to end")
        return _Side(replica=replica, control=control, book=HoldBook(self._means.records, target))

    def take(self) -> None:
        """Stand. A replica that cannot get there falls, and if the source gives no snapshot, all do. Raises SourceLost."""
        for _ in range(_TRIES):
            self._await_replicas()
            if not (sides := self._standing()) or self._took(sides):
                return
        for side in self._standing():
            side.replica.fallen = Reason.UNREADABLE

    def _took(self, sides: Sequence[_Side]) -> bool:
        """One try; False if the source gave no snapshot. The replicas are let go in any case."""
        tables = self._there()
        try:
            _each(sides, _Side.hold)
            taken = self._take_snapshot(tables)
            if taken is None:
                return False
            _each(sides, lambda side: side.open_at(taken.position, self._world, self._connect))
        finally:
            _each(sides, lambda side: side.let_go(self._connect, self._world.clock), after_all=True)
        self._snapshot, self._since = taken, self._world.clock.monotonic()
        self._world.source.lane.pin(taken.sessions[0])
        for side in self._standing():
            if side.reader is not None:
                side.replica.lane.pin(side.reader)
        return True

    def spoil(self) -> bool:
        """A table cannot be read in it, as it was altered since."""
        fresh = self._snapshot is not None and not self._spoilt
        self._spoilt = self._spoilt or fresh
        return fresh

    def drop(self) -> None:
        """Give the stand up: lanes show the present again."""
        for lane in (self._world.source.lane, *(side.replica.lane for side in self._sides)):
            lane.pin(None)
        for side in self._sides:
            if side.reader is not None:
                side.reader.close()
            side.reader = None
        if self._snapshot is not None:
            self._snapshot.close()
        self._snapshot, self._spoilt = None, False

    def _standing(self) -> list[_Side]:
        return [side for side in self._sides if side.replica.fallen is None]

    def _await_replicas(self) -> None:
        """So that the hold is short."""
        world = self._world
        position = source_answer(world.source.lane.submit(partial(note_position, world)))
        asked = [
            (side.replica, side.replica.lane.submit(partial(await_position, world, replica=side.replica, position=position)))
            for side in self._standing()
        ]
        for replica, future in asked:
            try:
                future.result()
            except (ServerError, Halt) as error:
                replica.fallen = fall_reason(error)

    def _there(self) -> list[TableName]:
        """The tables to lock, as far as they have not been dropped: one that is not there fails them all. Raises SourceLost."""
        if self._world.source.version.is_mariadb:
            return []  # no lock is needed there
        try:
            there = source_answer(self._world.source.lane.submit(read_names))
        except TableFailed:
            return list(self._tables)
        return [name for name in self._tables if name in there]

    def _take_snapshot(self, tables: Sequence[TableName]) -> Snapshot | None:
        def connect(endpoint: Endpoint, timeouts: Timeouts | None = None) -> Database:
            del timeouts  # a copy may wait for an hour, a check's statements are bounded
            return self._connect(endpoint, _READ)

        try:
            taken = take_snapshot(connect, self._world.source.spec.writer, tables, clock=self._world.clock)
            _set_up(taken)
        except (OutcomeUnknown, Unreachable, LoginRefused) as error:
            raise SourceLost(str(error)) from error
        except (Refused, ServerError) as error:
            log.warning("drift.no_snapshot %s", error)
            return None
        return taken


def _set_up(taken: Snapshot) -> None:
    """Make its session one of a check; closed if that fails, for it keeps changes of definitions waiting."""
    try:
        (session,) = taken.sessions
        for statement in session_setup(session.version, STATEMENT_SECONDS):
            session.execute(statement)
    except ServerError:
        taken.close()
        raise


def _each(sides: Sequence[_Side], step: Callable[[_Side], None], *, after_all: bool = False) -> None:
    """One step on all replicas at once; one that fails falls. `after_all`: also on those that have fallen."""

    def run(side: _Side) -> None:
        if side.replica.fallen is not None and not after_all:
            return
        try:
            step(side)
        except RepwatchError as error:
            log.warning("drift.replica_left replica=%s: %s", side.replica.target.server.label, error)
            side.replica.fallen = side.replica.fallen or _why(error)

    with ThreadPoolExecutor(len(sides)) as pool:
        list(pool.map(run, sides))


def _why(error: RepwatchError) -> Reason:
    match error:
        case ApplierFailed():
            return Reason.REPLICATION_STOPPED
        case PositionNotReached():
            return Reason.REPLICA_BEHIND
        case ServerError():
            return fall_reason(error)
        case _:
            return Reason.UNREADABLE


class StandReader(MomentReader):
    """Reads where all lanes show one position, and never elsewhere."""

    decides_at_once = True

    def __init__(self, world: CheckWorld, stand: OnePosition, source: TableReading, replicas: Mapping[int, TableReading]) -> None:
        super().__init__(world, stand, source, replicas)
        self._trails = False
        self._undivided = HASHED_ROWS

    def leave_snapshots(self) -> bool:
        """What is read elsewhere is at no exact position."""
        return False
