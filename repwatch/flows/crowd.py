"""Keeps the number of threads small that want the interpreter at once.

A thread that waits for the interpreter wakes again and again to ask for it, and each answer of a server wakes one that finds it
taken (CPython, `take_gil`): where hundreds do, they do little else. One that waits in line here sleeps until it is its turn.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Line:
    """Those who wait, in the order in which they came."""

    called: threading.Condition
    length: int = 0


@dataclass(slots=True)
class Crowd:
    """Lets `abreast` of them work at once, one that takes longer than `swift` not counted: it waits for something itself.

    Who is urgent goes before all who are not. Nobody waits in line for longer than `patience`. Both in seconds.
    """

    abreast: int
    swift: float
    patience: float
    _begun: dict[object, float] = field(default_factory=dict)  # when each at work began, in this order; monotonic
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _urgent: _Line = field(init=False)
    _others: _Line = field(init=False)

    def __post_init__(self) -> None:
        self._urgent = _Line(threading.Condition(self._guard))
        self._others = _Line(threading.Condition(self._guard))

    @property
    def standing(self) -> int:
        """How many wait in line."""
        return self._urgent.length + self._others.length

    @contextmanager
    def in_line(self, *, urgent: bool = False) -> Iterator[None]:
        """Work when it is one's turn, or at last without it."""
        me = object()
        with self._guard:
            self._await_turn(self._urgent if urgent else self._others)
            self._begun[me] = time.monotonic()
            self._call_next()
        try:
            yield
        finally:
            with self._guard:
                del self._begun[me]
                self._call_next()

    def _await_turn(self, line: _Line) -> None:
        came = now = time.monotonic()
        line.length += 1
        while (rest := came + self.patience - now) > 0:
            full = self._full_for(now)
            if not full and (line is self._urgent or not self._urgent.length):
                break
            line.called.wait(min(full or self.swift, rest))  # where there is room, the urgent one who was called comes, and goes
            now = time.monotonic()
        line.length -= 1

    def _call_next(self) -> None:
        """Both who comes and who goes calls, lest a call that woke nobody, since the one called was awake already, be lost."""
        if not self._full_for(time.monotonic()):
            (self._urgent if self._urgent.length else self._others).called.notify()

    def _full_for(self, now: float) -> float:
        """Seconds until the first of those that count counts no more; 0 if there is room."""
        counted = [begun for begun in self._begun.values() if now - begun < self.swift]
        return max(0.0, counted[0] + self.swift - now) if len(counted) >= self.abreast else 0.0
