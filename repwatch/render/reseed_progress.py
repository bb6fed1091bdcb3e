"""One line about how far a reseed is, for a terminal or a log."""

from collections.abc import Iterator

from repwatch.reseed.progress import Ahead, Phase, Progress
from repwatch.reseed.sizes import size_text

_PHASES = {
    Phase.PREPARE: "preparing the replica",
    Phase.SNAPSHOT: "taking a snapshot of the source",
    Phase.COMPARE: "putting right",
    Phase.DATA: "copying",
    Phase.KEYS: "adding keys to",
    Phase.CLONE: "cloning",
    Phase.RESTART: "waiting for the server to start again (by hand, where nothing does it by itself)",
    Phase.STREAM: "copying files",
    Phase.RECOVER: "making the files consistent",
    Phase.SWAP: "putting the files in their place",
    Phase.OBJECTS: "making views, routines, triggers and events",
    Phase.ATTACH: "setting the position and attaching",
    Phase.CATCH_UP: "catching up",
    Phase.VERIFY: "comparing with the source",
}
_ASIDE = {Phase.CLONE, Phase.VERIFY}  # after a comma stands which part is at hand
_BYTES = {Phase.STREAM, Phase.CLONE}


def progress_line(progress: Progress) -> str:
    """What goes on, how much of it is done, how fast, how long it will take, and what comes after it."""
    line = (", " if progress.phase in _ASIDE else " ").join(filter(None, (_PHASES[progress.phase], progress.text)))
    parts = ", ".join(_parts(progress))
    purge = progress.ahead.purge if progress.ahead and not progress.received else None
    kept = "" if purge is None else f"; the source keeps what follows the snapshot for {duration(purge)}"
    return (f"{line}: {parts}" if parts else line) + kept


def _parts(progress: Progress) -> Iterator[str]:
    count = size_text if progress.phase in _BYTES else _number
    unit = "" if progress.phase in _BYTES else " transactions" if progress.phase is Phase.CATCH_UP else " rows"
    if progress.total:
        yield f"{count(progress.done)} of about {count(progress.total)}{unit}"
    if progress.data_total:
        yield f"{size_text(progress.data)} of about {size_text(progress.data_total)}"
    if progress.rate:
        yield f"{count(round(progress.rate))}/s"
    if progress.eta is not None and progress.phase is not Phase.KEYS:  # that is of the rows alone
        yield f"{duration(progress.eta)} left"
    if progress.ahead and progress.phase is not Phase.CATCH_UP:
        yield from _then(progress.ahead)


def _then(ahead: Ahead) -> Iterator[str]:
    if ahead.catch_up is not None:
        yield f"about {duration(ahead.catch_up)} to catch up after it"
    if ahead.transactions:
        yield f"{_number(ahead.transactions)} transactions behind so far"


def _number(count: int) -> str:
    return f"{count:,}"


def duration(seconds: float) -> str:
    """As people say it: `42 s`, `3 min`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours = round(minutes / 60)
    return f"{minutes // 60} h {minutes % 60} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
