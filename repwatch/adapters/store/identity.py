"""Whether the store's file is still the one that was opened.

SQLite goes on writing into a file that was removed: nothing fails, and everything is gone at the next start.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from repwatch.errors import StoreError


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """A file as it was opened."""

    path: Path
    device: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """The file that now has this name. Raises StoreError if there is none."""
        try:
            status = path.stat()
        except OSError as error:
            raise StoreError(
                f"the state store {path} is gone: {error.strerror}", hint="was it removed? Put it back, then restart repwatch"
            ) from None
        return cls(path, status.st_dev, status.st_ino)

    def check(self) -> None:
        """Raise StoreError if another file, or none, has the name now."""
        if FileIdentity.of(self.path) != self:
            raise StoreError(f"the state store {self.path} was replaced by another file", hint="restart repwatch to use that one")
