"""Topologies of sandbox servers: stars, chains, and one replica of two sources."""

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Self

from repwatch.errors import Refused
from repwatch.model.server import Flavour
from repwatch.model.topology import ClusterSpec, ReplicationAccount
from repwatch.ports.database import Timeouts
from repwatch.sandbox import binaries, statements
from repwatch.sandbox.accounts import Account, Credentials
from repwatch.sandbox.configuration import configuration
from repwatch.sandbox.folders import SERVERS, OwnedFolder
from repwatch.sandbox.plan import SOURCE, Link, seats, star
from repwatch.sandbox.server import SandboxServer


class Sandbox:
    """Running servers with GTID replication between them. Leaving the `with` block ends and removes everything."""

    def __init__(
        self, flavour: Flavour, links: tuple[Link, ...], folder: Path | None = None, options: tuple[str, ...] = ()
    ) -> None:
        self.flavour = flavour
        self.links = links
        self.credentials = Credentials.random()
        installation = binaries.find(flavour)
        self._owned = OwnedFolder.chosen(folder) if folder else OwnedFolder.temporary()
        self.folder = self._owned.path
        place = self.folder / SERVERS
        self.servers = tuple(SandboxServer(seat, installation, place, self.credentials, options) for seat in seats(links))

    @classmethod
    def start(
        cls,
        flavour: Flavour,
        replicas: int = 2,
        *,
        links: tuple[Link, ...] | None = None,
        folder: Path | None = None,
        options: tuple[str, ...] = (),
    ) -> Self:
        """Start a star of `replicas`, or the topology that `links` describe, and wait until all of it replicates.

        Raises Refused if a server program is missing or a server does not come up; nothing is left then. `folder`: put
        everything there instead of into a temporary folder. `options`: for each server, over the sandbox's own.
        """
        box = cls(flavour, star(replicas) if links is None else links, folder, options)
        try:
            box._start()
        except BaseException:
            box.close()
            raise
        return box

    def _start(self) -> None:
        (self.folder / SERVERS).mkdir(mode=0o700)
        for server in self.servers:
            server.prepare()
            server.launch()
        for server in self.servers:
            server.wait_ready()
        for link in self.links:
            self.server(link.replica).sql(
                *statements.attach(
                    self.flavour,
                    link.channel,
                    self.server(link.source).address,
                    Account.REPLICATION.value,
                    self.credentials.secret(Account.REPLICATION),
                )
            )
        self.wait_connected()

    @property
    def source(self) -> SandboxServer:
        """The (first) source."""
        return self.servers[0]

    @property
    def replicas(self) -> tuple[SandboxServer, ...]:
        """All servers that replicate from another, in order."""
        return tuple(server for server in self.servers if any(link.replica == server.name for link in self.links))

    def server(self, name: str) -> SandboxServer:
        """The server of that name. Raises Refused if there is none."""
        for server in self.servers:
            if server.name == name:
                return server
        raise Refused(f"no server is called {name!r}", hint="they are: " + ", ".join(server.name for server in self.servers))

    def cluster(self, name: str = "shop", poll_interval: timedelta = timedelta(seconds=1)) -> ClusterSpec:
        """The cluster as a configuration would describe it."""
        return ClusterSpec(
            name=name,
            source=SOURCE,
            servers=tuple(server.spec() for server in self.servers),
            poll_interval=poll_interval,
            replication=ReplicationAccount(user=Account.REPLICATION.value, password=self.credentials.secret(Account.REPLICATION)),
        )

    def configuration(self, poll_interval: timedelta = timedelta(seconds=1)) -> str:
        """The text of a `repwatch.toml`; the passwords lie in files of the sandbox's folder, which it names."""
        return configuration(self.cluster(poll_interval=poll_interval), self.folder)

    def wait_connected(self, seconds: float = 60) -> None:
        """Wait until all receivers and appliers run. Raises Refused with the status of those that do not."""
        deadline = time.monotonic() + seconds
        for server in self.replicas:
            while trouble := list(self._not_running(server)):
                if time.monotonic() > deadline:
                    raise Refused(f"{server.name} does not replicate after {seconds:.0f} s: {trouble}")
                time.sleep(0.05)

    def _not_running(self, server: SandboxServer) -> Iterator[dict[str, str | None]]:
        words = ("Slave_IO_Running", "Slave_SQL_Running", "Replica_IO_Running", "Replica_SQL_Running")
        with server.connect() as session:
            for row in session.texts(statements.status(self.flavour)):
                if any(row.get(word, "Yes") != "Yes" for word in words):
                    yield {key: value for key, value in row.items() if key in words or key.startswith("Last_")}

    def wait_caught_up(self, seconds: float = 30) -> None:
        """Wait until each replica has applied what its source has now. Raises Refused."""
        deadline = time.monotonic() + seconds
        for link in self.links:
            target = self.server(link.source).sql(statements.position(self.flavour))[0][0] or ""
            left = max(deadline - time.monotonic(), 1)
            with self.server(link.replica).connect(timeouts=Timeouts(connect=30, read=left + 30)) as session:
                if session.scalar(statements.wait_for(self.flavour, target, left)) != "0":
                    state = session.texts(statements.status(self.flavour))
                    raise Refused(f"{link.replica} has not applied {target} after {seconds:.0f} s: {state}")

    def close(self) -> None:
        """End all servers and remove their data; never raises."""
        for server in self.servers:
            with suppress(Exception):
                server.close()
        self._owned.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()
