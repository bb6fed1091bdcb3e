"""Few at once, and nobody for long behind one that hangs."""

import threading
import time
from contextlib import ExitStack
from functools import partial

import pytest

from repwatch.flows.crowd import Crowd

LONG = 60.0


def test_no_more_of_them_work_at_once() -> None:
    crowd, lock, done = Crowd(abreast=3, swift=LONG, patience=LONG), threading.Lock(), threading.Semaphore(0)
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


def test_one_that_takes_long_is_not_counted() -> None:
    crowd = Crowd(abreast=1, swift=0.02, patience=LONG)
    began = time.monotonic()
    with crowd.in_line(), crowd.in_line(), crowd.in_line():
        assert time.monotonic() - began >= 0.04


def test_nobody_waits_for_ever_where_there_are_too_many() -> None:
    crowd = Crowd(abreast=1, swift=LONG, patience=0.01)
    with ExitStack() as work:
        for _ in range(3):
            work.enter_context(crowd.in_line())


def test_one_that_raises_leaves_its_place() -> None:
    crowd = Crowd(abreast=1, swift=LONG, patience=LONG)
    for _ in range(3):
        with pytest.raises(ValueError, match="x"), crowd.in_line():
            raise ValueError("x")


def test_who_is_urgent_goes_first() -> None:
    crowd, order, done = Crowd(abreast=1, swift=LONG, patience=LONG), [], threading.Semaphore(0)

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
    crowd, done = Crowd(abreast=2, swift=LONG, patience=LONG), threading.Semaphore(0)
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


def test_who_made_room_for_an_urgent_one_looks_again_soon() -> None:
    """Who comes while an urgent one has been called, and is not there yet, finds room and may not take it; nobody calls again."""
    crowd, done = Crowd(abreast=1, swift=0.05, patience=LONG), threading.Semaphore(0)

    def work() -> None:
        with crowd.in_line():
            done.release()

    crowd._urgent.length = 1  # one that a busy machine holds up
    threading.Thread(target=work, daemon=True).start()
    until_in_line(crowd, 2)
    crowd._urgent.length = 0
    assert done.acquire(timeout=LONG / 2)
