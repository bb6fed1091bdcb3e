"""Replication that stands still though both threads say that they run: found by movement, on real servers of both flavours."""

import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from repwatch.health.causes import causes
from repwatch.health.rules import diagnose
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.server import Address, Flavour
from repwatch.model.topology import ClusterSpec
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sandbox import statements as sandbox_statements
from repwatch.sandbox.standins_webhook import WebhookCatcher
from tests.server.diagnosing import Watcher, locally, watching, with_server, words
from tests.server.freezing import FreezingProxy
from tests.server.watching import PATIENT, Service, told, until

HEARTBEAT = 1


@pytest.fixture(scope="module")
def box(flavour: Flavour) -> Iterator[Sandbox]:
    """A star whose receivers want a heartbeat each second, so that silence shows soon."""
    with Sandbox.start(flavour, replicas=2) as started:
        for replica in started.replicas:
            change(replica, "HEARTBEAT_PERIOD", HEARTBEAT)
        started.wait_connected(60)
        yield started


def change(replica: SandboxServer, option: str, value: object) -> None:
    """CHANGE MASTER TO / CHANGE REPLICATION SOURCE TO with one option, and start again."""
    mariadb = replica.flavour is Flavour.MARIADB
    statement = "CHANGE MASTER TO MASTER" if mariadb else "CHANGE REPLICATION SOURCE TO SOURCE"
    replica.sql(f"STOP {words(replica.flavour)}", f"{statement}_{option} = {value}", f"START {words(replica.flavour)}")


def patient(box: Sandbox) -> ClusterSpec:
    """For tests in which lag is not the matter, on a slow machine."""
    return replace(box.cluster(poll_interval=timedelta(seconds=60)), max_lag=timedelta(minutes=10))


@pytest.fixture(autouse=True)
def healthy(box: Sandbox) -> Iterator[None]:
    """Nothing is found before a test, and nothing after it."""
    with watching(box) as watcher:
        watcher.expect()
        yield
        watcher.expect()


@pytest.fixture
def table(box: Sandbox) -> Iterator[str]:
    """A table with one row on all servers."""
    schema = f"shop_{secrets.token_hex(3)}"
    box.source.sql(
        f"CREATE DATABASE {schema}",
        f"CREATE TABLE {schema}.orders (id INT PRIMARY KEY, status CHAR(1))",
        f"INSERT INTO {schema}.orders VALUES (1, 'N')",
    )
    box.wait_caught_up(60)
    yield f"{schema}.orders"
    box.source.sql(f"DROP DATABASE {schema}")
    box.wait_caught_up(60)


def test_receivers_of_a_frozen_source_stall_and_it_is_their_cause(box: Sandbox) -> None:
    with watching(box, deadline=4) as watcher:
        watcher.look()
        box.source.freeze()
        try:
            found = watcher.expect(
                ("source", "server-unreachable"), ("replica1", "receiver-stalled"), ("replica2", "receiver-stalled")
            )
            stalled = found["replica1", "receiver-stalled"]
            assert (stalled.evidence["cause"], stalled.evidence["cause_server"]) == (
                "server-unreachable",
                str(box.source.address),
            )
            world = watcher.look()
            explained = causes(world, diagnose(world))
            assert explained[stalled.subject] == found["source", "server-unreachable"].subject
        finally:
            box.source.thaw()
        watcher.expect()


@pytest.mark.long
def test_a_frozen_source_is_told_of_once(box: Sandbox, tmp_path: Path) -> None:
    with WebhookCatcher() as hook:
        service = Service(box, tmp_path, hook)
        try:
            service.start()
            until(service.healthy, "everything is healthy")
            box.source.freeze()
            try:
                assert hook.wait_for(lambda posts: len(posts) == 1, PATIENT)
                until(lambda: service.api().count("receiver-stalled") >= 2, "both replicas are seen to stall")
            finally:
                box.source.thaw()
            assert hook.wait_for(lambda posts: len(posts) >= 2, PATIENT)
            until(service.healthy, "everything is healthy again")
            assert told(hook) == [("opened", "server-unreachable", "source"), ("resolved", "server-unreachable", "source")]
        finally:
            service.close()


