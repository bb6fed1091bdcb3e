"""Somebody who writes to the same rows all the time, for tests of rows that are never met between two changes."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from repwatch.errors import StatementRefused
from repwatch.sandbox import SandboxServer

PAUSE = 0.002  # seconds: shorter than any round, and a replica on a busy machine keeps up


class HotWriter:
    """A session that does the same again and again, and remembers how long it had to wait at most."""

    def __init__(self, server: SandboxServer, statements: Callable[[int], str]) -> None:
        self.longest = 0.0
        self.done = 0
        self._begun = threading.Event()
        self._server, self._statements = server, statements
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        with self._server.connect() as db:
            while not self._over.is_set():
                started = time.monotonic()
                with suppress(StatementRefused):
                    db.execute(self._statements(self.done))
                    self.done += 1
                self._begun.set()
                self.longest = max(self.longest, time.monotonic() - started)
                self._over.wait(PAUSE)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._begun.wait(60), "it has not begun"
        return self

    def __exit__(self, *details: object) -> None:
        self._over.set()
        self._thread.join(60)
