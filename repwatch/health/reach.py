"""How far a receiver has got, in its source's time: as of when it had all that the source had, and how fast it gets on.

What a source had at one look is waited for; when the replica has it, that look is as of when it had everything, and what the
source has then is waited for next. So one mark is enough, however far behind a receiver is: what is told is between once and
twice as old as it is behind, and a receiver that keeps up reaches each mark by the next look.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from repwatch.health.received import unreceived
from repwatch.model.gtid import MariadbPosition
from repwatch.model.observation import ChannelObservation, Observation
from repwatch.model.server import Flavour


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The mark that is waited for, and the last that was reached."""

    source: str  # its label
    mark: str  # the transactions that it had …
    marked: datetime  # … at this look
    level: datetime | None = None  # the look at the source all of which the replica has; None: not known yet
    at: datetime | None = None  # the look at the replica that found it so
    speed: float | None = None  # seconds of the source's time for each second, over the last mark

    @classmethod
    def begun(cls, source: str, seen: Observation) -> Self:
        """With the first look at a source."""
        return cls(source=source, mark=seen.gtid_offered, marked=seen.at)

    def reached(self, at: datetime, source: Observation) -> "Reach":
        """The replica has the mark, as a look at that time has found; the next one is what the source has now."""
        took = (at - self.at).total_seconds() if self.at else 0.0
        speed = (self.marked - self.level).total_seconds() / took if self.level and took > 0 else self.speed
        return replace(self, mark=source.gtid_offered, marked=source.at, level=self.marked, at=at, speed=speed)

    def pace(self, now: datetime) -> float | None:
        """Seconds of the source's time that are received in a second, 1 if it keeps up, 0 if it stands; None: not known.

        A mark that takes longer than the one before shows that it is slower than it was.
        """
        if self.level is None or self.at is None or self.speed is None:
            return None
        took = (now - self.at).total_seconds()
        most = (self.marked - self.level).total_seconds() / took if took > 0 else self.speed
        return max(0.0, min(self.speed, most))


def follow_reach(
    known: Reach | None, source: str, looked: Observation | None, seen: Observation, channel: ChannelObservation
) -> Reach | None:
    """A reach after a look at the replica (`seen`) and one at its source. Another source begins it anew."""
    if looked is None or not looked.gtid_offered:
        return known
    if known is None or known.source != source:
        return Reach.begun(source, looked)
    is_new = looked.at > known.marked  # else there would be nothing to wait for next
    return known.reached(seen.at, looked) if is_new and not lacking(seen, channel, known.mark) else known


def lacking(seen: Observation, channel: ChannelObservation, there: str) -> int:
    """How many of these transactions a replica neither has nor has received; 1 where they cannot be compared.

    On MariaDB a domain of which a replica has nothing counts, and so does one that it is set to ignore: it moves in both, and
    its source has to find their place in its binary logs, else the receiver stops on 1236 (MDEV-28213). Only where it goes by
    files, a domain that it knows nothing of tells nothing.
    """
    if there in (channel.gtid_received, channel.gtid_executed, seen.gtid_executed):
        return 0
    try:
        if seen.version.flavour is Flavour.MARIADB and not channel.uses_gtid:
            here = ",".join(filter(None, (seen.gtid_executed, channel.gtid_received)))
            there = _of_known_domains(here, there)
        return unreceived(seen, channel, there)
    except ValueError:
        return 1


def _of_known_domains(here: str, there: str) -> str:
    known = dict(MariadbPosition.parse(here).last)
    return str(MariadbPosition(tuple(each for each in MariadbPosition.parse(there).last if each[0] in known)))
