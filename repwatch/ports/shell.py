"""The port to the machines of servers: scripts in, text out. `adapters/shell.py` implements it.

A script is for `sh`. It reads what it is fed from /proc/self/fd/3, as often as it likes, and nothing from its standard input.
Whoever runs one is its life: if this process ends, `kill -9` included, or the connection does, the script and all that it
started are killed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from repwatch.errors import HostFailed
from repwatch.model.endpoint import Endpoint
from repwatch.model.topology import HostSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A script on a machine. `feed` is for file descriptor 3; it may hold a secret and is in no command line and no file."""

    host: HostSpec
    script: str
    feed: str = ""
    seconds: float = 86_400.0  # that it may take: as long as the largest copy takes to be prepared or deleted


class Shell(Protocol):
    """Runs scripts. Raises HostFailed where one cannot be run, ends with another status than 0, or falls silent."""

    def run(self, job: Job) -> str:
        """Run it to its end, within `seconds`; what it printed."""
        ...

    def pipe(self, giver: Job, taker: Job, tell: Callable[[int], None]) -> int:
        """Run both, the standard output of one into the standard input of the other; the bytes that passed.

        `tell` gets their number every second or so.
        """
        ...

    def login(self, endpoint: Endpoint) -> str:
        """An option file with which the tools of MariaDB log in as that account. Raises UsageError as secrets do."""
        ...


class NoShell:
    """No machine can be reached."""

    def run(self, job: Job) -> str:
        """Never."""
        raise HostFailed("commands on the machines of servers cannot be run here")

    def pipe(self, giver: Job, taker: Job, tell: Callable[[int], None]) -> int:
        """Never."""
        del taker, tell
        return len(self.run(giver))

    def login(self, endpoint: Endpoint) -> str:
        """Nothing to log in with."""
        del endpoint
        return ""


NO_SHELL: Final = NoShell()
