"""Servers that are gone, frozen or out of reach, and repwatch's own account."""

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

from repwatch.adapters.mysql.session import Session
from repwatch.errors import LoginRefused, StatementRefused
from repwatch.model.endpoint import LiteralSecret, TlsMode
from repwatch.model.finding import Severity
from repwatch.model.observation import Observation, Unobserved
from repwatch.ports.database import Timeouts
from repwatch.sandbox import Account, SandboxServer
from tests.server.diagnosing import locally, with_server
from tests.server.freezing import FreezingProxy, Harm
from tests.server.scenarios.patrol import LONG, Patrol
from tests.server.scenarios.stage import Part, Scenario, Stage, places

MOST = 12  # connections that a replica takes, where they are used up
WATCHER = f"'{Account.WATCH}'@'%'"
SOURCE, REPLICA = frozenset({"source"}), frozenset({"replica1"})
CUT_OFF = frozenset((name, code) for name in ("replica1", "replica2") for code in ("receiver-retrying", "receiver-stalled"))


@contextmanager
def replica_killed(stage: Stage) -> Iterator[None]:
    stage.replica.kill()
    yield
    stage.replica.start()
    stage.box.wait_connected(90)


@contextmanager
def source_killed(stage: Stage) -> Iterator[None]:
    stage.source.kill()
    yield
    stage.source.start()
    stage.box.wait_connected(90)


@contextmanager
def frozen(server: SandboxServer) -> Iterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


@contextmanager
def replica_frozen(stage: Stage) -> Iterator[None]:
    with frozen(stage.replica):
        yield


@contextmanager
def quick_heartbeats(stage: Stage) -> Iterator[None]:
    """Receivers want a sign of life each second, so that silence shows soon."""
    for replica in stage.box.replicas:
        stage.change("HEARTBEAT_PERIOD = 1", server=replica)
    stage.box.wait_connected(90)
    yield


@contextmanager
def source_frozen(stage: Stage) -> Iterator[None]:
    with frozen(stage.source):
        yield
    stage.box.wait_connected(90)


@contextmanager
def watched_through(stage: Stage, server: SandboxServer, tls: TlsMode = TlsMode.PREFERRED) -> Iterator[None]:
    """repwatch looks at a server over a way that can be cut; what replicates goes another way."""
    with FreezingProxy(server.address) as stage.proxy:
        spec = server.spec()
        endpoint = replace(spec.endpoint, address=stage.proxy.address, tls=tls)
        stage.cluster = with_server(stage.cluster, replace(spec, endpoint=endpoint))
        yield


@contextmanager
def replica_watched_through_proxy(stage: Stage) -> Iterator[None]:
    with watched_through(stage, stage.replica):
        yield


@contextmanager
def source_watched_through_proxy(stage: Stage) -> Iterator[None]:
    with quick_heartbeats(stage), watched_through(stage, stage.source):
        yield


@contextmanager
def way_swallows(stage: Stage) -> Iterator[None]:
    assert stage.proxy is not None
    stage.proxy.freeze()
    yield
    stage.proxy.thaw()


@contextmanager
def way_is_cut(stage: Stage) -> Iterator[None]:
    assert stage.proxy is not None
    stage.proxy.cut()
    yield
    stage.proxy.join()


@contextmanager
def replica_watched_in_plain_text(stage: Stage) -> Iterator[None]:
    """So that what is in between can tell an answer from a login. MySQL lets in who has logged in with encryption before."""
    stage.replica.connect(Account.WATCH).close()
    with watched_through(stage, stage.replica, tls=TlsMode.DISABLED):
        yield


def answers_harmed(harm: Harm) -> Part:
    """Repwatch may log in, and does not get an answer as the server gave it."""

    @contextmanager
    def play(stage: Stage) -> Iterator[None]:
        assert stage.proxy is not None
        stage.proxy.harm = harm
        yield
        stage.proxy.harm = None

    return play


def others_are_seen_meanwhile(stage: Stage, watch: Patrol) -> None:
    """While a look at this one waits for what does not come, looks at the others have come back."""

    def come_first() -> bool:
        watch.tick()
        assert watch.watcher.world is not None
        source, broken, other = (server.result for server in watch.watcher.world.servers)
        assert isinstance(broken, Unobserved)
        seen = [each for each in (source, other) if isinstance(each, Observation)]
        return len(seen) == 2 and broken.took.total_seconds() > 1 and all(each.at < broken.at for each in seen)

    stage.until("the others are seen meanwhile", come_first)


