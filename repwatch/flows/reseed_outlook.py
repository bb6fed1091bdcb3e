"""Adds to the progress of a copy what the source has done since its snapshot, which the replica has to catch up with.

The source is asked now and then, beside the copy: one that does not answer holds nothing up, and is nothing to fail for here.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

from repwatch.flows.beside import beside
from repwatch.model.endpoint import Endpoint
from repwatch.model.gtid import missing_count
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Timeouts
from repwatch.reseed.progress import Phase, Progress, Written, look_ahead
from repwatch.sql import replication

_ASK_SECONDS = 5.0
_LOOK = Timeouts(connect=5.0, read=5.0)
_COPYING = {Phase.COMPARE, Phase.DATA, Phase.KEYS}
_FILES = {Phase.CLONE, Phase.STREAM}  # a copy of files is of the moment at which it ends
_AFTER = {Phase.RESTART, Phase.RECOVER, Phase.SWAP, Phase.OBJECTS, Phase.ATTACH, Phase.CATCH_UP}
_CONCERNED = {*_COPYING, *_FILES, *_AFTER}


class Outlook:
    """`tell` stands in the place of the progress that it was made with. `keeps`: as `look_ahead`."""

    def __init__(self, connect: Connect, source: Endpoint, clock: Clock, tell: Callable[[Progress], None], keeps: int) -> None:
        self._connect = connect
        self._source = source
        self._clock = clock
        self._tell = tell
        self._keeps = keeps
        self._position = ""
        self._began: float | None = None
        self._asked = 0.0
        self._asking: Future[Written] | None = None
        self._written: Written | None = None

    def begin(self, position: str, age: float = 0.0) -> None:
        """A snapshot was taken `age` seconds ago. What an earlier one, whose copy was given up, let expect is forgotten."""
        now = self._clock.monotonic()
        self._position, self._began, self._asking, self._written = position, now - age, None, None
        self._asked = now

    def place(self, position: str) -> None:
        """Where the copy of files stands that has ended."""
        self._position = position

    def tell(self, progress: Progress) -> None:
        """Tell it, with what can be expected after it."""
        if progress.phase in _FILES:
            self.begin("")
        if self._began is not None and progress.phase in _CONCERNED:
            self._learn(self._began)
            since = self._clock.monotonic() - self._began
            left = progress.eta if progress.phase in _COPYING else 0.0
            ahead = look_ahead(self._written, since=since, left=left, keeps=self._keeps)
            progress = replace(progress, ahead=ahead)
        self._tell(progress)

    def _learn(self, began: float) -> None:
        if self._asking is not None and self._asking.done():
            if self._asking.exception() is None:
                self._written = self._asking.result()
            self._asking = None
        if self._position and self._asking is None and self._clock.monotonic() - self._asked >= _ASK_SECONDS:
            self._asked = self._clock.monotonic()
            self._asking = beside(lambda: self._ask(self._position, began), f"ask {self._source.address}")

    def _ask(self, position: str, began: float) -> Written:
        with self._connect(self._source, _LOOK) as db:
            now = db.scalar(replication.written(db.version)) or ""
            count = missing_count(db.version.flavour, position, now)
        return Written(transactions=count, seconds=self._clock.monotonic() - began)
