"""A stand-in for the other end of Slack's Socket Mode: a WebSocket server on loopback that sends what people press (RFC 6455)."""

import base64
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from repwatch.sandbox.standins import Catch

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
Read = Callable[[int], bytes]
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


class SocketStandIn:
    """Any number of clients, each on a thread; what is sent goes to all that are connected."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._clients: Catch[socket.socket] = Catch()
        self._answers: Catch[Mapping[str, object]] = Catch()
        self._threads = [threading.Thread(target=self._accept, name="stand-in socket", daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """Where to connect."""
        return f"ws://127.0.0.1:{self._listener.getsockname()[1]}/link?ticket=secret"

    @property
    def answers(self) -> tuple[Mapping[str, object], ...]:
        """What clients have said, oldest first."""
        return self._answers.items

    def wait_for_client(self, seconds: float) -> bool:
        """True as soon as somebody is connected."""
        return self._clients.wait_for(bool, seconds)

    def send(self, message: Mapping[str, object]) -> None:
        """Send a message."""
        data = json.dumps(message).encode()
        for client in self._clients.items:
            with suppress(OSError):
                client.sendall(_frame(_TEXT, data))

    def hang_up(self) -> None:
        """End every connection."""
        with self._clients.changing() as clients:
            for client in clients:
                _end(client)
            clients.clear()

    def close(self) -> None:
        """Stop listening and end every connection."""
        _end(self._listener)
        self.hang_up()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                client, _ = self._listener.accept()
                client.settimeout(60)
                thread = threading.Thread(target=self._serve, args=(client,), name="stand-in socket", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, ValueError, EOFError), client, client.makefile("rb") as stream:
            head = iter(lambda: stream.readline().decode("ascii", "replace").strip(), "")
            fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head)}
            digest = hashlib.sha1(f"{fields['sec-websocket-key']}{_GUID}".encode(), usedforsecurity=False).digest()
            lines = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade")
            accept = f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}"
            client.sendall("\r\n".join((*lines, accept, "", "")).encode())
            self._clients.add(client)
            while True:
                kind, data = _read(stream.read)
                if kind == _PING:
                    client.sendall(_frame(_PONG, data))
                elif kind == _TEXT:
                    self._answers.add(json.loads(data))
                elif kind == _CLOSE:
                    return


def _end(which: socket.socket) -> None:
    with suppress(OSError):
        which.shutdown(socket.SHUT_RDWR)
    which.close()


def _frame(kind: int, data: bytes) -> bytes:
    """One whole frame of a server, which masks nothing."""
    size = len(data)
    if size < 126:
        return bytes((0x80 | kind, size)) + data
    return bytes((0x80 | kind, 126)) + struct.pack("!H", size) + data


def _read(read: Read) -> tuple[int, bytes]:
    """Kind and content of a client's frame, which is masked. Raises EOFError at the end."""
    first, second = _exactly(read, 2)
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", _exactly(read, 2))
    elif size == 127:
        (size,) = struct.unpack("!Q", _exactly(read, 8))
    mask = _exactly(read, 4)
    data = _exactly(read, size)
    return first & 0x0F, bytes(byte ^ mask[number % 4] for number, byte in enumerate(data))


def _exactly(read: Read, number: int) -> bytes:
    data = read(number)
    if len(data) < number:
        raise EOFError
    return data
