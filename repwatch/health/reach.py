"""How far a receiver has got, in its source's time: as of when it had all that the source had, and how fast it gets on.

What a source had at one look is waited for; when the replica has it, that look is as of when it had everything, and what the
source has then is waited for next. So one mark is enough, however far behind a receiver is: what is told is between once and
twice as old as it is behind, and a receiver that keeps up reaches each mark by the next look.

A channel that goes by file and position is held against the source's list of logs, which is asked for more seldom.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, Self

from repwatch.health.places import end_of, followed_files, has_come_to
from repwatch.health.received import unreceived
from repwatch.model.gtid import MariadbPosition
from repwatch.model.observation import ChannelObservation, Observation
from repwatch.model.server import Flavour


class Offer(NamedTuple):
    """What a source had for a channel, when that was seen, and whether it is a place in its logs or a set of transactions."""

    mark: str
    at: datetime
    is_place: bool

    @classmethod
    def of(cls, seen: Observation, channel: ChannelObservation) -> Self:
        """Of a look at the source; the mark is "" where that does not tell."""
        files = followed_files(seen, channel)
        return cls(end_of(files), files.asked, True) if files else cls(seen.gtid_offered, seen.at, False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The mark that is waited for, and the last that was reached."""

    source: str  # its label
    mark: str  # what it had …
    marked: datetime  # … at this look
    is_place: bool = False  # the mark is `file:position`; False: transactions
    level: datetime | None = None  # the look at the source all of which the replica has; None: not known yet
    at: datetime | None = None  # the look at the replica that found it so
    speed: float | None = None  # seconds of the source's time for each second, over the last mark

    @classmethod
    def begun(cls, source: str, offer: Offer) -> Self:
        """With the first look at a source."""
        return cls(source=source, mark=offer.mark, marked=offer.at, is_place=offer.is_place)

    def continues(self, source: str, offer: Offer) -> bool:
        """False for another source, another kind of mark, and logs that are numbered anew (RESET MASTER)."""
        return (self.source, self.is_place) == (source, offer.is_place) and (
            not offer.is_place or has_come_to(offer.mark, self.mark)
        )

    def reached(self, at: datetime, offer: Offer) -> "Reach":
        """The replica has the mark, as a look at that time has found; the next one is what the source has now."""
        took = (at - self.at).total_seconds() if self.at else 0.0
        speed = (self.marked - self.level).total_seconds() / took if self.level and took > 0 else self.speed
        return replace(self, mark=offer.mark, marked=offer.at, level=self.marked, at=at, speed=speed)

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
    offer = Offer.of(looked, channel) if looked else None
    if offer is None or not offer.mark:
        return known
    if known is None or not known.continues(source, offer):
        return Reach.begun(source, offer)
    is_new = offer.at > known.marked  # else there would be nothing to wait for next
    has = has_come_to(channel.source_log, known.mark) if known.is_place else not lacking(seen, channel, known.mark)
    return known.reached(seen.at, offer) if is_new and has else known


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
