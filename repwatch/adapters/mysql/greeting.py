"""A look at what a port says by itself, after a login has failed in its first packet.

The driver reports the same error 2013 for a server that hung up, one that never answered and a peer that is no MySQL at all.
"""

import socket
from enum import Enum, auto

from repwatch.model.server import Address

# Protocol::Handshake: three bytes of length, sequence number 0, then version 10; an error packet has 255 in its place.
_VERSIONS = (10, 255)
_LONGEST = 1024


class Greeting(Enum):
    """What came."""

    MYSQL = auto()
    OTHER = auto()
    SILENCE = auto()  # the line stays open, and nothing comes
    HANG_UP = auto()
    NOBODY = auto()  # no connection at all


def look(address: Address, seconds: float) -> Greeting:
    """Connect, read the first bytes, hang up; never raises."""
    try:
        with _open(address, seconds) as line:
            line.settimeout(seconds)
            return _classify(line.recv(64))
    except TimeoutError:
        return Greeting.SILENCE
    except ConnectionResetError:
        return Greeting.HANG_UP
    except OSError:
        return Greeting.NOBODY


def _open(address: Address, seconds: float) -> socket.socket:
    if not address.socket:
        return socket.create_connection((address.host, address.port), seconds)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    line.settimeout(seconds)
    try:
        line.connect(address.socket)
    except OSError:
        line.close()
        raise
    return line


def _classify(start: bytes) -> Greeting:
    if not start:
        return Greeting.HANG_UP
    length = int.from_bytes(start[:3], "little")
    fits = len(start) > 4 and start[3] == 0 and start[4] in _VERSIONS and length <= _LONGEST
    return Greeting.MYSQL if fits else Greeting.OTHER
