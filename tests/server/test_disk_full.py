"""A disk without space under the relay logs, found though MariaDB's status statement hangs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from repwatch.model.server import Flavour
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sandbox import statements as sandbox_statements
from tests.server.diagnosing import watching, words
from tests.server.disks import mount, unmount

MEGABYTE = 1_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Gives a file system of that size, or another size to the one that it gave before."""
    place = tmp_path / "relay"
    place.mkdir()

    def give(size: str) -> Path:
        mount(place, size)
        return place

    yield give
    unmount(place)


@pytest.fixture
def box(flavour: Flavour, small_disk: Callable[[str], Path]) -> Iterator[Sandbox]:
    """A source and a replica whose relay logs lie on three megabytes."""
    with Sandbox.start(flavour, replicas=1) as started:
        replica = started.replicas[0]
        replica.sql(f"STOP {words(flavour)}", f"RESET {words(flavour)} ALL")
        replica.kill()
        replica.use(f"--relay-log={small_disk('3m')}/relay")
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


def test_a_full_disk_is_found_though_its_status_hangs(box: Sandbox) -> None:
    with watching(box, deadline=4) as watcher:
        watcher.expect()
        fill(box)
        found = watcher.expect(("replica1", "disk-full"))["replica1", "disk-full"]
        assert (found.evidence.get("status") == "hangs") is (box.flavour is Flavour.MARIADB)
        for _ in range(5):
            watcher.look()
        assert hanging(box.replicas[0]) <= 1
        watcher.expect(("replica1", "disk-full"))


@pytest.mark.long
def test_it_goes_on_by_itself_when_there_is_room(box: Sandbox, small_disk: Callable[[str], Path]) -> None:
    with watching(box, deadline=4) as watcher:
        fill(box)
        watcher.expect(("replica1", "disk-full"))
        small_disk("64m")
        watcher.expect(seconds=180)  # the server tries again once a minute
    box.wait_caught_up(120)
