"""One row of a status statement, by names that do not differ between flavours and versions.

They meet in one spelling: lower case, `master` read as `source`, `slave` as `replica`.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
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
        for name in names:
            if value := self._values.get(name):
                return value
        return ""

    def number(self, name: str) -> float | None:
        """A number; None for NULL, for a missing column and for what is no number."""
        text = self.text(name)
        try:
            number = float(text) if text else None
        except ValueError:
            return None
        return number if number is not None and isfinite(number) else None

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


@lru_cache(4096)  # the same few hundred names, for each server at each look
def _spelling(name: str) -> str:
    return name.lower().replace("master", "source").replace("slave", "replica")
