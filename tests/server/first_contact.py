"""The real `repwatch` command as a child process, and things on a port that are no server."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from repwatch.app.urls import ServerUrl, format_url
from repwatch.model.endpoint import Endpoint, LiteralSecret
from repwatch.sandbox import Account, Sandbox, SandboxServer

SECONDS = 120  # machines are slow at times; a hang is longer


def clean_environment(folder: Path, **more: str) -> dict[str, str]:
    """An environment in which nothing of the user's own counts."""
    keep = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("REPWATCH", "XDG_")) or name == "REPWATCH_SERVERS"
    }
    return {**keep, "HOME": str(folder), **more}


def repwatch(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in `folder`, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "repwatch", *words],
        cwd=folder,
        env=clean_environment(folder, **environment),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def url(server: SandboxServer, account: Account = Account.ROOT) -> str:
    """The server's URL with this account's password in it."""
    return url_of(server.endpoint(account))


def url_of(endpoint: Endpoint, password: str | None = None) -> str:
    """An endpoint as a URL."""
    if password is None:
        assert isinstance(endpoint.password, LiteralSecret)
        password = endpoint.password.text
    return format_url(ServerUrl(user=endpoint.user, password=password, host=endpoint.address.host, port=endpoint.address.port))


@contextmanager
def account(box: Sandbox, name: str, password: str) -> Iterator[str]:
    """An account without any privilege, on all servers of the box; yields it as GRANT wants it."""
    user = f"'{name}'@'%'"
    box.source.sql(f"CREATE USER {user} IDENTIFIED BY '{password}'")
    box.wait_caught_up(60)
    try:
        yield user
    finally:
        box.source.sql(f"DROP USER {user}")
        box.wait_caught_up(60)


def as_account(server: SandboxServer, name: str, password: str) -> str:
    """The server's URL with that account."""
    return url_of(replace(server.endpoint(Account.ROOT), user=name), password)


@contextmanager
def listening(greeting: bytes | None) -> Iterator[int]:
    """A port that accepts connections; it sends `greeting` and closes, or with None never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                kept.append(peer)
                if greeting is not None:
                    with suppress(OSError):  # it has gone already
                        peer.sendall(greeting)
                        peer.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            for peer in kept:
                peer.close()


_BOUND: list[socket.socket] = []


def free_port() -> int:
    """A port on which nothing listens. It stays bound, so that nobody else gets it."""
    bound = socket.socket()
    _BOUND.append(bound)
    bound.bind(("127.0.0.1", 0))
    port: int = bound.getsockname()[1]
    return port
