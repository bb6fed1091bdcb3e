"""From the outbox to one receiver, in order for each incident, as often as it takes. Each receiver has a courier of its own.

At-least-once: a notice is marked delivered after the receiver took it. Killed in between, it is sent again under the same id.
"""

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from repwatch.errors import StoreError
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.ports.clock import Clock
from repwatch.ports.notifier import Delivery, DeliveryOutcome, Notifier
from repwatch.ports.store import Envelope, Outbox

log = logging.getLogger("repwatch.deliver")

FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=5)
LONGEST_ASKED = timedelta(hours=1)  # of what a receiver asks for (Retry-After)
IDLE_SECONDS = 1.0  # the outbox is looked at that often even if nobody says that there is something new


def pause_after(attempts: int) -> timedelta:
    """How long to wait after that many failed attempts: 1 s, doubled each time, five minutes at most."""
    doublings = min(attempts, 20)
    return min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)


def undeliverable(receiver: str) -> Subject:
    """The subject of the finding that a receiver refuses."""
    return Subject("", "", receiver, FindingCode.RECEIVER_UNDELIVERABLE)


@dataclass(slots=True)
class Courier:
    """Delivers to one receiver. `turn` and `run` are called by one thread."""

    receiver: str
    notifier: Notifier
    outbox: Outbox
    clock: Clock
    refusing: bool = False  # a standing finding says so
    delivered: int = 0
    problem: str = ""
    _unrecorded: tuple[Envelope, Delivery] | None = None
    _rest_until: datetime | None = None

    def run(self, stop: threading.Event, wake: threading.Event) -> None:
        """Deliver until told to stop."""
        while not stop.is_set():
            if not self._safe_turn():
                wake.wait(IDLE_SECONDS)
                wake.clear()

    def _safe_turn(self) -> bool:
        try:
            busy = self.turn()
        except StoreError as error:
            self._failed(f"{error}; {error.hint}" if error.hint else str(error))
            return False
        self.problem = ""
        return busy

    def _failed(self, problem: str) -> None:
        if problem != self.problem:
            log.error("outbox.failed receiver=%s: %s", self.receiver, problem)
        self.problem = problem

    def turn(self) -> bool:
        """Try one notice; False if there is nothing to do now. Raises StoreError: nothing is forgotten by that."""
        if self._unrecorded is not None:
            self._record(*self._unrecorded)
            self._unrecorded = None
        now = self.clock.now()
        if self._rest_until is not None and timedelta(0) < self._rest_until - now <= LONGEST_ASKED:
            return False
        envelope = self.outbox.due(self.receiver, now)
        if envelope is None:
            return False
        notice = envelope.notice
        if isinstance(notice, Notice) and notice.event is NoticeEvent.RESOLVED and not envelope.reached:
            self.outbox.give_up(envelope, "nothing of this incident has arrived there")
            return True
        # Kept until it is recorded: a store that cannot be written must not make the receiver hear the same thing again.
        self._unrecorded = (envelope, self.notifier.send(notice, envelope.thread))
        self._record(*self._unrecorded)
        self._unrecorded = None
        return True

    def _record(self, envelope: Envelope, delivery: Delivery) -> None:
        match delivery.outcome:
            case DeliveryOutcome.DELIVERED:
                self._arrived(envelope, delivery)
            case DeliveryOutcome.RETRY:
                self._later(envelope, delivery)
            case DeliveryOutcome.REFUSED:
                self._refused(envelope, delivery)

    def _arrived(self, envelope: Envelope, delivery: Delivery) -> None:
        self.outbox.delivered(envelope, delivery.thread, self.clock.now())
        self.delivered += 1
        log.info("notice.delivered id=%s to=%s attempts=%d", envelope.notice.id, self.receiver, envelope.attempts + 1)
        if self.refusing:
            self.outbox.clear_standing(undeliverable(self.receiver))
            self.refusing = False

    def _later(self, envelope: Envelope, delivery: Delivery) -> None:
        now = self.clock.now()
        asked = min(delivery.retry_after or timedelta(0), LONGEST_ASKED)
        pause = max(asked, pause_after(envelope.attempts))
        if asked:
            self._rest_until = now + asked  # it speaks of the receiver, not of one notice
        self.outbox.postpone(envelope, delivery.thread, now + pause, delivery.text)
        if envelope.attempts == 0:
            log.warning("notice.postponed id=%s to=%s: %s", envelope.notice.id, self.receiver, delivery.text)

    def _refused(self, envelope: Envelope, delivery: Delivery) -> None:
        self.outbox.give_up(envelope, delivery.text)
        self.outbox.set_standing(_finding(self.receiver, delivery.text))
        self.refusing = True
        log.error("notice.undeliverable id=%s to=%s: %s", envelope.notice.id, self.receiver, delivery.text)


def _finding(receiver: str, text: str) -> Finding:
    return Finding(
        subject=undeliverable(receiver),
        severity=Severity.CRITICAL,
        summary=f"notices cannot be delivered to {receiver}: {text}",
        meaning="The receiver refuses what repwatch sends and will go on doing so: whoever relies on it is told of nothing.",
        remedy=f"Correct the receiver {receiver.partition('/')[0]!r} in the configuration and restart `repwatch run`;"
        " what it refused in the last week is then sent again.",
        evidence={"receiver": receiver, "answer": text},
    )
