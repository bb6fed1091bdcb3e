"""How far a check is, in words."""

from datetime import timedelta
from typing import Final

from repwatch.drift.progress import Phase, Progress
from repwatch.drift.throttle import Hold, Strain

STRAINS: Final = {Strain.THREADS_RUNNING: "threads run", Strain.HISTORY_LENGTH: "row versions wait for the purge"}


def waiting_text(hold: Hold) -> str:
    """Why nothing is read for the moment."""
    if hold.strain is Strain.PAUSED:
        return "paused; `repwatch drift resume` lets it go on"
    return f"waiting: {hold.value:,} {STRAINS[hold.strain]} on {hold.server} (limit {hold.limit:,})"


def progress_line(progress: Progress) -> str:
    """Tables, rows, rate and time to go; or why it waits."""
    return waiting_text(progress.waits) if progress.waits is not None else work_text(progress)


def work_text(progress: Progress) -> str:
    """Tables, rows, rate and time to go."""
    doing = "settling rows of" if progress.phase is Phase.SETTLING else "checking"
    eta = "" if progress.eta_seconds is None else f", {timedelta(seconds=round(progress.eta_seconds))} left"
    delay = f", waiting for a replica that is delayed by {timedelta(seconds=progress.delay)}" if progress.delay else ""
    return (
        f"{doing} {progress.table} ({progress.tables_done + 1} of {progress.tables}): "
        f"{progress.rows:,} of about {progress.rows_expected:,} rows, {progress.rate:,.0f}/s{eta}{delay}"
    )
