"""How far a reseed is, as a value: phase, share done, time left."""

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """What goes on now."""

    PREPARE = "prepare"
    SNAPSHOT = "snapshot"
    DATA = "data"
    CLONE = "clone"
    RESTART = "restart"
    STREAM = "stream"
    RECOVER = "recover"
    SWAP = "swap"
    OBJECTS = "objects"
    ATTACH = "attach"
    CATCH_UP = "catch-up"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`done` and `total` count rows (DATA, VERIFY), MiB (STREAM), bytes (CLONE) or transactions (CATCH_UP).

    `total` is an estimate, 0 if there is none.
    """

    phase: Phase
    text: str = ""  # the table or part at hand
    done: int = 0
    total: int = 0
    seconds: float = 0.0  # since the phase began

    @property
    def rate(self) -> float:
        """Done per second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def eta(self) -> float | None:
        """Seconds to the end of the phase; None while nothing can be said."""
        if not self.rate or not self.total:
            return None
        return max(self.total - self.done, 0) / self.rate
