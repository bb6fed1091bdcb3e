"""The one place where it is decided what readings of a source and a replica prove (docs/decisions/0002-drift-verdict.md).

A *round* is S1 on the source; the source's position G; the replica waits for G; R on the replica; S2 on the source.
What is compared (a range, a row) is whatever the caller reads; contents are compared by `same`, which void readings never pass.
Times are seconds on one monotonic clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from repwatch.drift.report import Proof, Verdict

# What may go to and fro is met in the middle of a round now and then: a count of rows without a name, or a value that statements
# set and set back. Equal readings are believed after that many rounds.
EQUAL_ROUNDS: Final = 6
# A difference is believed after that many rounds with the very same contents over that long …
DRIFT_ROUNDS: Final = 5
DRIFT_SECONDS: Final = 10.0
# … or at once if the source stood still, for this long before and after the round as well. A server's position and what its
# engine shows move milliseconds apart (MySQL's gtid_executed trails, MariaDB's gtid_binlog_pos leads). Where it can be seen that
# the position, unmoved after the round, trails nothing, that takes the place of the second wait.
STILL_MARGIN_DRIFT: Final = 1.0
STILL_MARGIN_EQUAL: Final = 0.25


class Events(StrEnum):
    """What an event does to a unit on both sides: it makes them equal, or it may carry a difference on."""

    ROW_IMAGES = "row-images"  # as far as the source's settings tell; `Round.only_images` is seen
    STATEMENTS = "statements"
    UNDOING = "undoing"  # statements, of which two may undo each other
    COUNTED = "counted"  # of a table without a key: each event adds a row to, or takes one of, those that are alike


def events_of(binlog_format: str | None) -> Events:
    """What a server writes into its binary log; MIXED has statements too."""
    return Events.ROW_IMAGES if binlog_format == "ROW" else Events.STATEMENTS


@dataclass(frozen=True, slots=True)
class Content:
    """What one reading saw. `digest` None: it could not be taken whole, and equals nothing, not even itself."""

    digest: str | None

    def same_as(self, other: "Content") -> bool:
        """True if both are whole and alike."""
        return self.digest is not None and self.digest == other.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round, of one unit on one replica."""

    started: float  # before S1
    ended: float  # after the last reading
    first: Content  # S1
    replica: Content  # R
    second: Content | None  # S2; None if it was not read
    one_position: bool = False  # S1 and R were read at one exact position
    ahead: bool = False  # the replica had applied what the source did not yet show at S2
    locked: bool = False  # the row was locked on the source from S1 to S2, and R shows all that came before
    behind: bool = False  # the replica may not have applied all that S1 showed: G was read too soon where positions trail
    only_images: bool = False  # the replica was seen to apply nothing but row images that S1 did not show
    logged_first: bool = False  # what it shows was in the source's binary log before it showed anywhere


