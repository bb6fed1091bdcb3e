"""What keeps a replica from receiving: its connection, its account, its identity, and the binary logs of its source."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from repwatch.health.connecting import Reconnect
from repwatch.health.rules import diagnose
from repwatch.health.rules_progress import OWED
from repwatch.model.finding import FindingCode, Severity
from repwatch.model.server import Flavour
from repwatch.sandbox import Account, SandboxServer
from tests.server.diagnosing import locally, watching
from tests.server.freezing import FreezingProxy
from tests.server.rooted import as_root
from tests.server.scenarios.patrol import Patrol
from tests.server.scenarios.stage import Claims, Scenario, Stage, places

REPLICATION = f"'{Account.REPLICATION}'@'%'"
MARIADB, MYSQL = frozenset({Flavour.MARIADB}), frozenset({Flavour.MYSQL})
RETRYING = places(("replica1", "receiver-retrying"))
ERROR = places(("replica1", "receiver-error"))


def reconnect(stage: Stage) -> None:
    """Let the replica log in anew, and wait until it shows that it could not."""
    stage.control("STOP", "IO_THREAD")
    stage.control("START", "IO_THREAD")
    stage.until_receiver_fails()


@contextmanager
def receiver_stopped(stage: Stage) -> Iterator[None]:
    stage.control("STOP", "IO_THREAD")
    yield
    stage.go_on()


def remedy_works(code: str) -> Claims:
    """The last command of its remedy, pasted, puts it right."""

    def claims(stage: Stage, watch: Patrol) -> None:
        stage.replica.sql(str(re.findall(r"`([^`]+)`", watch.finding("replica1", code).remedy)[-1]))
        watch.until_calm()

    return claims


@contextmanager
def both_stopped(stage: Stage) -> Iterator[None]:
    stage.control("STOP")
    yield
    stage.go_on()


@contextmanager
def changed(stage: Stage, *options: str) -> Iterator[None]:
    """The replica is told something wrong about its source."""
    stage.change(*options)
    stage.until_receiver_fails()
    yield
    stage.attach(stage.replica, stage.source.address)
    stage.go_on()


@contextmanager
def wrong_password(stage: Stage) -> Iterator[None]:
    with changed(stage, "PASSWORD = 'wrong'"):
        yield


@contextmanager
def unknown_host(stage: Stage) -> Iterator[None]:
    with changed(stage, "HOST = 'no-such-host.invalid'", f"PORT = {stage.source.port}"):
        yield


@contextmanager
def refusing_port(stage: Stage) -> Iterator[None]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port
        with changed(stage, f"PORT = {taken.getsockname()[1]}", "HOST = '127.0.0.1'"):
            yield


@contextmanager
def account_changed(stage: Stage, broken: str, right: str) -> Iterator[None]:
    """The replication account, on the source; the other replica stays connected."""
    locally(stage.source, broken)
    reconnect(stage)
    yield
    locally(stage.source, right)
    stage.go_on()


def identified(stage: Stage) -> str:
    """The statement that gives the account the password that the replicas use."""
    return f"ALTER USER {REPLICATION} IDENTIFIED BY '{stage.box.credentials.secret(Account.REPLICATION).text}'"


@contextmanager
def password_expired(stage: Stage) -> Iterator[None]:
    with account_changed(stage, f"ALTER USER {REPLICATION} PASSWORD EXPIRE", identified(stage)):
        yield


@contextmanager
def account_locked(stage: Stage) -> Iterator[None]:
    with account_changed(stage, f"ALTER USER {REPLICATION} ACCOUNT LOCK", f"ALTER USER {REPLICATION} ACCOUNT UNLOCK"):
        yield


@contextmanager
def grant_revoked(stage: Stage) -> Iterator[None]:
    privilege = "REPLICATION SLAVE ON *.*"
    with account_changed(stage, f"REVOKE {privilege} FROM {REPLICATION}", f"GRANT {privilege} TO {REPLICATION}"):
        yield


@contextmanager
def password_changed(stage: Stage) -> Iterator[None]:
    """On the source, and no replica was told; each notices when it has to log in anew."""
    locally(stage.source, f"ALTER USER {REPLICATION} IDENTIFIED BY 'another'")
    for replica in stage.box.replicas:
        stage.control("STOP", "IO_THREAD", replica)
        stage.control("START", "IO_THREAD", replica)
        stage.until_receiver_fails(replica)
    yield
    locally(stage.source, identified(stage))
    for replica in stage.box.replicas:
        stage.control("STOP", "IO_THREAD", replica)
    for replica in stage.box.replicas:
        stage.control("START", server=replica)
    stage.go_on()


@contextmanager
def connections_limited(stage: Stage) -> Iterator[None]:
    """The account may hold one connection, and the other replica has it. Those made before the limit do not count."""
    limit = f"ALTER USER {REPLICATION} WITH MAX_USER_CONNECTIONS"
    stage.control("STOP", "IO_THREAD")
    locally(stage.source, f"{limit} 1")
    stage.control("STOP", "IO_THREAD", stage.other)
    stage.control("START", "IO_THREAD", stage.other)
    stage.until("the other is connected", lambda: stage.state(stage.other)["receiver"] == "Yes")
    stage.control("START", "IO_THREAD")
    stage.until_receiver_fails()
    yield
    locally(stage.source, f"{limit} 0")
    stage.go_on()


@contextmanager
def verified(stage: Stage) -> Iterator[None]:
    """The replica trusts one authority alone."""
    options = ["SSL = 1", f"SSL_CA = '{stage.certificates.authority}'", "SSL_VERIFY_SERVER_CERT = 1"]
    stage.change(*options)
    stage.box.wait_connected(90)
    yield
    stage.change(f"SSL = {0 if stage.is_mariadb else 1}", "SSL_CA = ''", "SSL_VERIFY_SERVER_CERT = 0")
    stage.go_on()


@contextmanager
def certificate_rotated(stage: Stage) -> Iterator[None]:
    """The source has a certificate by another authority, and uses it at once."""
    read_again = "FLUSH SSL" if stage.is_mariadb else "ALTER INSTANCE RELOAD TLS"
    with stage.certificates.rotated():
        stage.source.sql(read_again)
        reconnect(stage)
        yield
    stage.source.sql(read_again)
    stage.go_on()


@contextmanager
def through_proxy(stage: Stage) -> Iterator[None]:
    """The replica reaches its source over a way that can be cut. A write shows a loss sooner than a heartbeat would."""
    with FreezingProxy(stage.source.address) as stage.proxy:
        stage.attach(stage.replica, stage.proxy.address)
        stage.change("HEARTBEAT_PERIOD = 30")
        stage.box.wait_connected(90)
        yield
        stage.attach(stage.replica, stage.source.address)
        stage.go_on()


@contextmanager
def written_to(stage: Stage) -> Iterator[None]:
    """Again and again: of one write a look may see that the source has it together with the last thing that came through."""
    over = threading.Event()

    def write() -> None:
        while not over.wait(0.5):
            stage.write(f"UPDATE {stage.table} SET status = IF(status = 'N', 'O', 'N') WHERE id = 1")

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join(60)


@contextmanager
def way_swallows(stage: Stage) -> Iterator[None]:
    assert stage.proxy is not None
    stage.proxy.freeze()
    with written_to(stage):
        yield
    stage.proxy.thaw()
    stage.box.wait_caught_up(90)


def shown_as_up_to_date(stage: Stage, watch: Patrol) -> None:
    """The server says that it is up to date; repwatch knows that it is not."""
    finding = watch.finding("replica1", "receiver-stalled")
    assert finding.severity is Severity.CRITICAL
    assert "unreceived_since" in finding.evidence
    assert "cause" not in finding.evidence
    assert watch.watcher.world is not None
    world = replace(watch.watcher.world, cluster=replace(watch.watcher.cluster, max_lag=timedelta(seconds=10)))
    lagging = next(each for each in diagnose(world) if each.subject.code is FindingCode.LAGGING)
    assert (lagging.evidence["basis"], lagging.evidence["quality"]) == ("movement", "lower-bound")
    seen = world.servers[1].observation
    assert seen
    assert seen.channels[0].lag.seconds == 0


@contextmanager
def way_is_cut(stage: Stage) -> Iterator[None]:
    assert stage.proxy is not None
    stage.proxy.cut()
    stage.until_receiver_fails()
    yield
    stage.proxy.join()
    stage.go_on()


@contextmanager
def packets_dropped(stage: Stage) -> Iterator[None]:
    """A firewall throws away what comes from the proxy's port."""
    assert stage.proxy is not None
    rule = ["INPUT", "-i", "lo", "-p", "tcp", "--sport", str(stage.proxy.address.port), "-j", "DROP"]
    firewall("-I", *rule)
    try:
        with written_to(stage):
            yield
    finally:
        firewall("-D", *rule)
    stage.control("STOP", "IO_THREAD")  # the old connection comes back to life, but late
    stage.go_on()


