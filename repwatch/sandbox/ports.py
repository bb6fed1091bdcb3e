"""Free ports on the loopback interface, kept free over a server's restarts."""

import random
import socket
from contextlib import suppress

from repwatch.errors import Refused

# Below Linux's range for outgoing connections, so that none of those takes the port of a stopped server.
RANGE = range(20000, 32000)
TRIES = 500


class ReservedPort:
    """A port that no other sandbox of this machine takes.

    The mark is an abstract Unix socket: it vanishes with the process that holds it, and leaves no file.
    """

    def __init__(self) -> None:
        for _ in range(TRIES):
            number = random.choice(RANGE)
            mark = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                mark.bind(f"\0repwatch-port-{number}")
            except OSError:
                mark.close()
                continue
            if _is_free(number):
                self.number, self._mark = number, mark
                return
            mark.close()
        raise Refused("no free port was found on 127.0.0.1", hint=f"looked between {RANGE.start} and {RANGE.stop}")

    def release(self) -> None:
        """Let others have it."""
        with suppress(OSError):
            self._mark.close()


def _is_free(number: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
        return True
