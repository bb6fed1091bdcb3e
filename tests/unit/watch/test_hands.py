"""Threads that are used again."""

import threading

import pytest

from repwatch.flows import hands
from repwatch.flows.hands import Hands

PATIENCE = 60.0


def test_a_call_never_waits_for_another() -> None:
    beside, let_go = Hands("test"), threading.Event()
    begun = threading.Semaphore(0)

    def hang() -> None:
        begun.release()
        let_go.wait(PATIENCE)

    try:
        for _ in range(20):
            beside(hang)
        assert all(begun.acquire(timeout=PATIENCE) for _ in range(20))
    finally:
        let_go.set()


def test_one_thread_makes_calls_that_come_one_after_another() -> None:
    beside, names, done = Hands("test"), set[int](), threading.Semaphore(0)

    def note() -> None:
        names.add(threading.get_ident())
        done.release()

    beside(note)
    assert done.acquire(timeout=PATIENCE)
    (first,) = names
    for _ in range(100):
        while not beside._idle:  # its call has ended, and it not come back yet
            threading.Event().wait(0.001)
        beside(note)
        assert done.acquire(timeout=PATIENCE)
    assert names == {first}


def test_no_call_is_lost_where_threads_end_of_boredom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands, "_REST", 0.0005)
    beside, done = Hands("test"), threading.Semaphore(0)
    for number in range(2_000):
        beside(done.release)
        if number % 3 == 0:
            assert done.acquire(timeout=PATIENCE)
            done.release()
            threading.Event().wait(0.0005)
    assert all(done.acquire(timeout=PATIENCE) for _ in range(2_000))
