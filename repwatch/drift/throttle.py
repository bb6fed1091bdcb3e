"""When a check holds back: it reads on only while the servers have room for it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

WRITTEN_LOAD: Final = 50  # percent; as long as a piece is read, the source's writers have it to themselves


class Strain(StrEnum):
    """What is too much."""

    THREADS_RUNNING = "threads-running"
    HISTORY_LENGTH = "history-length"  # row versions that InnoDB has not been able to purge
    LAG = "lag"  # seconds by which a replica is behind
    PAUSED = "paused"  # somebody said so


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Beyond these a check waits. `load` is the share of the time, in percent, in which the source may be read.

    Without it, that is all of the time, and WRITTEN_LOAD while the source is written to.
    """

    threads_running: int = 25
    history_length: int = 1_000_000
    lag: float = 30.0  # seconds
    load: int | None = None

    def rested_at(self, before: float, seconds: float, now: float, *, written_to: bool) -> float:
        """When the source has rested from a reading of so many seconds that ends now, and from all `before`.

        `before`: when it would have rested from those; what was read meanwhile was no rest.
        """
        load = self.load or (WRITTEN_LOAD if written_to else 100)
        return max(before + seconds, now) + seconds * (100 / load - 1)


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """What a server has to do beside the check; None where it does not tell."""

    threads_running: int | None = None
    history_length: int | None = None
    lag: float | None = None  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why a check waits."""

    server: str
    strain: Strain
    value: int
    limit: int


PAUSED: Final = Hold(server="", strain=Strain.PAUSED, value=0, limit=0)


def hold(pressures: Mapping[str, Pressure], limits: Mapping[str, Limits]) -> Hold | None:
    """The first reason to wait, by the order of the servers, each with its limits; unknown is no reason."""
    for server, pressure in pressures.items():
        mine = limits[server]
        for strain, value, limit in (
            (Strain.THREADS_RUNNING, pressure.threads_running, mine.threads_running),
            (Strain.HISTORY_LENGTH, pressure.history_length, mine.history_length),
            (Strain.LAG, pressure.lag, mine.lag),
        ):
            if value is not None and value > limit:
                return Hold(server=server, strain=strain, value=round(value), limit=round(limit))
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a replica that is behind is waited for.

    It has `seconds` to get there; where its lag came down by half as much in that time, it has them once more. So one that
    catches up is waited for, for `seconds` and twice its lag at the most, and one that never will is not.
    """

    seconds: float
    since: float  # on a monotonic clock
    lag: float | None = None  # seconds, when this began

    def after(self, now: float, lag: float | None) -> "Patience | None":
        """What is left of it while the replica is still behind; None if it has come to its end."""
        if now < self.since + self.seconds:
            return self if self.lag is not None else replace(self, lag=lag)
        if lag is None or self.lag is None or lag > self.lag - self.seconds / 2:
            return None
        return replace(self, since=now, lag=lag)