def at_work(stage: Stage, watch: Patrol) -> None:
    """As soon as a replica is seen to get something, the source is not called down any more."""
    deadline = time.monotonic() + LONG
    while (finding := watch.finding("source", "server-unreachable")).severity is not Severity.WARNING:
        assert time.monotonic() < deadline, finding
        watch.tick()
    assert set(finding.evidence["replicas_progress"].split()[::2]) <= {"replica1", "replica2"}


def log_out(server: SandboxServer, account: Account) -> None:
    """End the connections of an account: repwatch keeps its own, and an account is asked for at a login only."""
    for (connection,) in server.sql(f"SELECT ID FROM information_schema.processlist WHERE USER = '{account}'"):
        with suppress(StatementRefused):  # it has ended by itself
            server.sql(f"KILL {connection}")


@contextmanager
def account_changed(stage: Stage, broken: str, right: str) -> Iterator[None]:
    """On the first replica alone. `right` puts back what `broken` has done."""
    locally(stage.replica, broken)
    log_out(stage.replica, Account.WATCH)
    yield
    locally(stage.replica, right)
    log_out(stage.replica, Account.WATCH)


def identified(stage: Stage) -> str:
    """The statement that gives repwatch's account the password that it uses."""
    return f"ALTER USER {WATCHER} IDENTIFIED BY '{stage.box.credentials.secret(Account.WATCH).text}'"


@contextmanager
def password_changed(stage: Stage) -> Iterator[None]:
    with account_changed(stage, f"ALTER USER {WATCHER} IDENTIFIED BY 'another'", identified(stage)):
        yield


@contextmanager
def password_expired(stage: Stage) -> Iterator[None]:
    with account_changed(stage, f"ALTER USER {WATCHER} PASSWORD EXPIRE", identified(stage)):
        yield


@contextmanager
def account_locked(stage: Stage) -> Iterator[None]:
    with account_changed(stage, f"ALTER USER {WATCHER} ACCOUNT LOCK", f"ALTER USER {WATCHER} ACCOUNT UNLOCK"):
        yield


@contextmanager
def account_from_elsewhere(stage: Stage) -> Iterator[None]:
    """The account exists for another host only."""
    elsewhere = f"'{Account.WATCH}'@'10.255.255.1'"
    with account_changed(stage, f"RENAME USER {WATCHER} TO {elsewhere}", f"RENAME USER {elsewhere} TO {WATCHER}"):
        yield


@contextmanager
def grant_revoked(stage: Stage) -> Iterator[None]:
    privilege = "SLAVE MONITOR" if stage.is_mariadb else "REPLICATION CLIENT"
    with account_changed(stage, f"REVOKE {privilege} ON *.* FROM {WATCHER}", f"GRANT {privilege} ON *.* TO {WATCHER}"):
        yield


@contextmanager
def encryption_demanded(stage: Stage) -> Iterator[None]:
    """The inventory says tls = "disabled"; the account then has to come over TLS."""
    with account_changed(stage, f"ALTER USER {WATCHER} REQUIRE X509", f"ALTER USER {WATCHER} REQUIRE NONE"):
        yield


@contextmanager
def connections_used_up(stage: Stage) -> Iterator[None]:
    """All connections are held by an application."""
    replica, password = stage.replica, secrets.token_hex(8)
    before = replica.sql("SELECT @@GLOBAL.max_connections")[0][0]
    locally(replica, f"CREATE USER crowd@'%' IDENTIFIED BY '{password}'")
    crowd = replace(replica.endpoint(), user="crowd", password=LiteralSecret(password))
    deadline = time.monotonic() + LONG
    with ExitStack() as held:
        replica.sql(f"SET GLOBAL max_connections = {MOST}")
        number = 0
        while number < MOST:  # one that has just ended may still count
            assert time.monotonic() < deadline, number
            log_out(replica, Account.WATCH)
            try:
                held.enter_context(Session.connect(crowd, Timeouts(connect=30, read=30)))
                number += 1
            except LoginRefused as error:
                if error.errno != 1040:
                    raise
                time.sleep(0.1)
        yield
    replica.sql(f"SET GLOBAL max_connections = {before}")
    locally(replica, "DROP USER crowd@'%'")


