"""One command at a time on what is kept in a file: also while the server that else decides whose turn it is does not run."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from repwatch.errors import Refused, StoreError


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Held by one process; the kernel lets go when it ends, however. Raises Refused while another has it, StoreError."""
    path = file.with_suffix(".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}", hint="check the state folder (--state)") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"another command works on this replica ({path})", hint="wait for it to end, or end it") from None
        yield
    finally:
        os.close(handle)
