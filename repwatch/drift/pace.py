"""How many rows the next piece has: as many as take about half a second and make a few megabytes."""

from dataclasses import dataclass
from typing import Final

TARGET_SECONDS: Final = 0.4
# Beyond a few megabytes a concatenation falls out of the processor's caches and gets slower, not faster.
TARGET_BYTES: Final = 4 * 1024 * 1024
FIRST_ROWS: Final = 2_000
MOST_ROWS: Final = 100_000
LEAST_ROWS: Final = 10
_GROWTH = 10.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Rows of the next piece; changed by what the last one took."""

    rows: int = FIRST_ROWS

    def after(self, *, rows: int, size: int, seconds: float, void: bool) -> "Pace":
        """The pace after a piece of `rows` rows and `size` hashed bytes that took `seconds`; `void`: it could not be taken."""
        if void:
            return Pace(max(LEAST_ROWS, self.rows // 8))
        if rows < self.rows // 2:
            return self  # the last piece of a table says little
        by_time = rows * TARGET_SECONDS / max(seconds, 0.001)
        by_size = rows * TARGET_BYTES / max(size, 1)
        wanted = min(by_time, by_size, self.rows * _GROWTH, MOST_ROWS)
        return Pace(max(LEAST_ROWS, int(wanted)))
