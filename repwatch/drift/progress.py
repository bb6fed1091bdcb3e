"""How far a check is, for people."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from repwatch.drift.throttle import Hold
from repwatch.model.schema import Table


class Phase(StrEnum):
    """What is being done."""

    CONNECTING = "connecting"
    SCANNING = "scanning"
    SETTLING = "settling"  # rows that differ are read again until it is clear what they are


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """A replica that has not yet come to what was read on the source, and is waited for."""

    server: str
    seconds: float  # waited so far
    transactions: int  # to go
    lag: float | None  # seconds behind, as the server says


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A moment of a check. `rows_expected` is the optimizer's estimate."""

    phase: Phase
    tables_done: int
    tables: int
    table: str  # the one in work
    rows: int  # read so far on the source, of all tables
    rows_expected: int
    seconds: float  # since the start
    piece_rows: int = 0  # the next piece of the table has so many: fewer where rows are slow to read, or others write
    waits: Hold | Behind | None = None  # nothing comes for the moment, and why
    delay: float = 0.0  # seconds by which the replicas are meant to be behind, which the check waits for

    @property
    def rate(self) -> float:
        """Rows of the source a second."""
        return self.rows / self.seconds if self.seconds > 0 else 0.0

    @property
    def eta_seconds(self) -> float | None:
        """Seconds to go, None while there is nothing to tell it from."""
        if self.rate <= 0 or self.seconds < 1:
            return None
        return max(0.0, self.rows_expected - self.rows) / self.rate


class RowEstimate:
    """The rows of all tables, by the optimizer's estimates of those whose definitions were read so far."""

    def __init__(self) -> None:
        self.rows = 0
        self._known = 0
        self._tables = 0

    def learn(self, tables: Iterable[Table], count: int, *, of: int) -> None:
        """So many tables more are known, of so many; those that have come to nothing are not in `tables`."""
        self._known += sum(table.estimated_rows for table in tables)
        self._tables += count
        self.rows = self._known * of // self._tables
