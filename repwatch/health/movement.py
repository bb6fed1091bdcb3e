"""How things move from look to look: the sign of life of replication is movement, not the word `Yes`.

Only what was looked at can be said to have moved, and only between two looks: `before < moved <= since`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """Something that changes as long as it is alive: where it stands, and since which look."""

    mark: str
    looked: datetime  # the latest look
    since: datetime  # the first look that found it where it is
    before: datetime | None = None  # the last look that found it elsewhere; None: it was never seen to move

    def then(self, mark: str, at: datetime) -> "Movement":
        """What a further look makes of it."""
        if mark == self.mark:
            return replace(self, looked=at)
        return Movement(mark=mark, looked=at, since=at, before=self.looked)

    @property
    def still(self) -> timedelta:
        """For how long it has been seen not to move."""
        return self.looked - self.since

    def moved_after(self, moment: datetime) -> bool:
        """True if it surely moved after that moment: both looks around its last movement are later."""
        return self.before is not None and self.before >= moment


def follow(known: Movement | None, mark: str, at: datetime) -> Movement:
    """A movement after a look, which may be the first."""
    return known.then(mark, at) if known else Movement(mark=mark, looked=at, since=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelProgress:
    """The two halves of a channel. The moments count anew with each movement of their half."""

    receiver: Movement
    applier: Movement
    source_mark: str  # where the source was seen when the receiver last moved
    owed_since: datetime | None = None  # since when the source has been seen to have written what the receiver did not take
    work_since: datetime | None = None  # since when the applier has had something to apply


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What is remembered of earlier looks at one cluster."""

    channels: Mapping[tuple[str, str], ChannelProgress] = field(default_factory=dict)  # by (server's label, channel)
    unseen_since: Mapping[str, datetime] = field(default_factory=dict)  # by label: the end of the first look that saw nothing
