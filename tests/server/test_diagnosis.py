"""Real replication, broken in every way that a finding speaks of: exactly that finding is made, and none when all is well."""

import re
import secrets
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from repwatch.health.inventory import agreed_source
from repwatch.model.endpoint import LiteralSecret
from repwatch.model.finding import Finding
from repwatch.model.gtid import missing_count
from repwatch.model.server import Address, Flavour
from repwatch.model.topology import AUTO
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sandbox import statements as sandbox_statements
from repwatch.sandbox.plan import SOURCE, multi_source
from repwatch.sql.replication import start_applier
from tests.server.diagnosing import locally, watching, with_server, words


@pytest.fixture(scope="module")
def box(flavour: Flavour) -> Iterator[Sandbox]:
    """A star that the tests of this module break and mend."""
    with Sandbox.start(flavour, replicas=2) as started:
        yield started


@pytest.fixture(autouse=True)
def healthy(box: Sandbox) -> Iterator[None]:
    """Every test begins with a healthy star, which itself is a claim: nothing is found. And it leaves one."""
    with watching(box) as watcher:
        watcher.expect()
        yield
        watcher.expect()


@pytest.fixture
def table(box: Sandbox) -> Iterator[str]:
    """A table with one row on all servers."""
    name = f"shop_{secrets.token_hex(3)}.orders"
    schema = name.partition(".")[0]
    box.source.sql(
        f"CREATE DATABASE {schema}",
        f"CREATE TABLE {name} (id INT PRIMARY KEY, status CHAR(1))",
        f"INSERT INTO {name} VALUES (1, 'N')",
    )
    box.wait_caught_up(60)
    yield name
    box.source.sql(f"DROP DATABASE {schema}")
    box.wait_caught_up(60)


def control(server: SandboxServer, flavour: Flavour, verb: str, thread: str = "") -> None:
    server.sql(f"{verb} {words(flavour)} {thread}".strip())


def attach(box: Sandbox, replica: SandboxServer, source: SandboxServer) -> None:
    login = (Account.REPLICATION.value, box.credentials.secret(Account.REPLICATION))
    replica.sql(*sandbox_statements.attach(box.flavour, "", source.address, *login))


def test_a_killed_replica_is_unreachable(box: Sandbox) -> None:
    box.replicas[0].kill()
    try:
        with watching(box) as watcher:
            found = watcher.expect(("replica1", "server-unreachable"))
        assert found["replica1", "server-unreachable"].evidence["failure"] == "unreachable"
    finally:
        box.replicas[0].start()


def test_replicas_of_a_killed_source_name_it_as_their_cause(box: Sandbox) -> None:
    with watching(box) as watcher:
        watcher.look()
        box.source.kill()
        try:
            found = watcher.expect(
                ("source", "server-unreachable"), ("replica1", "receiver-retrying"), ("replica2", "receiver-retrying")
            )
            evidence = found["replica1", "receiver-retrying"].evidence
            assert (evidence["cause"], evidence["cause_server"]) == ("server-unreachable", str(box.source.address))
        finally:
            box.source.start()
    box.wait_connected(90)


def test_a_refused_port_is_unreachable(box: Sandbox) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port
        spec = box.replicas[0].spec()
        elsewhere = replace(spec, endpoint=replace(spec.endpoint, address=Address("127.0.0.1", taken.getsockname()[1])))
        with watching(box, with_server(box.cluster(), elsewhere)) as watcher:
            watcher.expect(("replica1", "server-unreachable"))


def test_a_wrong_password_is_a_refused_login_and_never_shown(box: Sandbox) -> None:
    spec = box.replicas[0].spec()
    wrong = replace(spec, endpoint=replace(spec.endpoint, password=LiteralSecret("s3cr3t-and-wrong")))
    with watching(box, with_server(box.cluster(), wrong)) as watcher:
        found = watcher.expect(("replica1", "login-refused"))
    assert found["replica1", "login-refused"].evidence["errno"] == "1045"
    assert "s3cr3t" not in repr(found)


