"""Pauses between attempts that fail."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pauses:
    """The first and the longest, in seconds; each is twice as long as the one before it."""

    first: float
    longest: float

    def after(self, failures: int) -> float:
        """How long to wait after so many failures in a row, one at least."""
        doublings = min(failures - 1, 60)  # more than any longest pause, and no number too large for a float
        return min(self.first * 2.0**doublings, self.longest)
