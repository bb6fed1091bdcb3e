"""Few at once, and nobody for ever behind one that hangs."""

import threading

import pytest

from repwatch.flows.crowd import Crowd

PATIENCE = 60.0


def test_no_more_of_them_work_at_once() -> None:
    crowd, lock, done = Crowd(abreast=3, patience=PATIENCE), threading.Lock(), threading.Semaphore(0)
    at_work, most = 0, 0

    def work() -> None:
        nonlocal at_work, most
        with crowd.in_line():
            with lock:
                at_work += 1
                most = max(most, at_work)
            threading.Event().wait(0.001)
            with lock:
                at_work -= 1
        done.release()

    for _ in range(50):
        threading.Thread(target=work, daemon=True).start()
    assert all(done.acquire(timeout=PATIENCE) for _ in range(50))
    assert most == 3


def test_one_that_hangs_holds_up_nobody_for_ever() -> None:
    crowd = Crowd(abreast=1, patience=0.01)
    with crowd.in_line(), crowd.in_line():
        pass
    with crowd.in_line():  # the place is free again, once
        assert not crowd._places.acquire(blocking=False)
    assert crowd._places.acquire(blocking=False)
    assert not crowd._places.acquire(blocking=False)


def test_one_that_raises_leaves_its_place() -> None:
    crowd = Crowd(abreast=1, patience=PATIENCE)
    with pytest.raises(ValueError, match="x"), crowd.in_line():
        raise ValueError("x")
    assert crowd._places.acquire(blocking=False)
