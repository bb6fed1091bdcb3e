"""The look at a real server: what it sees, how long it may take, and what it never does: raise, hang, pile up."""

import secrets
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import mysql.connector
import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.look import TOGETHER
from repwatch.adapters.mysql.probe import DEADLINE, Prober
from repwatch.adapters.mysql.session import Session
from repwatch.errors import OutcomeUnknown
from repwatch.model.endpoint import CommandSecret, Endpoint, EnvSecret, FileSecret, LiteralSecret
from repwatch.model.observation import Observation, ProbeFailure, ProbeResult, ThreadState, Unobserved
from repwatch.model.server import Address, Flavour
from repwatch.model.topology import ServerSpec
from repwatch.ports.database import Params, Timeouts
from repwatch.sandbox import Sandbox, SandboxServer
from repwatch.sql.status import statement
from tests.server.diagnosing import PATIENT, locally

GRACE = 30.0  # seconds that a busy machine may add to a deadline; without one it would be for ever
FAR = 600.0  # seconds for a look, on the clock of the test
Look = Callable[[Prober, ServerSpec], ProbeResult]
WAYS = pytest.mark.parametrize("look", [Prober.__call__, Prober.here], ids=["bounded", "here"])


@pytest.fixture(scope="module")
def box(flavour: Flavour) -> Iterator[Sandbox]:
    """A source with one replica, for this module to freeze and stop."""
    with Sandbox.start(flavour, replicas=1) as started:
        yield started


@contextmanager
def probing(deadline: float = PATIENT, connect: Any = Session.connect_for_looks) -> Iterator[Prober]:
    prober = Prober(connect, SystemClock(), deadline=deadline)
    try:
        yield prober
    finally:
        prober.close()


def seen(prober: Prober, server: SandboxServer | ServerSpec) -> Observation:
    result = prober(server if isinstance(server, ServerSpec) else server.spec())
    assert isinstance(result, Observation), result
    return result


def blind(prober: Prober, server: SandboxServer | ServerSpec) -> Unobserved:
    result = prober(server if isinstance(server, ServerSpec) else server.spec())
    assert isinstance(result, Unobserved), result
    return result


def seen_within(prober: Prober, server: SandboxServer, seconds: float = 60) -> Observation:
    until = time.monotonic() + seconds
    while isinstance(result := prober(server.spec()), Unobserved):
        assert time.monotonic() < until, result
        time.sleep(0.1)
    return result


def at(address: Address) -> ServerSpec:
    return ServerSpec(endpoint=Endpoint(address, "repwatch", LiteralSecret("s3cr3t")), name="there")


class Far(Session):
    """A server so far away that each round trip takes its time, on the clock of the test."""

    sent: ClassVar[list[str]] = []  # one at a time
    trips = 0
    ahead = 0.0  # of the machine's clock, in seconds
    each = 0.0

    def _send(self, sql: str, params: Params) -> Any:
        Far.sent.append(sql)
        self._travel()
        return super()._send(sql, params)

    def together(self, statements: Sequence[str]) -> Generator[list[dict[str, str | None]]]:
        self._travel()
        return super().together(statements)

    def _travel(self) -> None:
        Far.trips += 1
        Far.ahead += Far.each


class FarClock(SystemClock):
    """As far ahead as the statements made it."""

    def monotonic(self) -> float:
        return super().monotonic() + Far.ahead


def test_a_server_far_away_is_seen_though_its_first_look_takes_too_long(box: Sandbox) -> None:
    """Each look starting with a new connection, a server behind 250 ms of sea would never be seen."""
    replica, counts = box.replicas[0].spec(), []
    with probing(connect=Far.connect_for_looks) as prober:
        for _ in range(2):
            Far.trips = 0
            seen(prober, replica)
            counts.append(Far.trips)
    assert counts[0] >= counts[1] + 2
    Far.ahead, Far.each = 0.0, 2 * FAR / sum(counts)
    prober = Prober(Far.connect_for_looks, FarClock(), deadline=FAR)
    assert blind(prober, replica).failure is ProbeFailure.TIMED_OUT
    seen(prober, replica)
    prober.close()


