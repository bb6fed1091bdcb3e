"""Asks the servers of a check now and then how busy they are and how far behind, in the lanes in which they are read."""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from repwatch.drift.throttle import PAUSED, Hold, Limits, Patience, Pressure, hold
from repwatch.errors import ServerError, StatementRefused
from repwatch.flows.drift_lag import channels_from, greatest_lag
from repwatch.flows.drift_lane import Lane
from repwatch.ports.clock import Clock
from repwatch.ports.database import Database
from repwatch.sql import pressure

EVERY: Final = 1.0  # seconds from one question to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A server of the check and its limits. `source_id`: the server behind which its lag counts, 0 for none.

    `patience`: seconds for which lag beyond its limit is waited for; longer where it comes down.
    """

    lane: Lane
    limits: Limits
    source_id: int = 0
    patience: float = 0.0


class Gauge:
    """Tells whether the check should hold back. Used by the thread that runs the check.

    `lost`: servers whose lag stayed beyond its limit for too long; it holds up nothing any more.
    """

    def __init__(self, watched: Mapping[str, Watched], clock: Clock, limits: Limits, paused: Callable[[], bool]) -> None:
        self._watched, self._clock, self._limits, self._paused = watched, clock, limits, paused
        self._seen: dict[str, Pressure] = {}
        self._asked: dict[str, Future[Pressure]] = {}
        self._next = dict.fromkeys(watched, clock.monotonic())
        self._patience: dict[str, Patience] = {}  # of those whose lag is beyond its limit
        self._rests_until = 0.0
        self.lost: set[str] = set()

    def hold(self, servers: Collection[str]) -> Hold | None:
        """Why to wait, as last seen of these servers."""
        if self._paused():
            return PAUSED
        mine = [server for server in self._watched if server in servers]
        for server in mine:
            self._follow(server)
        limits = {server: self._watched[server].limits for server in mine}
        return hold({server: self._seen[server] for server in mine if server in self._seen}, limits)

    def _follow(self, server: str) -> None:
        """Take the answer that has come, and ask again in time: one that is long in coming keeps no other from being asked."""
        now, watched = self._clock.monotonic(), self._watched[server]
        asked = self._asked.get(server)
        if asked is not None and asked.done():
            self._seen[server] = self._judged(server, _answer(self._asked.pop(server)))
        if server not in self._asked and now >= self._next[server]:
            self._asked[server] = watched.lane.submit(partial(_look, source_id=watched.source_id))
            self._next[server] = now + EVERY

    def _judged(self, server: str, seen: Pressure) -> Pressure:
        """The pressure, without a lag that has been waited for long enough."""
        watched, now = self._watched[server], self._clock.monotonic()
        if server in self.lost:
            return replace(seen, lag=None)
        if seen.lag is None or seen.lag <= watched.limits.lag:
            self._patience.pop(server, None)
            return seen
        left = self._patience.get(server, Patience(seconds=watched.patience, since=now)).after(now, seen.lag)
        if left is None:
            self.lost.add(server)
            return replace(seen, lag=None)
        self._patience[server] = left
        return seen

    @property
    def adapts(self) -> bool:
        """True if nobody said how much of the source's time may be taken."""
        return self._limits.load is None

    def rest_after(self, seconds: float, *, written_to: bool) -> None:
        """The source was read for so long; it rests for as long as the load budget asks."""
        now = self._clock.monotonic()
        self._rests_until = self._limits.rested_at(self._rests_until, seconds, now, written_to=written_to)

    def rest(self) -> float:
        """Seconds for which the source is still left alone for the load budget's sake."""
        return max(0.0, self._rests_until - self._clock.monotonic())


def _look(db: Database, source_id: int) -> Pressure:
    threads = history = lag = None
    with suppress(StatementRefused):  # what the account may not ask is unknown
        threads, history = pressure.parse_busy(db.texts(pressure.busy(db.version)))
    with suppress(StatementRefused):
        lag = greatest_lag(channels_from(db, source_id)) if source_id else None
    return Pressure(threads_running=threads, history_length=history, lag=lag)


def _answer(future: "Future[Pressure]") -> Pressure:
    """What was seen; nothing where the server is away, which its readings find out."""
    try:
        return future.result()
    except ServerError:
        return Pressure()