def firewall(*words: str) -> None:
    as_root("/usr/sbin/iptables", "-w", *words)


@contextmanager
def duplicate_server_id(stage: Stage) -> Iterator[None]:
    """The second replica has the first one's id, and has logged in with it."""
    own, other = (server.sql("SELECT @@global.server_id")[0][0] for server in (stage.other, stage.replica))
    restart_with_id(stage, stage.other, other)
    yield
    restart_with_id(stage, stage.other, own)
    stage.control("STOP")
    stage.go_on()


def thrown_out_without_error(stage: Stage, watch: Patrol) -> None:
    """MariaDB alone. Another watch than the patrol's sees it, which would tell of a state that comes and goes."""
    if stage.is_mariadb:
        with watching(stage.box, stage.cluster) as watcher:
            stage.until(
                "a replica is thrown out",
                lambda: any(each.evidence.get("connection") == Reconnect.WITHOUT_ERROR for each in diagnose(watcher.look())),
            )


@contextmanager
def server_id_of_source(stage: Stage) -> Iterator[None]:
    """The first replica has its source's id, and takes what comes for its own."""
    own, source = (server.sql("SELECT @@global.server_id")[0][0] for server in (stage.replica, stage.source))
    restart_with_id(stage, stage.replica, source)
    stage.until_receiver_fails()
    yield
    restart_with_id(stage, stage.replica, own)
    stage.go_on()


