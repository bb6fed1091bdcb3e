"""Data at risk on real servers: each finding comes when it is provoked, alone, and goes when it is put right."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from repwatch.health.suspicion import cleared
from repwatch.model.server import Flavour
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sandbox import statements as sandbox_statements
from tests.server.diagnosing import Watcher, locally, watching, with_server, words

SKIPPED = (("replica1", "skipped-transactions"), ("replica1", "suspect-data"))


@pytest.fixture(scope="module")
def box(flavour: Flavour) -> Iterator[Sandbox]:
    """A star that the tests of this module break and mend."""
    with Sandbox.start(flavour, replicas=2) as started:
        started.source.sql("CREATE DATABASE r", "CREATE TABLE r.t (id INT PRIMARY KEY)")
        started.wait_caught_up(60)
        yield started


@pytest.fixture
def watcher(box: Sandbox) -> Iterator[Watcher]:
    """A watcher that has seen a healthy star, and sees one again in the end."""
    box.wait_caught_up(60)
    with watching(box) as looking:
        looking.suspicions = ()
        looking.expect()
        yield looking
        looking.expect()


def key() -> int:
    return secrets.randbelow(10**9)


def replication(server: SandboxServer, verb: str, thread: str = "") -> None:
    server.sql(f"{verb} {words(server.flavour)} {thread}".strip())


def skip_next(box: Sandbox, replica: SandboxServer) -> None:
    """Leave out the next transaction of the source by hand, as a runbook says."""
    if box.flavour is Flavour.MARIADB:
        replica.sql("SET GLOBAL sql_slave_skip_counter = 1", "START SLAVE")
        return
    done = str(replica.sql("SELECT @@GLOBAL.gtid_executed")[0][0])
    uuid, _, last = str(box.source.sql("SELECT @@GLOBAL.gtid_executed")[0][0]).rpartition("-")
    uuid = uuid.partition(":")[0]
    assert f"{uuid}:1-{last}" != done
    replica.sql(f"SET GTID_NEXT = '{uuid}:{last}'", "BEGIN", "COMMIT", "SET GTID_NEXT = 'AUTOMATIC'", "START REPLICA")


@pytest.mark.parametrize("thread", ["", "SQL_THREAD"])
def test_a_skipped_transaction(box: Sandbox, watcher: Watcher, thread: str) -> None:
    """Between two looks, and unseen by the looks but for what it left behind. With the receiver on, it was received already."""
    replica, number = box.replicas[0], key()
    replication(replica, "STOP", thread)
    box.source.sql(f"INSERT INTO r.t VALUES ({number})")
    skip_next(box, replica)
    box.source.sql(f"INSERT INTO r.t VALUES ({key()})")
    box.wait_caught_up(60)
    watcher.expect(*SKIPPED)
    assert replica.sql(f"SELECT * FROM r.t WHERE id = {number}") == []
    locally(replica, f"INSERT INTO r.t VALUES ({number})")
    watcher.expect(*SKIPPED)
    if box.flavour is Flavour.MYSQL:  # else what it never received stays to be seen, also by those who look for the first time
        replication(replica, "STOP")
        replication(replica, "RESET")
        replication(replica, "START")
        box.wait_connected(60)
        watcher.expect(*SKIPPED)
    assert watcher.suspicions
    watcher.suspicions = cleared(watcher.suspicions, watcher.suspicions, watcher.clock.now())


def test_a_restart_of_the_applier_is_no_skip(box: Sandbox, watcher: Watcher) -> None:
    for _ in range(3):
        replication(box.replicas[0], "STOP")
        box.source.sql(f"INSERT INTO r.t VALUES ({key()})")
        watcher.look()
        replication(box.replicas[0], "START")
        box.wait_caught_up(60)
        assert watcher.look().suspicions == ()


def test_errant_transactions(box: Sandbox, watcher: Watcher) -> None:
    replica, number = box.replicas[0], key()
    replica.sql(f"INSERT INTO r.t VALUES ({number})")
    box.source.sql(f"INSERT INTO r.t VALUES ({key()})")
    box.wait_caught_up(60)
    found = watcher.expect(("replica1", "errant-transactions"), ("replica1", "suspect-data"))
    own = str(replica.sql("SELECT @@GLOBAL.server_id, 1")[0][0])
    if box.flavour is Flavour.MYSQL:
        own = str(replica.sql("SELECT @@GLOBAL.server_uuid")[0][0])
    gtids = found["replica1", "errant-transactions"].evidence["transactions"]
    assert own in gtids
    intended = with_server(watcher.cluster, replace(replica.spec(), writable=True))
    with watching(box, intended) as tolerant:
        tolerant.expect()
    if box.flavour is Flavour.MYSQL:
        box.source.sql(f"SET GTID_NEXT = '{gtids}'", f"INSERT INTO r.t VALUES ({number})", "SET GTID_NEXT = 'AUTOMATIC'")
    else:
        locally(replica, f"DELETE FROM r.t WHERE id = {number}")
        replication(replica, "STOP")
        position = replica.sql("SELECT @@GLOBAL.gtid_slave_pos")[0][0]
        replica.sql("RESET MASTER", f"SET GLOBAL gtid_slave_pos = '{position}'", "START SLAVE")
    watcher.expect(("replica1", "suspect-data"))
    watcher.suspicions = ()


def test_a_busy_star_has_no_errant_transactions(box: Sandbox, watcher: Watcher) -> None:
    for _ in range(20):
        box.source.sql(*(f"INSERT INTO r.t VALUES ({key()})" for _ in range(5)))
        world = watcher.look()
        assert world.suspicions == ()
    box.wait_caught_up(60)


def test_an_applier_that_hides_errors(box: Sandbox, watcher: Watcher) -> None:
    replica = box.replicas[0]
    variable = "slave_exec_mode" if box.flavour is Flavour.MARIADB else "replica_exec_mode"
    replica.sql(f"SET GLOBAL {variable} = IDEMPOTENT")
    try:
        found = watcher.expect(("replica1", "unsafe-settings"), ("replica1", "suspect-data"))
        assert found["replica1", "unsafe-settings"].evidence == {variable: "IDEMPOTENT"}
        assert watcher.suspicions
        watcher.suspicions = cleared(watcher.suspicions, watcher.suspicions, watcher.clock.now())
        watcher.expect(("replica1", "unsafe-settings"))
    finally:
        replica.sql(f"SET GLOBAL {variable} = STRICT")


@pytest.mark.parametrize("variable", ["sync_binlog", "innodb_flush_log_at_trx_commit"])
def test_a_source_that_may_lose_what_it_sent(box: Sandbox, watcher: Watcher, variable: str) -> None:
    box.source.sql(f"SET GLOBAL {variable} = 0")
    try:
        watcher.expect(("source", "unsafe-settings"))
    finally:
        box.source.sql(f"SET GLOBAL {variable} = 1")


def test_filters_that_differ(box: Sandbox, watcher: Watcher) -> None:
    replica = box.replicas[1]
    replication(replica, "STOP", "SQL_THREAD")
    if box.flavour is Flavour.MARIADB:
        setting, away = "SET GLOBAL replicate_ignore_table = 'r.x'", "SET GLOBAL replicate_ignore_table = ''"
        replication(replica, "STOP")
    else:
        setting, away = (f"CHANGE REPLICATION FILTER REPLICATE_IGNORE_TABLE = ({name})" for name in ("r.x", ""))
    replica.sql(setting)
    replication(replica, "START")
    found = watcher.expect(("replica2", "replication-filters-differ"))
    assert found["replica2", "replication-filters-differ"].evidence["filters"] == "ignore_table=r.x"
    replication(replica, "STOP")
    replica.sql(away)
    replication(replica, "START")
    box.wait_connected(60)


def test_a_source_that_takes_no_writes(box: Sandbox, watcher: Watcher) -> None:
    box.source.sql("SET GLOBAL read_only = ON")
    try:
        watcher.expect(("source", "source-read-only"))
    finally:
        box.source.sql("SET GLOBAL read_only = OFF")


def test_a_fallback_of_semisync_and_one_of_a_moment(box: Sandbox, watcher: Watcher) -> None:
    source, replica = box.source, box.replicas[0]
    names = ("source", "replica") if box.flavour is Flavour.MYSQL else ("master", "slave")
    if box.flavour is Flavour.MYSQL:
        source.sql("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
        locally(replica, "INSTALL PLUGIN rpl_semi_sync_replica SONAME 'semisync_replica.so'")
    replica.sql(f"SET GLOBAL rpl_semi_sync_{names[1]}_enabled = 1")
    replication(replica, "STOP", "IO_THREAD")
    source.sql(f"SET GLOBAL rpl_semi_sync_{names[0]}_timeout = 50", f"SET GLOBAL rpl_semi_sync_{names[0]}_enabled = 1")
    watcher.expect(("source", "semisync-degraded"), ("replica1", "receiver-stopped"))
    replication(replica, "START")
    watcher.expect()
    replication(replica, "STOP", "IO_THREAD")
    source.sql(f"INSERT INTO r.t VALUES ({key()})")
    replication(replica, "START")
    box.wait_caught_up(60)
    found = watcher.expect(("source", "semisync-degraded"))
    until = time.monotonic() + 60
    while found["source", "semisync-degraded"].evidence["active"] != "yes":
        assert time.monotonic() < until
        source.sql(f"INSERT INTO r.t VALUES ({key()})")  # it waits again when a replica has acknowledged all so far
        found = watcher.expect(("source", "semisync-degraded"))
    assert int(found["source", "semisync-degraded"].evidence["unacknowledged"]) >= 1
    source.sql(f"SET GLOBAL rpl_semi_sync_{names[0]}_enabled = 0")


def test_a_source_that_replicates_from_its_replica(box: Sandbox, watcher: Watcher) -> None:
    source, replica = box.source, box.replicas[0]
    login = (Account.REPLICATION.value, box.credentials.secret(Account.REPLICATION))
    source.sql(*sandbox_statements.attach(box.flavour, "", replica.address, *login))
    found = watcher.expect(("source", "wrong-source"))
    assert found["source", "wrong-source"].evidence["loop"] == str(replica.address)
    replication(source, "STOP")
    replication(source, "RESET", "ALL")
