"""Clocks of servers that do not agree, as far as looks can tell: each reading is wrong by half a round trip at most.

A server is told apart from what most of the others have, repwatch's own machine among them: who is alone is wrong.
"""

from collections.abc import Sequence
from datetime import timedelta

from repwatch.model.observation import ClockReading, Observation

SKEW = timedelta(seconds=2)
"""More than machines come apart whose clocks are kept; lag figures are told in seconds."""

OWN = ClockReading(ahead=timedelta(0), error=timedelta(0))
"""repwatch's own clock, with which the others are compared."""


def surely_ahead(one: ClockReading, other: ClockReading) -> timedelta:
    """By how much the one clock is ahead of the other at least; negative if it is behind by so much, 0 if neither is sure."""
    apart, doubt = one.ahead - other.ahead, one.error + other.error
    if abs(apart) <= doubt:
        return timedelta(0)
    return apart - doubt if apart > timedelta(0) else apart + doubt


def usual(readings: Sequence[ClockReading]) -> ClockReading:
    """The clock in the middle; of two in the middle the one that is nearer to repwatch's own."""
    ordered = sorted((*readings, OWN), key=lambda each: each.ahead)
    middle = ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]
    return min(middle, key=lambda each: abs(each.ahead))


def is_behind(replica: Observation, source: Observation | None) -> bool:
    """True if a replica's clock is behind that of its source: what compares the two shows less lag than there is."""
    if replica.reading is None or source is None or source.reading is None:
        return False
    return surely_ahead(source.reading, replica.reading) > SKEW