def test_a_missing_privilege_is_named_with_the_grant_that_mends_it(box: Sandbox) -> None:
    account = f"'w_{secrets.token_hex(3)}'@'%'"
    password = secrets.token_hex(8)
    server = box.replicas[0]
    locally(server, f"CREATE USER {account} IDENTIFIED BY '{password}'")
    spec = server.spec()
    login = replace(spec.endpoint, user=account.split("'")[1], password=LiteralSecret(password))
    try:
        with watching(box, with_server(box.cluster(), replace(spec, endpoint=login))) as watcher:
            found = watcher.expect(("replica1", "privilege-missing"))
            grant = re.search(r"GRANT [^`]+", found["replica1", "privilege-missing"].remedy)
            assert grant
            assert account in grant[0]
            locally(server, grant[0])
            watcher.prober.close()
        with watching(box, with_server(box.cluster(), replace(spec, endpoint=login))) as watcher:
            watcher.expect()
    finally:
        locally(server, f"DROP USER {account}")


def test_a_stopped_receiver(box: Sandbox, flavour: Flavour) -> None:
    control(box.replicas[0], flavour, "STOP", "IO_THREAD")
    with watching(box) as watcher:
        found = watcher.expect(("replica1", "receiver-stopped"))
        # the remedy is a command that works
        box.replicas[0].sql(command(found["replica1", "receiver-stopped"]))


def test_a_stopped_applier(box: Sandbox, flavour: Flavour) -> None:
    control(box.replicas[1], flavour, "STOP", "SQL_THREAD")
    with watching(box) as watcher:
        found = watcher.expect(("replica2", "applier-stopped"))
        box.replicas[1].sql(command(found["replica2", "applier-stopped"]))


def command(finding: Finding) -> str:
    """The last command that the remedy names."""
    return str(re.findall(r"`([^`]+)`", finding.remedy)[-1])


def test_a_wrong_replication_password(box: Sandbox, flavour: Flavour) -> None:
    replica = box.replicas[0]
    control(replica, flavour, "STOP")
    change = "CHANGE MASTER TO MASTER" if flavour is Flavour.MARIADB else "CHANGE REPLICATION SOURCE TO SOURCE"
    replica.sql(f"{change}_PASSWORD = 'wrong'")
    control(replica, flavour, "START")
    try:
        with watching(box) as watcher:
            found = watcher.expect(("replica1", "receiver-retrying"))
        evidence = found["replica1", "receiver-retrying"].evidence
        assert (evidence["errno"], evidence["error_class"]) == ("1045", "login")
        assert "cause" not in evidence
    finally:
        control(replica, flavour, "STOP")
        attach(box, replica, box.source)


def applier_error(box: Sandbox, table: str, error_class: str, errno: str) -> Finding:
    """Wait for the one finding, and check its evidence against the source."""
    with watching(box) as watcher:
        finding = watcher.expect(("replica1", "applier-error"))["replica1", "applier-error"]
    evidence = finding.evidence
    assert (evidence["error_class"], evidence["errno"], evidence["table"]) == (error_class, errno, table)
    assert (errno in finding.summary, table in finding.summary) == (True, True)
    position = box.source.sql(sandbox_statements.position(box.flavour))[0][0] or ""
    failed = evidence["transaction"]
    assert missing_count(box.flavour, evidence["gtid_executed"], position) >= 1
    assert missing_count(box.flavour, position, failed) == 0, f"{failed} is none of the source's {position}"
    assert missing_count(box.flavour, evidence["gtid_executed"], failed) >= 1, f"{failed} is applied already"
    return finding


