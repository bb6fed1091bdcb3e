"""`kill -9` of the real command at a record of its journal: `python -m tests.server.killing EVENT STEP reseed …`.

It kills itself, and records nothing after that moment: however busy the machine is, it has come no further. A moment of the work
that follows is let pass, for a kill may come in the midst of it.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from repwatch.adapters.journal import FileJournal
from tests.server.reseeding import journal_events

AFTER = 0.02  # seconds
PATIENT = 300.0


def kill_at(arguments: Sequence[str], journal: Path, moment: tuple[str, str]) -> None:
    """Run the command (`python -m repwatch …`) and let it be killed when its journal says so. Fails if it ends before."""
    words = [arguments[0], "-m", __name__, *moment, *arguments[3:]]
    root = Path(__file__).parents[2]
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=root, timeout=PATIENT, check=False)
    assert done.returncode == -signal.SIGKILL, f"it ended before it could be killed: {done.stdout}{done.stderr}"
    assert journal_events(journal)[-1] == moment


class _DeadlyJournal(FileJournal):
    moment = ("", "")
    lock = threading.Lock()
    end = threading.Timer(AFTER, os.kill, (os.getpid(), signal.SIGKILL))

    def append(self, entry: Mapping[str, str]) -> None:
        with self.lock:
            if not self.end.is_alive():
                super().append(entry)
                if (entry["event"], entry.get("step", "")) == self.moment:
                    self.end.start()
                return
        time.sleep(PATIENT)


if __name__ == "__main__":
    from repwatch.cli import main as cli
    from repwatch.cli import reseed as verb

    _DeadlyJournal.moment = (sys.argv[1], sys.argv[2])
    vars(verb)["FileJournal"] = _DeadlyJournal
    sys.argv[1:] = sys.argv[3:]
    cli.main()
