"""Servers of one machine are read one at a time, a few pieces in a row, and none waits for ever."""

import threading
import time

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.flows import drift_turns
from repwatch.flows.drift_turns import Turns

PATIENCE = 60


class Readers:
    """Threads that read as often as they get to, and note in which order."""

    def __init__(self, names: str, turns: Turns, *, each: int) -> None:
        self._turns, self._each = turns, each
        self.order: list[str] = []
        self.at_once = self.most_at_once = 0
        self._threads = [threading.Thread(target=self._read, args=(name,), daemon=True) for name in names]

    def run(self) -> None:
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), f"{self.order} and no more"

    def _read(self, name: str) -> None:
        for _ in range(self._each):
            with self._turns.of(name):
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                self.order.append(name)
                self.at_once -= 1


def test_one_reads_at_a_time_and_all_come_to_their_end() -> None:
    readers = Readers("abc", Turns(SystemClock()), each=20)
    readers.run()
    assert readers.most_at_once == 1
    assert sorted(readers.order) == sorted("abc" * 20)


class Other:
    """One more reader, who waits for its turn."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.came = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def wait(self) -> None:
        """Begin to, and return once it does."""
        self._thread.start()
        deadline = time.monotonic() + PATIENCE
        while not self._turns.wanted:
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def _read(self) -> None:
        with self._turns.of("other"):
            self.came.set()


def test_a_reader_that_goes_on_keeps_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_turns, "TURN_SECONDS", PATIENCE)
    monkeypatch.setattr(drift_turns, "_IDLE_SECONDS", PATIENCE)
    turns = Turns(SystemClock())
    other = Other(turns)
    with turns.of("one"):
        other.wait()
    for _ in range(20):
        with turns.of("one"):
            assert not other.came.is_set()


def test_whoever_waits_goes_first_when_a_turn_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_turns, "TURN_SECONDS", 0.0)
    turns = Turns(SystemClock())
    other = Other(turns)
    with turns.of("one"):
        other.wait()
    with turns.of("one"):
        assert other.came.is_set()


def test_a_turn_ends_where_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_turns, "TURN_SECONDS", PATIENCE)
    turns = Turns(SystemClock())
    other = Other(turns)
    with turns.of("one"):
        other.wait()
    assert other.came.wait(PATIENCE / 2)
