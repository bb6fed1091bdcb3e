"""The look at one server: few cheap statements over one kept connection, inside one deadline, never an exception.

The caller waits at most `deadline` seconds whatever happens: name resolution, a secret's command and a driver can each overstay
their own limits, so the look runs on a thread of its own; that of the service runs on one that nobody waits for. A server has at
most one look in flight: while one has not come back, the next answer is "timed out" at once. A statement that hangs in the server
(SHOW ALL SLAVES STATUS does while the relay log's disk is full) is sent again only when the server has ended the first, so that
no threads pile up there; meanwhile the process list is asked, which answers.
"""

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta

from repwatch.adapters.mysql.look import Memory, Span, look
from repwatch.errors import (
    LoginRefused,
    NotMySQL,
    OutcomeUnknown,
    PrivilegeMissing,
    RepwatchError,
    ServerError,
    StatementTimedOut,
    Unreachable,
    UsageError,
)
from repwatch.flows.hands import Hands
from repwatch.health.inventory import is_identity
from repwatch.model.endpoint import Endpoint
from repwatch.model.observation import ChannelObservation, Observation, ProbeFailure, ProbeResult, Unobserved
from repwatch.model.topology import ServerSpec
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Database, Timeouts
from repwatch.sql.status import STILL_RUNS, WAIT_FOR_SPACE

DEADLINE = 4.0
"""Seconds that a look may take, all in."""

_HUNG_HINT = "a full disk under the relay logs does that, or a STOP that waits for a long transaction; the process list tells"
_FAILURES: tuple[tuple[type[RepwatchError], ProbeFailure], ...] = (
    (LoginRefused, ProbeFailure.LOGIN_REFUSED),
    (UsageError, ProbeFailure.LOGIN_REFUSED),  # the secret cannot be read: nobody can log in with it
    (NotMySQL, ProbeFailure.NOT_MYSQL),
    (PrivilegeMissing, ProbeFailure.PRIVILEGE_MISSING),
    (StatementTimedOut, ProbeFailure.TIMED_OUT),
    (OutcomeUnknown, ProbeFailure.UNREACHABLE),
    (Unreachable, ProbeFailure.UNREACHABLE),
)


@dataclass(slots=True)
class _Lane:
    """What is kept for one server between two looks. Used by the thread that holds `busy` alone."""

    endpoint: Endpoint
    database: Database | None = None
    memory: Memory = field(default_factory=Memory)
    hung: tuple[int, float] | None = None  # the connection whose statement did not come back, and when that was sent
    busy: threading.Lock = field(default_factory=threading.Lock)

    def drop(self) -> None:
        """Close what is open."""
        if self.database is not None:
            self.database.close()
            self.database = None


