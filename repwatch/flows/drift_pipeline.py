"""What the readings of one table come to: pieces as both sides show them, and the rounds that they make."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Final

from repwatch.drift.pace import Pace
from repwatch.drift.report import Reason
from repwatch.drift.throttle import Hold
from repwatch.drift.verdict import Content, Round, needs_second
from repwatch.flows.drift_sight import Reader, Sight, Unit, at_one_position, is_ahead
from repwatch.flows.drift_world import CheckWorld
from repwatch.sql.keyrange import Key, KeyRange

MOST_OVERSTAYS: Final = 3
MOST_OUTDATED: Final = 3  # snapshots, of those in which a table was to be read
_ABSENT: Final = Content("")


@dataclass(kw_only=True)
class Compared:
    """A piece as seen on both sides. A replica that is not in `replicas` has fallen or refused the table."""

    pipeline: "Pipeline"
    unit: Unit
    first: Sight
    replicas: dict[int, Sight] = field(default_factory=dict)
    second: Sight | None = None
    facts: dict[tuple[int, bool], tuple[bool, bool]] = field(default_factory=dict)  # (one position, ahead), worked out once

    @property
    def ended(self) -> float:
        """When the last reading of it was over, in monotonic seconds."""
        return max(sight.ended for sight in (self.first, *self.replicas.values(), *filter(None, [self.second])))

    def rows(self, number: int) -> tuple[dict[Key, str], set[Key]]:
        """The rows that all readings show alike, of which what is proved of one is of all, and the keys of the others."""
        first, replica = self.first.rows, self.replicas[number].rows
        shown = first.items() & replica.items()
        if self.second is not None:
            shown &= self.second.rows.items()
        alike = {key: content for key, content in shown if content}
        return alike, (first.keys() | replica.keys()) - alike.keys()


class Pipeline:
    """One table's readings. `refused`: by these replicas, a statement about it; `failed`: by the source, or the check ended.

    `settling` is called now and then while rows that differ are looked at, with what holds it up.
    """

    def __init__(self, world: CheckWorld, reader: Reader, settling: Callable[[Hold | None], None]) -> None:
        self.world = world
        self.reader = reader
        self.settling = settling
        self.pace = Pace.of(reader.source.table)
        self.refused: dict[int, Reason] = {}
        self.failed: Reason | None = None
        self.differs = False  # the last piece of the scan on any replica: the next ones are read in parts at once
        self._overstays: Counter[int] = Counter()  # of statements on each replica, one after another
        self._outdated = 0  # snapshots after which the table was altered

    def audience(self, unit: Unit) -> set[int]:
        """The replicas that a unit is read for and that still take part."""
        return set(self.world.standing()) & unit.replicas - self.refused.keys()

    def overstayed(self, number: int) -> None:
        """A replica ended a statement that took too long. One whose statements all do (a lock on the table) refuses it so."""
        self._overstays[number] += 1
        if self.reader.patient or self._overstays[number] >= MOST_OVERSTAYS:
            self.refused[number] = Reason.UNREADABLE

    def outdated(self) -> bool:
        """The table was altered after the snapshot in which it was to be read. True if it may be read again, in another.

        If that has happened often, it is read outside of snapshots; False where nothing is read so.
        """
        stand = self.world.stand
        self._outdated += stand is None or stand.spoil()
        return self._outdated < MOST_OUTDATED or self.reader.leave_snapshots()

    def answered(self, number: int) -> None:
        """A replica was read."""
        del self._overstays[number]

    def round_of(self, compared: Compared, number: int, what: Key | KeyRange) -> Round:
        """The round of a range, or of one row, on one replica."""
        first, replica, second = compared.first, compared.replicas[number], compared.second
        last = second or replica
        one_position, ahead = self._facts(compared, number)
        return Round(
            started=first.started,
            ended=last.ended,
            first=_content(first, what),
            replica=_content(replica, what),
            second=None if second is None else _content(second, what),
            one_position=one_position,
            ahead=ahead,
            behind=not first.named,
            only_images=replica.only_images,
            logged_first=self.reader.logged_first,
        )

    def _facts(self, compared: Compared, number: int) -> tuple[bool, bool]:
        known = (number, compared.second is not None)
        if known not in compared.facts:
            replica, second = compared.replicas[number], compared.second
            source = self.world.source
            ahead = False
            if second is not None and replica.applied:
                ahead = is_ahead(source.version.flavour, second, replica, anything=source.applies)
            compared.facts[known] = (at_one_position(compared.first, replica), ahead)
        return compared.facts[known]

    def wants_second(self, compared: Compared) -> bool:
        """True if only S2 can make the piece say anything."""
        return any(
            self._wants_rows(compared, number) if compared.unit.by_row else self._wants_ranges(compared, number)
            for number in compared.replicas
        )

    def _wants_ranges(self, compared: Compared, number: int) -> bool:
        """Of a range only equality is concluded; where it differs, it is narrowed first."""
        rounds = (self.round_of(compared, number, piece) for piece in compared.unit.ranges)
        return any(round_.first.same_as(round_.replica) and self._needs_second(round_) for round_ in rounds)

    def _wants_rows(self, compared: Compared, number: int) -> bool:
        alike, others = compared.rows(number)
        keys = chain(islice(alike, 1), others)
        return any(self._needs_second(self.round_of(compared, number, key)) for key in keys)

    def _needs_second(self, round_: Round) -> bool:
        return needs_second(round_, self.reader.events, self.world.standstill)


def _content(sight: Sight, what: Key | KeyRange) -> Content:
    if sight.void:
        return Content(None)  # also of each row: one that was not read is not absent
    if isinstance(what, KeyRange):
        signature = sight.signatures[what]
        return Content(None if signature.void else f"{signature.rows}:{signature.digest}")
    digest = sight.rows.get(what)
    return _ABSENT if digest is None else Content(digest or None)
