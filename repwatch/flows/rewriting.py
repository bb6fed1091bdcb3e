"""Brings the messages of bundles up to date, one of a receiver with each turn: in a storm all of it would be a storm of updates.

An update says what is so by then, so that one that is made again after a kill or a lost answer doubles nothing.
"""

import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from repwatch.errors import StoreError
from repwatch.flows.deliver import PAUSES, asked
from repwatch.health.bundled import tally
from repwatch.ports.clock import Clock
from repwatch.ports.notifier import DeliveryOutcome, Rewriting
from repwatch.ports.store import Shelf

TURN = timedelta(seconds=10)
"""From one update at a receiver to the next."""


@dataclass(slots=True)
class Rewriter:
    """For one receiver whose messages can be changed. Used by one thread."""

    receiver: str
    messages: Rewriting
    shelf: Shelf
    clock: Clock
    _failures: int = 0  # in a row
    _begins: float = 0.0  # monotonic; nothing before

    def run(self, stop: threading.Event) -> None:
        """A turn now and then until told to stop; on a thread of its own, for a receiver that is away answers when it likes."""
        while not stop.wait(TURN.total_seconds()):
            with suppress(StoreError):  # told by the book, which reads the same store
                self.turn()

    def turn(self) -> None:
        """Bring the most outdated message up to date. Raises StoreError: the same update is made again then."""
        if self.clock.monotonic() < self._begins:
            return
        told = self.shelf.outdated(self.receiver)
        if told is None:
            return
        delivery = self.messages.rewrite(told.bundle, told.thread)
        now = self.clock.now()
        match delivery.outcome:
            case DeliveryOutcome.DELIVERED:
                self._failures = 0
                self.shelf.shows(told, tally(member.notice for member in told.bundle.members), now)
            case DeliveryOutcome.REFUSED:
                self._failures = 0
                self.shelf.leave(told)
            case DeliveryOutcome.RETRY:
                self._failures += 1
                self._begins = self.clock.monotonic() + max(asked(delivery).total_seconds(), PAUSES.after(self._failures))
                self.shelf.shows(told, told.shown, now)  # others go first the next time
