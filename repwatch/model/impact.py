"""What an incident means for its cluster at the moment a notice is made of it. What is not known is None."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

_MOST_NAMED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Some servers: how many, and what people call the first of them."""

    count: int = 0
    first: tuple[str, ...] = ()

    @classmethod
    def of(cls, labels: Sequence[str]) -> Self:
        """All of these, in their order."""
        return cls(count=len(labels), first=tuple(labels[:_MOST_NAMED]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """How far behind a server is, how long that can still be put right by itself, and who is left.

    `below` are the replicas that read from it. `complete`, of a server that is lost to them, are those of them that have applied
    all they received. `good` are replicas elsewhere in the cluster that replicate well and whose data nothing speaks against.
    """

    lag_seconds: float | None = None
    lag_at_least: bool = False  # it may be further behind
    transactions_missing: int | None = None  # of what its source has written, not applied
    purge_seconds_left: float | None = None  # until its source may delete what it still needs; None: nothing, or not known
    below: Names = Names()
    complete: Names | None = None  # None: it is not lost
    good: Names = Names()
    others: int = 0  # replicas of the cluster beside it
