"""Keeps the threads of this process on one processor.

One at a time has Python's interpreter. Spread over processors, each that lets go of it wakes another elsewhere, comes back too
late, and has to be woken itself: docs/decisions/0009-many-servers.md has what that costs.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_allowed: set[int] = set()  # those that this process might use before; none, as long as it may use all


def stay_on_one_processor() -> None:
    """This thread, and those that it and they begin: on the one where it runs now. Nothing where the system cannot."""
    with suppress(AttributeError, OSError, ValueError, IndexError):
        here, allowed = _processor(), os.sched_getaffinity(0)
        os.sched_setaffinity(0, {here})
        _allowed.update(allowed)


@contextmanager
def on_any_processor() -> Iterator[None]:
    """For programs that are begun in here: they would get in each other's way on one processor, and in ours."""
    if not _allowed:
        yield
        return
    here = os.sched_getaffinity(0)
    with suppress(OSError):  # a container may have been given others meanwhile
        os.sched_setaffinity(0, _allowed)
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setaffinity(0, here)


def _processor() -> int:
    """Linux's word (proc(5), field 39 of `stat`). Raises OSError where there is none."""
    return int(Path("/proc/thread-self/stat").read_bytes().rpartition(b")")[2].split()[36])