def test_a_duplicate_key(box: Sandbox, flavour: Flavour, table: str) -> None:
    replica = box.replicas[0]
    locally(replica, f"INSERT INTO {table} VALUES (7, 'x')")
    box.source.sql(f"INSERT INTO {table} VALUES (7, 'N')")
    box.source.sql(f"INSERT INTO {table} VALUES (8, 'N')")
    applier_error(box, table, "duplicate-key", "1062")
    locally(replica, f"DELETE FROM {table} WHERE id = 7")
    control(replica, flavour, "START")
    box.wait_caught_up(60)


def test_a_row_that_is_not_there(box: Sandbox, flavour: Flavour, table: str) -> None:
    replica = box.replicas[0]
    locally(replica, f"DELETE FROM {table}")
    box.source.sql("SET SESSION binlog_format = ROW", f"UPDATE {table} SET status = 'P' WHERE id = 1")
    applier_error(box, table, "row-not-found", "1032")
    locally(replica, f"INSERT INTO {table} VALUES (1, 'N')")
    control(replica, flavour, "START")
    box.wait_caught_up(60)


def test_a_table_that_is_not_there(box: Sandbox, flavour: Flavour, table: str) -> None:
    replica = box.replicas[0]
    locally(replica, f"DROP TABLE {table}")
    box.source.sql(f"INSERT INTO {table} VALUES (9, 'N')")
    applier_error(box, table, "schema", "1146")
    locally(replica, f"CREATE TABLE {table} (id INT PRIMARY KEY, status CHAR(1))", f"INSERT INTO {table} VALUES (1, 'N')")
    control(replica, flavour, "START")
    box.wait_caught_up(60)


def test_lag_behind_a_locked_table(box: Sandbox, table: str) -> None:
    with box.replicas[0].connect() as session:
        session.execute(f"LOCK TABLES {table} WRITE")
        box.source.sql(f"INSERT INTO {table} VALUES (20, 'N')")
        impatient = replace(box.cluster(poll_interval=timedelta(seconds=60)), max_lag=timedelta(seconds=1))
        with watching(box, impatient) as watcher:
            found = watcher.expect(("replica1", "applier-blocked"), ("replica1", "lagging"))
        assert float(found["replica1", "lagging"].evidence["lag_seconds"]) >= 1
        session.execute("UNLOCK TABLES")
    box.wait_caught_up(60)


def test_an_intended_delay_is_no_lag(box: Sandbox, flavour: Flavour, table: str) -> None:
    replica = box.replicas[0]
    change = "CHANGE MASTER TO MASTER" if flavour is Flavour.MARIADB else "CHANGE REPLICATION SOURCE TO SOURCE"
    control(replica, flavour, "STOP")
    replica.sql(f"{change}_DELAY = 3600")
    control(replica, flavour, "START")
    strict = replace(box.cluster(poll_interval=timedelta(seconds=60)), max_lag=timedelta(0))
    box.source.sql(f"INSERT INTO {table} VALUES (30, 'N')")
    with watching(box, strict) as watcher:

        def behind() -> float:
            channel = watcher.look().servers[1].result.channels[0]  # type: ignore[union-attr]
            assert channel.delay == timedelta(hours=1)
            return channel.lag.seconds or 0

        while behind() < 1:
            pass
        watcher.expect()
    control(replica, flavour, "STOP")
    replica.sql(f"{change}_DELAY = 0")
    control(replica, flavour, "START")
    box.wait_caught_up(60)


def test_a_writable_replica(box: Sandbox) -> None:
    replica = box.replicas[1]
    before = replica.sql("SELECT @@global.read_only")[0][0]
    assert before == "1"
    replica.sql("SET GLOBAL read_only = OFF")
    try:
        with watching(box) as watcher:
            watcher.expect(("replica2", "replica-writable"))
        intended = replace(replica.spec(), writable=True)
        with watching(box, with_server(box.cluster(), intended)) as watcher:
            watcher.expect()
    finally:
        replica.sql(f"SET GLOBAL {'super_' if box.flavour is Flavour.MYSQL else ''}read_only = ON")


