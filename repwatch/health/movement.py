"""How things move from look to look: the sign of life of replication is movement, not the word `Yes`.

Only what was looked at can be said to have moved, and only between two looks: `before < moved <= since`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from repwatch.health.reach import Reach
from repwatch.health.trend import Trend


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """Something that changes as long as it is alive: where it stands, and since which look."""

    mark: str
    looked: datetime  # the latest look
    since: datetime  # the first look that found it where it is
    before: datetime | None = None  # the last look that found it elsewhere; None: it was never seen to move
    skipped: timedelta = timedelta(0)  # of the time since, what no two looks in a row have covered

    def then(self, mark: str, at: datetime, most: timedelta) -> "Movement":
        """What a further look makes of it. Looks further apart than `most` tell nothing of the time between.

        repwatch was held up, the machine slept or the clock was set: nobody stood still meanwhile, as far as is known.
        """
        if mark != self.mark:
            return Movement(mark=mark, looked=at, since=at, before=self.looked)
        gap = at - self.looked
        skipped = timedelta(0) if timedelta(0) <= gap <= most else gap
        return replace(self, looked=at, skipped=self.skipped + skipped)

    @property
    def still(self) -> timedelta:
        """For how long it has been seen not to move."""
        return self.looked - self.since - self.skipped

    def still_since(self, moment: datetime | None) -> timedelta:
        """For how much of the time since that moment it has been seen not to move; none without a moment."""
        if moment is None:
            return timedelta(0)
        return self.still if self.looked < moment else min(self.still, self.looked - moment)  # the clock was set back since

    def moved_after(self, moment: datetime) -> bool:
        """True if it surely moved after that moment: both looks around its last movement are later."""
        return self.before is not None and self.before >= moment


def follow(known: Movement | None, mark: str, at: datetime, most: timedelta) -> Movement:
    """A movement after a look, which may be the first; `most` as in `Movement.then`."""
    return known.then(mark, at, most) if known else Movement(mark=mark, looked=at, since=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelProgress:
    """The two halves of a channel. The moments count anew with each movement of their half."""

    receiver: Movement
    applier: Movement
    source_mark: str  # where the source was seen when the receiver last moved
    source_now: str = ""  # … at the latest look
    source_then: str = ""  # … at the look before, so that what it had then has had time to arrive
    owed_since: datetime | None = None  # since when the source has been seen to have written what the receiver did not take
    work_since: datetime | None = None  # since when the applier has had something to apply
    reach: Reach | None = None  # None: its source has not been seen, or tells no GTIDs


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What is remembered of earlier looks at one cluster."""

    channels: Mapping[tuple[str, str], ChannelProgress] = field(default_factory=dict)  # by (server's label, channel)
    unseen_since: Mapping[str, datetime] = field(default_factory=dict)  # by label: the end of the first look that saw nothing
    disks: Mapping[tuple[str, str], Trend] = field(default_factory=dict)  # by (server's label, path): bytes that are used
    commits: Mapping[str, Movement] = field(default_factory=dict)  # by label: of a source whose commits wait for a replica
