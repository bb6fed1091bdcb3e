"""The folders of sandboxes, and what killed runs left in them."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from repwatch.errors import Refused

PREFIX = "repwatch-sandbox-"
LOCK = "lock"
SERVERS = "servers"
SECRETS = "secrets"
CONTROL = "control"
CONFIGURATION = "repwatch.toml"
# A folder gets the name by which others find it once it is locked: until then they could take it for a dead one's.
UNFINISHED = "repwatch-new-sandbox-"
FRESH_SECONDS = 60
# The path of a Unix socket ends after 107 bytes (unix(7)), and a server's lies at servers/NAME/sock.
LONGEST_PATH = 80


class OwnedFolder:
    """A folder that is this process's while it lives: a lock in it is held until `remove` or the end of the process."""

    def __init__(self, path: Path, *, temporary: bool) -> None:
        self.path = path
        self._temporary = temporary
        self._lock: IO[str] = (path / LOCK).open("a", encoding="ascii")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise Refused(f"{path} is in use by another sandbox", hint="stop that one, or choose another folder") from None

    @classmethod
    def temporary(cls) -> "OwnedFolder":
        """A new one in the machine's place for temporary files; what killed runs left there is removed first."""
        parent = Path(tempfile.gettempdir())
        _check_length(parent / f"{PREFIX}12345678")
        remove_stale(parent)
        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED))
        owned = cls(unfinished, temporary=True)
        owned.path = unfinished.rename(unfinished.with_name(PREFIX + unfinished.name.removeprefix(UNFINISHED)))
        return owned

    @classmethod
    def chosen(cls, path: Path) -> "OwnedFolder":
        """One that a person chose: empty, new, or left by a killed run. Raises Refused for any other."""
        path = path.absolute()
        _check_length(path)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(path.iterdir()) and not (path / LOCK).exists():
                raise Refused(f"{path} is not empty", hint="choose a new folder, or an empty one")
            owned = cls(path, temporary=False)
        except OSError as error:
            raise Refused(f"{path} cannot be used: {error.strerror}") from None
        owned._empty()
        return owned

    def remove(self) -> None:
        """Delete what a sandbox put there, and the folder if nothing else is in it; never raises."""
        if self._temporary:
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self._empty()
            with suppress(OSError):
                (self.path / LOCK).unlink()
                self.path.rmdir()
        self._lock.close()

    def _empty(self) -> None:
        for name in (SERVERS, SECRETS):
            shutil.rmtree(self.path / name, ignore_errors=True)
        for name in (CONTROL, CONFIGURATION):
            with suppress(OSError):
                (self.path / name).unlink()


def _check_length(path: Path) -> None:
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise Refused(
            f"the sandbox's folder would have a path of more than {LONGEST_PATH} bytes: {path}",
            hint="the names of Unix sockets are short: choose another --folder, or another TMPDIR",
        )


def live_folders() -> Iterator[Path]:
    """The temporary folders of sandboxes of this user that can be told what to do."""
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
        with suppress(OSError):
            if path.stat().st_uid == os.geteuid() and (path / CONTROL).exists() and not _is_stale(path):
                yield path


def remove_stale(parent: Path) -> None:
    """Remove the folders of sandboxes whose process is gone."""
    for prefix, dead in ((PREFIX, _is_stale), (UNFINISHED, _is_old)):
        for path in parent.glob(f"{prefix}*"):
            with suppress(OSError):  # another process removed it first
                if path.stat().st_uid == os.geteuid() and dead(path):
                    shutil.rmtree(path, ignore_errors=True)


def _is_old(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > FRESH_SECONDS


def _is_stale(path: Path) -> bool:
    lock = path / LOCK
    if not lock.exists():
        return True  # half removed
    with lock.open("r+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
