"""Entries that come at the same time are written in one transaction: its begin and end cost more than most entries."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from repwatch.adapters.store.failures import StoreRefusal
from repwatch.errors import StoreError
from repwatch.ports.store import Entry, StoreConflict


@dataclass(slots=True, eq=False)
class Waiting:
    """An entry, and what became of it."""

    entry: Entry
    now: datetime
    written: bool = False
    failure: StoreError | None = None


@dataclass(slots=True)
class Together:
    """Who comes while others are written waits, and the first of those takes the entries of all with its own."""

    write: Callable[[Sequence[Waiting]], None]  # all or nothing; raises StoreError
    _queue: deque[Waiting] = field(default_factory=deque)
    _desk: threading.Lock = field(default_factory=threading.Lock)

    def record(self, entry: Entry, now: datetime) -> None:
        """Returns when it is written. Raises StoreError; StoreConflict where this very entry has one."""
        mine = Waiting(entry, now)
        self._queue.append(mine)
        with self._desk:
            if not mine.written and mine.failure is None:
                self._write_with_others(mine)
        if mine.failure is not None:
            raise mine.failure

    def _write_with_others(self, mine: Waiting) -> None:
        others = []
        while self._queue:
            if (each := self._queue.popleft()) is not mine:
                others.append(each)
        try:
            self.write([mine, *others])
        except Exception as error:
            # A store that is away may take seconds to say so.
            if isinstance(error, StoreError) and not isinstance(error, StoreConflict | StoreRefusal):
                for each in others:
                    each.failure = error
                raise
            if not others:
                raise
            self.write([mine])  # one of them is at fault: each of the others is written by itself, and that one fails alone
        else:
            for each in others:
                each.written = True
