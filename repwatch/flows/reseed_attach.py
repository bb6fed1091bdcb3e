"""From loaded data to a running replica: the GTID state, the channel, the start, the catching up.

Each function may be repeated: it sets a state and does not build on the one before.
"""

from collections.abc import Callable

from repwatch.errors import ServerError, StatementRefused
from repwatch.flows.hold import ApplierFailed, channel_state, channel_states
from repwatch.health.errors_receiver import is_purged
from repwatch.model.gtid import missing_count, reached
from repwatch.ports.clock import Clock
from repwatch.ports.database import Database
from repwatch.reseed.progress import Phase, Progress
from repwatch.sql import replication, reseed
from repwatch.sql.replication import HOLD_DELAY, ChannelState, SourceLogin

_POLL = (0.05, 0.5)  # seconds: the first pause, which doubles up to the longest
_STALLED = 600.0  # seconds without a transaction applied although the source is ahead


class SourcePurged(ServerError):
    """The source has deleted what the replica has not received yet: from where it stands it cannot catch up any more."""


def set_position(db: Database, position: str, *, log_bin: bool) -> None:
    """Make the server's GTID state exactly `position`. Its channels are stopped. Raises ServerError if that fails."""
    if not db.version.is_mariadb:
        db.execute(reseed.forget_history(db.version))
    elif log_bin and db.scalar(reseed.MARIADB_HISTORY):  # without a binary log: error 1186
        db.execute(reseed.MARIADB_FLUSH)
        db.execute(reseed.forget_history(db.version))
    db.execute(reseed.set_position(db.version, position))
    now = db.scalar(replication.executed(db.version)) or ""
    flavour = db.version.flavour
    if not (reached(flavour, now, position) and reached(flavour, position, now)):
        raise StatementRefused(f"its GTID state is {now} and should be {position}", server=db.server)


def attach(db: Database, channel: str, login: SourceLogin | None) -> None:
    """Make the channel read from the source by GTID, held and without old relay logs; with `login` it is made anew."""
    if not db.version.is_mariadb and any(state.channel == channel for state in channel_states(db)):
        # It also drops the delay. Should the server restart just here, its position is right already. A cloned channel
        # remembers relay logs that were not cloned.
        db.execute(replication.forget_relay_logs(db.version, channel))
    if login is not None:
        db.execute(replication.connect_channel(db.version, channel, login, HOLD_DELAY))
        return
    if not db.version.is_mariadb:
        db.execute(replication.set_delay(db.version, channel, HOLD_DELAY))
    db.execute(replication.follow_by_gtid(db.version, channel))


def forget_others(db: Database, channel: str) -> None:
    """Remove every other channel: a clone has those of its donor, which begin to run with the server."""
    for state in channel_states(db):
        db.execute(replication.stop_channel(db.version, state.channel))
        if state.channel != channel:
            db.execute(replication.forget_channel(db.version, state.channel))


def start(db: Database, channel: str) -> None:
    """Lift the hold and start both threads. An intended delay comes back at the end, when the proof is done.

    A channel that runs without delay is let be: MariaDB forgets what it has received when both threads stop, and the source
    may have purged it meanwhile.
    """
    state = channel_state(db, channel)
    if not state.delay and state.receiver_running and state.applier_running:
        return
    db.execute(replication.stop_channel(db.version, channel))
    db.execute(replication.set_delay(db.version, channel, 0))
    db.execute(replication.start_channel(db.version, channel))


def restore_delay(db: Database, channel: str, seconds: int) -> None:
    """Give the channel its intended delay back and let it run."""
    if channel_state(db, channel).delay == seconds:
        return
    db.execute(replication.stop_channel(db.version, channel))
    db.execute(replication.set_delay(db.version, channel, seconds))
    db.execute(replication.start_channel(db.version, channel))


def catch_up(source: Database, target: Database, channel: str, clock: Clock, progress: Callable[[Progress], None]) -> None:
    """Wait until the replica has what the source had when this began.

    Raises ApplierFailed, SourcePurged, and ServerError when the receiver fails for good or nothing is applied for ten minutes,
    and for as much longer as the replica is delayed on purpose.
    """
    patience = _STALLED + channel_state(target, channel).delay
    goal = source.scalar(replication.written(source.version)) or ""
    flavour = target.version.flavour
    began = moved = clock.monotonic()
    here = target.scalar(replication.executed(target.version)) or ""
    first = last = missing_count(flavour, here, goal)
    pause, longest = _POLL
    while last:
        state = _checked(target, channel)
        if clock.monotonic() - moved > patience:
            raise ServerError(f"applied nothing for {patience:.0f} s and lacks {last} transactions", server=target.server)
        received = not missing_count(flavour, ",".join(filter(None, (here, state.received))), goal)
        seconds = clock.monotonic() - began
        progress(Progress(phase=Phase.CATCH_UP, done=first - last, total=first, seconds=seconds, received=received))
        clock.sleep(pause)
        pause = min(2 * pause, longest)
        here = target.scalar(replication.executed(target.version)) or ""
        left = missing_count(flavour, here, goal)
        if left != last:
            last, moved = left, clock.monotonic()


def _checked(target: Database, channel: str) -> ChannelState:
    state = channel_state(target, channel)
    if state.applier_errno:
        raise ApplierFailed(state.applier_error, server=target.server, errno=state.applier_errno)
    if state.receiver_errno and not state.receiver_running:
        kind = SourcePurged if is_purged(state.receiver_errno, state.receiver_error) else ServerError
        raise kind(state.receiver_error, server=target.server, errno=state.receiver_errno)
    return state
