"""The port to the record of one repair or reseed."""

from collections.abc import Mapping
from typing import Protocol


class Journal(Protocol):
    """An append-only record that survives `kill -9` and a power cut. Raises StoreError when it cannot be written or read."""

    def append(self, entry: Mapping[str, str]) -> None:
        """Add one entry; when this returns it is on the disk."""
        ...

    def entries(self) -> list[dict[str, str]]:
        """All entries, oldest first. One that was cut off while it was written never happened."""
        ...
