"""Keeps the threads of this process on one processor.

One at a time has Python's interpreter. Spread over processors, each that lets go of it wakes another elsewhere, comes back too
late, and has to be woken itself: docs/decisions/0009-many-servers.md has what that costs.
"""

import os
from contextlib import suppress
from pathlib import Path


def stay_on_one_processor() -> None:
    """This thread, and those that it and they begin: on the one where it runs now. Nothing where the system cannot."""
    with suppress(AttributeError, OSError):
        os.sched_setaffinity(0, {_processor()})


def _processor() -> int:
    """Linux's word (proc(5), field 39 of `stat`). Raises OSError where there is none."""
    return int(Path("/proc/thread-self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[36])
