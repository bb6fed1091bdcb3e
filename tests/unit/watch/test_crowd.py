"""Few at once, and nobody for long behind one that hangs."""

import threading
import time
from functools import partial

import pytest

from repwatch.flows.crowd import Crowd

LONG = 60.0


def test_no_more_of_them_work_at_once() -> None:
    crowd, lock, done = Crowd(abreast=3, pace=LONG), threading.Lock(), threading.Semaphore(0)
    together = threading.Barrier(3, timeout=LONG)  # the first ones leave when there is no room left
    at_work, most, begun = 0, 0, 0

    def work() -> None:
        nonlocal at_work, most, begun
        with crowd.in_line():
            with lock:
                at_work += 1
                begun += 1
                most, is_first = max(most, at_work), begun <= 3
            if is_first:
                together.wait()
            threading.Event().wait(0.001)
            with lock:
                at_work -= 1
        done.release()

    for _ in range(50):
        threading.Thread(target=work, daemon=True).start()
    assert all(done.acquire(timeout=LONG) for _ in range(50))
    assert most == 3


def test_one_that_hangs_holds_nobody_up() -> None:
    crowd = Crowd(abreast=1, pace=0.02)
    began = time.monotonic()
    with crowd.in_line(), crowd.in_line(), crowd.in_line():
        assert time.monotonic() - began >= 0.04


def test_one_that_raises_leaves_its_place() -> None:
    crowd = Crowd(abreast=1, pace=LONG)
    for _ in range(3):
        with pytest.raises(ValueError, match="x"), crowd.in_line():
            raise ValueError("x")


def test_who_is_urgent_goes_first() -> None:
    crowd, order, done = Crowd(abreast=1, pace=LONG), [], threading.Semaphore(0)

    def work(name: str) -> None:
        with crowd.in_line(urgent=name.startswith("urgent")):
            order.append(name)
        done.release()

    names = ["one", "two", "urgent one", "three", "urgent two"]
    with crowd.in_line():
        for standing, name in enumerate(names):
            threading.Thread(target=work, args=(name,), daemon=True).start()
            until_in_line(crowd, standing + 1)
    assert all(done.acquire(timeout=LONG) for _ in names)
    assert order == ["urgent one", "urgent two", "one", "two", "three"]


def test_all_places_are_used_whoever_comes_and_goes() -> None:
    crowd, done = Crowd(abreast=2, pace=LONG), threading.Semaphore(0)
    together = threading.Barrier(2, timeout=LONG)

    def work(*, urgent: bool) -> None:
        with crowd.in_line(urgent=urgent):
            together.wait()  # broken where one of them works alone
        done.release()

    with crowd.in_line(), crowd.in_line():
        for number in range(40):
            threading.Thread(target=partial(work, urgent=number % 3 == 0), daemon=True).start()
            until_in_line(crowd, number + 1)
    assert all(done.acquire(timeout=LONG) for _ in range(40))


def until_in_line(crowd: Crowd, standing: int) -> None:
    deadline = time.monotonic() + LONG
    while crowd.standing < standing:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_only_the_first_in_line_looks_at_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds that did would do little else, and nobody would get on."""
    crowd, done, leave = Crowd(abreast=1, pace=0.01), threading.Semaphore(0), threading.Event()
    wait, looks = threading.Condition.wait, []

    def counted(condition: threading.Condition, timeout: float | None = None) -> bool:
        if timeout is not None and timeout <= crowd.pace:
            looks.append(timeout)
        return wait(condition, timeout)

    def work() -> None:
        with crowd.in_line():
            done.release()
            leave.wait(LONG)

    monkeypatch.setattr(threading.Condition, "wait", counted)
    for _ in range(40):
        threading.Thread(target=work, daemon=True).start()
    assert all(done.acquire(timeout=LONG) for _ in range(40))
    leave.set()
    assert len(looks) <= 3 * 40  # each its turn, and what it woke for too early
