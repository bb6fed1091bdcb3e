"""The running service: it starts everything, knows how everything is, and stops it again within seconds."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from repwatch.adapters.mysql.probe import Prober
from repwatch.adapters.scheduler import Scheduler
from repwatch.adapters.slack_button import SlackButton
from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.errors import StoreError
from repwatch.flows.deliver import Courier
from repwatch.flows.digest import Digester
from repwatch.flows.restart import Restarter
from repwatch.flows.rewriting import Rewriter
from repwatch.flows.scheduled_drift import DriftRunner
from repwatch.flows.suspect_check import SuspectChecker
from repwatch.flows.watch import SelfWatcher, Watcher
from repwatch.health.unwatched import is_unwatched
from repwatch.health.view import DatedView, combine, service_findings, unseen_view
from repwatch.model.settings import Settings
from repwatch.model.view import Health, View
from repwatch.ports.checks import Checks
from repwatch.ports.clock import Clock
from repwatch.web.server import WebServer

log = logging.getLogger("repwatch.service")

SELF_INTERVAL = timedelta(seconds=1)
DIGEST_INTERVAL = timedelta(seconds=5)
LET_GO_INTERVAL = timedelta(minutes=1)
FORGET_INTERVAL = timedelta(hours=1)
STOP_SECONDS = 4.0
PROVING = "* * * * *"  # every minute it is seen whether a table has to be proved

StartWeb = Callable[[Callable[[], View | None], Callable[[], Health], Checks], WebServer]


@dataclass(slots=True, kw_only=True)
class Service:
    """Built by `app/wiring.py`. `start` and `stop` are called once each, by the main thread."""

    settings: Settings
    clock: Clock
    store: SqlStore
    probers: Sequence[Prober]
    scheduler: Scheduler
    watchers: Sequence[Watcher]
    own: SelfWatcher
    couriers: Sequence[Courier]
    digester: Digester
    rewriters: Sequence[Rewriter] = ()
    buttons: Sequence[SlackButton] = ()
    digest_couriers: Sequence[Courier]  # beside those of notices, so that neither waits for the other
    drift: Sequence[DriftRunner]
    checks: Checks
    suspects: Mapping[str, SuspectChecker]  # by cluster
    start_web: StartWeb
    alive: Callable[[], None] | None = None  # calls the dead man's switch
    let_go: Callable[[], None]  # of replicas that a killed check left held
    web: WebServer | None = None
    started: datetime = field(init=False)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _ticks: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.started = self.clock.now()

    def start(self) -> None:
        """Start everything. Raises RepwatchError; nothing is running then that the end of the process does not end."""
        for watcher in self.watchers:
            self.scheduler.every(f"watch {watcher.cluster.name}", watcher.cluster.poll_interval, partial(self._tick, watcher))
        self.scheduler.every("watch repwatch", SELF_INTERVAL, self._tick_self)
        self.scheduler.every("let replicas go", LET_GO_INTERVAL, self.let_go)
        self.scheduler.every("forget old history", FORGET_INTERVAL, lambda: self.store.forget_old(self.clock.now()))
        self._schedule_checks()
        if self.digest_couriers:
            self.scheduler.every("digests", DIGEST_INTERVAL, self._tell_digests)
        if self.settings.deadman is not None:
            self.scheduler.every("dead man", self.settings.deadman.every, self._tell_alive)
        self.web = self.start_web(self.view, self.health, self.checks)
        self._start_couriers()
        for watcher in self.watchers:
            if watcher.heart is not None:
                self._start_thread(f"heartbeat-{watcher.cluster.name}", watcher.heart.run)
        for rewriter in self.rewriters:
            self._start_thread(f"bundles-{rewriter.receiver}", rewriter.run)
        for number, button in enumerate(self.buttons):
            self._start_thread(f"button-{number}", button.run)
        self.scheduler.start()

    def _schedule_checks(self) -> None:
        for runner in self.drift:
            self.scheduler.once(f"take up {runner.cluster.name}", runner.take_up)
            if runner.cluster.drift.schedule:
                self.scheduler.cron(f"drift {runner.cluster.name}", runner.cluster.drift.schedule, runner.run)
            if runner.cluster.drift.prove_within:
                self.scheduler.cron(f"prove {runner.cluster.name}", PROVING, runner.prove)

    def _start_couriers(self) -> None:
        told, digested = ([courier.receiver for courier in couriers] for couriers in (self.couriers, self.digest_couriers))
        self.store.begin_service(told, digested, self.clock.now())
        for courier in self.couriers:
            self._start_thread(f"courier-{courier.receiver}", courier.run)
        for courier in self.digest_couriers:
            self._start_thread(f"digests-{courier.receiver}", courier.run)

    def _start_thread(self, name: str, run: Callable[[threading.Event], None]) -> None:
        thread = threading.Thread(target=run, args=(self._stopping,), name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def stop(self) -> bool:
        """Stop everything, within `STOP_SECONDS`. False if a thread is left that the process must not wait for."""
        deadline = self.clock.monotonic() + STOP_SECONDS
        self._stopping.set()
        self.scheduler.stop()
        for runner in self.drift:
            runner.cancel()
        for checker in self.suspects.values():
            checker.cancel()
        for restarter in self._restarters():
            restarter.cancel()
        self._wake_couriers()
        if self.web is not None:
            self.web.stop()
        for thread in self._threads:
            thread.join(max(0.0, deadline - self.clock.monotonic()))
        while self._busy() and self.clock.monotonic() < deadline:
            self.clock.sleep(0.02)
        quiet = not self._busy() and not any(thread.is_alive() for thread in self._threads)
        if quiet:  # else a thread may still be writing; what it does not finish is found by the next start
            for prober in self.probers:
                prober.close()
            self.store.close()
        return quiet

    def _busy(self) -> bool:
        return (
            not self.scheduler.idle()
            or any(runner.running for runner in self.drift)
            or any(checker.running for checker in self.suspects.values())
            or any(restarter.running for restarter in self._restarters())
        )

    def _restarters(self) -> Iterator[Restarter]:
        return (watcher.restarter for watcher in self.watchers if watcher.restarter is not None)

    def view(self) -> View | None:
        """Everything as last seen; None until each cluster was looked at once, or should have been."""
        parts = [watcher.view or self._never_seen(watcher) for watcher in self.watchers]
        if any(part is None for part in parts):
            return None
        own = service_findings(self.own.findings, self.own.incidents, self.clock.now())
        return combine([part for part in parts if part is not None], own, self.clock.now())

    def _never_seen(self, watcher: Watcher) -> DatedView | None:
        """A cluster that should have been looked at by now must not hide the others."""
        late = is_unwatched(watcher.cluster, timedelta(seconds=self.clock.monotonic() - watcher.looked))
        return unseen_view(watcher.cluster, self.started) if late else None

    def health(self) -> Health:
        """How repwatch itself is."""
        books = [watcher.book.problem for watcher in self.watchers] + [self.own.book.problem]
        couriers = [courier.problem for courier in (*self.couriers, *self.digest_couriers)]
        problems = [*dict.fromkeys(text for text in (*books, *couriers) if text), *self.scheduler.problems()]
        problems += [f"not looked at yet: {w.cluster.name}" for w in self.watchers if w.view is None]
        problems += [f"its thread {name} has ended" for name in self._ended()]
        ticks = [self._ticks.get(watcher.cluster.name) for watcher in self.watchers]
        return Health(
            problems=tuple(problems),
            started=self.started,
            last_tick=None if any(tick is None for tick in ticks) else min(tick for tick in ticks if tick is not None),
            undelivered=self._waiting(),
            restarts={restarter.cluster: dict(restarter.sent) for restarter in self._restarters()},
            delivered=sum(courier.delivered for courier in (*self.couriers, *self.digest_couriers)),
        )

    def _ended(self) -> list[str]:
        """Threads that should run as long as the service does."""
        if self._stopping.is_set():
            return []
        web = [] if self.web is None or self.web.alive else ["web"]
        return [*web, *(thread.name for thread in self._threads if not thread.is_alive())]

    def _waiting(self) -> int:
        try:
            return self.store.waiting()
        except StoreError:  # told as a problem already, by whoever could not write
            return 0

    def _tick(self, watcher: Watcher) -> None:
        if watcher.tick():
            self._wake_couriers()
        if watcher.world is not None:
            if watcher.restarter is not None:
                watcher.restarter.begin(watcher.world)
            self.suspects[watcher.cluster.name].begin(watcher.world)
        self._ticks[watcher.cluster.name] = self.clock.now()

    def _tick_self(self) -> None:
        if self.own.tick():
            self._wake_couriers()

    def _tell_digests(self) -> None:
        view = self.view()
        if view is not None and self.digester.turn(view):
            self._wake_couriers()

    def _tell_alive(self) -> None:
        if self.alive is not None and self.health().ok:
            self.alive()

    def _wake_couriers(self) -> None:
        for courier in (*self.couriers, *self.digest_couriers):
            courier.wake.set()
