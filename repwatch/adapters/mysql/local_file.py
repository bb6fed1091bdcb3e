"""A file that a client offers to a server, and that never is on a disk: a named pipe in a folder of its own.

LOAD DATA LOCAL lets the *server* say which file it wants (MySQL manual, "Security Considerations for LOAD DATA LOCAL"), so the
driver gives it files of that folder only.
"""

import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_ROOM: Final = 65_536  # bytes that the pipe holds by itself; on a machine with large pages it would be more
LEAST: Final = 2 * _ROOM


class LocalFile:
    """The folder, and a pipe in it while it has a content: a server that asked for it at another time would hang its client.

    Raises OSError where it cannot be made.
    """

    def __init__(self) -> None:
        self.folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="repwatch-")))
        self.path = self.folder / "rows"

    @contextmanager
    def holding(self, content: bytes) -> Iterator[None]:
        """Within, whoever reads the file reads `content`, once. Raises OSError.

        The content has to be larger than the pipe (`LEAST`): else all of it would be written, and the end of it gone, before
        somebody opens the file, who would then wait for ever.
        """
        if len(content) < LEAST:
            raise ValueError(f"{len(content)} bytes are too few for a pipe")
        os.mkfifo(self.path, 0o600)
        try:
            reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)  # without a reader, opening for writing would wait
            try:
                feeder = self._feed(content)
            except OSError:
                os.close(reader)
                raise
            try:
                yield
            finally:
                os.close(reader)  # if nobody else reads any more, the feeder is told so
                feeder.join()
        finally:
            self.path.unlink(missing_ok=True)

    def _feed(self, content: bytes) -> threading.Thread:
        writer = os.open(self.path, os.O_WRONLY)
        try:
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _ROOM)
            feeder = threading.Thread(target=_write, args=(writer, content), name="feed a server", daemon=True)
            feeder.start()
        except (OSError, RuntimeError) as error:  # no room for so large a pipe, or for a thread
            os.close(writer)
            raise OSError(f"nothing can be fed to a pipe: {error}") from None
        return feeder

    def close(self) -> None:
        """Remove it; never raises."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _write(writer: int, content: bytes) -> None:
    with suppress(BrokenPipeError), os.fdopen(writer, "wb", buffering=0) as file:
        rest = memoryview(content)
        while rest:
            rest = rest[file.write(rest) :]
