"""Rounds of looks: all at once, one in flight for each server, none waits for a slow one."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.probe import Prober
from repwatch.errors import Unreachable
from repwatch.flows import probing
from repwatch.flows.crowd import Crowd
from repwatch.flows.probing import Probing
from repwatch.model.endpoint import Endpoint
from repwatch.model.observation import ProbeFailure, ProbeResult, Unobserved
from repwatch.model.server import Address
from repwatch.model.topology import ServerSpec
from repwatch.ports.database import Database, Timeouts
from tests.unit.watch.handclock import HandClock

FAST, SLOW, OTHER = (ServerSpec(endpoint=Endpoint(Address(name), "u"), name=name) for name in ("fast", "slow", "other"))


class Gate:
    """A probe that answers for the slow server only when the gate is open."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.asked: Counter[str] = Counter()
        self.at_once = threading.Barrier(2, timeout=60)

    def __call__(self, server: ServerSpec) -> ProbeResult:
        self.asked[server.label] += 1
        if server is SLOW:
            self.open.wait(300)
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


def test_a_slow_server_is_not_waited_for_and_not_asked_twice(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "LATE", 300.0)
    rounds = Probing(gate, SystemClock())
    deadline = time.monotonic() + 60
    while gate.asked["fast"] < 2 or not gate.asked["slow"]:  # its thread may begin after the fast one's answer is there
        assert set(rounds.round([FAST, SLOW], wait_for={"fast"}, seconds=60)) == {"fast"}
        assert time.monotonic() < deadline
    assert set(rounds.round([FAST, SLOW], wait_for={"fast"}, seconds=60)) == {"fast"}
    gate.open.set()
    assert "slow" in rounds.round([], wait_for={"slow"}, seconds=60)
    assert gate.asked["slow"] == 1


def test_a_late_answer_belongs_to_the_next_round(gate: Gate) -> None:
    rounds = Probing(gate, SystemClock())
    rounds.round([SLOW], wait_for=(), seconds=0)
    gate.open.set()
    assert set(rounds.round([], wait_for={"slow"}, seconds=60)) == {"slow"}
    assert rounds.round([], wait_for=(), seconds=0) == {}


class CountedClock(HandClock):
    """Knows how often it was read."""

    read = 0

    def monotonic(self) -> float:
        self.read += 1
        return super().monotonic()


def test_one_that_stands_in_line_is_not_slow(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd, clock = Crowd(abreast=1, pace=60), CountedClock()
    monkeypatch.setattr(probing, "LOOKS", crowd)
    rounds, results = Probing(gate, clock), SimpleQueue[dict[str, ProbeResult]]()

    def ask() -> None:
        results.put(rounds.round([FAST], wait_for={"fast"}, seconds=0.01))

    with crowd.in_line():
        threading.Thread(target=ask, daemon=True).start()
        until(lambda: crowd.standing > 0)
        clock.sleep(5)  # longer than it waits for a look that has begun
        since = clock.read
        until(lambda: clock.read > since + 3)
    assert set(results.get(timeout=60)) == {"fast"}


def test_one_that_stands_in_line_has_not_failed_to_come_back(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd, clock = Crowd(abreast=1, pace=60), HandClock()
    monkeypatch.setattr(probing, "LOOKS", crowd)
    rounds = Probing(gate, clock)
    with crowd.in_line():
        assert rounds.round([FAST], wait_for=(), seconds=0) == {}
        until(lambda: crowd.standing > 0)
        clock.sleep(probing.LATE + 1)
        assert rounds.round([], wait_for=(), seconds=0) == {}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_it_waits_for_those_named(gate: Gate) -> None:
    rounds = Probing(gate, SystemClock())
    threading.Timer(0.2, gate.open.set).start()
    assert set(rounds.round([FAST, SLOW], wait_for={"fast", "slow"}, seconds=60)) == {"fast", "slow"}


def test_all_are_asked_at_once(gate: Gate) -> None:
    twin = ServerSpec(endpoint=Endpoint(Address("twin"), "u"), name="twin")

    def probe(server: ServerSpec) -> ProbeResult:
        return gate(OTHER)

    results = Probing(probe, SystemClock()).round([OTHER, twin], wait_for={"other", "twin"}, seconds=60)
    assert {label: failed(result) for label, result in results.items()} == dict.fromkeys(
        ("other", "twin"), ProbeFailure.UNREACHABLE
    )


def test_what_does_not_come_back_counts_as_unseen(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "LATE", 0.1)
    rounds = Probing(gate, SystemClock())
    late = rounds.round([SLOW], wait_for={"slow"}, seconds=0.3)["slow"]
    assert isinstance(late, Unobserved)
    assert late.failure is ProbeFailure.TIMED_OUT


@pytest.fixture
def thread_limit(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the threads that this machine has no room for; a name is taken out when there is room again."""
    full, begin = ["look", "probe"], threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith(tuple(full)):
            raise RuntimeError("can't start new thread")
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    return full


def test_a_machine_without_room_for_threads_makes_no_server_unseen_for_ever(gate: Gate, thread_limit: list[str]) -> None:
    rounds = Probing(gate, SystemClock())
    for _ in range(3):
        assert failed(rounds.round([FAST], wait_for={"fast"}, seconds=60)["fast"]) is ProbeFailure.NOT_ASKED
    thread_limit.clear()
    answer = rounds.round([FAST], wait_for={"fast"}, seconds=60)["fast"]
    assert failed(answer) is ProbeFailure.UNREACHABLE  # the gate's own
    assert gate.asked == {"fast": 1}


def test_a_prober_without_room_for_its_thread_looks_again(thread_limit: list[str]) -> None:
    def connect(endpoint: Endpoint, timeouts: Timeouts | None = None) -> Database:
        raise Unreachable("nobody there", server=str(endpoint.address))

    prober = Prober(connect, SystemClock(), deadline=60)
    failures = [failed(prober(FAST)) for _ in range(2)]
    thread_limit.clear()
    assert [*failures, failed(prober(FAST))] == [ProbeFailure.NOT_ASKED, ProbeFailure.NOT_ASKED, ProbeFailure.UNREACHABLE]


def test_a_probe_with_a_mistake_is_asked_again() -> None:
    def probe(server: ServerSpec) -> ProbeResult:
        raise KeyError(server.label)

    rounds = Probing(probe, SystemClock())
    for _ in range(2):
        assert failed(rounds.round([FAST], wait_for={"fast"}, seconds=60)["fast"]) is ProbeFailure.NOT_ASKED


def failed(result: ProbeResult) -> ProbeFailure:
    assert isinstance(result, Unobserved)
    return result.failure
