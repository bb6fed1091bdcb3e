"""From the outbox to one receiver, in order for each subject, as often as it takes. Each receiver has a courier of its own.

At-least-once: a notice is marked delivered after the receiver took it. Killed in between, it is sent again under the same id;
no more than `lanes` messages.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from repwatch.errors import StoreError
from repwatch.flows.hands import Hands
from repwatch.flows.sorting import Parcel, Sorter
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.pause import Pauses
from repwatch.ports.clock import Clock
from repwatch.ports.notifier import Delivery, DeliveryOutcome, Notifier
from repwatch.ports.store import Envelope, Fate, Outbox, Settled

log = logging.getLogger("repwatch.deliver")

PAUSES = Pauses(first=1.0, longest=300.0)
LONGEST_ASKED = timedelta(hours=1)  # of what a receiver asks for (Retry-After)
IDLE_SECONDS = 1.0  # the outbox is looked at that often even if nobody says that there is something new


def undeliverable(receiver: str) -> Subject:
    """The subject of the finding that a receiver refuses."""
    return Subject("", "", receiver, FindingCode.RECEIVER_UNDELIVERABLE)


def judge(parcel: Parcel, delivery: Delivery, now: datetime) -> list[Settled]:
    """What an attempt's result means for the notices in it. What is remembered of a bundle is for members without a thread."""
    alone = len(parcel.envelopes) == 1
    return [
        _judge(each, delivery if alone else replace(delivery, thread=each.thread or delivery.thread), now)
        for each in parcel.envelopes
    ]


def _judge(envelope: Envelope, delivery: Delivery, now: datetime) -> Settled:
    match delivery.outcome:
        case DeliveryOutcome.DELIVERED:
            # It is not sent again to those whom it did not reach: the others have it.
            return Settled(
                envelope=envelope,
                fate=Fate.DELIVERED,
                at=now,
                thread=delivery.thread,
                text=delivery.text,
                rewritable=delivery.rewritable,
            )
        case DeliveryOutcome.RETRY:
            until = now + max(asked(delivery), timedelta(seconds=PAUSES.after(envelope.attempts + 1)))
            return Settled(envelope=envelope, fate=Fate.POSTPONED, at=until, thread=delivery.thread, text=delivery.text)
        case DeliveryOutcome.REFUSED:
            return Settled(envelope=envelope, fate=Fate.REFUSED, at=now, thread=envelope.thread, text=delivery.text)


def asked(delivery: Delivery) -> timedelta:
    """For how long the receiver wants to hear nothing."""
    return min(delivery.retry_after or timedelta(0), LONGEST_ASKED)


