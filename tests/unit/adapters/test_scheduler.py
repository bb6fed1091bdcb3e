"""The scheduler keeps its jobs going: through mistakes, through a clock that was set back; and it says when it cannot."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from repwatch.adapters import scheduler as module
from repwatch.adapters.clock import SystemClock
from repwatch.adapters.scheduler import Scheduler
from repwatch.adapters.secrets import reveal
from repwatch.errors import UsageError
from repwatch.model.endpoint import LiteralSecret

FAST = timedelta(seconds=0.1)
PATIENT = 60.0


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scheduler]:
    monkeypatch.setattr(module, "SLACK_SECONDS", 0.3)
    monkeypatch.setattr(module, "WATCH_SECONDS", 0.05)
    made = Scheduler(SystemClock())
    yield made
    made.stop()


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Ends a job that hangs; at the end of the test in each case."""
    made = threading.Event()
    yield made
    made.set()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENT
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_job_runs_at_once_and_again(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLACK_SECONDS", PATIENT)
    runs: list[float] = []
    scheduler.every("job", FAST, lambda: runs.append(time.monotonic()))
    scheduler.start()
    until(lambda: len(runs) >= 5)
    assert scheduler.problems() == ()


def test_it_goes_on_after_the_clock_was_set_back(scheduler: Scheduler) -> None:
    runs: list[float] = []
    scheduler.every("job", FAST, lambda: runs.append(time.monotonic()))
    scheduler.start()
    until(lambda: len(runs) >= 2)
    # What a clock that goes back an hour does to the plan: the next run lies an hour ahead.
    scheduler._inner.modify_job("job", next_run_time=SystemClock().now() + timedelta(hours=1))
    before = len(runs)
    until(lambda: len(runs) >= before + 5)


@pytest.mark.parametrize("every", ["interval", "cron"])
@pytest.mark.parametrize("years", [0, 1, 30])
def test_of_the_times_that_a_leap_of_the_clock_has_passed_none_is_run(scheduler: Scheduler, every: str, years: int) -> None:
    """A machine that slept, or one whose clock began in 1970: the list of 31 million runs a year would outgrow its memory."""
    now = SystemClock().now()
    if every == "interval":
        scheduler.every("job", timedelta(seconds=1), lambda: None)
    else:
        scheduler.cron("job", "* * * * *", lambda: None)
    trigger = scheduler._inner.get_job("job").trigger
    planned = now.replace(second=0, microsecond=0) - timedelta(days=365 * years)
    next_run = trigger.get_next_fire_time(planned, now)
    assert now < next_run <= now + timedelta(minutes=1)
    following = trigger.get_next_fire_time(next_run, next_run + timedelta(milliseconds=5))
    assert following - next_run == timedelta(seconds=1 if every == "interval" else 60)


@pytest.mark.parametrize("every", ["interval", "cron"])
def test_a_run_that_a_busy_machine_starts_late_is_not_left_out(scheduler: Scheduler, every: str) -> None:
    """A check of 2 o'clock that was left out would be missed in the report of the next morning, if at all."""
    runs: list[float] = []
    if every == "interval":
        scheduler.every("job", timedelta(hours=1), lambda: runs.append(1))
    else:
        scheduler.cron("job", "0 2 1 1 *", lambda: runs.append(1))
    scheduler.start()
    until(lambda: len(runs) == (every == "interval"))
    scheduler._inner.modify_job("job", next_run_time=SystemClock().now() - timedelta(minutes=5))
    until(lambda: len(runs) == (every == "interval") + 1)


@pytest.mark.parametrize(("passed", "due"), [(-25, -20), (0, 10), (3, 10), (9.999, 10), (10, 20), (25, 30), (30, 40)])
def test_a_job_keeps_its_beat_whenever_it_is_run(scheduler: Scheduler, passed: float, due: float) -> None:
    """What was late is run at once: if it began a new beat, all clusters would be looked at in one moment from then on."""
    scheduler.every("another", timedelta(seconds=10), lambda: None)
    scheduler.every("job", timedelta(seconds=10), lambda: None)
    job = scheduler._inner.get_job("job")
    begin, now = job.next_run_time, job.next_run_time + timedelta(seconds=passed)
    assert job.trigger.get_next_fire_time(now, now) == begin + timedelta(seconds=due)


def test_a_mistake_in_a_job_is_told_and_stops_nothing(scheduler: Scheduler) -> None:
    runs: list[int] = []

    def job() -> None:
        runs.append(1)
        if len(runs) < 3:
            raise ValueError("secret\nsecond line")

    scheduler.every("job", FAST, job)
    other: list[int] = []
    scheduler.every("other", FAST, lambda: other.append(1))
    scheduler.start()
    until(lambda: len(scheduler.problems()) == 1 or len(runs) > 3)
    until(lambda: len(runs) >= 4 and len(other) >= 4)
    until(lambda: scheduler.problems() == ())


def test_what_fails_runs_again_long_before_its_next_time(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.1)
    runs: list[float] = []

    def fail_once() -> None:
        runs.append(time.monotonic())
        if len(runs) == 1:
            raise ValueError

    scheduler.every("hourly", timedelta(hours=1), fail_once)
    scheduler.start()
    until(lambda: len(runs) == 2 and scheduler.problems() == ())


def test_what_went_wrong_is_told_without_secrets(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = reveal(LiteralSecret("s3cr3t-of-a-job"))

    def job() -> None:
        raise ValueError(f"cannot log in with {secret}")

    scheduler.every("job", FAST, job)
    monkeypatch.setattr(module, "SLACK_SECONDS", PATIENT)  # that a busy machine runs it late is no problem here
    scheduler.start()
    until(lambda: bool(scheduler.problems()))
    (problem,) = scheduler.problems()
    assert "ValueError" in problem
    assert secret not in problem


def test_a_job_that_hangs_is_told_and_does_not_run_twice_at_once(scheduler: Scheduler, release: threading.Event) -> None:
    running: list[int] = []

    def job() -> None:
        running.append(1)
        release.wait()

    scheduler.every("stuck", FAST, job)
    scheduler.start()
    until(lambda: bool(running) and any("stuck" in problem for problem in scheduler.problems()))
    assert len(running) == 1
    assert not scheduler.idle()


def test_stopping_waits_for_nothing(scheduler: Scheduler, release: threading.Event) -> None:
    scheduler.every("stuck", FAST, release.wait)
    scheduler.start()
    until(lambda: not scheduler.idle())
    scheduler.stop()
    assert not scheduler.idle()


@pytest.mark.parametrize("expression", ["", "x", "0 25 * * *", "* * * *"])
def test_a_schedule_that_cannot_be_understood(scheduler: Scheduler, expression: str) -> None:
    with pytest.raises(UsageError):
        scheduler.cron("drift", expression, lambda: None)
