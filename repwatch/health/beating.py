"""When repwatch has beaten on a source: between which beats a replica's lag can be read off the last one that it has.

A gap in the beats is no lag: what came last before it may be all that there was. All times are those of the source's clock.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

BEAT = timedelta(seconds=1)
LATE = 3 * BEAT
"""Beats that are further apart leave a gap between them."""

MOST_GAPS = 100
"""Of a source that is held up again and again; of the time before them nothing is known any more."""


@dataclass(frozen=True, slots=True)
class Beating:
    """The beats since the first that is known of, the gaps among them as (last before, first after)."""

    since: datetime
    last: datetime
    gaps: tuple[tuple[datetime, datetime], ...] = ()

    @classmethod
    def begun(cls, at: datetime) -> Self:
        """With the first beat."""
        return cls(at, at)

    def then(self, at: datetime) -> "Beating":
        """With one more beat. A clock that was set back begins it anew."""
        if at < self.last:
            return Beating.begun(at)
        if at - self.last <= LATE:
            return replace(self, last=at)
        gaps = (*self.gaps, (self.last, at))
        since = self.since if len(gaps) <= MOST_GAPS else gaps[-MOST_GAPS - 1][1]
        return Beating(since, at, gaps[-MOST_GAPS:])

    def tells(self, arrived: datetime, newest: datetime) -> bool:
        """True if the beat that came after `arrived` was not late: who lacks it is behind as much as `arrived` is old.

        `newest` is the last beat as it was seen on the source: it may not be known here yet, or its answer was lost.
        """
        known = self.then(newest) if newest > self.last else self
        return known.since <= arrived and not any(last <= arrived < first for last, first in known.gaps)
