"""A consistent read of a source with its exact GTID position: what repair and reseed copy from.

Invariant: what every session of a `Snapshot` reads of the named tables is the state after exactly the transactions of
`position`, on MySQL for those tables (transactions on others may be a few more or fewer), on MariaDB for the whole server.

Nothing here can hold up the source for long. MariaDB needs no lock. On MySQL the read locks are asked for on a session of
their own, and the wait for them, in which writers would queue, is killed after half a second and tried again later. FLUSH
TABLES WITH READ LOCK is never used: given up or killed, it goes on blocking until the longest running statement ends.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from threading import Barrier, Timer
from typing import Self

from repwatch.errors import Refused, RepwatchError, StatementRefused
from repwatch.flows.openings import open_all
from repwatch.model.endpoint import Endpoint
from repwatch.model.schema import TableName
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Database, Timeouts
from repwatch.sql import replication
from repwatch.sql import snapshot as sql

PATIENCE = 30.0  # seconds
LOCK_WAIT = 0.5  # seconds that writers may queue behind our lock request
_PAUSE = 1.0  # seconds for the writers between two requests
_LONG_READ = Timeouts(connect=10.0, read=3600.0)  # a chunk may be slow; the caller bounds its statements itself
_LOCK_WAIT_TIMEOUT = 1205
_QUERY_KILLED = 1317
_XA_RMERR = 1401  # what XA RECOVER answers without the privilege XA_RECOVER_ADMIN (MySQL 8.0 on)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Sessions that all see one state of the source. A context manager: leaving it closes them."""

    position: str
    sessions: tuple[Database, ...]
    attempts: int = 1
    _keepers: tuple[Database, ...] = field(default=(), repr=False)

    def release_metadata_locks(self, session: Database) -> None:
        """Give back the metadata locks of what `session` has read; its read view stays. Call it after each table."""
        session.execute(sql.RELEASE_METADATA_LOCKS)

    def close(self) -> None:
        """End the transactions and close the sessions; never raises."""
        for session in (*self.sessions, *self._keepers):
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()


class _TryAgain(Exception):
    """An attempt failed for a reason that passes; `str()` is the reason."""


def take_snapshot(
    connect: Connect, endpoint: Endpoint, tables: Sequence[TableName], *, clock: Clock, sessions: int = 1
) -> Snapshot:
    """Open `sessions` sessions on one state of `tables`; tries for PATIENCE seconds.

    Raises Refused where there is no binary log or GTID, while a prepared XA transaction exists, and when the source gave no
    chance within the time; ServerError for what a server answers.
    """
    with ExitStack() as opened:
        readers = _readers(connect, endpoint, sessions, opened)
        _check_position_exists(readers[0])
        taking = _Lockfree(readers) if readers[0].version.is_mariadb else _Locked(readers, connect, tables, opened)
        return _taken(taking, readers, clock, opened)


def take_held_snapshot(connect: Connect, endpoint: Endpoint, *, clock: Clock, sessions: int = 1) -> Snapshot:
    """The same of all tables of a replica whose applier is held until this returns: the position is what it has executed.

    It needs no binary log and, on MySQL too, no lock; with LOCK INSTANCE FOR BACKUP nobody could let the applier go.
    So DDL is not kept out of the copy on MySQL either: the caller compares definitions.
    """
    with ExitStack() as opened:
        readers = _readers(connect, endpoint, sessions, opened)
        return _taken(_Still(readers), readers, clock, opened)


def _readers(connect: Connect, endpoint: Endpoint, sessions: int, opened: ExitStack) -> tuple[Database, ...]:
    readers = open_all(connect, endpoint, _LONG_READ, sessions, opened)
    for reader in readers:
        for statement in sql.session_setup(reader.version):
            reader.execute(statement)
    return readers


def _taken(taking: "_Lockfree | _Locked", readers: tuple[Database, ...], clock: Clock, opened: ExitStack) -> Snapshot:
    snapshot = _retry(taking, clock)
    for reader in readers:
        reader.execute(sql.SAVEPOINT)
    opened.pop_all()
    return snapshot


def _check_position_exists(db: Database) -> None:
    log_bin, gtid = db.text_row(sql.can_snapshot(db.version))
    if log_bin != "1":
        raise Refused(
            f"{db.server} writes no binary log, so a copy of it has no position", hint="set log_bin on it and restart it"
        )
    if gtid != "1":
        raise Refused(f"{db.server} runs without GTIDs (gtid_mode is not ON)", hint="set gtid_mode = ON on the source")


def _retry(taking: "_Lockfree | _Locked", clock: Clock) -> Snapshot:
    deadline = clock.monotonic() + PATIENCE
    attempt = 1
    while True:
        try:
            return taking.attempt(attempt)
        except _TryAgain as reason:
            if clock.monotonic() + taking.pause > deadline:
                raise Refused(
                    f"no consistent snapshot of {taking.server} within {PATIENCE:.0f} s: {reason}", hint=taking.hint
                ) from None
        clock.sleep(taking.pause)
        attempt += 1


def _prepared(db: Database) -> bool:
    try:
        return bool(db.query(sql.XA_RECOVER).rows)
    except StatementRefused as error:
        if error.errno != _XA_RMERR:
            raise
        raise Refused(
            f"{db.server}: the account may not see prepared XA transactions, which no snapshot contains",
            hint="GRANT XA_RECOVER_ADMIN ON *.* TO the account that repair and reseed use",
        ) from None


_XA_REASON = "a prepared XA transaction is open (XA RECOVER lists it)"


