"""When a check holds back: it reads on only while the servers have room for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Strain(StrEnum):
    """What is too much."""

    THREADS_RUNNING = "threads-running"
    HISTORY_LENGTH = "history-length"  # row versions that InnoDB has not been able to purge
    PAUSED = "paused"  # somebody said so


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Beyond these a check waits. `load` is the share of the time, in percent, in which the source may be read."""

    threads_running: int = 25
    history_length: int = 1_000_000
    load: int = 100

    def pause_after(self, seconds: float) -> float:
        """Seconds to leave the source alone after a reading of that many."""
        return seconds * (100 / self.load - 1)


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """What a server has to do beside the check; None where it does not tell."""

    threads_running: int | None = None
    history_length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why a check waits."""

    server: str
    strain: Strain
    value: int
    limit: int


PAUSED: Final = Hold(server="", strain=Strain.PAUSED, value=0, limit=0)


def hold(pressures: Mapping[str, Pressure], limits: Limits) -> Hold | None:
    """The first reason to wait, by the order of the servers; unknown is no reason."""
    for server, pressure in pressures.items():
        for strain, value, limit in (
            (Strain.THREADS_RUNNING, pressure.threads_running, limits.threads_running),
            (Strain.HISTORY_LENGTH, pressure.history_length, limits.history_length),
        ):
            if value is not None and value > limit:
                return Hold(server=server, strain=strain, value=value, limit=limit)
    return None
