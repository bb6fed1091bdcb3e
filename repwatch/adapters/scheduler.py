"""The clock that wakes flows: APScheduler with jobs in memory, and beside it a watchdog on monotonic time.

APScheduler plans by the wall clock. If that is set back, it runs nothing until the old time comes round again; the watchdog
notices within three intervals that a job has not begun and makes it due at once. It also tells of a job that does not end. If the
clock leaps forward, APScheduler lists every run in between before it leaves out all but one; the triggers here give it none.
What failed is not left so for an hour: the watchdog has it run again after a minute.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from repwatch.adapters.secrets import redact
from repwatch.errors import UsageError
from repwatch.ports.clock import Clock

log = logging.getLogger("repwatch.scheduler")

INTERVALS_MISSED = 3
SLACK_SECONDS = 2.0  # a busy machine is late, not stuck
WATCH_SECONDS = 1.0
AGAIN_SECONDS = 60.0  # a store that was away for a moment must not leave a service unwell until the next hour
APART = timedelta(milliseconds=20)


class _Every(IntervalTrigger):  # type: ignore[misc]
    """At each interval; of times that have passed none. A machine that slept for a year would have 31 million a second's job.

    What is run in between, because it was late, keeps its beat: else all that were late at once would for ever run at once.
    """

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The first one after now that is a whole number of intervals away from the start."""
        due: datetime = self.start_date + self.interval * ((now - self.start_date) // self.interval + 1)
        return due


class _At(CronTrigger):  # type: ignore[misc]
    """At the times of a cron expression; of times that have passed none."""

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The first one after now."""
        due: datetime | None = super().get_next_fire_time(previous_fire_time and max(previous_fire_time, now), now)
        return due


@dataclass(slots=True)
class _Beat:
    """What the watchdog knows of one periodic job; times are monotonic."""

    interval: float
    begun: float
    running: bool = False
    problem: str = ""


@dataclass(slots=True)
class Scheduler:
    """Runs jobs on threads. A job that raises is reported and runs again at its next time."""

    clock: Clock
    _beats: dict[str, _Beat] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _inner: BackgroundScheduler = field(init=False)

    def __post_init__(self) -> None:
        self._inner = BackgroundScheduler(timezone=UTC)

    def every(self, name: str, interval: timedelta, job: Callable[[], object]) -> None:
        """Run `job` almost at once and then at each interval; never twice at once.

        Jobs begin a little after one another, so that many clusters are not all looked at in the same moment.
        """
        begin = self.clock.now() + APART * len(self._beats) % interval
        self._beats[name] = _Beat(interval.total_seconds(), self.clock.monotonic())
        trigger = _Every(seconds=interval.total_seconds(), start_date=begin, timezone=UTC)
        self._inner.add_job(lambda: self._beat(name, job), trigger, id=name, next_run_time=begin)

    def cron(self, name: str, expression: str, job: Callable[[], object]) -> None:
        """Run `job` at the times of a five-field cron expression in UTC. Raises UsageError."""
        try:
            trigger = _At.from_crontab(expression, timezone=UTC)
        except ValueError as error:
            raise UsageError(f"{name}: the schedule {expression!r} cannot be understood: {error}") from None
        self._inner.add_job(lambda: _guarded(name, job), trigger, id=name)

    def once(self, name: str, job: Callable[[], object]) -> None:
        """Run `job` as soon as the scheduler runs, and not again."""
        self._inner.add_job(lambda: _guarded(name, job), id=name)

    def start(self) -> None:
        """Begin."""
        executor_threads = max(10, 2 * len(self._beats) + 2)
        # misfire_grace_time: its default of one second drops whatever a busy machine starts later than that. All of it in one
        # call, for each sets what it does not name to its default.
        self._inner.configure(
            timezone=UTC,
            daemon=True,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            executors={"default": {"type": "threadpool", "max_workers": executor_threads}},
        )
        self._inner.start()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Start no more jobs; does not wait for those that run."""
        self._stop.set()
        if self._inner.running:
            self._inner.shutdown(wait=False)

    def idle(self) -> bool:
        """True if no periodic job runs now."""
        return not any(beat.running for beat in self._beats.values())

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the periodic jobs, one line each."""
        now = self.clock.monotonic()
        late = [
            f"{name} has not run for {now - beat.begun:.0f} s" for name, beat in self._beats.items() if self._is_late(beat, now)
        ]
        return (*late, *(beat.problem for beat in self._beats.values() if beat.problem))

    def _beat(self, name: str, job: Callable[[], object]) -> None:
        beat = self._beats[name]
        beat.begun = self.clock.monotonic()
        beat.running = True
        try:
            problem = _guarded(name, job)
            if problem != beat.problem and not problem:
                log.warning("job.recovered name=%s", name)
            beat.problem = problem
        finally:
            beat.running = False

    def _is_late(self, beat: _Beat, now: float) -> bool:
        return now - beat.begun > INTERVALS_MISSED * beat.interval + SLACK_SECONDS

    def _watch(self) -> None:
        while not self._stop.wait(WATCH_SECONDS):
            now = self.clock.monotonic()
            for name, beat in self._beats.items():
                late = self._is_late(beat, now)
                if beat.running or not (late or (beat.problem and now - beat.begun > AGAIN_SECONDS)):
                    continue
                if late:
                    log.warning("job.overdue name=%s seconds=%.0f: was the clock set back? It runs now", name, now - beat.begun)
                self._inner.modify_job(name, next_run_time=self.clock.now())


def _guarded(name: str, job: Callable[[], object]) -> str:
    """Run a job; what went wrong in one line, "" if nothing did. A watcher must outlive a mistake in one of its jobs."""
    try:
        job()
    except Exception as error:  # noqa: BLE001 - reported below and in /healthz
        problem = redact(f"{name} failed: {type(error).__name__}: {error}".replace("\n", " "))  # anybody may read /healthz
        log.error("job.failed %s", problem)  # noqa: TRY400 - a traceback tells a user nothing, and may show values
        return problem
    return ""
