"""Keeps the number of threads small that want the interpreter at once.

A thread that waits for the interpreter wakes again and again to ask for it, and each answer of a server wakes one that finds it
taken (CPython, `take_gil`): where hundreds do, they do little else. One that waits in line here sleeps until it is its turn.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Crowd:
    """Lets `abreast` of them work at once, one that takes longer than `swift` not counted: it waits for something itself.

    Nobody waits in line for longer than `patience`. Both in seconds.
    """

    abreast: int
    swift: float
    patience: float
    _begun: dict[object, float] = field(default_factory=dict)  # when each at work began, in this order; monotonic
    _room: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def in_line(self) -> Iterator[None]:
        """Work when it is one's turn, or at last without it."""
        me = object()
        with self._room:
            came = now = time.monotonic()
            while (full := self._full_until(now)) and now - came < self.patience:
                self._room.wait(min(full, came + self.patience) - now)
                now = time.monotonic()
            self._begun[me] = now
        try:
            yield
        finally:
            with self._room:
                del self._begun[me]
                self._room.notify()

    def _full_until(self, now: float) -> float | None:
        """When the first of those that count counts no more; None if there is room."""
        counted = [begun for begun in self._begun.values() if now - begun < self.swift]
        return counted[0] + self.swift if len(counted) >= self.abreast else None
