"""Progress of a drift check on stderr: a live line on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import click

from repwatch.drift.progress import Behind, Phase, Progress
from repwatch.drift.throttle import Hold, Strain

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


_STRAINS = {
    Strain.THREADS_RUNNING: "threads run on",
    Strain.HISTORY_LENGTH: "row versions wait for the purge on",
    Strain.LAG: "seconds of lag on",
}


def _waiting(waits: Hold | Behind) -> str:
    if isinstance(waits, Behind):
        lag = "" if waits.lag is None else f", {waits.lag:,.0f} s behind"
        return f"waiting for {waits.server} for {waits.seconds:,.0f} s: {waits.transactions:,} transactions to go{lag}"
    if waits.strain is Strain.PAUSED:
        return "paused; `repwatch drift resume` lets it go on"
    return f"waiting: {waits.value:,} {_STRAINS[waits.strain]} {waits.server} (limit {waits.limit:,})"


def progress_line(progress: Progress) -> str:
    """Tables, rows, rate and time to go, or what is waited for."""
    doing = "settling rows of" if progress.phase is Phase.SETTLING else "checking"
    done = (
        f"{doing} {progress.table} ({progress.tables_done + 1} of {progress.tables}): "
        f"{progress.rows:,} of about {progress.rows_expected:,} rows"
    )
    if progress.waits is not None:
        return f"{done}; {_waiting(progress.waits)}"
    eta = "" if progress.eta_seconds is None else f", {timedelta(seconds=round(progress.eta_seconds))} left"
    delay = f", waiting for a replica that is delayed by {timedelta(seconds=progress.delay)}" if progress.delay else ""
    return f"{done}, {progress.rate:,.0f}/s{eta}{delay}"
