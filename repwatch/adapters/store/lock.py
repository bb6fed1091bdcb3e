"""One service on one store: a lock that the kernel lets go of when its holder dies, however it dies."""

import fcntl
import os
from pathlib import Path

from repwatch.errors import StoreError


class StoreLock:
    """Held from `__init__` until `release`. Raises StoreError if another process holds it or the folder cannot be written."""

    def __init__(self, store: Path) -> None:
        place = Path(os.path.realpath(store))  # a store has one lock, by whatever link it is named; `resolve` raises at a loop
        self._path = place.with_name(f"{place.name}.lock")
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(
                f"cannot write beside the state store: {self._path}: {error.strerror}",
                hint="check that the store's folder exists and is writable for this user",
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._file, 32, 0).decode("ascii", "replace").strip()
            os.close(self._file)
            raise StoreError(
                f"another repwatch{f' (process {holder})' if holder else ''} runs on the state store {store}",
                hint="stop it first, or give this one a store of its own ([store] url)",
            ) from None
        self._write_pid()

    def _write_pid(self) -> None:
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except OSError:  # a full disk: the lock holds all the same, only the next one's message is poorer
            return

    def release(self) -> None:
        """Let go. The file stays: removing it would let two processes lock two files of one name."""
        os.close(self._file)
