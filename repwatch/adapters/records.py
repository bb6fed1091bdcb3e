"""Small files in one folder (`ports.records.Records`)."""

import os
from pathlib import Path

from repwatch.adapters.folders import sync_folder
from repwatch.errors import StoreError


class FileRecords:
    """Each text is a file that only its owner may read: it may hold rows. Written beside, synced, then renamed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, name: str, text: str) -> str:
        """Write the file, all or nothing. Raises StoreError."""
        path = self.folder / name
        part = path.with_name(f"{name}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            sync_folder(self.folder)
        except OSError as error:
            raise StoreError(
                f"{path} cannot be written: {error.strerror or error}",
                hint="check the disk and the permissions of the state folder",
            ) from None
        return str(path)

    def load(self, name: str) -> str | None:
        """The file's text. Raises StoreError."""
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{self.folder / name} cannot be read: {error}") from None
