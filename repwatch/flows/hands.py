"""Threads that are used again: one more begins only where all others are at work, so that a call never waits for another."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Final

_REST: Final = 60.0  # seconds that a thread waits for its next call before it ends

Call = Callable[[], None]


@dataclass(slots=True)
class Hands:
    """Makes calls beside. Its threads are daemons, so that none holds up an exit; a call that raises ends its thread."""

    name: str
    _idle: list[SimpleQueue[Call]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, call: Call) -> None:
        """Make it, now. Raises RuntimeError where the machine has too many threads."""
        with self._lock:
            # The one that worked last: the others may come to their end.
            waiting = self._idle.pop() if self._idle else None
        if waiting is not None:
            waiting.put(call)
        else:
            threading.Thread(target=self._work, args=(call,), name=self.name, daemon=True).start()

    def _work(self, call: Call) -> None:
        calls: SimpleQueue[Call] = SimpleQueue()
        while True:
            call()
            with self._lock:
                self._idle.append(calls)
            try:
                call = calls.get(timeout=_REST)
            except Empty:
                with self._lock:
                    if calls in self._idle:
                        self._idle.remove(calls)
                        return
                call = calls.get()  # it came in this moment
