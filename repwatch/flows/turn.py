"""One at a time: repair, reseed and exact checks of a server share a lock on it, which lives as long as a session."""

from typing import Final

from repwatch.ports.clock import Clock
from repwatch.ports.database import Database
from repwatch.sql import reseed

KILLED_SECONDS: Final = 15.0
"""The session of one that was killed ends within that: its server has to notice first."""
_WAIT: Final = 1  # seconds of one statement: the server ends it as soon as the lock is free


def take_turn(db: Database, clock: Clock, seconds: float = KILLED_SECONDS) -> bool:
    """Take the lock, for as long as this session lives; False if somebody else still has it after so long."""
    deadline = clock.monotonic() + seconds
    wait = 0
    while db.scalar(reseed.lock(reseed.LOCK_NAME, wait)) != "1":
        if clock.monotonic() >= deadline:
            return False
        wait = _WAIT
    return True
