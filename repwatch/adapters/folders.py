"""What a crash must not forget of a folder."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Have the names in it on disk: a file that was synced alone may be there after a crash without its name. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
