"""The snapshot on real servers: its data is that of its very position, while others write."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.errors import Refused
from repwatch.flows.snapshot import take_snapshot
from repwatch.model.gtid import missing_count
from repwatch.model.schema import TableName
from repwatch.model.server import Flavour
from repwatch.ports.database import Database
from repwatch.sandbox import Account, Sandbox
from repwatch.sql import replication
from repwatch.sql import snapshot as statements

CLOCK = SystemClock()
TRIALS = 10
LONG = 60  # seconds that no writer waits, however busy the machine is


class HurryingClock(SystemClock):
    """Time that passes twenty times as fast for who waits for a deadline."""

    def monotonic(self) -> float:
        return super().monotonic() * 20

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds / 20)

    def now(self) -> datetime:
        return super().now()


@contextmanager
def running(*works: Callable[[Database, threading.Event], None], star: Sandbox) -> Iterator[None]:
    """Each work in a thread with a session of its own, until the block ends."""
    stop = threading.Event()

    def run(work: Callable[[Database, threading.Event], None]) -> None:
        with star.source.connect(Account.ROOT) as db:
            work(db, stop)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def inserting(table: str, stalls: list[float] | None = None) -> Callable[[Database, threading.Event], None]:
    """One transaction, one row, again and again."""

    def work(db: Database, stop: threading.Event) -> None:
        while not stop.is_set():
            since = CLOCK.monotonic()
            db.execute(f"INSERT INTO {table} (v) VALUES (1)")
            if stalls is not None:
                stalls.append(CLOCK.monotonic() - since)

    return work


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = CLOCK.monotonic() + 60
    while not condition():
        assert CLOCK.monotonic() < deadline
        CLOCK.sleep(0.01)


def two_tables(star: Sandbox, schema: str) -> list[TableName]:
    for name in ("a", "b"):
        star.source.sql(f"CREATE TABLE {schema}.{name} (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
        star.source.sql(f"INSERT INTO {schema}.{name} (v) VALUES (1)")
    return [TableName(schema, "a"), TableName(schema, "b")]


def written(star: Sandbox) -> str:
    with star.source.connect(Account.ROOT) as db:
        return db.scalar(replication.written(db.version)) or ""


@pytest.mark.parametrize("sessions", [1, 3])
def test_the_rows_of_every_session_are_those_of_the_position(star: Sandbox, schema: str, sessions: int) -> None:
    try_exactness(star, schema, sessions, TRIALS)


@pytest.mark.long
def test_the_rows_are_those_of_the_position_every_time(star: Sandbox, schema: str) -> None:
    try_exactness(star, schema, 2, TRIALS * 6)


def try_exactness(star: Sandbox, schema: str, sessions: int, trials: int) -> None:
    """Each transaction inserts one row: as many rows as transactions, or the position is another one's."""
    tables = two_tables(star, schema)
    start = written(star)
    count = " + ".join(f"(SELECT COUNT(*) FROM {table})" for table in tables)
    endpoint = star.source.endpoint(Account.OPERATOR)
    with running(*(inserting(f"{schema}.{name}") for name in "abab"), star=star):
        wait_for(lambda: missing_count(star.flavour, start, written(star)) > 0)
        for _ in range(trials):
            with take_snapshot(Session.connect, endpoint, tables, clock=CLOCK, sessions=sessions) as snapshot:
                new = missing_count(star.flavour, start, snapshot.position)
                rows = [int(session.scalar(f"SELECT {count}") or 0) - 2 for session in snapshot.sessions]
            assert rows == [new] * sessions
    assert new > 0


def test_a_snapshot_stays_as_it_is(star: Sandbox, schema: str) -> None:
    """Also after the locks of what was read were given back."""
    tables = two_tables(star, schema)
    with take_snapshot(Session.connect, star.source.endpoint(Account.OPERATOR), tables, clock=CLOCK) as snapshot:
        (session,) = snapshot.sessions
        assert session.scalar(f"SELECT COUNT(*) FROM {tables[0]}") == "1"
        snapshot.release_metadata_locks(session)
        star.source.sql(f"INSERT INTO {tables[0]} (v) VALUES (2)")
        assert session.scalar(f"SELECT COUNT(*) FROM {tables[0]}") == "1"


