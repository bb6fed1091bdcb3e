"""What of an interrupted check holds on: the pieces that were read and judged, and how far each table had come."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from repwatch.drift.report import Proof
from repwatch.model.schema import Table
from repwatch.sql.keyrange import Key

# A report is about one time. Beyond a day it would mix what was read in different nights, and say so for nobody's good; who
# wants a large cluster proved over several nights says within which time (`prove_within`), and that bounds it then.
KEPT_FOR: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceRecord:
    """One piece of a table as it was judged. `shape` tells the definitions under which it was read, `at` when that was."""

    table: str
    shape: str
    lower: Key | None
    upper: Key | None
    rows: int  # on the source
    at: datetime
    proved: Mapping[int, Proof]  # by the number of the replica
    doubtful: frozenset[int] = frozenset()  # replicas on which it has to be narrowed

    @property
    def judged(self) -> frozenset[int]:
        """The replicas of which it tells."""
        return self.doubtful | self.proved.keys()


def shape_of(servers: Sequence[str], source: Table, replicas: Mapping[int, Table], read: Sequence[Sequence[str]]) -> str:
    """A fingerprint of what is compared, on which servers and under which definitions. Estimates do not count.

    `read`: the columns that are compared, those that name rows, those that cut ranges.
    """
    tables = [(number, table.columns) for number, table in sorted(replicas.items())]
    told = repr((tuple(servers), source.columns, tables, [tuple(columns) for columns in read]))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def unbroken(
    records: Iterable[PieceRecord], shape: str, replicas: Collection[int], since: datetime, now: datetime
) -> tuple[PieceRecord, ...]:
    """The records of one table that follow each other without a gap from its beginning, in key order.

    Pieces are judged in any order; what lies behind a gap is read again, and so is what was not judged on all the replicas
    (one may have been out of reach) and what was read before `since` (or at a time to come, as the clock had it). Of two records
    of one piece the later one counts.
    """
    whole = (
        record
        for record in records
        if record.shape == shape and record.judged == frozenset(replicas) and since <= record.at <= now
    )
    by_lower = {record.lower: record for record in whole}
    found: list[PieceRecord] = []
    lower: Key | None = None
    while (record := by_lower.pop(lower, None)) is not None:
        found.append(record)
        lower = record.upper
        if lower is None:
            break
    return tuple(found)
