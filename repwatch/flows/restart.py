"""Starts threads that a passing error has stopped, where the configuration allows it: it sends START of one thread, nothing else.

What is to be done is recorded before it is sent, so that a kill at any moment neither spends the budget twice nor sends blindly:
of an intention without an outcome the next look at the server tells whether a START came about.
"""

import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from repwatch.errors import Refused, RepwatchError, ServerError, StatementRefused, StoreError
from repwatch.flows.hold import channel_state
from repwatch.flows.turn import take_turn
from repwatch.health.restart import Due, Go, decide, due, settle, transaction_of
from repwatch.health.world import Done, Restarts, World
from repwatch.model.observation import Observation
from repwatch.model.restart import REMEMBERED, ChannelThread, Restart, RestartOutcome
from repwatch.model.risks import Risks
from repwatch.model.server import ServerVersion
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Database, Timeouts
from repwatch.sql import replication as sql
from repwatch.sql.reseed import MARKER_EXISTS
from repwatch.sql.risks import COUNTERS, read_risks

log = logging.getLogger("repwatch.restart")

TIMEOUTS = Timeouts(connect=4.0, read=10.0)
REST = 60.0  # seconds after it did not come to a START: an account must not be locked by logins that fail
_START: Mapping[ChannelThread, Callable[[ServerVersion, str], str]] = {
    ChannelThread.APPLIER: sql.start_applier,
    ChannelThread.RECEIVER: sql.start_receiver,
}

Place = tuple[str, str]  # the server's address, the channel's name


class RestartLedger(Protocol):
    """Where restarts survive. Every method may raise StoreError."""

    def restarts(self, cluster: str) -> tuple[Restart, ...]:
        """Those of a cluster, the oldest first."""
        ...

    def record_restart(self, restart: Restart) -> None:
        """Put it down, or in the place of what was put down of it before."""
        ...