def test_closing_ends_all_its_sessions(star: Sandbox, schema: str) -> None:
    """Nothing stays locked and no read view stays open."""
    tables = two_tables(star, schema)
    with take_snapshot(Session.connect, star.source.endpoint(Account.OPERATOR), tables, clock=CLOCK, sessions=2):
        pass
    star.source.sql(f"ALTER TABLE {tables[0]} ADD COLUMN w INT", f"INSERT INTO {tables[0]} (v) VALUES (2)")
    mine = f"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = '{Account.OPERATOR}'"
    wait_for(lambda: star.source.sql(mine) == [("0",)])


def test_a_transaction_that_stays_open_does_not_hold_up_writers(
    star: Sandbox, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On MySQL there is no snapshot then, and writers never waited long for it; MariaDB does not mind.

    The wait is ended from outside: the server's own limit, which has whole seconds, is far away here.
    """
    monkeypatch.setattr(statements, "lock_setup", lambda: (f"SET SESSION lock_wait_timeout = {2 * LONG}",))
    tables = two_tables(star, schema)
    stalls: list[float] = []
    endpoint = star.source.endpoint(Account.OPERATOR)
    with star.source.connect(Account.ROOT) as open_one:
        open_one.execute("START TRANSACTION")
        open_one.execute(f"UPDATE {tables[0]} SET v = 2 WHERE id = 1")
        with running(inserting(str(tables[0]), stalls), star=star):
            wait_for(lambda: bool(stalls))
            if star.flavour.value == "mariadb":
                take_snapshot(Session.connect, endpoint, tables, clock=CLOCK).close()
            else:
                with pytest.raises(Refused):
                    take_snapshot(Session.connect, endpoint, tables, clock=HurryingClock())
        open_one.execute("ROLLBACK")
    assert max(stalls) < LONG


def test_a_busy_moment_passes(star: Sandbox, schema: str) -> None:
    """The transaction that was in the way ends while the snapshot is tried again."""
    tables = two_tables(star, schema)
    with star.source.connect(Account.ROOT) as open_one:
        open_one.execute("START TRANSACTION")
        open_one.execute(f"UPDATE {tables[0]} SET v = 2 WHERE id = 1")

        class Clock(SystemClock):
            def sleep(self, seconds: float) -> None:
                open_one.execute("COMMIT")
                super().sleep(seconds)

        with take_snapshot(Session.connect, star.source.endpoint(Account.OPERATOR), tables, clock=Clock()) as snapshot:
            assert (snapshot.attempts > 1) is (star.flavour is Flavour.MYSQL)
            (session,) = snapshot.sessions
            assert session.scalar(f"SELECT v FROM {tables[0]}") == ("1" if snapshot.attempts == 1 else "2")


def test_a_prepared_transaction_is_refused(star: Sandbox, schema: str) -> None:
    """It is in no snapshot, and its XA COMMIT would fail on what was made from one."""
    tables = two_tables(star, schema)
    with star.source.connect(Account.ROOT) as db:
        for statement in ("XA START 'x'", f"INSERT INTO {tables[0]} (v) VALUES (9)", "XA END 'x'", "XA PREPARE 'x'"):
            db.execute(statement)
    try:
        with pytest.raises(Refused):
            take_snapshot(Session.connect, star.source.endpoint(Account.OPERATOR), tables, clock=HurryingClock())
    finally:
        with star.source.connect(Account.ROOT) as db:
            db.execute("XA ROLLBACK 'x'")
    take_snapshot(Session.connect, star.source.endpoint(Account.OPERATOR), tables, clock=CLOCK).close()
