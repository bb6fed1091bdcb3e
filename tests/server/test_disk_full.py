"""A disk without space under the relay logs, found though MariaDB's status statement hangs."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.errors import ServerError
from repwatch.health.rules import diagnose
from repwatch.health.rules_disk import RECENT
from repwatch.model.finding import FindingCode
from repwatch.model.server import Flavour
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sandbox import statements as sandbox_statements
from tests.server.diagnosing import Watcher, locally, watching, words
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


@pytest.mark.long
def test_a_source_that_cannot_write_its_binary_log_is_told_of(small_disk: Path) -> None:
    """Commits wait, its replica shows nothing wrong, and it goes on by itself."""
    with Sandbox.start(Flavour.MYSQL, replicas=0) as box, watching(box) as watcher:
        source = box.source
        source.kill()
        source.use(f"--log-bin={small_disk}/binlog")
        source.start()
        source.sql("CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, b LONGTEXT)")
        told = ("source", "disk-full")

        def write() -> None:
            with suppress(ServerError):
                source.sql(*[f"INSERT INTO d.t (b) VALUES (REPEAT('x', {MEGABYTE}))"] * 5)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            until(lambda: told in codes(watcher), "it is not told of")
            mount(small_disk, "64m")
            until(lambda: told not in codes(watcher), "it is not over")  # the server tries again once a minute
        finally:
            mount(small_disk, "64m")
            writer.join(150)


def codes(watcher: Watcher) -> set[tuple[str, str]]:
    names = {str(spec.endpoint.address): spec.label for spec in watcher.cluster.servers} | {"": ""}
    return {(names[each.subject.server], each.subject.code.value) for each in diagnose(watcher.look())}


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 150
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


@pytest.fixture
def data_disk(tmp_path: Path) -> Iterator[Path]:
    """Eight megabytes for a table."""
    place = tmp_path / "data"
    place.mkdir()
    mount(place, "8m")
    yield place
    unmount(place)


def test_innodb_without_room_is_told_of_and_is_over_with_room(data_disk: Path) -> None:
    """Only its error log says so, while the disk of its logs has room."""
    with Sandbox.start(Flavour.MYSQL, replicas=1) as box, watching(box) as watcher:
        source, replica = box.source, box.replicas[0]
        replica.kill()
        replica.use(f"--innodb-directories={data_disk}")
        replica.start()
        box.wait_connected(60)
        source.sql("CREATE DATABASE d")
        box.wait_caught_up(60)
        table = "CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, b LONGTEXT)"
        locally(source, table)
        locally(replica, f"{table} DATA DIRECTORY = '{data_disk}'")
        watcher.expect()
        source.sql(*[f"INSERT INTO d.t (b) VALUES (REPEAT('x', {MEGABYTE}))"] * 12)
        found = watcher.expect(("replica1", "disk-full"), ("replica1", "applier-error"))
        assert str(data_disk) in found["replica1", "disk-full"].evidence["error"]
        mount(data_disk, "64m")
        replica.sql("START REPLICA")
        box.wait_caught_up(60)
        watcher.look()
        later = replace(watcher.look(), now=watcher.clock.now() + RECENT)
        assert [each for each in diagnose(later) if each.subject.code is FindingCode.DISK_FULL] == []