def restart_with_id(stage: Stage, server: SandboxServer, number: str | None) -> None:
    stage.control("STOP", server=server)
    server.sql(f"SET GLOBAL server_id = {number}")
    stage.control("START", server=server)


@contextmanager
def duplicate_uuid(stage: Stage) -> Iterator[None]:
    """The second replica has the first one's auto.cnf, as a copied data folder has it."""
    own, copied = (server.folder / "data" / "auto.cnf" for server in (stage.other, stage.replica))
    kept = own.read_bytes()
    restart_with_file(stage.other, own, copied.read_bytes())
    yield
    restart_with_file(stage.other, own, kept)
    stage.control("STOP")
    stage.go_on()


def restart_with_file(server: SandboxServer, file: Path, content: bytes) -> None:
    server.kill()
    file.write_bytes(content)
    server.start()


@contextmanager
def gtid_mode_off(stage: Stage) -> Iterator[None]:
    """On the source, online and step by step; a replica that logs in anew finds its position by GTID, and is refused."""
    for mode in ("ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF"):
        stage.source.sql(f"SET GLOBAL gtid_mode = {mode}")
    reconnect(stage)
    yield
    for mode in ("OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"):
        stage.source.sql(f"SET GLOBAL gtid_mode = {mode}")
    stage.go_on()


