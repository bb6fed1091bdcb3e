"""The suspicions of one cluster: raised by looks, cleared by checks, kept in the store so that a restart forgets none.

While the store cannot be written they are kept here, and written with the next look that finds it working.
"""

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from repwatch.errors import StoreError
from repwatch.health.suspicion import cleared, named, suspect
from repwatch.health.world import World
from repwatch.model.risks import Suspicion

log = logging.getLogger("repwatch.watch")


class SuspicionLedger(Protocol):
    """Where they survive. Every method may raise StoreError."""

    def suspicions(self, cluster: str) -> tuple[Suspicion, ...]:
        """All of a cluster."""
        ...

    def record_suspicions(self, cluster: str, all_of_it: Iterable[Suspicion]) -> None:
        """Put them in the place of what was kept of the cluster."""
        ...


@dataclass(slots=True)
class Suspects:
    """Used by the thread that watches and by the one that checks."""

    ledger: SuspicionLedger
    cluster: str
    _known: tuple[Suspicion, ...] = ()
    _is_read: bool = False
    _unwritten: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def after(self, world: World) -> tuple[Suspicion, ...]:
        """The suspicions after a look, those that a check has cleared among them."""
        with self._lock:
            self._read()
            self._set(suspect(self._known, world))
            return self._known

    def clear(self, settled: Iterable[Suspicion], at: datetime) -> None:
        """A check that began after all of them found their data identical."""
        with self._lock:
            self._set(cleared(self._known, settled, at))

    def name(self, server: str, tables: tuple[str, ...]) -> None:
        """A check has found these tables in the binary log of a replica with errant transactions."""
        with self._lock:
            self._set(named(self._known, server, tables))

    def open(self) -> tuple[Suspicion, ...]:
        """Those that nothing has cleared."""
        return tuple(suspicion for suspicion in self._known if suspicion.cleared is None)

    def _read(self) -> None:
        """What was kept joins what was seen meanwhile; of two of one cause the later has been seen and stays."""
        if self._is_read:
            return
        try:
            kept = self.ledger.suspicions(self.cluster)
        except StoreError:  # told by the book, which reads the same store
            return
        self._is_read = True
        seen = {(each.server, each.channel, each.cause) for each in self._known}
        self._known += tuple(each for each in kept if (each.server, each.channel, each.cause) not in seen)

    def _set(self, after: tuple[Suspicion, ...]) -> None:
        before = {(each.server, each.channel, each.cause): (each.since, each.cleared) for each in self._known}
        for new in after:
            if before.get((new.server, new.channel, new.cause)) == (new.since, new.cleared):
                continue
            told = "cleared" if new.cleared else "raised"
            log.info(
                "suspicion.%s cluster=%s server=%s channel=%s cause=%s", told, self.cluster, new.server, new.channel, new.cause
            )
        changed = after != self._known or self._unwritten
        self._known = after
        if not changed:
            return
        self._unwritten = True
        if not self._is_read:
            return
        try:
            self.ledger.record_suspicions(self.cluster, after)
        except StoreError:
            return
        self._unwritten = False
