"""The store over SQLAlchemy Core (`ports/store.py`). Safe to use from several threads; each call is one transaction."""

import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, Engine, and_, delete, insert, select, update

from repwatch.adapters.store import codec
from repwatch.adapters.store.bundles import drop_bundle, forget_bundles, read_outdated, write_bundles, write_shown
from repwatch.adapters.store.database_lock import DatabaseLock
from repwatch.adapters.store.digests import Digests, take_up_digests
from repwatch.adapters.store.drift_runs import begin_run, end_run, forget_runs, read_runs
from repwatch.adapters.store.engine import BUSY_SECONDS, describe, open_engine, sqlite_file
from repwatch.adapters.store.entries import write_entry
from repwatch.adapters.store.failures import store_errors
from repwatch.adapters.store.history import read_incidents
from repwatch.adapters.store.identity import FileIdentity
from repwatch.adapters.store.known import read_known
from repwatch.adapters.store.lock import StoreLock
from repwatch.adapters.store.notices import (
    read_due,
    read_told_in,
    take_up_notices,
    write_message,
    write_settled,
)
from repwatch.adapters.store.overdue import read_overdue
from repwatch.adapters.store.proofs import keep_proofs, read_proofs, write_proofs
from repwatch.adapters.store.restarts import forget_restarts, read_restarts, write_restart
from repwatch.adapters.store.suspicions import read_suspicions, write_suspicions
from repwatch.adapters.store.tables import KEEP, RowState, incidents, outbox, sources, stamp, standing, views
from repwatch.adapters.store.together import Together, Waiting
from repwatch.adapters.store.under_way import count_waiting
from repwatch.adapters.store.upgrade import upgrade
from repwatch.drift.overview import DriftRun, RunOutcome, RunSummary
from repwatch.drift.proving import TableProof
from repwatch.errors import StoreError
from repwatch.health.bundled import Tally
from repwatch.health.flaps import Ended
from repwatch.health.incident import Incident
from repwatch.health.overdue import Overdue
from repwatch.model.finding import Finding, Subject
from repwatch.model.restart import Restart
from repwatch.model.risks import Suspicion
from repwatch.ports.store import Entry, Envelope, Known, Settled, ToldBundle


