"""How far a check is, in words."""

from datetime import timedelta
from typing import Final

from repwatch.drift.progress import Behind, Phase, Progress
from repwatch.drift.throttle import Hold, Strain

STRAINS: Final = {
    Strain.THREADS_RUNNING: "threads run on",
    Strain.HISTORY_LENGTH: "row versions wait for the purge on",
    Strain.LAG: "seconds of lag on",
}


def waiting_text(waits: Hold | Behind) -> str:
    """Why nothing comes for the moment."""
    if isinstance(waits, Behind):
        lag = "" if waits.lag is None else f", {waits.lag:,.0f} s behind"
        return f"waiting for {waits.server} for {waits.seconds:,.0f} s: {waits.transactions:,} transactions to go{lag}"
    if waits.strain is Strain.PAUSED:
        return "paused; `repwatch drift resume` lets it go on"
    return f"waiting: {waits.value:,} {STRAINS[waits.strain]} {waits.server} (limit {waits.limit:,})"


def progress_line(progress: Progress) -> str:
    """Tables, rows, rate, pace and time to go, or what is waited for."""
    if progress.waits is not None:
        return f"{done_text(progress)}; {waiting_text(progress.waits)}"
    eta = "" if progress.eta_seconds is None else f", {timedelta(seconds=round(progress.eta_seconds))} left"
    delay = f", waiting for a replica that is delayed by {timedelta(seconds=progress.delay)}" if progress.delay else ""
    pace = f" in pieces of {progress.piece_rows:,} rows" if progress.piece_rows and progress.phase is Phase.SCANNING else ""
    return f"{done_text(progress)}, {progress.rate:,.0f}/s{pace}{eta}{delay}"


def done_text(progress: Progress) -> str:
    """Tables and rows."""
    doing = "settling rows of" if progress.phase is Phase.SETTLING else "checking"
    return (
        f"{doing} {progress.table} ({progress.tables_done + 1} of {progress.tables}): "
        f"{progress.rows:,} of about {progress.rows_expected:,} rows"
    )