class _Lockfree:
    """MariaDB: start all the transactions and see whether their coordinates are one and the same."""

    pause = 0.002  # seconds; a busy source needs many attempts, and one costs a few milliseconds
    hint = "commit or roll back prepared XA transactions; else the source may be too busy: try again, or with fewer sessions"

    def __init__(self, readers: tuple[Database, ...]) -> None:
        self._readers = readers
        self.server = readers[0].server

    def attempt(self, number: int) -> Snapshot:
        first = self._readers[0]
        ended = first.scalar(sql.XA_ENDED)
        # A transaction prepared at our read view's position is either still prepared afterwards or was ended in between.
        prepared_before = _prepared(first)
        self._start_all()
        places = {tuple(row["Value"] for row in reader.texts(sql.MARIADB_COORDINATES)) for reader in self._readers}
        if len(places) > 1:
            raise _TryAgain("its sessions never began at the same position")
        if prepared_before or _prepared(first) or first.scalar(sql.XA_ENDED) != ended:
            raise _TryAgain(_XA_REASON)
        file, offset = places.pop()
        position = first.scalar(sql.MARIADB_GTID_AT, (file, int(offset or 0)))
        if position is None:
            raise _TryAgain(f"the server knows no GTID position for {file}:{offset}")
        return Snapshot(position=position, sessions=self._readers, attempts=number)

    def _start_all(self) -> None:
        """All at once: what is committed between the first and the last start makes the attempt fail."""
        if len(self._readers) == 1:
            self._readers[0].execute(sql.START)
            return
        together = Barrier(len(self._readers))

        def start(reader: Database) -> None:
            together.wait()
            reader.execute(sql.START)

        with ThreadPoolExecutor(len(self._readers)) as pool:
            list(pool.map(start, self._readers))


class _Still(_Lockfree):
    """A replica that applies nothing: the transactions see what it has executed, before as after they began."""

    def attempt(self, number: int) -> Snapshot:
        first = self._readers[0]
        executed = replication.executed(first.version)
        before = first.scalar(executed) or ""
        prepared = _prepared(first)
        self._start_all()
        if prepared or _prepared(first):
            raise _TryAgain(_XA_REASON)
        if (first.scalar(executed) or "") != before:
            raise _TryAgain("something is applied or written there")
        return Snapshot(position="".join(before.split()), sessions=self._readers, attempts=number)


class _Locked:
    """MySQL: under read locks of the tables, held for as long as it takes to open the transactions and read one variable."""

    pause = _PAUSE
    hint = "find the transactions that stay open on these tables (information_schema.INNODB_TRX), or copy from a replica"

    def __init__(self, readers: tuple[Database, ...], connect: Connect, tables: Sequence[TableName], opened: ExitStack) -> None:
        self._readers = readers
        self._tables = tables
        self._connect = connect
        self.server = readers[0].server
        # Held until the snapshot is closed: it keeps DDL out of the copy, and DML does not notice it.
        self._freezer = opened.enter_context(connect(readers[0].endpoint, Timeouts(connect=10.0)))
        self._freeze_ddl()

    def _freeze_ddl(self) -> None:
        for statement in sql.freeze_setup():
            self._freezer.execute(statement)
        try:
            self._freezer.execute(sql.MYSQL_FREEZE_DDL)
        except StatementRefused as error:
            if error.errno != _LOCK_WAIT_TIMEOUT:
                raise
            raise Refused(f"{self.server}: a schema change is running", hint="try again when it has ended") from None

    def attempt(self, number: int) -> Snapshot:
        first = self._readers[0]
        if _prepared(first):
            raise _TryAgain(_XA_REASON)
        # A session for each attempt: should this process be stopped, the server drops it and its locks within seconds.
        with self._connect(first.endpoint, Timeouts(connect=10.0)) as locker:
            self._lock(locker)
            for reader in self._readers:
                reader.execute(sql.START)
            position = first.scalar(sql.MYSQL_POSITION) or ""
            prepared = _prepared(first)
            # If the server dropped the session meanwhile, this raises, and what was read under it proves nothing.
            locker.execute(sql.UNLOCK_TABLES)
        if prepared:
            raise _TryAgain(_XA_REASON)
        return Snapshot(
            position="".join(position.split()),
            sessions=self._readers,
            attempts=number,
            _keepers=(self._freezer,),
        )

    def _lock(self, locker: Database) -> None:
        """Lock the tables, or give up after LOCK_WAIT: the server's own limit has whole seconds only."""
        if not self._tables:
            return  # a source without tables: nothing can differ from one moment to the next
        for statement in sql.lock_setup():
            locker.execute(statement)
        killed = _Flag()
        killer = Timer(LOCK_WAIT, self._kill, (locker, killed))
        killer.start()
        try:
            locker.execute(sql.lock_tables(self._tables))
        except StatementRefused as error:
            if error.errno not in (_LOCK_WAIT_TIMEOUT, _QUERY_KILLED):
                raise
            raise _TryAgain("other transactions keep the tables locked") from None
        finally:
            killer.cancel()
            killer.join()
        if killed.set:  # too late to hit the lock statement, so it may hit the next one
            raise _TryAgain("other transactions keep the tables locked")

    def _kill(self, locker: Database, killed: "_Flag") -> None:
        killed.set = True
        # On the session that freezes DDL: it is idle now, and opening another would make the writers wait for longer.
        with suppress(RepwatchError):
            self._freezer.execute(f"KILL QUERY {locker.connection_id}")


class _Flag:
    """A boolean that two threads share; the reader looks only after the writer has ended."""

    set = False
