"""How people are told when much happens at once: the first notices as they are, then all that waits in one message.

A message costs one of a few that a receiver may get at once; one more comes back with each `EVERY`. The last one is for
everything that waits by then. So nobody gets more than FIRST + 1 messages in a burst, and four a minute while it lasts.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from repwatch.model.finding import Severity
from repwatch.model.notice import Notice, NoticeEvent

FIRST: Final = 5
"""Notices that come as messages of their own."""
EVERY: Final = 15.0
"""Seconds between two messages while it storms."""
GATHER: Final = 3.0
"""Seconds between the last notice that came alone and the first bundle: the clusters of a fleet are not looked at all at once."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """What a receiver may still get. Times are monotonic, in seconds."""

    left: float = FIRST + 1
    at: float = 0.0  # when that was so
    last: float = -GATHER  # when a message was last begun

    def by(self, now: float) -> "Pace":
        """As it is by that time."""
        return replace(self, left=min(FIRST + 1, self.left + (now - self.at) / EVERY), at=now)

    def spent(self) -> "Pace":
        """One message less."""
        return replace(self, left=self.left - 1, last=self.at)


def urgency(notice: Notice) -> int:
    """What a person reads first: 0 what is critical, 1 what is a warning, 2 who has it, 3 what is over."""
    match notice.event:
        case NoticeEvent.RESOLVED:
            return 3
        case NoticeEvent.ACKNOWLEDGED:
            return 2
        case NoticeEvent.OPENED | NoticeEvent.UPDATED | NoticeEvent.REMINDER:
            return 0 if notice.severity is Severity.CRITICAL else 1


def next_message(waiting: Sequence[T], pace: Pace) -> Sequence[T]:
    """What goes into the next message; nothing where it is not time for one. `waiting`: the most urgent first."""
    if not waiting or pace.left < 1:
        return ()
    if len(waiting) == 1 or pace.left >= 2:
        return waiting[:1]
    return waiting if pace.at - pace.last >= GATHER else ()


def message_id(notices: Iterable[Notice]) -> str:
    """One notice gives its own id, several give one that is the same for the same notices."""
    ids = [notice.id for notice in notices]
    return ids[0] if len(ids) == 1 else f"bundle-{hashlib.sha256(chr(10).join(ids).encode()).hexdigest()[:16]}"
