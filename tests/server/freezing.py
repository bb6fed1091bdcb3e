"""A way to a server that can freeze (connections stay open, and nothing gets through), be cut, or harm answers."""

import socket
import threading
from contextlib import suppress
from enum import Enum
from types import TracebackType
from typing import Self

from repwatch.model.server import Address


class Harm(Enum):
    """What becomes of answers to statements. A login is left alone."""

    RUBBISH = "rubbish"  # other bytes, which are no packets
    SCRAMBLED = "scrambled"  # packets as long as they were, and nothing in them is
    SILENCE = "silence"  # half of it, and no more
    END = "end"  # half of it, and the connection ends


class FreezingProxy:
    """Forwards connections from a port of its own to a server, until it is frozen or cut. `harm` may be set at any time.

    With `freeze_after` it freezes of itself when so many bytes of one direction of a connection have gone through.
    """

    def __init__(self, target: Address, freeze_after: int | None = None) -> None:
        self._target = target
        self._freeze_after = freeze_after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._flows = threading.Event()
        self._flows.set()
        self._is_cut = False
        self._is_over = False
        self.harm: Harm | None = None
        self._sockets: list[socket.socket] = []
        self.address = Address("127.0.0.1", self._listener.getsockname()[1])

    def freeze(self) -> None:
        """Let nothing through any more."""
        self._flows.clear()

    def thaw(self) -> None:
        """Go on, and freeze no more of itself."""
        self._freeze_after = None
        self._flows.set()

    def cut(self) -> None:
        """End all connections, and each new one at once."""
        self._is_cut = True
        self._hang_up(self._sockets)

    def join(self) -> None:
        """Let new connections through again."""
        self._is_cut = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._flows.set()
        self._is_over = True
        self._hang_up([self._listener, *self._sockets])

    def _hang_up(self, sockets: list[socket.socket]) -> None:
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                client, _ = self._listener.accept()
                if self._is_cut:
                    client.close()
                    continue
                try:
                    server = socket.create_connection((self._target.host, self._target.port))
                except OSError:  # the server is down
                    client.close()
                    continue
                self._sockets += [client, server]
                if self._is_over or self._is_cut:  # it came while all were ended
                    self._hang_up([client, server])
                asked = threading.Event()
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=(one, other, asked, one is server), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket, asked: threading.Event, answers: bool) -> None:
        """One direction. `asked`: the client has sent a statement, whose packets are numbered from 0."""
        passed = 0
        with suppress(OSError):
            while data := one.recv(65536):
                passed += len(data)
                if self._freeze_after is not None and passed > self._freeze_after:
                    self.freeze()
                self._flows.wait()
                if not answers and data[3:4] == b"\0":
                    asked.set()
                harm = self.harm if answers and asked.is_set() else None
                other.sendall(harmed(data, harm))
                if harm is Harm.END:
                    break
                if harm is Harm.SILENCE:
                    while one.recv(65536):
                        pass
            other.shutdown(socket.SHUT_RDWR)


def harmed(data: bytes, harm: Harm | None) -> bytes:
    """What is sent in the place of an answer."""
    match harm:
        case None:
            return data
        case Harm.RUBBISH:
            return b"HTTP/1.1 502 Bad Gateway\r\n\r\n"
        case Harm.SCRAMBLED:
            return scrambled(data)
        case Harm.SILENCE | Harm.END:
            return data[: len(data) // 2]


def scrambled(packets: bytes) -> bytes:
    """Each with its length and its number, and other bytes behind."""
    length = 4 + int.from_bytes(packets[:3], "little")
    other = packets[:4] + bytes(byte ^ 0x55 for byte in packets[4:length])
    return other + scrambled(packets[length:]) if packets[length:] else other
