"""Whose turn it is to read on a machine that has several servers of a check, beside others who write there."""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Final

from repwatch.ports.clock import Clock

TURN_SECONDS: Final = 2.0  # the longest turn while others wait
# A turn ends when nothing was read for so long: what follows at once belongs to it. And for so long writers have the machine to
# themselves before another server is read, which costs them more than the length of the pieces (docs/benchmarks.md).
_IDLE_SECONDS: Final = 0.02


class Turns:
    """One server at a time is read, what it has to read at once in a row, and after a pause the next."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = Condition()
        self._owner: Hashable = None
        self._reads = False
        self._since = 0.0  # of the turn
        self._idle = 0.0  # since when, while nothing is read
        self._waiting = 0

    @property
    def wanted(self) -> bool:
        """True while somebody waits for a turn."""
        return self._waiting > 0

    @contextmanager
    def of(self, reader: Hashable) -> Iterator[None]:
        """Wait for the turn of a reader, and have it."""
        with self._changed:
            self._waiting += 1
            while (pause := self._pause(reader, self._clock.monotonic())) is None or pause > 0:
                self._changed.wait(pause)
            self._waiting -= 1
            if self._owner != reader or self._over(self._clock.monotonic()):
                self._owner, self._since = reader, self._clock.monotonic()
            self._reads = True
        try:
            yield
        finally:
            with self._changed:
                self._reads, self._idle = False, self._clock.monotonic()
                self._changed.notify_all()

    def _over(self, now: float) -> bool:
        return now >= self._since + TURN_SECONDS

    def _pause(self, reader: Hashable, now: float) -> float | None:
        """Seconds to wait before it may be asked again; 0 if the reader may read, None until something is told."""
        if self._reads:
            return None
        ends = min(self._idle + _IDLE_SECONDS, self._since + TURN_SECONDS)
        if reader == self._owner:
            # Whoever waits goes first once the turn is over.
            return None if self._over(now) and self._waiting > 1 else 0.0
        return max(0.0, ends - now)
