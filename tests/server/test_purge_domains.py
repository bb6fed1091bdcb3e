"""Which domains of a MariaDB source's binary logs its replica needs: all that were logged, those that it ignores included."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial

import pytest

from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox
from tests.server.diagnosing import Watcher, watching

PATIENT = 90.0


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A source and a replica that ignores domain 7 and once applied some of it."""
    with Sandbox.start(Flavour.MARIADB, replicas=1) as started:
        started.source.sql("CREATE DATABASE d", "CREATE TABLE d.t (id INT AUTO_INCREMENT PRIMARY KEY)")
        write(started, domain=7)
        started.wait_caught_up(60)
        started.replicas[0].sql("STOP SLAVE", "CHANGE MASTER TO IGNORE_DOMAIN_IDS = (7)", "START SLAVE")
        started.wait_connected(60)
        yield started


def write(box: Sandbox, domain: int) -> None:
    box.source.sql(f"SET SESSION gtid_domain_id = {domain}", "INSERT INTO d.t VALUES ()")


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENT
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def has_all_since(watcher: Watcher, moment: datetime) -> bool:
    """True once the replica is seen to have what its source had at a look after that moment."""
    watcher.look()
    reach = watcher.progress.channels["replica1", ""].reach
    return reach is not None and reach.level is not None and reach.level > moment


def test_a_purged_domain_is_missed_though_it_is_ignored(box: Sandbox) -> None:
    replica = box.replicas[0]
    with watching(box) as watcher:
        watcher.expect()
        replica.sql("STOP SLAVE IO_THREAD")
        write(box, domain=7)
        box.source.sql("FLUSH BINARY LOGS")

        def purged() -> bool:
            logs = [str(row[0]) for row in box.source.sql("SHOW BINARY LOGS")]
            box.source.sql(f"PURGE BINARY LOGS TO '{logs[-1]}'")
            return len(logs) == 1

        until(purged, "the logs are not purged")
        watcher.expect(("replica1", "binlog-purged"), ("replica1", "receiver-stopped"))
        replica.sql("START SLAVE IO_THREAD")
        watcher.expect(("replica1", "binlog-purged"), ("replica1", "receiver-error"))


def test_what_is_ignored_or_was_never_logged_is_not_waited_for_while_it_receives(box: Sandbox) -> None:
    """The source was a replica once, of a server whose transactions it never logged; its replica had fewer of them."""
    box.replicas[0].sql("STOP SLAVE", "SET GLOBAL gtid_slave_pos = CONCAT(@@GLOBAL.gtid_slave_pos, ',9-9-10')", "START SLAVE")
    box.source.sql("SET GLOBAL gtid_slave_pos = '9-9-50'")
    box.wait_connected(60)
    with watching(box) as watcher:
        watcher.expect()
        for domain in (7, 0, 7):
            before = watcher.clock.now()
            write(box, domain)
            until(partial(has_all_since, watcher, before), "it is not seen to have everything")
        watcher.expect()
