"""A disk without space under the relay logs, found though MariaDB's status statement hangs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from repwatch.model.server import Flavour
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sandbox import statements as sandbox_statements
from tests.server.diagnosing import watching, words
from tests.server.disks import mount, unmount

MEGABYTE = 1_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of three megabytes."""
    place = tmp_path / "relay"
    place.mkdir()
    mount(place, "3m")
    yield place
    unmount(place)


@pytest.fixture
def box(flavour: Flavour, small_disk: Path) -> Iterator[Sandbox]:
    """A source and a replica whose relay logs lie on three megabytes."""
    with Sandbox.start(flavour, replicas=1) as started:
        replica = started.replicas[0]
        replica.sql(f"STOP {words(flavour)}", f"RESET {words(flavour)} ALL")
        replica.kill()
        replica.use(f"--relay-log={small_disk}/relay")
        replica.start()
        login = (Account.REPLICATION.value, started.credentials.secret(Account.REPLICATION))
        replica.sql(*sandbox_statements.attach(flavour, "", started.source.address, *login))
        started.wait_connected(60)
        yield started


def fill(box: Sandbox) -> None:
    """Write more on the source than fits into the replica's relay logs."""
    insert = f"INSERT INTO d.t (b) VALUES ('{'x' * MEGABYTE}')"
    box.source.sql("CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, b LONGTEXT)", *[insert] * 6)


def hanging(server: SandboxServer) -> int:
    """How many status statements hang in the server."""
    query = "SELECT COUNT(*) FROM information_schema.processlist WHERE INFO LIKE 'SHOW ALL SLAVES%' AND COMMAND = 'Query'"
    return int(server.sql(query)[0][0] or 0)


def test_one_status_statement_hangs_at_most(box: Sandbox) -> None:
    with watching(box, deadline=4) as watcher:
        watcher.expect()
        fill(box)
        found = watcher.expect(("replica1", "disk-full"))["replica1", "disk-full"]
        assert (found.evidence.get("status") == "hangs") is (box.flavour is Flavour.MARIADB)
        for _ in range(5):
            watcher.look()
        assert hanging(box.replicas[0]) <= 1
        watcher.expect(("replica1", "disk-full"))
