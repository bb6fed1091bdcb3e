"""A condition that comes and goes: the more often it came back, the longer it has to be gone before its end is told.

So that 10,000 changes an hour make tens of notices, and the last of them is true. An hour without it, and it counts anew.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

MEMORY = timedelta(hours=1)
FIRST_HOLD = timedelta(minutes=1)
LONGEST_HOLD = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Ended:
    """When an incident ended, and how often in a row it had come back by then."""

    at: datetime
    flaps: int


def flaps_of(last: Ended | None, now: datetime) -> int:
    """How often in a row it has come back, if it begins now. A clock that was set does not make it a flap."""
    return last.flaps + 1 if last is not None and abs(now - last.at) <= MEMORY else 0


def hold(flaps: int) -> timedelta:
    """How long it has to be gone before it counts as over: nothing the first time, then a minute, doubled each time."""
    return min(FIRST_HOLD * (1 << min(flaps - 1, 20)), LONGEST_HOLD) if flaps else timedelta(0)
