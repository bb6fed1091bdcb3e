"""The port to small files that are written once, whole, and must be there afterwards: undo files, agreed plans."""

from typing import Protocol


class Records(Protocol):
    """A folder of texts by name. Raises StoreError when one cannot be written or read."""

    def save(self, name: str, text: str) -> str:
        """Write it, all or nothing; when this returns it is on the disk. Returns what a person calls it (its path)."""
        ...

    def load(self, name: str) -> str | None:
        """The text, None if there is none of that name."""
        ...
