"""A MySQL replica that a clone has emptied: in progress, failed, restarted, and with replication started over nothing."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.probe import Prober
from repwatch.adapters.mysql.session import Session
from repwatch.errors import ServerError
from repwatch.health.rules_server import half_loaded
from repwatch.model.finding import Finding
from repwatch.model.observation import Emptied, Observation
from repwatch.model.server import Address, Flavour
from repwatch.sandbox import Account, Sandbox, SandboxServer
from tests.server.diagnosing import PATIENT
from tests.server.freezing import FreezingProxy
from tests.unit.health.worlds import world

PLUGIN = "--plugin-load-add=mysql_clone.so"
DUMP = (  # with no tablespace of a table's own
    "CREATE DATABASE back",
    "CREATE TABLESPACE g ADD DATAFILE 'g.ibd'",
    "CREATE TABLE back.a (id INT PRIMARY KEY) TABLESPACE g",
    "CREATE TABLE back.b (id INT PRIMARY KEY) TABLESPACE innodb_system",
    "CREATE TABLE back.c (id INT PRIMARY KEY) ENGINE = MyISAM",
)
RESET = "RESET BINARY LOGS AND GTIDS"
MIDDLE = 5_000_000  # bytes of a copy of more than a hundred megabytes


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A source with a replica that holds data."""
    with Sandbox.start(Flavour.MYSQL, replicas=1, options=(PLUGIN,)) as started:
        started.source.sql("CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)")
        started.wait_caught_up(60)
        yield started


@contextmanager
def watching(server: SandboxServer) -> Iterator[Callable[[], Observation]]:
    """One prober, as the service has: what it remembers decides what it asks."""
    prober = Prober(Session.connect_for_looks, SystemClock(), deadline=PATIENT)

    def look() -> Observation:
        found = prober(server.spec())
        assert isinstance(found, Observation), found
        return found

    try:
        yield look
    finally:
        prober.close()


def clone(server: SandboxServer, donor: Address, password: str) -> None:
    """Raises ServerError."""
    server.sql(
        f"SET GLOBAL clone_valid_donor_list = '{donor}'",
        f"CLONE INSTANCE FROM '{Account.OPERATOR}'@'{donor.host}':{donor.port} IDENTIFIED BY '{password}' REQUIRE NO SSL",
    )


def until(look: Callable[[], Observation], holds: Callable[[Emptied | None], bool]) -> Observation:
    deadline = time.monotonic() + 120
    while not holds((seen := look()).emptied):
        assert time.monotonic() < deadline, seen
        time.sleep(0.1)
    return seen


def told(seen: Observation) -> list[Finding]:
    return list(half_loaded(world([seen])))


def test_a_clone_that_fails_in_the_middle_leaves_an_empty_server_that_looks_well(box: Sandbox) -> None:
    replica, password = box.replicas[0], box.credentials.secret(Account.OPERATOR).text
    with watching(replica) as look:
        assert look().emptied is None
        with pytest.raises(ServerError):
            clone(replica, box.source.address, "wrong")
        refused = look()
        assert (refused.emptied, refused.half_loaded, refused.skipped) == (None, False, ())

        with FreezingProxy(box.source.address, freeze_after=MIDDLE) as way:

            def try_it() -> None:
                with suppress(ServerError):
                    clone(replica, way.address, password)

            attempt = threading.Thread(target=try_it)
            attempt.start()
            seen = until(look, lambda emptied: emptied is not None)
            assert seen.half_loaded
            assert seen.emptied is not None
            assert (seen.emptied.running, seen.emptied.donor) == (True, str(way.address))
            (in_progress,) = told(seen)
            interrupt(replica)
        attempt.join(120)
        assert not attempt.is_alive()
        seen = until(look, lambda emptied: emptied is not None and not emptied.running)
        (failed,) = told(seen)
        assert failed.subject == in_progress.subject
        assert failed.evidence["clone"] != in_progress.evidence["clone"]
        assert failed.evidence["errno"]

        replica.kill()
        replica.start()
        replica.sql("START REPLICA")
        box.wait_connected()
        assert told(until(look, lambda emptied: emptied is not None))  # it runs, without an error and without data
        box.source.sql("CREATE DATABASE next", "CREATE TABLE next.t (id INT PRIMARY KEY)")
        until_it_has(replica, "next")
        replicates = look()
        assert [failed.subject] == [finding.subject for finding in told(replicates)]
        assert replicates.half_loaded
        assert not any(channel.applier_error for channel in replicates.channels)

        replica.sql("STOP REPLICA", "DROP DATABASE next", RESET, *DUMP)
        assert told(look())  # of the rows alone: a channel started now goes on behind the gap
        replica.sql(RESET, f"SET GLOBAL gtid_purged = '{box.source.sql('SELECT @@global.gtid_executed')[0][0]}'")
        filled = look()
        assert (filled.emptied, filled.half_loaded, filled.skipped) == (None, False, ())
        assert told(filled) == []


def until_it_has(server: SandboxServer, schema: str) -> None:
    deadline = time.monotonic() + 120
    while not server.sql(f"SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{schema}'"):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_source_that_is_cloned_into_by_mistake_is_told_of(box: Sandbox) -> None:
    source, password = box.source, box.credentials.secret(Account.OPERATOR).text
    with watching(source) as look, FreezingProxy(box.replicas[0].address, freeze_after=MIDDLE) as way:
        before = look()
        assert (before.emptied, before.dump_clients) == (None, 1)

        def try_it() -> None:
            with suppress(ServerError):
                clone(source, way.address, password)

        attempt = threading.Thread(target=try_it)
        attempt.start()
        assert told(until(look, lambda emptied: emptied is not None))
        interrupt(source)
    attempt.join(120)
    assert not attempt.is_alive()
    with watching(source) as look:
        assert told(until(look, lambda emptied: emptied is not None and not emptied.running))
        source.sql(*DUMP)
        assert told(look()) == []  # who has no channel may fill it from anything


def interrupt(server: SandboxServer) -> None:
    """Once all data are removed, and not before."""
    deadline = time.monotonic() + 120
    while server.sql("SELECT STATE FROM performance_schema.clone_progress WHERE STAGE = 'FILE COPY'") != [("In Progress",)]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    server.sql(f"KILL QUERY {server.sql('SELECT PID FROM performance_schema.clone_status')[0][0]}")


def test_a_clone_that_ends_and_a_copy_into_a_folder_leave_nothing_to_tell(box: Sandbox) -> None:
    replica, password = box.replicas[0], box.credentials.secret(Account.OPERATOR).text
    replica.sql("STOP REPLICA", f"CLONE LOCAL DATA DIRECTORY = '{replica.folder}/copy'")
    with watching(replica) as look:
        assert look().emptied is None
    with suppress(ServerError):  # its connection goes with the restart
        clone(replica, box.source.address, password)
    deadline = time.monotonic() + 120
    while not replica_is_cloned(replica):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    with watching(replica) as look:
        assert look().emptied is None


def replica_is_cloned(server: SandboxServer) -> bool:
    with suppress(ServerError):
        return server.sql("SELECT STATE FROM performance_schema.clone_status") == [("Completed",)]
    return False


def test_a_server_without_the_plugin_is_asked_and_nothing_is_said() -> None:
    with Sandbox.start(Flavour.MYSQL, replicas=1) as plain:
        plain.replicas[0].sql("STOP REPLICA")
        with watching(plain.replicas[0]) as look:
            seen = look()
            assert (seen.emptied, seen.skipped) == (None, ())
