"""The whole story, from the empty folder to the last green status."""

import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from repwatch.errors import RepwatchError
from repwatch.model.server import Flavour
from repwatch.sandbox.demo import acts
from repwatch.sandbox.demo.narrator import Narrator
from repwatch.sandbox.demo.stage import REPWATCH, ActFailedError, Stage

ROWS = 200_000
ACTS: tuple[Callable[[Stage, Narrator], None], ...] = (
    acts.healthy,
    acts.halt,
    acts.drift,
    acts.repair,
    acts.reseed,
    acts.resolved,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """How to tell it. With `stay` the service and its page run on until a signal.

    Reports and logs lie in `folder`; without one, in a temporary folder that is removed at the end.
    """

    flavour: Flavour
    stay: bool = False
    folder: Path | None = None
    rows: int = ROWS
    command: Sequence[str] = REPWATCH


def play(showing: Showing, tell: Narrator) -> int:
    """Tell the story; 0 if every check held, else 1."""
    place = showing.folder or Path(tempfile.mkdtemp(prefix="repwatch-demo-"))
    place.mkdir(parents=True, exist_ok=True)
    try:
        with Stage(showing.flavour, place, showing.rows, showing.command) as stage:
            for act in ACTS:
                act(stage, tell)
            tell.act("The end", "Replica 1 and 2 are healthy, proved identical, and nobody is left in the dark.")
            if showing.stay:
                _stay(stage, tell)
    except ActFailedError as error:
        tell.failed(error.act, str(error))
        return 1
    except (RepwatchError, TimeoutError) as error:
        tell.failed("the stage", str(error))
        return 1
    finally:
        if showing.folder is None:
            shutil.rmtree(place, ignore_errors=True)
    return 0


def _stay(stage: Stage, tell: Narrator) -> None:
    tell.fact(f"the page: {stage.url}")
    tell.fact(f"reports and configuration: {stage.folder}; try `repwatch status --config {stage.config}`")
    tell.fact("Ctrl-C ends it and cleans up")
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