@dataclass(slots=True)
class Courier:
    """Delivers to one receiver. One thread calls `run` or `turn` and it alone uses the outbox; the calls are made beside it.

    There is one call at a time until something arrives, one more with each notice that does, and one again after a failure: a
    receiver that is dead, or wants less, meets one call at a time.
    """

    receiver: str
    notifier: Notifier
    outbox: Outbox
    sorter: Sorter
    clock: Clock
    lanes: int = 1  # calls at the same time, at most
    refusing: bool = False  # a standing finding says so
    vouches: bool = True  # what it refuses is a finding; of a digest it is not, for the receiver's notices tell that
    beside: Callable[[Callable[[], None]], None] = field(default_factory=lambda: Hands("deliver"))
    wake: threading.Event = field(default_factory=threading.Event)  # set by whoever put something into the outbox
    delivered: int = 0
    problem: str = ""
    _room: int = 1  # calls at the same time, now
    _failures: int = 0  # in a row
    _out: list[Parcel] = field(default_factory=list)  # under way, or settled and not recorded
    _returned: deque[tuple[Parcel, Delivery]] = field(default_factory=deque)
    # Kept until it is recorded: a store that cannot be written must not make the receiver hear the same thing again.
    _settled: list[Settled] = field(default_factory=list)
    _rest_until: datetime | None = None

    def run(self, stop: threading.Event) -> None:
        """Deliver until told to stop; then what is under way is still recorded, or the next start would repeat it."""
        while not stop.is_set():
            if not self._safely(self.turn):
                self.wake.wait(IDLE_SECONDS)
            self.wake.clear()
        self._safely(self._record)
        while len(self._held()) > len(self._settled):
            self.wake.wait(IDLE_SECONDS)
            self.wake.clear()
            self._safely(self._record)

    def _safely(self, act: Callable[[], bool]) -> bool:
        try:
            busy = act()
        except StoreError as error:
            self._failed(f"{error}; {error.hint}" if error.hint else str(error))
            return False
        except Exception as error:  # noqa: BLE001 - it would end the thread, and nobody be told of anything any more
            self._failed(f"a mistake in repwatch: {type(error).__name__}")  # its text may hold a secret
            return False
        self.problem = ""
        return busy

    def _failed(self, problem: str) -> None:
        if problem != self.problem:
            log.error("outbox.failed receiver=%s: %s", self.receiver, problem)
        self.problem = problem

    def turn(self) -> bool:
        """Record what came back, send what is due; False if there was nothing to do. Raises StoreError: nothing is forgotten."""
        recorded = self._record()
        sent = self._send()
        return self._record() or sent or recorded

    def _held(self) -> set[int]:
        """Numbers of envelopes that nobody else may take."""
        return {envelope.seq for parcel in self._out for envelope in parcel.envelopes}

    def _send(self) -> bool:
        """Send as many as there is room for."""
        now = self.clock.now()
        if len(self._out) >= self._room or self._rests(now):
            return False
        parcels = self.sorter.parcels(self._held(), self._room - len(self._out), now)
        for parcel in parcels:
            if parcel.is_moot:
                (envelope,) = parcel.envelopes
                moot = "nothing of this incident has arrived there"
                self._settled.append(Settled(envelope=envelope, fate=Fate.MOOT, at=now, thread=envelope.thread, text=moot))
                self._out.append(parcel)
            else:
                self._begin(parcel)
        return bool(parcels)

    def _rests(self, now: datetime) -> bool:
        return self._rest_until is not None and timedelta(0) < self._rest_until - now <= LONGEST_ASKED

    def _begin(self, parcel: Parcel) -> None:
        self._out.append(parcel)
        try:
            self.beside(partial(self._call, parcel))
        except RuntimeError:  # there are too many threads on this machine
            self._out.remove(parcel)
            raise

    def _call(self, parcel: Parcel) -> None:
        thread = parcel.envelopes[0].thread if len(parcel.envelopes) == 1 else {}
        try:
            delivery = self.notifier.send(parcel.letter, thread)
        except Exception as error:  # noqa: BLE001 - a notice that never came back would keep all others waiting
            text = f"the delivery failed: {type(error).__name__}"
            delivery = Delivery(outcome=DeliveryOutcome.RETRY, text=text, thread=thread)
        self._returned.append((parcel, delivery))
        self.wake.set()

    def _record(self) -> bool:
        """Record all that is known by now in one transaction."""
        while self._returned:
            self._take(*self._returned.popleft())
        if not self._settled:
            return False
        self._tell_whether_it_refuses()
        self.outbox.settle(self._settled)
        done = {settled.envelope.seq for settled in self._settled}
        self._out = [parcel for parcel in self._out if parcel.envelopes[0].seq not in done]
        for settled in self._settled:
            self._report(settled)
        self._settled.clear()
        return True

    def _take(self, parcel: Parcel, delivery: Delivery) -> None:
        now = self.clock.now()
        self._room = min(self._room + 1, self.lanes) if delivery.outcome is DeliveryOutcome.DELIVERED else 1
        if delivery.outcome is DeliveryOutcome.RETRY:
            if span := asked(delivery):
                self._rest_until = now + span  # it speaks of the receiver, not of one notice
            self._failures += 1
            self.sorter.hold_back(max(span.total_seconds(), PAUSES.after(self._failures)))
        else:
            self.sorter.hold_back(0.0)
            self._failures = 0
        self._settled += judge(parcel, delivery, now)

    def _tell_whether_it_refuses(self) -> None:
        """Before the notice itself is settled: killed in between, it is tried again and this as well."""
        if not self.vouches:
            return
        delivered = [settled for settled in self._settled if settled.fate is Fate.DELIVERED]
        refused = [settled for settled in self._settled if settled.fate is Fate.REFUSED]
        missed = [settled for settled in delivered if settled.text]
        if refused or missed:
            told = _finding(self.receiver, refused[-1].text) if refused else _missed(self.receiver, missed[-1].text)
            self.outbox.set_standing(told)
            self.refusing = True
        elif self.refusing and delivered:
            self.outbox.clear_standing(undeliverable(self.receiver))
            self.refusing = False

    def _report(self, settled: Settled) -> None:
        name, attempts = settled.envelope.notice.id, settled.envelope.attempts
        match settled.fate:
            case Fate.DELIVERED:
                self.delivered += 1
                log.info("notice.delivered id=%s to=%s attempts=%d", name, self.receiver, attempts + 1)
                if settled.text:
                    log.warning("notice.missed id=%s to=%s: %s", name, self.receiver, settled.text)
            case Fate.POSTPONED if attempts == 0:
                log.warning("notice.postponed id=%s to=%s: %s", name, self.receiver, settled.text)
            case Fate.REFUSED:
                log.error("notice.undeliverable id=%s to=%s: %s", name, self.receiver, settled.text)


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


def _missed(receiver: str, text: str) -> Finding:
    return Finding(
        subject=undeliverable(receiver),
        severity=Severity.WARNING,
        summary=f"notices do not reach everybody of {receiver}: {text}",
        meaning="The mail server refuses these recipients while it takes what is sent for the others: they are told of nothing.",
        remedy=f"Correct the recipients of {receiver.partition('/')[0]!r} in the configuration, or their mailboxes. What they"
        " have missed is not sent again, for the others have it: `repwatch incidents` lists it.",
        evidence={"receiver": receiver, "answer": text},
    )
