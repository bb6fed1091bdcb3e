"""Telling a running sandbox what to do: one line of JSON each way over a Unix socket in its folder."""

import json
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from repwatch.errors import Refused, RepwatchError
from repwatch.sandbox.folders import CONTROL, live_folders

STOP = "stop"
ANSWER_SECONDS = 300
_LONGEST = 65536


@dataclass(frozen=True, slots=True)
class Order:
    """What to do, and where; `server` None is the default of the action."""

    action: str
    server: str | None = None


class ControlSocket:
    """The listening end."""

    def __init__(self, folder: Path) -> None:
        path = folder / CONTROL
        with suppress(OSError):
            path.unlink()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        path.chmod(0o600)
        self._socket.listen()

    def serve(self, carry_out: Callable[[Order], str]) -> None:
        """Carry out orders until one says STOP, each before the next; a failed one is answered, not raised."""
        while True:
            peer, _ = self._socket.accept()
            with peer, suppress(OSError, ValueError, KeyError):
                peer.settimeout(ANSWER_SECONDS)
                wish = json.loads(_read_line(peer))
                order = Order(wish["action"], wish["server"])
                peer.sendall(_answer(order, carry_out))
                if order.action == STOP:
                    return

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


def _answer(order: Order, carry_out: Callable[[Order], str]) -> bytes:
    answer = {"text": "stopping", "hint": "", "done": True}
    if order.action != STOP:
        try:
            answer["text"] = carry_out(order)
        except RepwatchError as error:
            answer = {"text": str(error), "hint": error.hint, "done": False}
    return json.dumps(answer).encode() + b"\n"


def tell(folder: Path | None, order: Order) -> str:
    """Have the sandbox in `folder` (None: the only one that runs) carry out an order; what it did. Raises Refused."""
    place = folder or _only_folder()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(ANSWER_SECONDS)
        try:
            line.connect(str(place / CONTROL))
            line.sendall(json.dumps({"action": order.action, "server": order.server}).encode() + b"\n")
            answer = json.loads(_read_line(line))
        except (OSError, ValueError):
            raise Refused(f"no sandbox runs in {place}", hint="start one: repwatch sandbox start --folder DIR") from None
    if not answer["done"]:
        raise Refused(answer["text"], hint=answer["hint"])
    return str(answer["text"])


def _only_folder() -> Path:
    folders = list(live_folders())
    if len(folders) == 1:
        return folders[0]
    if not folders:
        raise Refused("no sandbox runs in a temporary folder", hint="start one, or name its folder with --folder")
    raise Refused(f"{len(folders)} sandboxes run", hint="name one with --folder: " + ", ".join(map(str, folders)))


def _read_line(line: socket.socket) -> bytes:
    read = b""
    while not read.endswith(b"\n"):
        more = line.recv(4096)
        if not more or len(read) > _LONGEST:
            raise ValueError("the other end hung up")
        read += more
    return read
