"""How many rows the next piece of a comparison has: many where all is equal, few where much differs."""

from dataclasses import dataclass, replace
from typing import Final

from repwatch.drift.pace import MOST_ROWS, TARGET_BYTES, TARGET_SECONDS
from repwatch.model.schema import Table

# Pieces up to here are compared row by row, which costs several times as much for each row as a signature does.
LEAF_ROWS: Final = 1_000
_LEAST: Final = 10
_FIRST: Final = 2_000
_USUAL_ROW: Final = 200  # bytes


@dataclass(frozen=True, slots=True)
class Stride:
    """Rows of the next piece, and of any.

    A piece that differs is read a second time, so where wrong rows lie close together small pieces read less in all. Growing
    more slowly than shrinking, the size settles where about every third piece differs.
    """

    rows: int
    most: int

    @classmethod
    def of(cls, table: Table) -> "Stride":
        """The stride to begin a table with; a piece makes about four megabytes at most."""
        size = max(table.estimated_row_bytes, 1) if table.estimated_rows else _USUAL_ROW
        most = min(MOST_ROWS, max(_LEAST, TARGET_BYTES // size))
        return cls(min(_FIRST, most), most)

    def after(self, *, equal: bool, seconds: float) -> "Stride":
        """The stride after a piece that took `seconds` on the source."""
        if not equal:
            return replace(self, rows=max(self.rows // 2, min(LEAF_ROWS, self.most)))
        if seconds > TARGET_SECONDS:
            return replace(self, rows=max(_LEAST, self.rows // 2))
        return replace(self, rows=min(self.rows + self.rows // 2, self.most))

    def after_void(self) -> "Stride":
        """After a piece that was too large for a signature."""
        least = max(_LEAST, self.rows // 8)
        return Stride(least, max(_LEAST, self.rows // 2))
