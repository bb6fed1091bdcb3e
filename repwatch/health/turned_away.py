"""How often a replica is thrown out by a source that has let it in, and since when not any more. Pure.

Two replicas of one MariaDB source with one server_id take turns: who logs in ends the connection of the other, which waits for
a minute by default (MASTER_CONNECT_RETRY) before it does the same. So it is remembered over the turn of the one that is watched.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from repwatch.model.observation import ChannelObservation, Observation, ThreadState

REMEMBERED = timedelta(minutes=5)
AGAIN = 2  # once may be a connection that somebody has ended


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """What looks have seen of it."""

    at: datetime  # the last time
    times: int
    mark: str  # the replica's identity, and how often it was started: after a change of either nothing is known


def is_turned_away(seen: Observation, channel: ChannelObservation) -> bool:
    """True if the source has let it in and ended the connection before anything came, twice running at least.

    Only then does the receiver wait before it tries again, without an error in its status: the first time it does so at once, and
    one that is not let in has an error (MariaDB, sql/slave.cc, `try_to_reconnect`; seen on 10.11).
    """
    silent = channel.receiver is ThreadState.CONNECTING and channel.receiver_error is None
    return seen.version.is_mariadb and silent and channel.cut_off


def follow_turned_away(known: TurnedAway | None, seen: Observation, channel: ChannelObservation) -> TurnedAway | None:
    """What one more look at the replica makes of it."""
    mark = f"{seen.server_id} {seen.risks.starts if seen.risks else ''}"
    if known is not None and (known.mark != mark or not timedelta(0) <= seen.at - known.at < REMEMBERED):
        known = None
    if not is_turned_away(seen, channel):
        return known
    return replace(known, at=seen.at, times=known.times + 1) if known else TurnedAway(seen.at, 1, mark)