def test_replication_reset_away(box: Sandbox, flavour: Flavour) -> None:
    replica = box.replicas[0]
    control(replica, flavour, "STOP")
    control(replica, flavour, "RESET", "ALL")
    try:
        with watching(box) as watcher:
            watcher.expect(("replica1", "replication-missing"))
    finally:
        attach(box, replica, box.source)


def test_a_replica_of_another_server(box: Sandbox, flavour: Flavour) -> None:
    first, second = box.replicas
    control(second, flavour, "STOP")
    try:
        attach(box, second, first)
        with watching(box) as watcher:
            found = watcher.expect(("replica2", "wrong-source"))
            assert found["replica2", "wrong-source"].evidence["wanted_source"] == str(box.source.address)
        # The same topology as wanted is healthy.
        chain = with_server(box.cluster(), replace(second.spec(), replicates_from="replica1"))
        with watching(box, chain) as watcher:
            watcher.expect()
            assert agreed_source(replace(watcher.look(), source=None)) == "source"
    finally:
        control(second, flavour, "STOP")
        attach(box, second, box.source)


def test_one_server_under_two_addresses(box: Sandbox) -> None:
    spec = box.replicas[1].spec()
    again = replace(spec, endpoint=replace(box.replicas[0].spec().endpoint, address=Address("localhost", box.replicas[0].port)))
    with watching(box, with_server(box.cluster(), again)) as watcher:
        found = watcher.expect(("replica2", "duplicate-server-id"))
    assert found["replica2", "duplicate-server-id"].evidence["same_as"] == str(box.replicas[0].address)


def test_two_servers_with_one_id(box: Sandbox) -> None:
    first, second = box.replicas
    own, other = (server.sql("SELECT @@global.server_id")[0][0] for server in (second, first))
    second.sql(f"SET GLOBAL server_id = {other}")
    try:
        with watching(box) as watcher:
            watcher.expect(("replica2", "duplicate-server-id"))
    finally:
        second.sql(f"SET GLOBAL server_id = {own}")


def test_a_frozen_server_is_unreachable_and_delays_nobody(box: Sandbox) -> None:
    with watching(box, deadline=4) as watcher:
        watcher.look()
        box.replicas[0].freeze()
        try:
            found = watcher.expect(("replica1", "server-unreachable"))
            assert found["replica1", "server-unreachable"].evidence["failure"] == "timed-out"
        finally:
            box.replicas[0].thaw()
        watcher.expect()


def test_auto_settles_on_the_source(box: Sandbox) -> None:
    with watching(box, replace(box.cluster(), source=AUTO)) as watcher:
        world = replace(watcher.look(), source=None)
    assert agreed_source(world) == SOURCE


@pytest.fixture
def two_sources(flavour: Flavour) -> Iterator[Sandbox]:
    """One replica with the channels `first` and `second`."""
    with Sandbox.start(flavour, links=multi_source()) as started:
        yield started


def test_one_channel_of_two_is_broken(two_sources: Sandbox) -> None:
    replica, second = two_sources.replicas[0], two_sources.server("source2")
    second.sql("CREATE DATABASE b", "CREATE TABLE b.t (id INT PRIMARY KEY)")
    two_sources.wait_caught_up(60)
    locally(replica, "INSERT INTO b.t VALUES (1)")
    second.sql("INSERT INTO b.t VALUES (1)")
    written = second.sql(sandbox_statements.position(two_sources.flavour))[0][0] or ""
    with watching(two_sources) as watcher:
        finding = watcher.expect(("replica1", "applier-error"))["replica1", "applier-error"]
        assert (finding.subject.channel, finding.evidence["table"]) == ("second", "b.t")
        assert missing_count(two_sources.flavour, written, finding.evidence["transaction"]) == 0
        locally(replica, "DELETE FROM b.t")
        with replica.connect() as db:
            db.execute(start_applier(db.version, "second"))
        watcher.expect()