class Prober:
    """Looks at servers (`ports.probe.Probe`). Any number of threads may call it."""

    def __init__(
        self,
        connect: Connect,
        clock: Clock,
        *,
        heartbeat: str | None = None,
        deadline: float = DEADLINE,
    ) -> None:
        self._beside = Hands("look")
        self._connect = connect
        self._clock = clock
        self._heartbeat = heartbeat  # the schema of its table
        self._deadline = deadline
        self._patience = deadline / 2  # for one connect or one answer
        self._lanes: dict[Endpoint, _Lane] = {}
        self._by_place: dict[Endpoint, tuple[ChannelObservation, ...]] = {}  # channels that go by file and position, by replica
        self._guard = threading.Lock()
        self._closed = False

    def __call__(self, server: ServerSpec) -> ProbeResult:
        """Look once, on a thread of its own, for which the caller waits at most `deadline` seconds."""
        lane, started = self._lane(server), self._clock.monotonic()
        if not lane.busy.acquire(blocking=False):
            return self._late(started, "an earlier look has not come back yet")
        coming: Future[ProbeResult] = Future()
        try:
            self._beside(lambda: coming.set_result(self._run(lane, started)))
        except RuntimeError:  # there are too many threads on this machine
            lane.busy.release()
            return self._failure(started, ProbeFailure.NOT_ASKED, "no thread could be started for it")
        try:
            return coming.result(self._deadline)
        except TimeoutError:
            return self._late(started, f"no answer within {self._deadline:g} s")

    def here(self, server: ServerSpec) -> ProbeResult:
        """Look once, on the caller's thread, for callers that bound it themselves: two switches less for each of a thousand."""
        lane, started = self._lane(server), self._clock.monotonic()
        if not lane.busy.acquire(blocking=False):
            return self._late(started, "an earlier look has not come back yet")
        return self._run(lane, started)

    def _lane(self, server: ServerSpec) -> _Lane:
        with self._guard:
            return self._lanes.setdefault(server.endpoint, _Lane(server.endpoint))

    def close(self) -> None:
        """Close all connections; a look that is still in flight closes its own when it comes back."""
        with self._guard:
            self._closed = True
            lanes = list(self._lanes.values())
        for lane in lanes:
            if lane.busy.acquire(blocking=False):
                lane.drop()
                lane.busy.release()

    def _run(self, lane: _Lane, started: float) -> ProbeResult:
        try:
            result = self._look(lane, started)
        except Exception as error:  # noqa: BLE001 - a look that raises would leave its server unwatched
            # Whose answers came too slowly keeps its connection: to make one takes as long as half a look, and on a long way
            # each look would come too late for it.
            if not isinstance(error, StatementTimedOut):
                lane.drop()
            result = self._unobserved(started, error)
        if self._closed:
            lane.drop()
        lane.busy.release()
        return result

    def _look(self, lane: _Lane, started: float) -> ProbeResult:
        kept = lane.database is not None
        while True:
            database = lane.database or self._open(lane)
            if self._still_hangs(lane, database):
                return self._hung(database, started, "the statement of an earlier look still hangs in the server")
            asked = self._clock.monotonic()
            lane.memory.is_followed_by_place = self._is_followed_by_place(lane)
            try:
                found = look(database, self._clock, Span(started, self._deadline), lane.memory, self._heartbeat)
            except OutcomeUnknown:
                lane.drop()
                if self._clock.monotonic() - asked >= self._patience * 0.9:
                    lane.hung = (database.connection_id, asked)
                    text = f"it is connected, but did not answer within {self._patience:g} s"
                    return self._hung(self._open(lane), started, text)
                if not kept:
                    raise
                kept = False  # a kept connection may have been closed meanwhile (a restart, wait_timeout): once more, afresh
            else:
                self._remember(lane.endpoint, found)
                return found

    def _is_followed_by_place(self, lane: _Lane) -> bool:
        """Only the replica tells; the source does not, least of all of one that is not connected."""
        known = lane.memory.latest
        with self._guard:
            channels = [channel for each in self._by_place.values() for channel in each]
        return any(each.source == lane.endpoint.address or (known and is_identity(each, known)) for each in channels)

    def _remember(self, endpoint: Endpoint, seen: Observation) -> None:
        channels = tuple(channel for channel in seen.channels if not channel.uses_gtid)
        with self._guard:
            if channels:
                self._by_place[endpoint] = channels
            else:
                self._by_place.pop(endpoint, None)

    def _open(self, lane: _Lane) -> Database:
        lane.database = self._connect(lane.endpoint, Timeouts(connect=self._patience, read=self._patience))
        return lane.database

    def _hung(self, database: Database, started: float, text: str) -> ProbeResult:
        """A second way to look, for a statement that does not come back: the process list answers all the same."""
        if database.scalar(WAIT_FOR_SPACE) not in (None, "0"):
            return self._failure(started, ProbeFailure.DISK_FULL, "a thread waits for space on a full disk, and its status hangs")
        return self._late(started, text, _HUNG_HINT)

    def _still_hangs(self, lane: _Lane, database: Database) -> bool:
        """True while the server has not ended what did not come back, though the session's end tried to kill it."""
        if lane.hung is None:
            return False
        connection, asked = lane.hung
        seconds = int(self._clock.monotonic() - asked) - 1
        if database.scalar(STILL_RUNS, (connection, seconds)) != "0":
            return True
        lane.hung = None
        return False

    def _late(self, started: float, text: str, hint: str = "") -> Unobserved:
        return self._failure(started, ProbeFailure.TIMED_OUT, text, hint)

    def _unobserved(self, started: float, error: Exception) -> Unobserved:
        failure = next((kind for raised, kind in _FAILURES if isinstance(error, raised)), ProbeFailure.FAILED)
        if failure is ProbeFailure.UNREACHABLE and self._clock.monotonic() - started >= self._patience * 0.9:
            failure = ProbeFailure.TIMED_OUT
        if not isinstance(error, RepwatchError):
            return self._failure(started, failure, f"its answers were not understood ({type(error).__name__})")
        errno = error.errno if isinstance(error, ServerError) else 0
        text = error.text if isinstance(error, ServerError) else str(error)
        return self._failure(started, failure, text, error.hint, errno)

    def _failure(self, started: float, failure: ProbeFailure, text: str, hint: str = "", errno: int = 0) -> Unobserved:
        took = timedelta(seconds=self._clock.monotonic() - started)
        return Unobserved(at=self._clock.now(), took=took, failure=failure, text=text, hint=hint, errno=errno)
