"""One line about how far a reseed is, for a terminal or a log."""

from repwatch.reseed.progress import Phase, Progress

_PHASES = {
    Phase.PREPARE: "preparing the replica",
    Phase.SNAPSHOT: "taking a snapshot of the source",
    Phase.DATA: "copying",
    Phase.CLONE: "cloning",
    Phase.RESTART: "waiting for the server to start again (by hand, where nothing does it by itself)",
    Phase.STREAM: "copying files",
    Phase.RECOVER: "making the files consistent",
    Phase.SWAP: "putting the files in their place",
    Phase.OBJECTS: "making views, routines, triggers and events",
    Phase.ATTACH: "setting the position and attaching",
    Phase.CATCH_UP: "catching up",
    Phase.VERIFY: "comparing all rows with the source",
}
_UNITS = {Phase.CATCH_UP: "transactions", Phase.STREAM: "MiB", Phase.CLONE: "bytes"}


def progress_line(progress: Progress) -> str:
    """What goes on, how much of it is done, how fast, how long it will take."""
    line = " ".join(filter(None, (_PHASES[progress.phase], progress.text)))
    if progress.total:
        line += f": {progress.done:,} of about {progress.total:,} {_UNITS.get(progress.phase, 'rows')}"
    if progress.rate:
        line += f", {progress.rate:,.0f}/s"
    if progress.eta is not None:
        line += f", {duration(progress.eta)} left"
    return line


def duration(seconds: float) -> str:
    """As people say it: `42 s`, `3 min`, `2 h 5 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
