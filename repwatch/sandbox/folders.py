"""The temporary folders of sandboxes, and what killed runs left of them."""

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import IO

PREFIX = "repwatch-sandbox-"
LOCK = "lock"
# A folder without a lock file may be one that another process is making right now.
FRESH_SECONDS = 60


class OwnedFolder:
    """A folder that is this process's while it lives: a lock in it is held until `remove` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] = (path / LOCK).open("w", encoding="ascii")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @classmethod
    def temporary(cls) -> "OwnedFolder":
        """A new one in the machine's place for temporary files; what killed runs left there is removed first."""
        remove_stale(Path(tempfile.gettempdir()))
        return cls(Path(tempfile.mkdtemp(prefix=PREFIX)))

    def remove(self) -> None:
        """Delete everything in it; never raises."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def remove_stale(parent: Path) -> None:
    """Remove the folders of sandboxes whose process is gone."""
    for path in parent.glob(f"{PREFIX}*"):
        try:
            if path.stat().st_uid == os.geteuid() and _is_stale(path):
                shutil.rmtree(path, ignore_errors=True)
        except OSError:  # another process removed it first
            continue


def _is_stale(path: Path) -> bool:
    lock = path / LOCK
    if not lock.exists():
        return time.time() - path.stat().st_mtime > FRESH_SECONDS
    with lock.open("r+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
