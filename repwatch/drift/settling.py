"""For how long rows that differ are tried, until they are undecided. Spans are seconds."""

from dataclasses import dataclass
from typing import Self

from repwatch.drift.verdict import DRIFT_ROUNDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Trying:
    """With rows that do not come to rest: one round at least.

    `seconds`: so long, and as many rounds as drift takes; `reach`: a round may have to wait so long for a replica.
    """

    seconds: float
    reach: float

    def is_over(self, spent: float, rounds: int) -> bool:
        """True if no further round begins after so long and so many."""
        most = self.seconds + (DRIFT_ROUNDS + 1) * self.reach
        return rounds > 0 and (spent >= most or (spent >= self.seconds and rounds > DRIFT_ROUNDS))

    def after(self, *, given_up: bool) -> Self:
        """How long the next rows of the same table are tried.

        Where some were given up the table stays undecided, whatever the others come to. One more round finds those that have
        come to rest; each part of a large hot table would else take as long again, and wait for a replica each time.
        """
        return type(self)(seconds=0.0, reach=0.0) if given_up else self
