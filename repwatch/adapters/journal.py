"""A journal as a file of JSON lines (`ports.journal.Journal`)."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from repwatch.adapters.folders import sync_folder
from repwatch.errors import StoreError


class FileJournal:
    """One file, one JSON object a line, each line on the disk before `append` returns.

    A crash can tear the last line only: it has no newline then, is not read, and is cut off by the next `append`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, entry: Mapping[str, str]) -> None:
        """Add one entry; when this returns it is on the disk. Raises StoreError."""
        line = json.dumps(dict(entry), ensure_ascii=True).encode() + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                end = _whole_lines(handle)
                os.ftruncate(handle, end)
                _write_all(handle, line, end)
                os.fsync(handle)
            finally:
                os.close(handle)
            sync_folder(self.path.parent)  # else a crash may forget that the file exists
        except OSError as error:
            raise _store_error("written", self.path, error) from None

    def entries(self) -> list[dict[str, str]]:
        """All whole entries, oldest first. Raises StoreError if the file cannot be read or is no journal."""
        try:
            lines = self.path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _store_error("read", self.path, error) from None
        return [self._entry(number, line) for number, line in enumerate(lines, 1)]

    def _entry(self, number: int, line: bytes) -> dict[str, str]:
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            raise StoreError(f"{self.path}: line {number} is no journal entry", hint="move the file away to start anew")
        return {str(key): str(value) for key, value in entry.items()}


def _whole_lines(handle: int) -> int:
    """The length of the file up to and with its last newline."""
    size = os.fstat(handle).st_size
    block = 65_536
    end = size
    while end > 0:
        start = max(0, end - block)
        found = os.pread(handle, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _write_all(handle: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(handle, data, offset)
        data, offset = data[written:], offset + written


def _store_error(done: str, path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"the journal {path} cannot be {done}: {error.strerror or error}",
        hint="check the disk and the permissions of the state folder",
    )