def test_what_each_look_needs_comes_in_one_round_trip(box: Sandbox) -> None:
    Far.ahead = Far.each = 0.0
    with probing(connect=Far.connect_for_looks) as prober:
        for server in (box.source, box.replicas[0]):
            seen(prober, server)  # finds out what that is
            Far.sent.clear()
            version = seen(prober, server).version
            usual = {row.sql for part in TOGETHER if (row := statement(part, version))}
            assert not usual & {*Far.sent}


def test_what_is_seen(box: Sandbox, flavour: Flavour) -> None:
    box.wait_caught_up(60)
    replica = box.replicas[0]
    with probing() as prober:
        source_seen, replica_seen = seen(prober, box.source), seen(prober, replica)
        ((version, server_id, gtid),) = box.source.sql(
            "SELECT VERSION(), @@global.server_id, "
            + ("@@global.gtid_binlog_pos" if flavour is Flavour.MARIADB else "@@global.gtid_executed")
        )
    assert source_seen.version.text == version
    assert (source_seen.server_id, source_seen.log_bin, source_seen.read_only) == (int(server_id or 0), True, False)
    assert (source_seen.gtid_executed, source_seen.channels, source_seen.dump_clients) == (gtid, (), 1)
    assert (replica_seen.read_only, replica_seen.dump_clients, replica_seen.gtid_executed) == (True, 0, gtid)
    assert bool(source_seen.server_uuid) is (flavour is Flavour.MYSQL)
    assert source_seen.skipped == replica_seen.skipped == ()
    (channel,) = replica_seen.channels
    assert (channel.source, channel.source_server_id) == (box.source.address, source_seen.server_id)
    assert channel.source_uuid == source_seen.server_uuid
    assert (channel.receiver, channel.applier, channel.lag.seconds) == (ThreadState.RUNNING, ThreadState.RUNNING, 0.0)
    assert (channel.uses_gtid, channel.gtid_executed) == (True, gtid)
    assert source_seen.instance != replica_seen.instance
    for reading in (source_seen.reading, replica_seen.reading):  # of the clock that repwatch has, too
        assert reading is not None
        assert abs(reading.ahead) <= reading.error + timedelta(milliseconds=20)


def test_a_changed_identity_shows_in_the_next_look(box: Sandbox) -> None:
    replica = box.replicas[0]
    with probing() as prober:
        before = seen(prober, replica)
        replica.sql(f"SET GLOBAL server_id = {before.server_id + 1000}")
        try:
            assert seen(prober, replica).server_id == before.server_id + 1000
        finally:
            replica.sql(f"SET GLOBAL server_id = {before.server_id}")


def test_one_connection_is_kept_and_closed_at_the_end(box: Sandbox) -> None:
    with probing() as prober:
        for _ in range(5):
            seen(prober, box.source)
        until_connections(box.source, 1)  # those of a prober before may not have ended yet
    until_connections(box.source, 0)


def until_connections(server: SandboxServer, number: int) -> None:
    """Wait until the watching account has so many."""
    until = time.monotonic() + 60
    while len(connections(server)) != number:
        assert time.monotonic() < until, connections(server)
        time.sleep(0.05)


def connections(server: SandboxServer) -> list[tuple[str | None, ...]]:
    return server.sql("SELECT ID, INFO FROM information_schema.processlist WHERE USER = 'repwatch'")


def test_a_connection_that_was_cut_is_made_again_in_the_same_look(box: Sandbox) -> None:
    with probing() as prober:
        seen(prober, box.source)
        ((connection, _),) = connections(box.source)
        box.source.sql(f"KILL {connection}")
        seen(prober, box.source)
        box.replicas[0].stop()
        box.replicas[0].start()
        seen(prober, box.replicas[0])
    box.wait_connected(90)


