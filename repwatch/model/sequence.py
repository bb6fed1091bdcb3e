"""An AUTO_INCREMENT that runs out of numbers."""

from dataclasses import dataclass
from datetime import datetime

from repwatch.model.schema import TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoIncrement:
    """One column. `next` is the number that the next row gets, `most` the largest that the column's type can hold."""

    table: TableName
    column: str
    kind: str  # the column's type, as the server has it
    next: int
    most: int

    @property
    def used(self) -> float:
        """The share of the numbers that are used, 0 to 1."""
        return min(1.0, max(0, self.next - 1) / self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoIncrements:
    """Those of a source that are nearly used up, the worst first; asked for now and then."""

    asked: datetime
    found: tuple[AutoIncrement, ...] = ()
    failure: str = ""  # why that came to nothing, and `found` is what was known before; "": it is as of `asked`
