"""How a person tells a running check to pause, to go on or to stop: a word in a file beside its journal."""

import fcntl
import time
from pathlib import Path
from typing import Final

from repwatch.drift.control import Word
from repwatch.errors import UsageError

EVERY: Final = 0.3  # seconds between two looks


class CheckControl:
    """What was said to the check that keeps this journal."""

    def __init__(self, journal: Path, *, goes_on: bool = False) -> None:
        """Whatever was said to an earlier check is void; but a check that `goes_on` by itself stays paused if it was."""
        self._path = _control_of(journal)
        self._looked = -EVERY
        self._word: Word | None = None
        if not (goes_on and self.paused()):
            self.forget()

    def paused(self) -> bool:
        """True until it may go on."""
        return self._look() is Word.PAUSE

    def stopped(self) -> bool:
        """True once it should end."""
        return self._look() is Word.STOP

    def forget(self) -> None:
        """Take the word away."""
        self._word = None
        try:
            self._path.unlink()
        except OSError:
            return  # mostly there is none

    def _look(self) -> Word | None:
        if time.monotonic() - self._looked >= EVERY:
            self._looked = time.monotonic()
            try:
                self._word = Word(self._path.read_text(encoding="ascii").strip())
            except (OSError, ValueError):
                self._word = None
        return self._word


def tell(folder: Path, cluster: str, word: Word) -> int:
    """Say it to all checks of a cluster that run now; how many there are. Raises UsageError where it cannot be written."""
    mine = (journal for journal in sorted(folder.glob("*.jsonl")) if journal.stem.rpartition("-")[0] == cluster)
    running = [journal for journal in mine if _runs(journal)]
    for journal in running:
        try:
            _control_of(journal).write_text(word.value, encoding="ascii")
        except OSError as error:
            raise UsageError(
                f"cannot write {_control_of(journal)}: {error.strerror}", hint="run it as who runs the check"
            ) from None
    return len(running)


def _control_of(journal: Path) -> Path:
    return journal.with_suffix(".control")


def _runs(journal: Path) -> bool:
    """True while a check holds its journal."""
    try:
        with journal.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
