"""What of the outbox goes to a receiver next, and what of it in one message. Used by the courier's thread alone."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Protocol

from repwatch.health.storm import Pace, message_id, next_message, urgency
from repwatch.model.notice import Bundle, Member, Notice, NoticeEvent
from repwatch.ports.clock import Clock
from repwatch.ports.notifier import BUNDLE, Letter
from repwatch.ports.store import BundlingOutbox, Envelope, Outbox

MOST = 1000  # notices in a bundle


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one call takes to a receiver."""

    letter: Letter
    envelopes: tuple[Envelope, ...]

    @property
    def is_moot(self) -> bool:
        """The end of an incident of which nothing has arrived there."""
        return isinstance(self.letter, Notice) and is_moot(self.envelopes[0])


def is_moot(envelope: Envelope) -> bool:
    """The end of an incident of which nothing has arrived there."""
    notice = envelope.notice
    return isinstance(notice, Notice) and notice.event is NoticeEvent.RESOLVED and not envelope.reached


class Sorter(Protocol):
    """Chooses. Every method may raise StoreError."""

    def parcels(self, held: Collection[int], room: int, now: datetime) -> Sequence[Parcel]:
        """What to take there now: no more than `room` calls, beside what is moot. `held`: numbers of envelopes that are out."""
        ...

    def hold_back(self, seconds: float) -> None:
        """Begin nothing new for that long: it does not get through. 0: it does."""
        ...


@dataclass(slots=True)
class Singly:
    """For machines, and for digests: each notice is a message."""

    receiver: str
    outbox: Outbox

    def parcels(self, held: Collection[int], room: int, now: datetime) -> Sequence[Parcel]:
        """The oldest that are due."""
        due = self.outbox.due(self.receiver, now, room + len(held))
        return [Parcel(each.notice, (each,)) for each in due if each.seq not in held][:room]

    def hold_back(self, seconds: float) -> None:
        """Each notice has a pause of its own."""


@dataclass(slots=True)
class Bundling:
    """For people: what is more than they can read comes as one message.

    Which notices a message holds is recorded before it is sent: killed in between, the next start sends the same message under
    the same id.
    """

    receiver: str
    outbox: BundlingOutbox
    clock: Clock
    rewrites: int = MOST  # members of a bundle that have a message of their own, which is brought up to date with it
    _pace: Pace = field(default_factory=Pace)
    _begins: float = 0.0  # monotonic; no new message before
    _repeats: bool = False  # what was sent last had been sent before

    def parcels(self, held: Collection[int], room: int, now: datetime) -> Sequence[Parcel]:
        """What was decided before and is due again, then new messages, as far as it is time for them."""
        due = [each for each in self.outbox.due(self.receiver, now, MOST + len(held)) if each.seq not in held]
        moot = [Parcel(each.notice, (each,)) for each in due if is_moot(each)]
        rest = [each for each in due if not is_moot(each)]
        waiting = _by_urgency(each for each in rest if not each.message)
        # In turn, and of several that of which least was tried: one that never gets through must not keep all others waiting.
        new = list(self._new(waiting, room)) if self._repeats else []
        decided = dict.fromkeys(each.message for each in sorted(rest, key=lambda each: each.attempts) if each.message)
        again = [self._again(message) for message in islice(decided, room - len(new))]
        if not self._repeats:
            new = list(self._new(waiting, room - len(again)))
        if again or new:
            self._repeats = not new
        return [*moot, *again, *new]

    def hold_back(self, seconds: float) -> None:
        """What comes meanwhile goes into one message."""
        self._begins = self.clock.monotonic() + seconds

    def _again(self, message: str) -> Parcel:
        return _parcel(message, _by_urgency(self.outbox.told_in(self.receiver, message)))

    def _new(self, waiting: list[Envelope], room: int) -> Iterable[Parcel]:
        now = self.clock.monotonic()
        self._pace = self._pace.by(now)
        while room and now >= self._begins and (chosen := next_message(self._within(waiting), self._pace)):
            message = message_id(_notice(each) for each in chosen)
            self.outbox.gather(message, chosen)
            self._pace = self._pace.spent()
            yield _parcel(message, [replace(each, message=message) for each in chosen])
            numbers = {each.seq for each in chosen}
            waiting = [each for each in waiting if each.seq not in numbers]
            room -= 1

    def _within(self, waiting: Iterable[Envelope]) -> list[Envelope]:
        """What one message may hold."""
        own = [each for each in waiting if each.thread and BUNDLE not in each.thread]
        late = {each.seq for each in own[self.rewrites :]}
        return [each for each in waiting if each.seq not in late]


def _by_urgency(envelopes: Iterable[Envelope]) -> list[Envelope]:
    """As a message shows them, also one that is sent again."""
    return sorted(envelopes, key=lambda each: urgency(_notice(each)))


def _notice(envelope: Envelope) -> Notice:
    assert isinstance(envelope.notice, Notice)
    return envelope.notice


def _parcel(message: str, envelopes: Sequence[Envelope]) -> Parcel:
    if len(envelopes) == 1:
        return Parcel(envelopes[0].notice, tuple(envelopes))
    members = tuple(Member(notice=_notice(each), thread=each.thread) for each in envelopes)
    return Parcel(Bundle(id=message, members=members), tuple(envelopes))
