"""Keeps the number of threads small that want the interpreter at once.

A thread that waits for the interpreter wakes again and again to ask for it, and each answer of a server wakes one that finds it
taken (CPython, `take_gil`): hundreds of them do little else. One that waits in line here sleeps until it is its turn.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Crowd:
    """Lets `abreast` of them work at once. Nobody waits for longer than `patience` seconds: who works may hang."""

    abreast: int
    patience: float
    _places: threading.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_places", threading.Semaphore(self.abreast))

    @contextmanager
    def in_line(self) -> Iterator[None]:
        """Work when it is one's turn, or at last without it."""
        has_place = self._places.acquire(timeout=self.patience)
        try:
            yield
        finally:
            if has_place:
                self._places.release()
