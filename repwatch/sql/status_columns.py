"""One row of a status statement, by names that do not differ between flavours and versions.

They meet in one spelling: lower case, `master` read as `source`, `slave` as `replica`.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from math import isfinite

from repwatch.model.observation import ThreadState

RawRow = Mapping[str, str | None]

# MariaDB also says Preparing, before it connects.
_STATES = {
    "yes": ThreadState.RUNNING,
    "no": ThreadState.STOPPED,
    "connecting": ThreadState.CONNECTING,
    "preparing": ThreadState.CONNECTING,
}


class StatusRow:
    """One row by normalised column names."""

    def __init__(self, row: RawRow) -> None:
        self._values = {_spelling(name): value for name, value in row.items()}

    def has(self, name: str) -> bool:
        """True if there is such a column, whatever it says."""
        return name in self._values

    def text(self, *names: str) -> str:
        """The first of these columns that says something, "" if none does."""
        return next((value for name in names if (value := self._values.get(name))), "")

    def number(self, name: str) -> float | None:
        """A number; None for NULL, for a missing column and for what is no number."""
        with suppress(ValueError):
            number = float(self.text(name))
            return number if isfinite(number) else None
        return None

    def whole(self, name: str) -> int:
        """A number, 0 where it is unknown."""
        return int(self.number(name) or 0)

    def thread(self, name: str) -> ThreadState:
        """The state of a receiver or applier."""
        return _STATES.get(self.text(name).lower(), ThreadState.UNKNOWN)

    def time(self, name: str) -> datetime | None:
        """A UTC time of the server; None for NULL and for the zero date."""
        with suppress(ValueError):
            return datetime.fromisoformat(self.text(name)).replace(tzinfo=UTC)
        return None

    def is_on(self, name: str) -> bool:
        """True for anything but 0, OFF, No and nothing: newer servers have more than one way of being read-only."""
        return self.text(name).lower() not in ("", "0", "off", "no")


def _spelling(name: str) -> str:
    return name.lower().replace("master", "source").replace("slave", "replica")