@dataclass(frozen=True, slots=True)
class Stillness:
    """The source's position did not move from `since` to `until`, as far as was seen."""

    since: float
    until: float
    named: float | None = None  # when it was last seen that the position names all that is in the log …
    unnamed: float | None = None  # … and when, that it does not

    def covers(self, round_: Round, margin: float) -> bool:
        """True if nothing was committed from `margin` before the round to its end.

        What it shows is named within `margin` after it. What was logged first has to be seen to be: a commit that waits for
        an acknowledgement is in the log, and on replicas, for long before it is named.
        """
        named = self.names(round_) if round_.logged_first else self.until >= round_.ended + margin
        return self.since <= round_.started - margin and named

    def names(self, round_: Round) -> bool:
        """True if the position was seen to name all that a round of logged events shows."""
        return self.names_all_to(round_.ended)

    def names_all_to(self, moment: float) -> bool:
        """True if the position was seen to name all that was in the log at this second."""
        return self.named is not None and self.named >= moment

    def leaves_open(self, moment: float) -> bool:
        """True if something was unnamed a margin after this second: it may be for minutes, or for ever."""
        return self.unnamed is not None and self.unnamed >= moment + STILL_MARGIN_EQUAL


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rounds prove. UNDECIDED means: read again."""

    verdict: Verdict
    proof: Proof | None = None


READ_AGAIN: Final = Judgement(Verdict.UNDECIDED)


def judge(rounds: Sequence[Round], events: Events, still: Stillness | None) -> Judgement:
    """Judge the rounds of one unit, oldest first. Nothing but the last rounds counts: what was, may have been put right."""
    if not rounds:
        return READ_AGAIN
    last = rounds[-1]
    equal = last.first.same_as(last.replica)
    if last.one_position and _whole(last):
        return Judgement(Verdict.IDENTICAL if equal else Verdict.DRIFTED, Proof.SNAPSHOT)
    if last.locked and _whole(last):
        return Judgement(Verdict.IDENTICAL if equal else Verdict.DRIFTED, Proof.LOCKED)
    if equal:
        return Judgement(Verdict.IDENTICAL, Proof.REREAD) if _proves_equal(rounds, events, still) else READ_AGAIN
    return Judgement(Verdict.DRIFTED, Proof.REREAD) if _proves_drift(rounds, still) else READ_AGAIN


def needs_second(round_: Round, events: Events, still: Stillness | None) -> bool:
    """True if only S2 can make this round say anything."""
    if round_.second is not None or round_.one_position:
        return False
    if round_.first.same_as(round_.replica):
        return not _proves_equal([round_], events, still)
    return True


def _whole(round_: Round) -> bool:
    return round_.first.digest is not None and round_.replica.digest is not None


def _proves_equal(rounds: Sequence[Round], events: Events, still: Stillness | None) -> bool:
    round_ = rounds[-1]
    if events is Events.ROW_IMAGES or (round_.only_images and events is not Events.COUNTED):
        # A row that no event touched in between is as it was; one that an event touched is as the event's image says.
        return True
    if still and still.covers(round_, STILL_MARGIN_EQUAL):
        return True
    if events in (Events.COUNTED, Events.UNDOING):
        return len(_alike_at_the_end(rounds)) >= EQUAL_ROUNDS
    held = round_.second is not None and round_.first.same_as(round_.second)
    return held and not round_.ahead and not round_.behind


def _proves_drift(rounds: Sequence[Round], still: Stillness | None) -> bool:
    alike = _alike_at_the_end(rounds)
    if not alike:
        return False
    if still and any(still.covers(round_, STILL_MARGIN_DRIFT) for round_ in alike):
        return True
    return len(alike) >= DRIFT_ROUNDS and alike[-1].ended - alike[0].started >= DRIFT_SECONDS


def standstill_proves_at(rounds: Sequence[Round], still: Stillness | None) -> float | None:
    """When these rounds may be proved to show drift if the source goes on standing still; None: not by these rounds."""
    if still is None:
        return None
    covered = [round_ for round_ in _alike_at_the_end(rounds) if still.since <= round_.started - STILL_MARGIN_DRIFT]
    if not covered:
        return None
    if not covered[-1].logged_first:
        return covered[0].ended + STILL_MARGIN_DRIFT
    # What is in the log and not yet named may be any moment: seen already, or to be looked for now and then.
    named = any(map(still.names, covered))
    return covered[-1].ended + (0.0 if named else STILL_MARGIN_DRIFT)


def holds_alike(rounds: Sequence[Round]) -> bool:
    """True if all rounds show one content on both sides, held over each."""
    return rounds[-1].first.same_as(rounds[-1].replica) and len(_alike_at_the_end(rounds)) == len(rounds)


def _alike_at_the_end(rounds: Sequence[Round]) -> list[Round]:
    """The last rounds that all show one source content, held over each round, and one other content on the replica."""
    alike: list[Round] = []
    for round_ in reversed(rounds):
        held = round_.second is not None and round_.first.same_as(round_.second) and not round_.ahead and _whole(round_)
        if not held or (alike and not (round_.first.same_as(alike[0].first) and round_.replica.same_as(alike[0].replica))):
            break
        alike.append(round_)
    return alike[::-1]
