"""One service on one PostgreSQL store: an advisory lock, which the server lets go of when its holder's session ends.

It belongs to a session, so that it has a connection of its own, and a pooler between that hands sessions out by the transaction
breaks it (PostgreSQL manual, *Explicit Locking*, 13.3.5). Locks of one database are not seen in another.
"""

import logging
import threading
import time
from contextlib import suppress
from typing import Final

from sqlalchemy import Connection, Engine, text
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


class DatabaseLock:
    """Held from `__init__` until `release`. Raises StoreError if another service holds it or the server cannot be reached."""

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine = engine
        self._where = where
        self._turn = threading.Lock()
        self._checked = time.monotonic()
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
                if connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": KEY}).scalar():
                    return connection
                holder = connection.execute(_HOLDER, {"high": KEY >> 32, "low": KEY & 0xFFFFFFFF}).first()
            except BaseException:
                connection.invalidate()
                connection.close()
                raise
            connection.close()
        place = f" (from {holder.client or 'the same machine'}, since {holder.since})" if holder else ""
        raise StoreError(
            f"another repwatch{place} runs on the state store {self._where}",
            hint="stop it first, or give this one a database of its own ([store] url)",
        )


# pg_locks shows the upper half of the key as classid, the lower one as objid, and 1 as objsubid.
_HOLDER = text(
    "SELECT host(a.client_addr) AS client, to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS \"UTC\"') AS since"
    " FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
    " WHERE l.locktype = 'advisory' AND l.granted AND l.classid::bigint = :high AND l.objid::bigint = :low AND l.objsubid = 1"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def _answers(connection: Connection) -> bool:
    try:
        connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return False
    return True
