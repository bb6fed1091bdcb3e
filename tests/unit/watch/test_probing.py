"""Rounds of looks: all at once, one in flight for each server, none waits for a slow one."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.flows import probing
from repwatch.flows.probing import Probing
from repwatch.model.endpoint import Endpoint
from repwatch.model.observation import ProbeFailure, ProbeResult, Unobserved
from repwatch.model.server import Address
from repwatch.model.topology import ServerSpec

FAST, SLOW, OTHER = (ServerSpec(endpoint=Endpoint(Address(name), "u"), name=name) for name in ("fast", "slow", "other"))


class Gate:
    """A probe that answers for the slow server only when the gate is open."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.asked: Counter[str] = Counter()
        self.at_once = threading.Barrier(2, timeout=10)

    def __call__(self, server: ServerSpec) -> ProbeResult:
        self.asked[server.label] += 1
        if server is SLOW:
            self.open.wait(30)
        if server is OTHER:
            self.at_once.wait()
        return Unobserved(
            at=datetime(2026, 1, 1, tzinfo=UTC), took=timedelta(0), failure=ProbeFailure.UNREACHABLE, text=server.label
        )


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


def test_a_slow_server_is_not_waited_for_and_not_asked_twice(gate: Gate) -> None:
    rounds = Probing(gate, SystemClock())
    begun = time.monotonic()
    assert set(rounds.round([FAST, SLOW], wait_for={"fast"}, seconds=20)) == {"fast"}
    assert set(rounds.round([FAST, SLOW], wait_for={"fast"}, seconds=20)) == {"fast"}
    assert time.monotonic() - begun < 10
    assert gate.asked == {"fast": 2, "slow": 1}


def test_a_late_answer_belongs_to_the_next_round(gate: Gate) -> None:
    rounds = Probing(gate, SystemClock())
    rounds.round([SLOW], wait_for=(), seconds=0)
    gate.open.set()
    assert set(rounds.round([], wait_for={"slow"}, seconds=20)) == {"slow"}
    assert rounds.round([], wait_for=(), seconds=0) == {}


def test_it_waits_for_those_named(gate: Gate) -> None:
    rounds = Probing(gate, SystemClock())
    threading.Timer(0.2, gate.open.set).start()
    assert set(rounds.round([FAST, SLOW], wait_for={"fast", "slow"}, seconds=20)) == {"fast", "slow"}


def test_all_are_asked_at_once(gate: Gate) -> None:
    twin = ServerSpec(endpoint=Endpoint(Address("twin"), "u"), name="twin")

    def probe(server: ServerSpec) -> ProbeResult:
        return gate(OTHER)

    results = Probing(probe, SystemClock()).round([OTHER, twin], wait_for={"other", "twin"}, seconds=20)
    assert set(results) == {"other", "twin"}


def test_what_does_not_come_back_counts_as_unseen(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "BUDGET", 0.1)
    rounds = Probing(gate, SystemClock())
    late = rounds.round([SLOW], wait_for={"slow"}, seconds=0.3)["slow"]
    assert isinstance(late, Unobserved)
    assert late.failure is ProbeFailure.TIMED_OUT
