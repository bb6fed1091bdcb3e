"""Counts of one table on one replica, as they grow."""

from dataclasses import dataclass, field

from repwatch.drift.report import Difference, Proof, Reason


@dataclass(kw_only=True)
class Tally:
    """What came out for one replica. `reason` says why the table could not be read to its end there."""

    rows: int = 0
    rows_proved: int = 0
    difference_count: int = 0
    surplus: int = 0  # of these: the replica has the row, or more of it
    differences: list[Difference] = field(default_factory=list)
    proofs: set[Proof] = field(default_factory=set)
    reason: Reason | None = None
