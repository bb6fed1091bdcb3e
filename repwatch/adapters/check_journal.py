"""The journal of a drift check as a file of JSON lines (`ports.check_journal`), one for each kind of check of a cluster."""

import fcntl
import json
import logging
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from repwatch.drift.report import Proof
from repwatch.drift.resume import PieceRecord
from repwatch.errors import UsageError

log = logging.getLogger("repwatch.drift")

SYNC_SECONDS: Final = 5.0


class FileCheckJournal:
    """One file, held by one check at a time. Each line is written whole; a torn last line is left out when it is read."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        """Open it; without `resume` what an earlier run left is dropped. Raises UsageError if the same check is running."""
        self._path = path
        self._kept: dict[str, list[PieceRecord]] = {}
        self._handle: int | None = None
        self._synced = time.monotonic()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self._take(resume)
        except OSError as error:
            self._give_up(error)

    def _take(self, resume: bool) -> None:
        assert self._handle is not None
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise UsageError(f"the same check is running already ({self._path})", hint="wait for it, or end it") from None
        whole = self._path.read_bytes().rpartition(b"\n")[0] if resume else b""
        for line in whole.splitlines():
            record = _decoded(line)
            if record is not None:
                self._kept.setdefault(record.table, []).append(record)
        os.ftruncate(self._handle, len(whole) + 1 if whole else 0)

    @property
    def resumes(self) -> bool:
        """True if an earlier run left something to go on from."""
        return bool(self._kept)

    def append(self, record: PieceRecord) -> None:
        """Keep one piece."""
        if self._handle is None:
            return
        try:
            os.write(self._handle, _encoded(record))
            if time.monotonic() - self._synced > SYNC_SECONDS:
                os.fsync(self._handle)
                self._synced = time.monotonic()
        except OSError as error:
            self._give_up(error)

    def of_table(self, table: str) -> list[PieceRecord]:
        """What an earlier run had kept of a table."""
        return self._kept.get(table, [])

    def remove(self) -> None:
        """The check is over: nothing is left to go on from."""
        with suppress(OSError):
            self._path.unlink()

    def close(self) -> None:
        """Let go of the file, which stays."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _give_up(self, error: OSError) -> None:
        log.warning("drift.journal %s cannot be written (%s): this check cannot be resumed", self._path, error.strerror)
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()


def _encoded(record: PieceRecord) -> bytes:
    entry = {
        "table": record.table,
        "shape": record.shape,
        "lower": record.lower,
        "upper": record.upper,
        "rows": record.rows,
        "at": record.at.isoformat(),
        "proved": {str(number): proof.value for number, proof in record.proved.items()},
        "doubtful": sorted(record.doubtful),
    }
    return json.dumps(entry, ensure_ascii=True).encode() + b"\n"


def _decoded(line: bytes) -> PieceRecord | None:
    """The record of a line; None for one of another version, which is as if it had not been read."""
    try:
        entry = json.loads(line)
        lower, upper = (None if entry[end] is None else tuple(map(str, entry[end])) for end in ("lower", "upper"))
        return PieceRecord(
            table=str(entry["table"]),
            shape=str(entry["shape"]),
            lower=lower,
            upper=upper,
            rows=int(entry["rows"]),
            at=datetime.fromisoformat(entry["at"]).astimezone(UTC),
            proved={int(number): Proof(proof) for number, proof in entry["proved"].items()},
            doubtful=frozenset(map(int, entry["doubtful"])),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None