RECEIVING = (
    Scenario(
        name="receiver-stopped",
        what="somebody stops the receiver",
        breaks=receiver_stopped,
        told=places(("replica1", "receiver-stopped")),
        claims=remedy_works("receiver-stopped"),
    ),
    Scenario(
        name="both-stopped",
        what="somebody stops replication",
        breaks=both_stopped,
        told=places(("replica1", "applier-stopped")),
        follows=frozenset({("replica1", "receiver-stopped")}),
    ),
    Scenario(
        name="replication-password-wrong",
        what="the replica has a wrong password",
        breaks=wrong_password,
        told=RETRYING,
        evidence={"errno": "1045", "error_class": "login"},
    ),
    Scenario(
        name="replication-password-changed",
        what="the replication account has another password, and no replica knows it",
        breaks=password_changed,
        told=RETRYING,
        brings=frozenset({("replica2", "receiver-retrying")}),
        evidence={"errno": "1045", "error_class": "login"},
    ),
    Scenario(
        name="replication-password-expired",
        what="the password of the replication account has expired",
        breaks=password_expired,
        told={
            Flavour.MARIADB: frozenset({("replica1", "receiver-error")}),  # it may log in, and ask nothing
            Flavour.MYSQL: frozenset({("replica1", "receiver-retrying")}),
        },
        evidence={"error_class": "login"},
    ),
    Scenario(
        name="replication-account-locked",
        what="the replication account is locked",
        breaks=account_locked,
        told=RETRYING,
        evidence={"error_class": "login"},
        long=True,
    ),
    Scenario(
        name="replication-grant-revoked",
        what="the replication account lost REPLICATION SLAVE",
        breaks=grant_revoked,
        told=RETRYING,
        evidence={"error_class": "login"},
    ),
    Scenario(
        name="replication-connections-limited",
        what="the replication account may not hold a further connection",
        breaks=connections_limited,
        told=RETRYING,
        evidence={"errno": "1226", "error_class": "host"},
        long=True,
    ),
    Scenario(
        name="certificate-rotated",
        what="the source has a certificate by an authority that the replica does not trust",
        breaks=certificate_rotated,
        prepare=verified,
        told=RETRYING,
        evidence={"errno": "2026"},
    ),
    Scenario(
        name="source-name-unknown",
        what="the source's host name cannot be resolved",
        breaks=unknown_host,
        told=RETRYING,
        evidence={"error_class": "network"},
        long=True,
    ),
    Scenario(
        name="source-port-refuses",
        what="nobody listens where the replica looks for its source",
        breaks=refusing_port,
        told=RETRYING,
        evidence={"errno": "2003", "error_class": "network"},
    ),
    Scenario(
        name="way-to-source-swallows",
        what="something between a replica and its source swallows all packets",
        breaks=way_swallows,
        prepare=through_proxy,
        told=places(("replica1", "receiver-stalled")),
        claims=shown_as_up_to_date,
        within=OWED,
    ),
    Scenario(
        name="way-between-cut",
        what="the connection between a replica and its source breaks, and a new one is ended at once",
        breaks=way_is_cut,
        prepare=through_proxy,
        told=RETRYING,
        evidence={"error_class": "network"},
    ),
    Scenario(
        name="packets-dropped",
        what="a firewall throws away what a replica and its source send each other",
        breaks=packets_dropped,
        prepare=through_proxy,
        told=places(("replica1", "receiver-stalled")),
        within=OWED,
        long=True,
        root=True,
    ),
    Scenario(
        name="duplicate-server-id",
        what="two replicas have one server_id",
        breaks=duplicate_server_id,
        told=places(("replica2", "duplicate-server-id")),
        follows=frozenset({("replica1", "receiver-retrying"), ("replica2", "receiver-retrying")}),
        claims=thrown_out_without_error,
    ),
    Scenario(
        name="server-id-of-source",
        what="a replica has its source's server_id",
        breaks=server_id_of_source,
        told=places(("replica1", "duplicate-server-id")),
        follows=frozenset({("replica1", "receiver-error")}),
        long=True,
    ),
    Scenario(
        name="duplicate-uuid",
        what="two replicas have one server_uuid",
        breaks=duplicate_uuid,
        told=places(("replica2", "duplicate-server-id")),
        follows=frozenset((name, f"receiver-{how}") for name in ("replica1", "replica2") for how in ("retrying", "error")),
        on=MYSQL,
    ),
    Scenario(
        name="source-gtid-mode-off",
        what="somebody turns off GTIDs on the source",
        breaks=gtid_mode_off,
        told=places(("replica1", "receiver-error"), ("replica1", "unsafe-settings"), ("replica2", "unsafe-settings")),
        evidence={"error_class": "setting"},
        on=MYSQL,
    ),
)