@dataclass(slots=True)
class Restarter:
    """Of one cluster. `after` and `begin` belong to the thread that watches; what is started runs beside it, one at a time."""

    cluster: str
    ledger: RestartLedger
    connect: Connect
    clock: Clock
    sent: dict[tuple[str, str, ChannelThread], int] = field(default_factory=dict)  # by server, channel: since the service began
    _known: dict[str, Restart] | None = None  # by id; None: not read yet
    _begun: dict[str, float] = field(default_factory=dict)  # by id, of this process: monotonic
    _unwritten: set[str] = field(default_factory=set)  # ids whose outcome is not in the ledger
    _landed: dict[str, list[Observation]] = field(default_factory=dict)  # by id: looks since an answer was lost
    _problems: dict[Place, str] = field(default_factory=dict)
    _rests_until: dict[Place, float] = field(default_factory=dict)  # monotonic
    _flying: str = ""  # the id of what is being sent
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _one: threading.Lock = field(default_factory=threading.Lock)
    _guard: threading.Lock = field(default_factory=threading.Lock)  # of what is known

    @property
    def running(self) -> bool:
        """True while something is being started."""
        return self._one.locked()

    def cancel(self) -> None:
        """Begin nothing more."""
        self._cancelled.set()

    def after(self, world: World) -> Restarts | None:
        """What was done so far, as of this look; None while that cannot be read."""
        with self._guard:
            if self._known is None:
                try:
                    self._known = {restart.id: restart for restart in self.ledger.restarts(self.cluster)}
                except StoreError:  # told by the book, which reads the same store
                    return None
            for restart in tuple(self._known.values()):
                if restart.outcome is None and restart.id != self._flying and self._is_looked_at(restart, world):
                    self._keep(settle(restart, world))
            for name in tuple(self._unwritten):
                self._write(self._known[name])
            self._forget(world.now)
            return self._done(self._known)

    def _forget(self, now: datetime) -> None:
        """What is over and old, as the ledger does."""
        assert self._known is not None
        for restart in tuple(self._known.values()):
            written = restart.outcome is not None and restart.id not in self._unwritten
            if written:
                self._landed.pop(restart.id, None)
            if written and now - restart.at > REMEMBERED:
                del self._known[restart.id]
                self._begun.pop(restart.id, None)

    def _is_looked_at(self, restart: Restart, world: World) -> bool:
        """True if the look began after what this process sent. One may have been under way, and come in since."""
        if restart.id not in self._begun:
            return True
        server = next((each for each in world.servers if each.address == restart.server), None)
        looks = self._landed.setdefault(restart.id, [])
        if server is not None and server.observation is not None and all(look is not server.observation for look in looks):
            looks.append(server.observation)
        return len(looks) > 2

    def _done(self, known: Mapping[str, Restart]) -> Restarts:
        now, steady = self.clock.now(), self.clock.monotonic()
        ages = {name: abs(now - restart.at) for name, restart in known.items()}
        for name, begun in self._begun.items():
            ages[name] = min(ages[name], timedelta(seconds=steady - begun))
        done = tuple(Done(restart, ages[name]) for name, restart in known.items())
        return Restarts(done=done, problems=dict(self._problems))

    def begin(self, world: World) -> None:
        """After a look: start what is due on a thread of its own. Returns at once."""
        wanted = due(world)
        places = {_place(each) for each in wanted}
        with self._guard:
            self._problems = {place: text for place, text in self._problems.items() if place in places}
        ready = [each for each in wanted if self.clock.monotonic() >= self._rests_until.get(_place(each), 0.0)]
        if not ready or self._cancelled.is_set() or not self._one.acquire(blocking=False):
            return
        try:
            threading.Thread(target=self._run, args=(world, ready), name=f"restart-{self.cluster}", daemon=True).start()
        except RuntimeError:  # there is no room for another thread at this moment; the next look tries again
            self._one.release()

    def _run(self, world: World, ready: list[Due]) -> None:
        try:
            for each in ready:
                if not self._cancelled.is_set():
                    self.restart(world, each)
        finally:
            self._one.release()

    def restart(self, world: World, wanted: Due) -> None:
        """Start one thread, if all is still as it was seen. Never raises a RepwatchError."""
        problem, rest = "", REST
        try:
            endpoint = wanted.server.spec.operator
            assert endpoint is not None
            with self.connect(endpoint, TIMEOUTS) as db:
                self._start(db, world, wanted)
        except (Refused, StoreError) as error:  # the next look may find it otherwise
            problem, rest = str(error), 0.0
            log.warning("restart.not_now server=%s channel=%s thread=%s: %s", *_place(wanted), wanted.thread, problem)
        except RepwatchError as error:
            problem = error.text if isinstance(error, ServerError) else str(error)
            log.warning("restart.failed server=%s channel=%s thread=%s: %s", *_place(wanted), wanted.thread, problem)
        except Exception as error:  # noqa: BLE001 - the service must outlive a mistake; its text may show values
            problem = type(error).__name__
            log.error("restart.failed server=%s channel=%s thread=%s: %s", *_place(wanted), wanted.thread, problem)  # noqa: TRY400
        with self._guard:
            if problem:
                self._problems[_place(wanted)] = problem
                self._rests_until[_place(wanted)] = self.clock.monotonic() + rest
            self._flying = ""

    def _start(self, db: Database, world: World, wanted: Due) -> None:
        """Raises StoreError (nothing was sent then), Refused, ServerError."""
        if not take_turn(db, self.clock, 0):
            raise Refused("a repair, a reseed or a check is at work on it")
        counted = self._confirm(db, wanted)
        restart = self._intend(world, wanted, counted)
        if restart is None:
            return
        place = (*_place(wanted), wanted.thread)
        self.sent[place] = self.sent.get(place, 0) + 1
        log.warning("restart.intended id=%s server=%s channel=%s thread=%s number=%d", restart.id, *place, restart.number)
        try:
            db.execute(_START[wanted.thread](db.version, wanted.channel.name))
        except StatementRefused as error:
            self._land(replace(restart, outcome=RestartOutcome.REFUSED, text=error.text))
            raise
        self._land(replace(restart, outcome=RestartOutcome.STARTED))
        log.warning("restart.started id=%s server=%s channel=%s thread=%s", restart.id, *place)

    def _confirm(self, db: Database, wanted: Due) -> Risks:
        """The server's counts, asked last, if it still shows what was seen. Raises Refused if not."""
        state = channel_state(db, wanted.channel.name)
        marked = db.scalar(MARKER_EXISTS) not in (None, "0")
        applier = wanted.thread is ChannelThread.APPLIER
        runs = state.applier_running if applier else state.receiver_running
        errno = state.applier_errno if applier else state.receiver_errno
        delayed = applier and state.delay
        counted = read_risks({}, db.texts(COUNTERS))
        seen = wanted.server.observation.risks if wanted.server.observation else None
        same = seen is not None and (counted.starts, counted.stops) == (seen.starts, seen.stops)
        if runs or not errno or marked or state.held or delayed or state.skip_pending or not same:
            raise Refused("it is no longer as it was seen: somebody is at work on it")
        return counted

    def _intend(self, world: World, wanted: Due, counted: Risks) -> Restart | None:
        """Decide again with what was done meanwhile, also by another service, and record it; None if it is not due any more."""
        with self._guard:
            known = {restart.id: restart for restart in self.ledger.restarts(self.cluster)} | (self._known or {})
            decision = decide(replace(world, restarts=self._done(known)), wanted.server, wanted.channel, wanted.thread)
            self._known = known
            if not isinstance(decision, Go):
                return None
            transaction, position = transaction_of(wanted.channel, wanted.thread)
            server, channel = _place(wanted)
            restart = Restart(
                id=secrets.token_hex(8),
                cluster=self.cluster,
                server=server,
                channel=channel,
                thread=wanted.thread,
                at=self.clock.now(),
                number=decision.number,
                errno=wanted.error.errno,
                transaction=transaction,
                position=position,
                starts=counted.starts,
                stops=counted.stops,
            )
            self.ledger.record_restart(restart)
            self._flying = restart.id
            self._begun[restart.id] = self.clock.monotonic()
            self._known = {**known, restart.id: restart}
            return restart

    def _land(self, restart: Restart) -> None:
        with self._guard:
            self._keep(restart)

    def _keep(self, restart: Restart) -> None:
        """In memory at once, and in the ledger as soon as it takes it."""
        assert self._known is not None
        if self._known[restart.id] == restart:
            return
        self._known[restart.id] = restart
        self._write(restart)

    def _write(self, restart: Restart) -> None:
        try:
            self.ledger.record_restart(restart)
        except StoreError:  # told by the book
            self._unwritten.add(restart.id)
        else:
            self._unwritten.discard(restart.id)


def _place(wanted: Due) -> Place:
    return wanted.server.address, wanted.channel.name