def test_a_connection_that_swallows_packets_stalls_one_receiver(box: Sandbox, flavour: Flavour, table: str) -> None:
    replica = box.replicas[0]
    login = (Account.REPLICATION.value, box.credentials.secret(Account.REPLICATION))
    with FreezingProxy(box.source.address) as proxy, watching(box, patient(box)) as watcher:
        replica.sql(f"STOP {words(flavour)}", *sandbox_statements.attach(flavour, "", proxy.address, *login))
        change(replica, "HEARTBEAT_PERIOD", 30)  # a write of the source shows it sooner than a heartbeat would
        box.wait_connected(60)
        watcher.expect()
        proxy.freeze()
        box.source.sql(f"INSERT INTO {table} VALUES (2, 'N')")
        found = watcher.expect(("replica1", "receiver-stalled"))["replica1", "receiver-stalled"]
        assert found.severity is Severity.CRITICAL
        assert "unreceived_since" in found.evidence
        assert "cause" not in found.evidence
        impatient = replace(watcher.cluster, max_lag=timedelta(seconds=10))
        world = replace(watcher.look(), cluster=impatient)
        lagging = next(each for each in diagnose(world) if each.subject.code is FindingCode.LAGGING)
        assert (lagging.evidence["basis"], lagging.evidence["quality"]) == ("movement", "lower-bound")
        seen = world.servers[1].observation
        assert seen
        assert seen.channels[0].lag.seconds == 0  # what the server says
        proxy.thaw()
        watcher.expect()
    replica.sql(f"STOP {words(flavour)}", *sandbox_statements.attach(flavour, "", box.source.address, *login))
    change(replica, "HEARTBEAT_PERIOD", HEARTBEAT)
    box.wait_connected(60)


def blocked(box: Sandbox, holder: int, wait: str, table: str) -> None:
    """Wait for the finding; its evidence names the lock and, as a fact or as a suspicion, the connection that holds it."""
    with watching(box, patient(box)) as watcher:
        evidence = watcher.expect(("replica1", "applier-blocked"))["replica1", "applier-blocked"].evidence
    certain = wait == "row-lock" or box.flavour is Flavour.MYSQL
    named = evidence["blocker" if certain else "blocker_candidates"]
    assert evidence["wait"] == wait
    assert f"connection {holder} of root@" in named
    if certain:
        assert named.count("connection ") == 1
    if table:
        assert evidence["table"] == table


def test_an_applier_behind_a_locked_table_names_who_holds_it(box: Sandbox, table: str) -> None:
    with box.replicas[0].connect() as holder:
        holder.execute(f"LOCK TABLES {table} WRITE")
        box.source.sql(f"UPDATE {table} SET status = 'P'")
        blocked(box, holder.connection_id, "metadata-lock", table)
        holder.execute("UNLOCK TABLES")
    box.wait_caught_up(60)


def test_a_change_of_a_table_behind_a_reader(box: Sandbox, table: str) -> None:
    with box.replicas[0].connect() as holder:
        holder.execute("START TRANSACTION")
        holder.query(f"SELECT * FROM {table}")
        box.source.sql(f"ALTER TABLE {table} ADD note INT")
        blocked(box, holder.connection_id, "metadata-lock", table)
        holder.execute("COMMIT")
    box.wait_caught_up(60)


def test_an_applier_behind_a_lock_on_everything(box: Sandbox, table: str) -> None:
    with box.replicas[0].connect() as holder:
        holder.execute("FLUSH TABLES WITH READ LOCK")
        box.source.sql(f"UPDATE {table} SET status = 'P'")
        blocked(box, holder.connection_id, "global-lock", "")
        holder.execute("UNLOCK TABLES")
    box.wait_caught_up(60)


def test_an_applier_behind_a_locked_row(box: Sandbox, table: str) -> None:
    with box.replicas[0].connect() as holder:
        holder.execute("START TRANSACTION")
        holder.query(f"SELECT * FROM {table} FOR UPDATE")
        box.source.sql(f"UPDATE {table} SET status = 'P'")
        blocked(box, holder.connection_id, "row-lock", table)
        holder.execute("COMMIT")
    box.wait_caught_up(60)


def test_one_long_transaction_stalls_an_applier(box: Sandbox, table: str) -> None:
    """Changes of rows without a key, as many as keep an applier busy for some seconds: MariaDB searches for each row anew."""
    keyless = f"{table.partition('.')[0]}.log"
    doubled = 12 if box.flavour is Flavour.MARIADB else 16
    grow = [f"INSERT INTO {keyless} SELECT * FROM {keyless}"] * doubled
    box.source.sql(f"CREATE TABLE {keyless} (a INT, b INT)", f"INSERT INTO {keyless} VALUES (1, 1)", *grow)
    box.wait_caught_up(120)
    impatient = replace(box.cluster(poll_interval=timedelta(seconds=60)), max_lag=timedelta(seconds=0.3))
    with watching(box, impatient) as watcher:
        watcher.expect()
        box.source.sql("SET SESSION binlog_format = ROW", f"UPDATE {keyless} SET b = 2")
        until = time.monotonic() + 60
        while len(found := stalled(watcher)) < 2:
            assert time.monotonic() < until, found
        assert (found[0].evidence["table"], found[0].evidence["primary_key"]) == (keyless, "none")
        assert causes(watcher.look(), found)[found[1].subject] == found[0].subject
    box.wait_caught_up(180)


