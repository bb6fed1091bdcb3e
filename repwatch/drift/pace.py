"""How many rows the next piece has: as many as take about half a second (less where others write) and make a few megabytes."""

from dataclasses import dataclass, replace
from typing import Final

from repwatch.model.schema import Table

TARGET_SECONDS: Final = 0.4
GENTLE_SECONDS: Final = 0.1  # while the source is written to, where rows are slow to read
# Beyond a few megabytes a concatenation falls out of the processor's caches and gets slower, not faster.
TARGET_BYTES: Final = 4 * 1024 * 1024
# While the source is written to, pieces are so much smaller: of a few milliseconds, which a writer hardly notices.
GENTLE_PART: Final = 4
FIRST_ROWS: Final = 2_000
MOST_ROWS: Final = 100_000
LEAST_ROWS: Final = 10
_GROWTH = 10.0
_USUAL_ROW: Final = 200  # bytes
_TELLING_ROWS: Final = 1_000  # of fewer rows a server's average says little: an empty page counts in it


@dataclass(frozen=True, slots=True)
class Pace:
    """Rows of the next piece, and of any; changed by what the last one took."""

    rows: int = FIRST_ROWS
    most: int = TARGET_BYTES // _USUAL_ROW

    @classmethod
    def of(cls, table: Table) -> "Pace":
        """The pace to begin a table with."""
        size = table.estimated_row_bytes if table.estimated_rows >= _TELLING_ROWS else _USUAL_ROW
        most = min(MOST_ROWS, max(LEAST_ROWS, TARGET_BYTES // max(size, 1)))
        return cls(min(FIRST_ROWS, most), most)

    def after(self, *, rows: int, seconds: float, void: bool, gentle: bool) -> "Pace":
        """The pace after a piece of `rows` rows that took `seconds`; `void`: it was too long or too slow."""
        if void:
            return Pace(max(LEAST_ROWS, self.rows // 8), max(LEAST_ROWS, self.rows // 2))
        if rows < self.rows // 2:
            return self  # the last piece of a table says little
        target, most = (GENTLE_SECONDS, self.most // GENTLE_PART) if gentle else (TARGET_SECONDS, self.most)
        by_time = rows * target / max(seconds, 0.001)
        return replace(self, rows=max(LEAST_ROWS, int(min(by_time, self.rows * _GROWTH, most))))
