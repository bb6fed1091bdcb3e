"""The port to the service's drift checks: how they stand, what a person tells them, and their reports."""

from enum import StrEnum
from typing import Final, Protocol

from repwatch.drift.control import Word
from repwatch.drift.overview import DriftOverview


class ReportForm(StrEnum):
    """How a kept report is written."""

    HTML = "html"
    JSON = "json"


class Checks(Protocol):
    """For several threads."""

    def overviews(self) -> tuple[DriftOverview, ...]:
        """Each cluster that is checked, as of a few seconds ago at most; never raises."""
        ...

    def tell(self, cluster: str, word: Word) -> int:
        """Say it to the checks of a cluster that run now; how many there are. Raises UsageError where it cannot be said."""
        ...

    def report(self, number: int, form: ReportForm) -> str | None:
        """The report of a check, None if there is none (any more)."""
        ...


class NoChecks:
    """Nothing is checked."""

    def overviews(self) -> tuple[DriftOverview, ...]:
        """None."""
        return ()

    def tell(self, cluster: str, word: Word) -> int:
        """Nobody."""
        del cluster, word
        return 0

    def report(self, number: int, form: ReportForm) -> str | None:
        """None."""
        del number, form
        return None


NO_CHECKS: Final = NoChecks()
