"""How far a reseed is, as a value: phase, share done, time left, and what comes after the copy."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_APPLIED: Final = 100.0  # transactions a second that each replica is taken to apply at least: one sync each, on a slow disk


class Phase(StrEnum):
    """What goes on now."""

    PREPARE = "prepare"
    SNAPSHOT = "snapshot"
    COMPARE = "compare"
    DATA = "data"
    KEYS = "keys"
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
class Written:
    """What the source has written since the snapshot, as it was asked `seconds` after that."""

    transactions: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What follows the copy. In seconds; None is not known, and of `purge` also: the source deletes nothing by its age."""

    transactions: int | None  # that the source has written since the snapshot
    catch_up: float | None
    purge: float | None  # until the source may delete what follows the snapshot


def look_ahead(written: Written | None, *, since: float, left: float | None, keeps: int) -> Ahead:
    """What can be expected `since` seconds after the snapshot, `left` before the end of the copy.

    The source is taken to go on writing as it did, and the replica to apply it as fast as that, and not slower than any does.
    `keeps`: the age in seconds at which the source deletes binary logs, 0 for never.
    """
    catch_up = None
    if written is not None and left is not None and written.seconds > 0:
        rate = written.transactions / written.seconds
        catch_up = rate * (since + left) / max(rate, _APPLIED)
    return Ahead(
        transactions=None if written is None else written.transactions,
        catch_up=catch_up,
        purge=max(keeps - since, 0.0) if keeps else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`done` and `total` count rows (COMPARE, DATA, KEYS, VERIFY), bytes (CLONE, STREAM) or transactions (CATCH_UP).

    `total` is an estimate, 0 if there is none; so are the bytes of the rows, `data` of `data_total`.
    """

    phase: Phase
    text: str = ""  # the table or part at hand
    done: int = 0
    total: int = 0
    data: int = 0
    data_total: int = 0
    seconds: float = 0.0  # since the phase began
    received: bool = False  # the replica has all that it lacks; it has only to apply it
    ahead: Ahead | None = None

    @property
    def rate(self) -> float:
        """Done per second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def eta(self) -> float | None:
        """Seconds to the end of the phase, by bytes where they are known; None while nothing can be said."""
        done, total = (self.data, self.data_total) if self.data_total else (self.done, self.total)
        if not done or not total or self.seconds <= 0:
            return None
        return self.seconds * max(total - done, 0) / done