class SqlStore:
    """The service's store: its only writer. `open` takes the lock and brings the tables up to date."""

    def __init__(self, engine: Engine, where: str, lock: StoreLock | DatabaseLock) -> None:
        self._engine = engine
        self._writer = engine.execution_options(repwatch_writes=True)
        self._glance = engine.execution_options(repwatch_alone=True)
        self._where = where
        self._lock: StoreLock | DatabaseLock | None = lock
        self._turn = threading.Lock()
        self._together = Together(self._write_entries)
        self._file: FileIdentity | None = None  # known once the store is open
        self.digests = Digests(self._read, self._write, self)

    @classmethod
    def open(cls, url: str) -> Self:
        """Open for the service, creating what is missing. Raises UsageError, StoreError."""
        path = sqlite_file(url)
        store = cls(*_locked(url, path))
        try:
            with store._write() as connection:
                upgrade(connection)
            store._file = FileIdentity.of(path) if path is not None else None
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close all connections and let go of the lock."""
        self._engine.dispose()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @contextmanager
    def _read(self, *, alone: bool = False) -> Iterator[Connection]:
        """For statements that see one state, or for one `alone`."""
        with store_errors(self._where), (self._glance if alone else self._engine).begin() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        if self._file is not None:
            self._file.check()
        if isinstance(self._lock, DatabaseLock):
            self._lock.check()
        with self._in_turn(), store_errors(self._where), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """SQLite has one writer at a time; others look again after ever longer pauses, in no order, and of hundreds some would
        wait for seconds. Threads of this process line up here instead, for as long as they would wait there.
        """
        if not isinstance(self._lock, StoreLock):
            yield
            return
        if not self._turn.acquire(timeout=BUSY_SECONDS):
            text = f"the state store {self._where}: others have been writing to it for {BUSY_SECONDS} s"
            raise StoreError(text, hint="another process holds it, or its disk is slow")
        try:
            yield
        finally:
            self._turn.release()

    # -- incidents ---------------------------------------------------------------------------------------------------

    def known(self, cluster: str, now: datetime) -> Known:
        """What a look starts from."""
        with self._read(alone=True) as connection:
            return read_known(connection, cluster, now)

    def ended(self, cluster: str, since: datetime) -> dict[Subject, Ended]:
        """The last end of each subject's incidents since that time."""
        lately = and_(incidents.c.cluster == cluster, incidents.c.resolved >= stamp(since))
        with self._read() as connection:
            bodies = connection.execute(select(incidents.c.body).where(lately).order_by(incidents.c.resolved)).scalars().all()
        over = [codec.INCIDENT.validate_json(body) for body in bodies]
        return {incident.subject: Ended(incident.resolved, incident.flaps) for incident in over if incident.resolved}

    def history(self, resolved_since: datetime) -> tuple[Incident, ...]:
        """The open ones of all clusters and those that ended since a time, the latest first."""
        with self._read() as connection:
            return tuple(filed.incident for filed in read_incidents(connection, resolved_since))

    def clusters(self) -> frozenset[str]:
        """Names of all clusters of which something is open or standing or shown."""
        with self._read() as connection:
            named = select(incidents.c.cluster).where(incidents.c.resolved.is_(None))
            statement = named.union(select(standing.c.cluster), select(views.c.cluster))
            return frozenset(connection.execute(statement).scalars())

    def record(self, entry: Entry, now: datetime) -> None:
        """Write all or nothing."""
        self._together.record(entry, now)

    def _write_entries(self, waiting: Sequence[Waiting]) -> None:
        with self._write() as connection:
            for each in waiting:
                write_entry(connection, each.entry, each.now)

    # -- findings that hold until cleared -------------------------------------------------------------------------------

    def standing(self, cluster: str) -> tuple[Finding, ...]:
        """Those of one cluster."""
        with self._read() as connection:
            bodies = connection.execute(select(standing.c.body).where(standing.c.cluster == cluster)).scalars()
            return tuple(codec.FINDING.validate_json(body) for body in bodies)

    def set_standing(self, finding: Finding) -> None:
        """Set or replace."""
        key, body = finding.subject.key, codec.dump(codec.FINDING, finding)
        with self._write() as connection:
            if not connection.execute(update(standing).where(standing.c.key == key).values(body=body)).rowcount:
                connection.execute(insert(standing).values(key=key, cluster=finding.subject.cluster, body=body))

    def clear_standing(self, subject: Subject) -> None:
        """Clear."""
        with self._write() as connection:
            connection.execute(delete(standing).where(standing.c.key == subject.key))

    # -- suspicions ----------------------------------------------------------------------------------------------------

    def suspicions(self, cluster: str) -> tuple[Suspicion, ...]:
        """All of a cluster."""
        with self._read() as connection:
            return read_suspicions(connection, cluster)

    def record_suspicions(self, cluster: str, all_of_it: Iterable[Suspicion]) -> None:
        """Put them in the place of what was kept of the cluster."""
        with self._write() as connection:
            write_suspicions(connection, cluster, all_of_it)

    def keep_sources(self, clusters: Iterable[str]) -> None:
        """Forget the settled source of every other cluster: what its replicas agreed on long ago is no news one day."""
        with self._write() as connection:
            connection.execute(delete(sources).where(sources.c.cluster.not_in(list(clusters))))

    # -- restarts of threads -------------------------------------------------------------------------------------------

    def restarts(self, cluster: str) -> tuple[Restart, ...]:
        """Those of a cluster, the oldest first."""
        with self._read() as connection:
            return read_restarts(connection, cluster)

    def record_restart(self, restart: Restart) -> None:
        """Put it down, or in the place of what was put down of it before."""
        with self._write() as connection:
            write_restart(connection, restart)

    # -- notices -------------------------------------------------------------------------------------------------------

    def due(self, receiver: str, now: datetime, most: int) -> tuple[Envelope, ...]:
        """The oldest that may be tried now, behind no earlier one of their subjects."""
        with self._read() as connection:
            return read_due(connection, receiver, now, most)

    def gather(self, message: str, envelopes: Sequence[Envelope]) -> None:
        """They are told in that message."""
        with self._write() as connection:
            write_message(connection, message, envelopes)

    def told_in(self, receiver: str, message: str) -> tuple[Envelope, ...]:
        """What of that message is not delivered yet."""
        with self._read() as connection:
            return read_told_in(connection, receiver, message)

    def settle(self, settled: Sequence[Settled]) -> None:
        """Mark them, and keep the threads in the same transaction."""
        with self._write() as connection:
            for each in settled:
                write_settled(connection, each)
            write_bundles(connection, settled)

    def outdated(self, receiver: str) -> ToldBundle | None:
        """The bundle whose message has waited longest to be brought up to date."""
        with self._read() as connection:
            return read_outdated(connection, receiver)

    def shows(self, told: ToldBundle, shown: Tally, now: datetime) -> None:
        """The bundle's message shows that."""
        with self._write() as connection:
            write_shown(connection, told, shown, now)

    def leave(self, told: ToldBundle) -> None:
        """The bundle's message stays as it is."""
        with self._write() as connection:
            drop_bundle(connection, told)

    def waiting(self) -> int:
        """How many notices and digests are not delivered yet."""
        with self._read() as connection:
            return count_waiting(connection)

    def begin_service(self, receivers: Sequence[str], digested: Sequence[str], now: datetime) -> None:
        """At a start the configuration may have been corrected: what was refused lately, and is not overtaken, is tried again.

        Back-off starts anew, and what waits for a receiver that is no longer configured is given up.
        """
        with self._write() as connection:
            take_up_notices(connection, receivers, now)
            take_up_digests(connection, digested, now)

    def overdue(self, receivers: Collection[str], now: datetime) -> tuple[Overdue, ...]:
        """Those of the receivers that do not take what they are owed, though they do not refuse it."""
        with self._read() as connection:
            return read_overdue(connection, receivers, now)

    def forget_old(self, now: datetime) -> None:
        """History that nobody asks for any more goes, with what was sent of it; what still waits to be sent stays."""
        waiting = select(outbox.c.incident_id).where(outbox.c.state == RowState.WAITING)
        old = and_(incidents.c.resolved < stamp(now - KEEP), incidents.c.id.not_in(waiting))
        with self._write() as connection:
            forget_bundles(connection, old)
            connection.execute(delete(incidents).where(old))
            forget_restarts(connection, now)
        self.digests.forget_old(now)

    # -- what is shown -------------------------------------------------------------------------------------------------

    def forget_view(self, cluster: str) -> None:
        """Drop the view of a cluster that is no longer configured."""
        with self._write() as connection:
            connection.execute(delete(views).where(views.c.cluster == cluster))

    def begin_drift_run(self, cluster: str, started: datetime, summary: RunSummary) -> int:
        """Note a check of the service; its number. One that the cluster had running was interrupted."""
        with self._write() as connection:
            return begin_run(connection, cluster, started, summary)

    def end_drift_run(self, number: int, finished: datetime, outcome: RunOutcome, summary: RunSummary) -> None:
        """Note what became of it."""
        with self._write() as connection:
            end_run(connection, number, finished, outcome, summary)
            forget_runs(connection, finished - KEEP)

    def drift_runs(self, cluster: str) -> tuple[DriftRun, ...]:
        """The checks of a cluster, the newest first."""
        with self._read() as connection:
            return read_runs(connection, cluster)

    def proofs(self, cluster: str) -> tuple[TableProof, ...]:
        """When each table was last proved on each replica."""
        with self._read() as connection:
            return read_proofs(connection, cluster)

    def record_proofs(self, cluster: str, found: Iterable[TableProof], tables: Iterable[str]) -> None:
        """Keep what a check came to; tables that are not among `tables` are forgotten."""
        with self._write() as connection:
            write_proofs(connection, cluster, found)
            keep_proofs(connection, cluster, tables)


def _locked(url: str, path: Path | None) -> tuple[Engine, str, StoreLock | DatabaseLock]:
    """The engine, what the store is called, and the lock that keeps a second service out."""
    if path is None:
        engine = open_engine(url)
        try:
            return engine, describe(url), DatabaseLock(engine, describe(url))
        except BaseException:
            engine.dispose()
            raise
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the state store's folder {path.parent}: {error.strerror}") from None
    lock = StoreLock(path)
    return open_engine(url), describe(url), lock
