"""The port to time. `adapters/clock.py` is the only thing that reads a clock; tests pass one of their own."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for people and records, monotonic time for ages and deadlines."""

    def now(self) -> datetime:
        """Aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...
