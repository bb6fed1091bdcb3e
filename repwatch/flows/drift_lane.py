"""A lane: one thread with its connections to one server, of which one is in use at a time.

Statements of a check run in lanes, so that all servers read at once.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from typing import Final, TypeVar

from repwatch.errors import OutcomeUnknown, SelfTestFailed, ServerError, Unreachable
from repwatch.flows.drift_turns import Turns
from repwatch.model.endpoint import Endpoint
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Database, Timeouts
from repwatch.sql.selftest import CUT_LIMIT, CUT_TEST, CUT_WARNING, failed_pairs, self_test
from repwatch.sql.signature import session_setup, statement_limit
from repwatch.sql.snapshot import RELEASE_METADATA_LOCKS

T = TypeVar("T")
STATEMENT_SECONDS: Final = 15.0  # no statement of a check runs longer; pieces aim at half a second
PATIENT_SECONDS: Final = 600.0  # … but those that read a table whole, because nothing cuts it into pieces
RECONNECT_SECONDS: Final = 20.0  # how long a lost server is tried again before it is given up
_PAUSE = 0.5
_FIRST_TRIES = 3


class Lane:
    """Runs tasks one after another on its connection. They only read, so that one is simply run again after a lost connection.

    `turns`: the same for all servers of one machine. Readings take them that are not to run there all at once.
    """

    def __init__(self, endpoint: Endpoint, connect: Connect, clock: Clock, turns: Turns) -> None:
        self.endpoint = endpoint
        self._turns = turns
        self._connect = connect
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"drift-{endpoint}")
        self._sessions: dict[float, Database] = {}  # by how long their statements may run
        self._patient: Database | None = None  # a patient task runs on it now
        self._pinned: Database | None = None
        self._pinned_seconds = 0.0  # how long its statements may run
        self._pin_lasts = True

    def submit(self, task: Callable[[Database], T], *, patient: bool = False, pinned: bool = False) -> Future[T]:
        """Run a task; its errors are those of `repwatch.errors`, the connection's only after RECONNECT_SECONDS of trying.

        `patient`: on a connection of its own, whose statements may run for PATIENT_SECONDS. `pinned`: on the session that was
        pinned, if there is one.
        """
        return self._thread.submit(self._run, task, PATIENT_SECONDS if patient else STATEMENT_SECONDS, pinned)

    def open(self) -> Future[None]:
        """Connect and set the session up. A server that is not there is not tried again."""
        return self._thread.submit(self._first_open)

    def interrupt(self) -> None:
        """End a statement of a patient task that runs now; from any thread. Others end soon by themselves."""
        running = self._patient
        if running is not None:
            with suppress(ServerError):
                running.kill_running()

    @property
    def pinned(self) -> Database | None:
        """The session that is pinned, as long as it has not been lost."""
        return self._pinned

    def pin(self, session: Database | None, *, lasts: bool = True) -> None:
        """Run pinned tasks on this session, which shows one moment, until another or None is given. Waits for the task of now.

        If it is lost, they fail: no other connection shows the same. Unless it need not last: then they run as others do, and
        tell by their connection. The metadata locks of a task are given back after it.
        """
        self._thread.submit(self._set_pin, session, lasts).result()

    def _set_pin(self, session: Database | None, lasts: bool) -> None:
        self._pinned, self._pinned_seconds, self._pin_lasts = session, 0.0, lasts

    def turn(self) -> AbstractContextManager[None]:
        """To be held while its server is read."""
        return self._turns.of(self)

    def close(self) -> None:
        """End the thread after its statement (at most STATEMENT_SECONDS) and close the connections."""
        self.interrupt()
        self._thread.submit(self._drop)
        self._thread.shutdown(wait=True, cancel_futures=False)

    def _run(self, task: Callable[[Database], T], seconds: float, pinned: bool) -> T:
        if pinned and self._pinned is not None:
            try:
                return self._run_pinned(self._pinned, task, seconds)
            except (OutcomeUnknown, Unreachable):
                if self._pin_lasts:
                    raise
                self._pinned = None
        give_up: float | None = None
        while True:
            try:
                if seconds not in self._sessions:
                    self._open(seconds)
                self._patient = self._sessions[seconds] if seconds == PATIENT_SECONDS else None
                return task(self._sessions[seconds])
            except (OutcomeUnknown, Unreachable):
                self._drop()
                now = self._clock.monotonic()
                give_up = give_up or now + RECONNECT_SECONDS
                if now >= give_up:
                    raise
                self._clock.sleep(_PAUSE)
            finally:
                self._patient = None

    def _run_pinned(self, session: Database, task: Callable[[Database], T], seconds: float) -> T:
        if seconds != self._pinned_seconds:
            session.execute(statement_limit(session.version, seconds))
            self._pinned_seconds = seconds
        self._patient = session if seconds == PATIENT_SECONDS else None
        try:
            return task(session)
        finally:
            self._patient = None
            with suppress(ServerError):  # the task tells of a lost connection, or the next one will
                session.execute(RELEASE_METADATA_LOCKS)

    def _first_open(self) -> None:
        for _ in range(_FIRST_TRIES - 1):
            try:
                return self._open()
            except OutcomeUnknown:
                self._clock.sleep(_PAUSE)
        return self._open()

    def _open(self, seconds: float = STATEMENT_SECONDS) -> None:
        session = self._connect(self.endpoint, Timeouts(connect=5, read=seconds + 10))
        try:
            for statement in session_setup(session.version, seconds):
                session.execute(statement)
            prove_hash(session)
        except BaseException:
            session.close()
            raise
        self._sessions[seconds] = session

    def _drop(self) -> None:
        while self._sessions:
            self._sessions.popitem()[1].close()


def prove_hash(session: Database) -> None:
    """The start-up self-test. Raises SelfTestFailed if the server's functions miss a difference."""
    missed = failed_pairs(session.text_row(self_test(session.version)))
    if missed:
        raise SelfTestFailed(f"its functions do not tell apart: {', '.join(missed)}", server=session.server)
    limit = session.scalar("SELECT @@SESSION.group_concat_max_len")
    session.execute(f"SET SESSION group_concat_max_len = {CUT_LIMIT}")
    session.query(CUT_TEST)
    told = CUT_WARNING in (number for number, _ in session.warnings())
    session.execute(f"SET SESSION group_concat_max_len = {int(limit or 0)}")
    if not told:
        raise SelfTestFailed("it does not tell that a concatenation was cut", server=session.server)
