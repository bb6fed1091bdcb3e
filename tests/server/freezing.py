"""A way between two servers that can freeze (connections stay open, and nothing gets through) or be cut."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from repwatch.model.server import Address


class FreezingProxy:
    """Forwards connections from a port of its own to a server, until it is frozen or cut.

    With `freeze_after` it freezes of itself when so many bytes of one direction of a connection have gone through.
    """

    def __init__(self, target: Address, freeze_after: int | None = None) -> None:
        self._target = target
        self._freeze_after = freeze_after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._flows = threading.Event()
        self._flows.set()
        self._is_cut = False
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
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        passed = 0
        with suppress(OSError):
            while data := one.recv(65536):
                passed += len(data)
                if self._freeze_after is not None and passed > self._freeze_after:
                    self.freeze()
                self._flows.wait()
                other.sendall(data)
            other.shutdown(socket.SHUT_RDWR)