def stalled(watcher: Watcher) -> list[Finding]:
    """What is found of replica1: its applier first, then its lag."""
    address = str(watcher.box.replicas[0].address)
    found = [finding for finding in diagnose(watcher.look()) if finding.subject.server == address]
    assert [finding.subject.code.value for finding in found] in (
        [],
        ["applier-stalled"],
        ["lagging"],
        ["applier-stalled", "lagging"],
    )
    return found


def test_logs_that_are_gone_are_missed_before_the_receiver_knows(box: Sandbox, flavour: Flavour, table: str) -> None:
    replica = box.replicas[0]
    replica.sql(sandbox_statements.stop(flavour, applier=False))
    box.source.sql(f"INSERT INTO {table} VALUES (40, 'N')", "FLUSH BINARY LOGS")
    with watching(box) as watcher:
        watcher.expect(("replica1", "receiver-stopped"))
        purge(box)
        found = watcher.expect(("replica1", "binlog-purged"), ("replica1", "receiver-stopped"))
        assert int(found["replica1", "binlog-purged"].evidence["transactions_gone"]) >= 1
        replica.sql(sandbox_statements.start(flavour))
        found = watcher.expect(("replica1", "binlog-purged"), ("replica1", "receiver-error"))
        explained = causes(watcher.look(), tuple(found.values()))
        assert explained[found["replica1", "receiver-error"].subject] == found["replica1", "binlog-purged"].subject
    reseed(box, replica, f"INSERT INTO {table} VALUES (40, 'N')")


def purge(box: Sandbox) -> None:
    """Delete all binary logs of the source but the last; it keeps one that is being sent, or that it may need for recovery."""
    until = time.monotonic() + 60
    while len(logs := [row[0] for row in box.source.sql("SHOW BINARY LOGS")]) > 1:
        box.source.sql(f"PURGE BINARY LOGS TO '{logs[-1]}'")
        assert time.monotonic() < until
        time.sleep(0.1)


def reseed(box: Sandbox, replica: SandboxServer, statement: str) -> None:
    """Give the replica what it missed by hand, and the source's position."""
    position = box.source.sql(sandbox_statements.position(box.flavour))[0][0]
    replica.sql(f"STOP {words(box.flavour)}")
    if box.flavour is Flavour.MARIADB:
        locally(replica, statement)
        replica.sql(f"SET GLOBAL gtid_slave_pos = '{position}'", "START SLAVE")
    else:
        locally(replica, "SET GLOBAL super_read_only = OFF", statement, "RESET BINARY LOGS AND GTIDS")
        locally(replica, f"SET GLOBAL gtid_purged = '{position}'", "SET GLOBAL super_read_only = ON", "START REPLICA")
    box.wait_connected(60)


def test_the_time_left_before_logs_are_deleted(box: Sandbox, flavour: Flavour, table: str) -> None:
    replica, variable = box.replicas[0], "binlog_expire_logs_seconds"
    before = box.source.sql(f"SELECT @@global.{variable}")[0][0]
    box.source.sql(f"SET GLOBAL {variable} = 16")
    try:
        with watching(box) as watcher:
            watcher.expect()
            replica.sql(sandbox_statements.stop(flavour, applier=False))
            watcher.expect(("replica1", "receiver-stopped"))
            box.source.sql(f"INSERT INTO {table} VALUES (50, 'N')")
            found = watcher.expect(("replica1", "purge-horizon"), ("replica1", "receiver-stopped"))
            assert float(found["replica1", "purge-horizon"].evidence["seconds_left"]) <= 8
            box.source.sql(f"SET GLOBAL {variable} = 864000")
            watcher.expect(("replica1", "receiver-stopped"))
    finally:
        replica.sql(sandbox_statements.start(flavour))
        box.source.sql(f"SET GLOBAL {variable} = {before}")


def out_of_reach(cluster: ClusterSpec, server: SandboxServer, port: int) -> ClusterSpec:
    """The inventory, with a port that does not answer for one server."""
    spec = server.spec()
    return with_server(cluster, replace(spec, endpoint=replace(spec.endpoint, address=Address("127.0.0.1", port))))


def test_a_source_whose_replicas_go_on_is_not_called_down(box: Sandbox) -> None:
    with socket.socket() as taken, watching(box) as watcher:
        taken.bind(("127.0.0.1", 0))  # bound and not listening
        watcher.look()
        watcher.cluster = out_of_reach(watcher.cluster, box.source, taken.getsockname()[1])
        watcher.prober.close()
        found = until_warning(watcher)
        assert set(found.evidence["replicas_progress"].split()[::2]) <= {"replica1", "replica2"}


def until_warning(watcher: Watcher) -> Finding:
    """The finding about the source, as soon as its replicas speak for it."""
    until = time.monotonic() + 60
    while True:
        found = watcher.expect(("source", "server-unreachable"))["source", "server-unreachable"]
        if found.severity is Severity.WARNING:
            return found
        assert time.monotonic() < until, found
