"""One at a time: repair, reseed and exact checks of a server share a lock on it, which lives as long as a session."""

from typing import Final

from repwatch.ports.clock import Clock
from repwatch.ports.database import Database
from repwatch.sql import reseed

KILLED_SECONDS: Final = 15.0
"""The session of one that was killed ends within that: its server has to notice first."""
_PAUSE: Final = 0.5


def take_turn(db: Database, clock: Clock, seconds: float = KILLED_SECONDS) -> bool:
    """Take the lock, for as long as this session lives; False if somebody else still has it after so long."""
    deadline = clock.monotonic() + seconds
    while db.scalar(reseed.lock(reseed.LOCK_NAME)) != "1":
        if clock.monotonic() >= deadline:
            return False
        clock.sleep(_PAUSE)
    return True
