"""Keeps the number of threads small that want the interpreter at once.

A thread that waits for the interpreter wakes again and again to ask for it, and each answer of a server wakes one that finds it
taken (CPython, `take_gil`): where hundreds do, they do little else. One that waits in line here sleeps until it is its turn.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Crowd:
    """Lets `abreast` of them work at once, in the order in which they came; who is urgent goes before all who are not.

    One that hangs does not hold up the others: where nobody has begun for `pace` seconds, the next one does. So at least
    `1 / pace` of them begin each second; where more come than can be worked off, they sleep in line and do not all work at once.
    """

    abreast: int
    pace: float
    _at_work: int = 0
    _begun: float = 0.0  # when somebody began last, monotonic
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _urgent: deque[threading.Condition] = field(default_factory=deque)
    _others: deque[threading.Condition] = field(default_factory=deque)

    @property
    def standing(self) -> int:
        """How many wait in line."""
        return len(self._urgent) + len(self._others)

    @contextmanager
    def in_line(self, *, urgent: bool = False) -> Iterator[None]:
        """Work when it is one's turn."""
        with self._guard:
            self._await_turn(self._urgent if urgent else self._others)
            self._at_work += 1
            self._begun = time.monotonic()
            self._call_first()
        try:
            yield
        finally:
            with self._guard:
                self._at_work -= 1
                self._call_first()

    def _await_turn(self, line: deque[threading.Condition]) -> None:
        me = threading.Condition(self._guard)
        line.append(me)
        try:
            while rest := self._full_for(me):
                me.wait(rest)
        finally:
            line.remove(me)

    def _first(self) -> threading.Condition | None:
        line = self._urgent or self._others
        return line[0] if line else None

    def _call_first(self) -> None:
        if first := self._first():
            first.notify()

    def _full_for(self, me: threading.Condition) -> float:
        """Seconds until this one may begin, 0 if it may now; for all but the first until it is called."""
        if me is not self._first():
            return threading.TIMEOUT_MAX
        return 0.0 if self._at_work < self.abreast else max(0.0, self._begun + self.pace - time.monotonic())
