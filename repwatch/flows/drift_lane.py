"""A lane: one thread with one connection to one server. Statements of a check run in lanes, so that all servers read at once."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from repwatch.errors import OutcomeUnknown, ServerError, Unreachable
from repwatch.model.endpoint import Endpoint
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Database, Timeouts
from repwatch.sql.selftest import CUT_LIMIT, CUT_TEST, CUT_WARNING, failed_pairs, self_test
from repwatch.sql.signature import session_setup

T = TypeVar("T")
STATEMENT_SECONDS: Final = 15.0  # no statement of a check runs longer; pieces aim at half a second
RECONNECT_SECONDS: Final = 20.0  # how long a lost server is tried again before it is given up
_PAUSE = 0.5
_FIRST_TRIES = 3


class Lane:
    """Runs tasks one after another on its connection. They only read, so that one is simply run again after a lost connection."""

    def __init__(self, endpoint: Endpoint, connect: Connect, clock: Clock) -> None:
        self.endpoint = endpoint
        self._connect = connect
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"drift-{endpoint}")
        self._session: Database | None = None

    def submit(self, task: Callable[[Database], T]) -> Future[T]:
        """Run a task; its errors are those of `repwatch.errors`, the connection's only after RECONNECT_SECONDS of trying."""
        return self._thread.submit(self._run, task)

    def open(self) -> Future[None]:
        """Connect and set the session up. A server that is not there is not tried again."""
        return self._thread.submit(self._first_open)

    def close(self) -> None:
        """End the thread after its statement (at most STATEMENT_SECONDS) and close the connection."""
        self._thread.submit(self._drop)
        self._thread.shutdown(wait=True, cancel_futures=False)

    def _run(self, task: Callable[[Database], T]) -> T:
        give_up = self._clock.monotonic() + RECONNECT_SECONDS
        while True:
            try:
                if self._session is None:
                    self._open()
                assert self._session is not None
                return task(self._session)
            except (OutcomeUnknown, Unreachable):
                self._drop()
                if self._clock.monotonic() >= give_up:
                    raise
                self._clock.sleep(_PAUSE)

    def _first_open(self) -> None:
        for _ in range(_FIRST_TRIES - 1):
            try:
                return self._open()
            except OutcomeUnknown:
                self._clock.sleep(_PAUSE)
        return self._open()

    def _open(self) -> None:
        session = self._connect(self.endpoint, Timeouts(connect=5, read=STATEMENT_SECONDS + 10))
        try:
            for statement in session_setup(session.version, STATEMENT_SECONDS):
                session.execute(statement)
            prove_hash(session)
        except BaseException:
            session.close()
            raise
        self._session = session

    def _drop(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None


def prove_hash(session: Database) -> None:
    """The start-up self-test. Raises ServerError if the server's functions miss a difference: nothing follows from them."""
    missed = failed_pairs(session.text_row(self_test(session.version)))
    if missed:
        raise ServerError(f"its functions do not tell apart: {', '.join(missed)}", server=session.server)
    limit = session.scalar("SELECT @@SESSION.group_concat_max_len")
    session.execute(f"SET SESSION group_concat_max_len = {CUT_LIMIT}")
    session.query(CUT_TEST)
    told = CUT_WARNING in (number for number, _ in session.warnings())
    session.execute(f"SET SESSION group_concat_max_len = {int(limit or 0)}")
    if not told:
        raise ServerError("it does not tell that a concatenation was cut", server=session.server)