@WAYS
def test_a_frozen_server_costs_the_deadline_and_no_more(box: Sandbox, look: Look) -> None:
    replica = box.replicas[0]
    with probing(DEADLINE) as prober:
        seen_within(prober, replica)
        replica.freeze()
        try:
            for _ in range(3):  # on a kept connection, then on new ones that are never greeted
                started = time.monotonic()
                result = look(prober, replica.spec())
                assert isinstance(result, Unobserved)
                assert result.failure is ProbeFailure.TIMED_OUT
                assert time.monotonic() - started < DEADLINE + GRACE
        finally:
            replica.thaw()
        seen_within(prober, replica)


@WAYS
def test_only_one_look_is_in_flight(box: Sandbox, look: Look) -> None:
    replica = box.replicas[0]
    with probing() as prober:
        seen(prober, replica)
        replica.freeze()
        try:
            first: list[object] = []
            thread = threading.Thread(target=lambda: first.append(look(prober, replica.spec())))
            thread.start()
            until = time.monotonic() + 4 * PATIENT  # the other one may begin after a first one here
            while not (result := look(prober, replica.spec())).took.total_seconds() < 1:
                assert time.monotonic() < until
            assert isinstance(result, Unobserved)
            assert result.failure is ProbeFailure.TIMED_OUT
        finally:
            replica.thaw()
        thread.join(2 * PATIENT + 10)
        assert len(first) == 1