@contextmanager
def threads_used_up(stage: Stage) -> Iterator[None]:
    stage.threads.used_up = True
    yield
    stage.threads.used_up = False


REACH = (
    Scenario(
        name="replica-killed",
        what="the process of a replica ends (kill -9)",
        breaks=replica_killed,
        told=places(("replica1", "server-unreachable")),
        evidence={"failure": "unreachable"},
    ),
    Scenario(
        name="source-killed",
        what="the process of the source ends (kill -9)",
        breaks=source_killed,
        told=places(("source", "server-unreachable")),
        follows=CUT_OFF,
    ),
    Scenario(
        name="replica-frozen",
        what="the process of a replica stops in its tracks (SIGSTOP)",
        breaks=replica_frozen,
        told=places(("replica1", "server-unreachable")),
        evidence={"failure": "timed-out"},
        silent=REPLICA,
    ),
    Scenario(
        name="source-frozen",
        what="the process of the source stops in its tracks (SIGSTOP)",
        breaks=source_frozen,
        prepare=quick_heartbeats,
        told=places(("source", "server-unreachable")),
        follows=CUT_OFF,
        silent=SOURCE,
    ),
    Scenario(
        name="way-to-replica-swallows",
        what="something between repwatch and a replica swallows all packets",
        breaks=way_swallows,
        prepare=replica_watched_through_proxy,
        told=places(("replica1", "server-unreachable")),
        evidence={"failure": "timed-out"},
        silent=REPLICA,
        long=True,
    ),
    *(
        Scenario(
            name=f"answers-{harm.value}",
            what=f"what a replica answers does not arrive as it was sent: {harm.value}",
            breaks=answers_harmed(harm),
            prepare=replica_watched_in_plain_text,
            told=places(("replica1", "server-unreachable")),
            evidence={"failure": "timed-out"} if harm is Harm.SILENCE else {},
            claims=others_are_seen_meanwhile if harm is Harm.SILENCE else None,
            silent=REPLICA,
            long=harm in {Harm.SCRAMBLED, Harm.END},
        )
        for harm in Harm
    ),
    Scenario(
        name="way-to-source-cut",
        what="repwatch does not reach the source any more, and its replicas do",
        breaks=way_is_cut,
        prepare=source_watched_through_proxy,
        told=places(("source", "server-unreachable")),
        claims=at_work,
    ),
    Scenario(
        name="watcher-password-changed",
        what="the password of repwatch's account is another",
        breaks=password_changed,
        told=places(("replica1", "login-refused")),
        evidence={"errno": "1045"},
    ),
    Scenario(
        name="watcher-password-expired",
        what="the password of repwatch's account has expired",
        breaks=password_expired,
        told=places(("replica1", "login-refused")),
    ),
    Scenario(
        name="watcher-account-locked",
        what="repwatch's account is locked",
        breaks=account_locked,
        told=places(("replica1", "login-refused")),
        long=True,
    ),
    Scenario(
        name="watcher-host-refused",
        what="repwatch's account may not come from repwatch's host",
        breaks=account_from_elsewhere,
        told=places(("replica1", "login-refused")),
        long=True,
    ),
    Scenario(
        name="watcher-certificate-demanded",
        what="repwatch's account needs a client certificate",
        breaks=encryption_demanded,
        told=places(("replica1", "login-refused")),
        long=True,
    ),
    Scenario(
        name="watcher-grant-revoked",
        what="repwatch's account lost the privilege to see replication",
        breaks=grant_revoked,
        told=places(("replica1", "privilege-missing")),
    ),
    Scenario(
        name="threads-used-up",
        what="repwatch's own machine has no thread left for a look",
        breaks=threads_used_up,
        told=places(*((name, "observation-stale") for name in ("source", "replica1", "replica2"))),
    ),
    Scenario(
        name="connections-used-up",
        what="an application holds all connections of a replica",
        breaks=connections_used_up,
        told=places(("replica1", "login-refused")),
        evidence={"errno": "1040"},
    ),
)
