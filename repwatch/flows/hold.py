"""Holding an applier still, letting it run up to one exact position, letting it go.

A stopped applier starts by itself when its server restarts. What survives a restart is the channel's own delay, so a hold is
a delay of 68 years: whoever starts the applier, nothing is applied. The delay is lifted only while `run_until` runs; should
the server restart in just that moment, it goes on without the limit, and the next look at its position tells.

A caller that wants to survive its own end writes `look(…)` down first, and gives it to `hold` and `release`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from repwatch.errors import Refused, ServerError
from repwatch.model.gtid import GtidSet, MariadbPosition, of_origins, reached
from repwatch.model.server import Flavour, ServerVersion
from repwatch.ports.clock import Clock
from repwatch.ports.database import Database
from repwatch.sql import replication as sql
from repwatch.sql.replication import ChannelState

_POLL = 0.1  # seconds between two looks


class AlreadyPast(Refused):
    """The replica has executed more than the position: its data cannot be brought to it any more. Take a newer one."""


class ApplierFailed(ServerError):
    """The applier stopped with an error (`errno`) before the position. It is held again."""


class PositionNotReached(ServerError):
    """The position was not reached in time, or the receiver cannot fetch it. The applier is held again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A channel as it was before it was held, and as `release` makes it again. `delay` in seconds."""

    delay: int
    receiver: bool  # was running
    applier: bool

    def entry(self) -> dict[str, str]:
        """As text, for a journal."""
        return {"delay": str(self.delay), "receiver": str(int(self.receiver)), "applier": str(int(self.applier))}

    @classmethod
    def from_entry(cls, entry: Mapping[str, str]) -> Self:
        """Read `entry()` back. Raises KeyError or ValueError."""
        return cls(delay=int(entry["delay"]), receiver=entry["receiver"] == "1", applier=entry["applier"] == "1")


def channel_state(db: Database, channel: str) -> ChannelState:
    """The channel as the server shows it now. Raises Refused if there is none of that name."""
    for state in channel_states(db):
        if state.channel == channel:
            return state
    raise Refused(f"{db.server} has no replication channel {channel!r}", hint="check --channel, or use `repwatch reseed`")


def channel_states(db: Database) -> list[ChannelState]:
    """All channels of the server."""
    return [sql.channel_state(row) for row in db.texts(sql.show_channels(db.version))]


def look(db: Database, channel: str) -> Held:
    """What `hold` would remember. Changes nothing. Raises Refused if somebody holds the channel already."""
    state = channel_state(db, channel)
    if state.held:
        raise Refused(
            f"the applier of {db.server} is already held by a repair, a reseed or a check",
            hint="if none runs, finish what was interrupted: `repwatch reseed --resume`, `repwatch repair`, `repwatch drift`",
        )
    return Held(delay=state.delay, receiver=state.receiver_running, applier=state.applier_running)


def hold(db: Database, channel: str, held: Held | None = None) -> Held:
    """Stop the applier so that a restart of the server does not start it. The receiver goes on where it ran.

    With `held`, written down by an interrupted caller, the hold is made or made again, and `held` is the result.
    Safe to repeat. Raises Refused as `look` does.
    """
    held = held or look(db, channel)
    _stop_and_delay(db, channel, sql.HOLD_DELAY)
    if held.receiver:
        db.execute(sql.start_receiver(db.version, channel))
    return held


def release(db: Database, channel: str, held: Held) -> None:
    """Give the channel the delay back that it had, and start what ran. Safe to repeat."""
    _stop_and_delay(db, channel, held.delay)
    if held.receiver:
        db.execute(sql.start_receiver(db.version, channel))
    if held.applier:
        db.execute(sql.start_applier(db.version, channel))


def run_until(db: Database, channel: str, position: str, clock: Clock, seconds: float) -> None:
    """Let a held replica apply everything up to `position`, and nothing after it; then it is held again.

    Returns at once where the replica is there. An intended delay does not count meanwhile. Raises AlreadyPast, ApplierFailed,
    PositionNotReached after `seconds`, and OutcomeUnknown where the connection is lost: then `hold` again and start afresh.
    """
    if arrived(db, position):
        return
    receiver = channel_state(db, channel).receiver_running
    try:
        _stop_and_delay(db, channel, 0)
        if not db.version.is_mariadb:
            db.execute(sql.start_receiver(db.version, channel))
        db.execute(sql.start_until(db.version, channel, position))
        _wait(db, channel, position, clock, clock.monotonic() + seconds)
    finally:
        hold(db, channel, Held(delay=0, receiver=receiver, applier=False))
    if not arrived(db, position):
        raise PositionNotReached(f"is not at {position}, although it was reported there", server=db.server)


def _wait(db: Database, channel: str, position: str, clock: Clock, deadline: float) -> None:
    while not arrived(db, position):
        state = channel_state(db, channel)
        if state.applier_errno:
            raise ApplierFailed(state.applier_error, server=db.server, errno=state.applier_errno)
        if state.receiver_errno and not state.receiver_running:
            raise PositionNotReached(state.receiver_error, server=db.server, errno=state.receiver_errno)
        if clock.monotonic() > deadline:
            raise PositionNotReached(
                f"did not reach {position} in time", server=db.server, hint="wait until its lag is smaller, and try again"
            )
        clock.sleep(_POLL)


def _stop_and_delay(db: Database, channel: str, seconds: int) -> None:
    """MySQL changes the delay while the receiver runs, MariaDB wants both threads stopped (error 1198)."""
    stop: Callable[[ServerVersion, str], str] = sql.stop_channel if db.version.is_mariadb else sql.stop_applier
    db.execute(stop(db.version, channel))
    db.execute(sql.set_delay(db.version, channel, seconds))


def arrived(db: Database, position: str) -> bool:
    """True at the position, false before it. Raises AlreadyPast."""
    here = db.scalar(sql.executed(db.version)) or ""
    beyond = _beyond(here, position, db.version.flavour)
    if beyond:
        raise AlreadyPast(f"{db.server} has executed {beyond}, which is beyond {position}", hint="try again")
    return reached(db.version.flavour, here, position)


def _beyond(here: str, position: str, flavour: Flavour) -> str:
    """What has been executed after `position`, of the origins (domains) that occur in it.

    Others are no matter of this position: they are the replica's own writes or come from another source, or they are new
    on the source, and then a replica that was held before the position was taken cannot have them.
    """
    if flavour is Flavour.MARIADB:
        more = str(MariadbPosition.parse(here).difference(MariadbPosition.parse(position)))
    else:
        more = str(GtidSet.parse(here).difference(GtidSet.parse(position)))
    return of_origins(flavour, more, position)