class Hanging:
    """A real session whose status statement hangs in the server, as MariaDB's does while the relay logs' disk is full.

    It waits for a row's lock, and neither the loss of its client nor the session's end changes that. (Who waits for a
    table's is ended within a second of the loss, which may be at once.)
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def texts(self, sql: str) -> list[dict[str, str | None]]:
        if not sql.startswith("SHOW "):
            return self._session.texts(sql)
        with suppress(mysql.connector.Error):
            self._session.raw.cursor().execute("SET SESSION innodb_lock_wait_timeout = 600")
            self._session.raw.cursor().execute("SELECT 'hanging' FROM hang.t LOCK IN SHARE MODE")
        raise OutcomeUnknown("it hangs", server=self._session.server)


@contextmanager
def holding(server: SandboxServer) -> Iterator[Session]:
    """A session that holds the lock of the row of `hang.t`."""
    server.sql("CREATE DATABASE hang", "CREATE TABLE hang.t (id INT)", "INSERT INTO hang.t VALUES (1)")
    with server.connect() as holder:
        holder.execute("BEGIN")
        holder.execute("UPDATE hang.t SET id = 2")
        yield holder
    server.sql("DROP DATABASE hang")


def test_a_hanging_statement_is_not_sent_again(box: Sandbox) -> None:
    hangs = True

    def connect(endpoint: Endpoint, timeouts: Timeouts | None = None) -> Any:
        session = Session.connect(endpoint, timeouts)
        return Hanging(session) if hangs else session

    with holding(box.source) as holder, probing(10, connect) as prober:
        assert blind(prober, box.source).failure is ProbeFailure.TIMED_OUT
        ((first, _),) = hanging(box.source)
        for _ in range(2):
            assert blind(prober, box.source).failure is ProbeFailure.TIMED_OUT
            assert [connection for connection, _ in hanging(box.source)] == [first]
        hangs = False
        assert blind(prober, box.source).hint
        holder.execute("ROLLBACK")
        seen_within(prober, box.source)


class HangingTogether(Session):
    """What is sent at once waits for a lock."""

    def together(self, statements: Sequence[str]) -> Generator[list[dict[str, str | None]]]:
        self.execute("SET SESSION innodb_lock_wait_timeout = 600")
        return super().together([*statements[:-1], "SELECT 'hanging' FROM hang.t LOCK IN SHARE MODE"])


def test_what_hangs_among_statements_sent_at_once_is_ended(box: Sandbox) -> None:
    with holding(box.source) as holder, probing(10, HangingTogether.connect_for_looks) as prober:
        assert blind(prober, box.source).failure is ProbeFailure.TIMED_OUT
        until = time.monotonic() + 60
        while hanging(box.source):
            assert time.monotonic() < until
            time.sleep(0.1)
        holder.execute("ROLLBACK")
        seen_within(prober, box.source)


def hanging(server: SandboxServer) -> list[tuple[str | None, ...]]:
    return [row for row in connections(server) if row[1] and "hanging" in row[1]]


def test_who_accepts_and_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, probing(DEADLINE) as prober:
        started = time.monotonic()
        result = blind(prober, at(Address("127.0.0.1", listener.getsockname()[1])))
        assert (result.failure, time.monotonic() - started < DEADLINE + GRACE) == (ProbeFailure.TIMED_OUT, True)


def test_who_is_no_mysql_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, probing() as prober:

        def greet() -> None:
            with suppress(OSError):  # the listener is closed
                while True:
                    peer, _ = listener.accept()
                    with peer:
                        peer.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")

        threading.Thread(target=greet, daemon=True).start()
        result = blind(prober, at(Address("127.0.0.1", listener.getsockname()[1])))
        listener.shutdown(socket.SHUT_RDWR)
    assert result.failure is ProbeFailure.NOT_MYSQL


def test_a_name_that_does_not_resolve() -> None:
    with probing() as prober:
        assert blind(prober, at(Address("no-such-host.invalid"))).failure in (ProbeFailure.UNREACHABLE, ProbeFailure.TIMED_OUT)


def test_a_secret_that_cannot_be_read(box: Sandbox, tmp_path: Path) -> None:
    spec = box.source.spec()
    for password in (EnvSecret("REPWATCH_NO_SUCH_VARIABLE"), FileSecret(tmp_path / "missing")):
        with probing() as prober:
            result = blind(prober, replace(spec, endpoint=replace(spec.endpoint, password=password)))
        assert result.failure is ProbeFailure.LOGIN_REFUSED


def test_a_secret_that_does_not_come(box: Sandbox) -> None:
    spec = box.source.spec()
    slow = replace(spec, endpoint=replace(spec.endpoint, password=CommandSecret(("sleep", "100"))))
    with probing(1) as prober:
        started = time.monotonic()
        assert blind(prober, slow).failure is ProbeFailure.TIMED_OUT
        assert time.monotonic() - started < 1 + GRACE


def test_an_optional_privilege_is_left_out_by_name(box: Sandbox, flavour: Flavour) -> None:
    name, password = f"w_{secrets.token_hex(3)}", secrets.token_hex(8)
    replica = box.replicas[0]
    essential = "SLAVE MONITOR" if flavour is Flavour.MARIADB else "REPLICATION CLIENT"
    locally(replica, f"CREATE USER {name} IDENTIFIED BY '{password}'", f"GRANT {essential} ON *.* TO {name}")
    spec = ServerSpec(endpoint=Endpoint(replica.address, name, LiteralSecret(password)))
    try:
        with probing() as prober:
            skipped = seen(prober, spec).skipped
        views = ["SELECT ON performance_schema.*"] * 6
        grants = ["BINLOG MONITOR ON *.*"] if flavour is Flavour.MARIADB else views
        wanted = [f"GRANT {grant} TO '{name}'@'%'" for grant in grants]
        assert sorted(text.partition(": ")[2] for text in skipped) == sorted(wanted)
    finally:
        locally(replica, f"DROP USER {name}")


def test_a_bug_of_our_own_is_no_blindness(box: Sandbox) -> None:
    def connect(endpoint: Endpoint, timeouts: Timeouts | None = None) -> Any:
        raise ZeroDivisionError("s3cr3t")

    with probing(connect=connect) as prober:
        result = blind(prober, box.source)
    assert (result.failure, "s3cr3t" in repr(result)) == (ProbeFailure.FAILED, False)
