"""Asks the servers of a check now and then how busy they are, in the lanes in which they are read."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from repwatch.drift.throttle import PAUSED, Hold, Limits, Pressure, hold
from repwatch.errors import ServerError
from repwatch.flows.drift_lane import Lane
from repwatch.ports.clock import Clock
from repwatch.ports.database import Database
from repwatch.sql import pressure

EVERY: Final = 1.0  # seconds from one question to the next


class Gauge:
    """Tells whether the check should hold back. Used by the thread that runs the check."""

    def __init__(self, lanes: dict[str, Lane], clock: Clock, limits: Limits, paused: Callable[[], bool]) -> None:
        self._lanes, self._clock, self._limits, self._paused = lanes, clock, limits, paused
        self._seen: dict[str, Pressure] = {}
        self._asked: dict[str, Future[Pressure]] = {}
        self._next = clock.monotonic()
        self._rests_until = 0.0

    def hold(self) -> Hold | None:
        """Why to wait, as last seen."""
        if self._paused():
            return PAUSED
        for server in [server for server, future in self._asked.items() if future.done()]:
            self._seen[server] = _answer(self._asked.pop(server))
        if not self._asked and self._clock.monotonic() >= self._next:
            self._asked = {server: lane.submit(_look) for server, lane in self._lanes.items()}
            self._next = self._clock.monotonic() + EVERY
        return hold(self._seen, self._limits)

    def rest_after(self, seconds: float) -> None:
        """The source was read for so long; `rests` is true for as long as the load budget asks."""
        self._rests_until = self._clock.monotonic() + self._limits.pause_after(seconds)

    def rests(self) -> bool:
        """True while the source is left alone for the load budget's sake."""
        return self._clock.monotonic() < self._rests_until


def _look(db: Database) -> Pressure:
    threads, history = pressure.parse_busy(db.texts(pressure.busy(db.version)))
    return Pressure(threads_running=threads, history_length=history)


def _answer(future: "Future[Pressure]") -> Pressure:
    """What was seen; nothing where the server refused to tell (a privilege) or is away (which its readings find out)."""
    try:
        return future.result()
    except ServerError:
        return Pressure()
