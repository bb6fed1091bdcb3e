"""Calls that overstay: no more of them at once than lanes, and none is made twice."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from repwatch.adapters.attempt import Bounded
from repwatch.ports.notifier import Delivery, DeliveryOutcome, Letter, Thread
from tests.unit.adapters.benches import notice

PATIENT = 60
ARRIVED = Delivery(outcome=DeliveryOutcome.DELIVERED)
LOST = Delivery(outcome=DeliveryOutcome.RETRY)


@dataclass
class Stuck:
    """Answers nobody until it is opened."""

    answer: Delivery = ARRIVED
    gate: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)

    def send(self, notice: Letter, thread: Thread) -> Delivery:
        self.asked.append(notice.id)
        assert self.gate.wait(PATIENT)
        return self.answer


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENT
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def outcomes_in_the_end(bounded: Bounded, numbers: tuple[int, ...]) -> None:
    """Ask for each until it is delivered, as the outbox does."""
    deadline = time.monotonic() + PATIENT
    for number in numbers:
        while bounded.send(notice(number=number), {}).outcome is not DeliveryOutcome.DELIVERED:
            assert time.monotonic() < deadline


def test_calls_that_overstay_fill_the_lanes_and_are_not_made_again() -> None:
    inner = Stuck()
    bounded = Bounded(inner, 0.2, lanes=2)
    for number in (1, 2, 3, 1):
        assert bounded.send(notice(number=number), {}).outcome is DeliveryOutcome.RETRY
    until(lambda: len(inner.asked) == 2)  # their threads may begin late
    inner.gate.set()
    outcomes_in_the_end(bounded, (1, 2, 3))
    assert sorted(inner.asked[:2]) == ["n-1", "n-2"]
    assert inner.asked[2:] == ["n-3"]


def test_a_call_that_overstayed_and_failed_is_made_again() -> None:
    inner = Stuck(answer=LOST)
    bounded = Bounded(inner, 0.2)
    assert bounded.send(notice(), {}).outcome is DeliveryOutcome.RETRY
    inner.gate.set()
    deadline = time.monotonic() + PATIENT
    while len(inner.asked) < 2:
        assert bounded.send(notice(), {}).outcome is DeliveryOutcome.RETRY
        assert time.monotonic() < deadline
    inner.answer = ARRIVED
    outcomes_in_the_end(bounded, (1,))
