"""Progress of a drift check on stderr: a live line on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from repwatch.drift.progress import Progress
from repwatch.render.drift_progress import progress_line

_EVERY = 10.0  # seconds between two lines where stderr is no terminal


@contextmanager
def progress_on_stderr() -> Iterator[Callable[[Progress], None]]:
    """A function that shows progress."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, and only needed on a terminal

    console = Console(stderr=True)
    with console.status("connecting") as status:
        yield lambda progress: status.update(progress_line(progress).replace("[", "\\["))


class _Lines:
    """One line in ten seconds, the first after ten: a short check stays silent."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        if time.monotonic() - self._last >= _EVERY:
            self._last = time.monotonic()
            click.echo(progress_line(progress), err=True)
