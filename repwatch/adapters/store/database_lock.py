"""One service on one PostgreSQL store: an advisory lock, which the server lets go of when its holder's session ends.

It belongs to a session, so that it has a connection of its own, and a pooler between that hands sessions out by the transaction
breaks it (PostgreSQL manual, *Explicit Locking*, 13.3.5). Locks of one database are not seen in another.
"""

import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, text
from sqlalchemy.exc import SQLAlchemyError

from repwatch.adapters.store.failures import store_errors
from repwatch.errors import StoreError

log = logging.getLogger("repwatch.store")

KEY: Final = 0x7265707761746368
"""The name of the lock: `repwatch` in ASCII."""
CHECK_SECONDS = 1.0
"""For so long a lock that was seen to be held is believed to be."""
# A holder whose machine has gone away without a word is found dead after a minute, not after the two hours of the system.
_SETUP: Final = ("SET tcp_keepalives_idle = 30", "SET tcp_keepalives_interval = 10", "SET tcp_keepalives_count = 3")


@dataclass(frozen=True, slots=True)
class Backend:
    """A session as the server knows it. Numbers of processes are used again, so that its start belongs to it."""

    pid: int
    begun: datetime | None  # None: of a session of another role, which is not ours to see


class DatabaseLock:
    """Held from `__init__` until `release`. Raises StoreError if another service holds it or the server cannot be reached."""

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine = engine
        self._where = where
        self._turn = threading.Lock()
        self._checked = time.monotonic()
        self._own: Backend | None = None  # the session that holds it, or held it last
        self._connection: Connection | None = self._taken()

    def check(self) -> None:
        """See whether it is still held; with the session it is lost, and is taken anew. Raises StoreError if another has it."""
        with self._turn:
            if self._connection is not None and time.monotonic() - self._checked < CHECK_SECONDS:
                return
            if self._connection is None or not _answers(self._connection):
                self.release()
                self._connection = self._taken()
                log.warning("store.locked-anew store=%s: the session that held its lock was lost", self._where)
            self._checked = time.monotonic()

    def release(self) -> None:
        """Let go."""
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                self._connection.invalidate()  # to the pool it would go back with the lock
                self._connection.close()
            self._connection = None

    def _taken(self) -> Connection:
        with store_errors(self._where):
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            try:
                for statement in _SETUP:
                    connection.execute(text(statement))
                holder = self._taken_by_another(connection)
                if holder is None:
                    self._own = _backend(connection.execute(_SELF).one())
                    return connection
            except BaseException:
                connection.invalidate()
                connection.close()
                raise
            connection.close()
        raise StoreError(
            f"another repwatch{holder} runs on the state store {self._where}",
            hint="stop it first, or give this one a database of its own ([store] url); if its machine is gone, wait a minute",
        )

    def _taken_by_another(self, connection: Connection) -> str | None:
        """Where the holder is and since when, as far as it can be seen; None: we have it."""
        if connection.execute(_TRY).scalar():
            return None
        holder = connection.execute(_HOLDER).first()
        if holder is None:  # it has just gone, or is in doubt: the next try will tell
            return ""
        if self._own is not None and _backend(holder) == self._own:
            # The connection was cut, and the server has not noticed: it would keep the lock for the session until it does.
            connection.execute(_END, {"pid": self._own.pid, "begun": self._own.begun})
            connection.execute(_WAIT)  # for BUSY_SECONDS, as for any other lock
            return None
        if holder.begun is None:
            return ""
        return f" (from {holder.client or 'the same machine'}, since {holder.since})"


_TRY: Final = text("SELECT pg_try_advisory_lock(:key)").bindparams(key=KEY)
_WAIT: Final = text("SELECT pg_advisory_lock(:key)").bindparams(key=KEY)
_SELF: Final = text("SELECT pid, backend_start AS begun FROM pg_stat_activity WHERE pid = pg_backend_pid()")
_END: Final = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = :pid AND backend_start = :begun")
# pg_locks shows the upper half of the key as classid, the lower one as objid, and 1 as objsubid.
_HOLDER: Final = text(
    "SELECT a.pid, a.backend_start AS begun, host(a.client_addr) AS client,"
    " to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS \"UTC\"') AS since"
    " FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
    " WHERE l.locktype = 'advisory' AND l.granted AND l.classid::bigint = :high AND l.objid::bigint = :low AND l.objsubid = 1"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
).bindparams(high=KEY >> 32, low=KEY & 0xFFFFFFFF)


def _backend(row: Row[Any]) -> Backend:
    return Backend(row.pid, row.begun)


def _answers(connection: Connection) -> bool:
    try:
        connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return False
    return True
