"""What findings say of real replication beside their being there, and what is none. Ways to break it: test_scenarios.py."""

import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from repwatch.health.inventory import agreed_source
from repwatch.health.view import build_cluster_view
from repwatch.model.endpoint import LiteralSecret
from repwatch.model.gtid import missing_count
from repwatch.model.observation import LagQuality
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


def test_an_intended_delay_is_no_lag(box: Sandbox, flavour: Flavour, table: str) -> None:
    delay(box.replicas[0], flavour, 3600)
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
    delay(box.replicas[0], flavour, 0)
    box.wait_caught_up(60)


def test_a_chain_is_healthy_where_it_is_wanted(box: Sandbox, flavour: Flavour) -> None:
    first, second = box.replicas
    control(second, flavour, "STOP")
    try:
        attach(box, second, first)
        chain = with_server(box.cluster(), replace(second.spec(), replicates_from="replica1"))
        with watching(box, chain) as watcher:
            watcher.expect()
            assert agreed_source(replace(watcher.look(), source=None)) == "source"
    finally:
        control(second, flavour, "STOP")
        attach(box, second, box.source)


def test_who_replicates_from_a_replica_that_is_late_is_late_as_well(box: Sandbox, flavour: Flavour, table: str) -> None:
    middle, leaf = box.replicas
    control(leaf, flavour, "STOP")
    attach(box, leaf, middle)
    box.wait_caught_up(60)
    delay(middle, flavour, 3600)
    box.source.sql(f"INSERT INTO {table} VALUES (40, 'N')")
    chain = replace(box.cluster(poll_interval=timedelta(seconds=60)), max_lag=timedelta(0))
    for spec in (replace(middle.spec(), delay=timedelta(seconds=1)), replace(leaf.spec(), replicates_from="replica1")):
        chain = with_server(chain, spec)
    try:
        with watching(box, chain) as watcher:
            watcher.expect(("replica1", "lagging"))
            _, above, below = build_cluster_view(watcher.look(), (), ()).servers
        assert (below.lag_seconds, below.lag_quality) == (above.lag_seconds, LagQuality.LOWER_BOUND)
    finally:
        delay(middle, flavour, 0)
        control(leaf, flavour, "STOP")
        attach(box, leaf, box.source)
        box.wait_caught_up(60)


def delay(replica: SandboxServer, flavour: Flavour, seconds: int) -> None:
    change = "CHANGE MASTER TO MASTER" if flavour is Flavour.MARIADB else "CHANGE REPLICATION SOURCE TO SOURCE"
    control(replica, flavour, "STOP")
    replica.sql(f"{change}_DELAY = {seconds}")
    control(replica, flavour, "START")


def test_one_server_under_two_addresses(box: Sandbox) -> None:
    spec = box.replicas[1].spec()
    again = replace(spec, endpoint=replace(box.replicas[0].spec().endpoint, address=Address("localhost", box.replicas[0].port)))
    with watching(box, with_server(box.cluster(), again)) as watcher:
        found = watcher.expect(("replica2", "duplicate-server-id"))
    assert found["replica2", "duplicate-server-id"].evidence["same_as"] == str(box.replicas[0].address)


def test_a_restart_of_the_applier_is_no_skip(box: Sandbox, flavour: Flavour, table: str) -> None:
    with watching(box) as watcher:
        watcher.suspicions = ()
        for number in range(10, 13):
            control(box.replicas[0], flavour, "STOP")
            box.source.sql(f"INSERT INTO {table} VALUES ({number}, 'N')")
            watcher.look()
            control(box.replicas[0], flavour, "START")
            box.wait_caught_up(60)
            assert watcher.look().suspicions == ()


def test_a_busy_star_has_no_errant_transactions(box: Sandbox, table: str) -> None:
    with watching(box) as watcher:
        watcher.suspicions = ()
        for number in range(10, 110, 5):
            box.source.sql(*(f"INSERT INTO {table} VALUES ({number + further}, 'N')" for further in range(5)))
            assert watcher.look().suspicions == ()
    box.wait_caught_up(60)


def test_a_fallback_of_semisync_for_a_moment(box: Sandbox, flavour: Flavour, table: str) -> None:
    source, replica = box.source, box.replicas[0]
    names = ("source", "replica") if flavour is Flavour.MYSQL else ("master", "slave")
    if flavour is Flavour.MYSQL:
        locally(source, "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
        locally(replica, "INSTALL PLUGIN rpl_semi_sync_replica SONAME 'semisync_replica.so'")
    replica.sql(f"SET GLOBAL rpl_semi_sync_{names[1]}_enabled = 1")
    source.sql(f"SET GLOBAL rpl_semi_sync_{names[0]}_timeout = 50", f"SET GLOBAL rpl_semi_sync_{names[0]}_enabled = 1")
    control(replica, flavour, "STOP", "IO_THREAD")
    control(replica, flavour, "START", "IO_THREAD")
    with watching(box) as watcher:
        watcher.expect()
        control(replica, flavour, "STOP", "IO_THREAD")
        source.sql(f"INSERT INTO {table} VALUES (10, 'N')")
        control(replica, flavour, "START")
        box.wait_caught_up(60)
        found = watcher.expect(("source", "semisync-degraded"))
        until, number = time.monotonic() + 60, 10
        while found["source", "semisync-degraded"].evidence["active"] != "yes":
            assert time.monotonic() < until
            number += 1
            source.sql(f"INSERT INTO {table} VALUES ({number}, 'N')")  # it waits again when all so far is acknowledged
            found = watcher.expect(("source", "semisync-degraded"))
        assert int(found["source", "semisync-degraded"].evidence["unacknowledged"]) >= 1
    source.sql(f"SET GLOBAL rpl_semi_sync_{names[0]}_enabled = 0")
    replica.sql(f"SET GLOBAL rpl_semi_sync_{names[1]}_enabled = 0")
    box.wait_caught_up(60)


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
