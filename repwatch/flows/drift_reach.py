"""Positions of a check: where the source stands, whether a replica got there, and what it means if a server does not answer."""

from concurrent.futures import Future
from dataclasses import replace
from typing import Final, TypeVar

from repwatch.drift.progress import Behind
from repwatch.drift.report import Reason
from repwatch.drift.throttle import Patience
from repwatch.errors import (
    DefinitionChanged,
    LoginRefused,
    OutcomeUnknown,
    PrivilegeMissing,
    RepwatchError,
    SelfTestFailed,
    ServerError,
    StatementRefused,
    Unreachable,
)
from repwatch.flows.drift_lag import channels_from, greatest_lag
from repwatch.flows.drift_world import AppliedWatch, CheckWorld, ReplicaSide
from repwatch.model.gtid import canonical, missing_count
from repwatch.ports.clock import Clock
from repwatch.ports.database import Database
from repwatch.sql import drift_position as positions
from repwatch.sql import replication
from repwatch.sql.applied_events import APPLIED_STATEMENTS, parse_applied

T = TypeVar("T")
REACH_SECONDS: Final = 60.0  # how long a replica may take to reach a position, beside its intended delay
_WAIT_SLICE: Final = 2.0
_CATCH_UP: Final = 1.0


class Halt(RepwatchError):
    """A replica cannot be read to a conclusion, for a reason of the report."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class TableFailed(RepwatchError):
    """The source refused a statement about a table, or the check is ended: nothing more can be said of the table."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class SourceLost(RepwatchError):
    """The source is gone; the check ends."""


def source_answer(future: "Future[T]") -> T:
    """What a task on the source came to. Raises SourceLost, TableFailed."""
    try:
        return future.result()
    except (OutcomeUnknown, Unreachable, LoginRefused) as error:
        raise SourceLost(str(error)) from error
    except DefinitionChanged as error:
        raise TableFailed(Reason.SCHEMA_CHANGED) from error
    except StatementRefused as error:
        raise TableFailed(Reason.UNREADABLE) from error


def fall_reason(error: ServerError | Halt) -> Reason:
    """Why a replica takes part no more after this error."""
    match error:
        case Halt():
            return error.reason
        case LoginRefused():
            return Reason.LOGIN_REFUSED
        case StatementRefused() | SelfTestFailed():
            return Reason.UNREADABLE
        case _:
            return Reason.UNREACHABLE


def note_position(world: CheckWorld, db: Database, *, closely: bool = False) -> str:
    """The source's position; also noted on its watermark. Runs in the source's lane. "" where it does not tell.

    `closely`: where that can be asked, also whether it names all that is in the log. Where the position leads it is asked
    each time what of it shows, as only that tells a standstill from a commit that waits.
    """
    source = world.source
    if not source.tells_writes:
        return ""
    asked = world.clock.monotonic()
    # First: what is named meanwhile is in the position that is read after it.
    whole = not (db.scalar(positions.UNNAMED) or "").strip() if closely and source.tells_unnamed else None
    seen = shown(db) if source.tells_shown else positions.ALL_SHOWN
    position = db.scalar(positions.applied(db.version) if source.applies else replication.written(db.version)) or ""
    source.watermark.record(position, asked, world.clock.monotonic(), whole=whole, shown=seen)
    return position


def shown(db: Database) -> positions.Shown:
    """What a MariaDB source shows of its log."""
    seen = positions.parse_shown(db.texts(positions.SHOWN))
    return replace(seen, waits=seen.waits and positions.hides(db.texts(positions.WAIT_POINT)))


def note_replica(world: CheckWorld, db: Database, replica: ReplicaSide) -> None:
    """Note a replica's own position on its watermark, where it is compared as it stands. Runs in its lane."""
    if not replica.tells_writes:
        return
    asked = world.clock.monotonic()
    position = db.scalar(positions.applied(db.version) if world.source.applies else replication.written(db.version)) or ""
    replica.watermark.record(position, asked, world.clock.monotonic())


def note_applied(clock: Clock, db: Database, applied: AppliedWatch) -> None:
    """Note what a replica has applied in the form of statements. Runs in its lane. Raises ServerError."""
    applied.record(parse_applied(db.texts(APPLIED_STATEMENTS)), db, clock.monotonic())


def catch_up(world: CheckWorld, db: Database, applied: str) -> str:
    """Let a trusted replica get to where another is, for a moment; what it has applied then, of which it shows all."""
    if applied:
        db.scalar(positions.wait_for(db.version, applied, _CATCH_UP))
    return note_position(world, db)


def received(db: Database) -> str:
    """The most that a replica can have applied: what it shows is a little ahead of what it says to have applied."""
    parts = [db.scalar(positions.applied(db.version)) or "", *positions.received(db.texts(replication.show_channels(db.version)))]
    return canonical(db.version.flavour, ",".join(filter(None, parts)))


def await_position(world: CheckWorld, db: Database, replica: ReplicaSide, position: str) -> None:
    """Wait until the replica has applied all of the position. Raises Halt where it does not get there."""
    if world.static or replica.reached == (db.connection_id, position):
        return
    began = world.clock.monotonic()
    patience: Patience | None = Patience(seconds=world.reach_seconds + replica.delay, since=began)
    try:
        while db.scalar(positions.wait_for(db.version, position, _WAIT_SLICE)) != "0":
            if replica.fallen is not None:
                raise Halt(replica.fallen)
            if world.cancelled():
                raise Halt(Reason.STOPPED)
            lag = _lag_while_replicating(world, db)
            now = world.clock.monotonic()
            to_go = missing_count(db.version.flavour, db.scalar(replication.executed(db.version)) or "", position)
            replica.behind = Behind(server=replica.address, seconds=now - began, transactions=to_go, lag=lag)
            patience = patience and patience.after(now, lag)
            if patience is None:
                raise Halt(Reason.REPLICA_BEHIND)
    finally:
        replica.behind = None
    replica.as_of = position
    replica.reached = (db.connection_id, position)


def _lag_while_replicating(world: CheckWorld, db: Database) -> float | None:
    """Seconds behind, None if unknown. Raises Halt if a thread of the channel is stopped: no position will be reached."""
    try:
        channels = channels_from(db, world.source.server_id)
    except PrivilegeMissing:
        return None  # nor is it known whether it runs; the deadline decides
    if not any(channel.applying and channel.receiving for channel in channels):
        raise Halt(Reason.REPLICATION_STOPPED)
    return greatest_lag(channels)
