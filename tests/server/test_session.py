"""The one connection class on real servers: raw values, classified errors, TLS, streams that stop early."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

import mysql.connector.pooling
import pytest

from repwatch.adapters.mysql import session as session_module
from repwatch.adapters.mysql.session import Session
from repwatch.errors import (
    LoginRefused,
    NotMySQL,
    OutcomeUnknown,
    PrivilegeMissing,
    ServerError,
    StatementRefused,
    StatementTimedOut,
    Unreachable,
    UsageError,
)
from repwatch.model.endpoint import Endpoint, EnvSecret, LiteralSecret, TlsMode
from repwatch.model.server import Address, Flavour
from repwatch.ports.database import Timeouts
from repwatch.sandbox import Account, Sandbox, SandboxServer
from tests.server.freezing import FreezingProxy, Harm

SECRET = "hunter2-secret"
QUICK = Timeouts(connect=2, read=2)
PATIENT = Timeouts(connect=60, read=60)  # for who answers: the machine may be busy


@pytest.fixture(autouse=True, params=["native", "pure"])
def driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The driver has two implementations that differ where it hurts; which one runs depends on the machine's OpenSSL."""
    if request.param == "pure":
        monkeypatch.setattr(mysql.connector.pooling, "CMySQLConnection", None)
    return str(request.param)


@pytest.fixture(scope="module")
def lone(flavour: Flavour) -> Iterator[SandboxServer]:
    """A server without replicas, to be stopped and started."""
    with Sandbox.start(flavour, replicas=0) as box:
        yield box.source


@pytest.fixture
def session(star: Sandbox) -> Iterator[Session]:
    with star.source.connect() as opened:
        yield opened


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come about"
        time.sleep(0.05)


def impatient(endpoint: Endpoint, timeouts: Timeouts = QUICK) -> Session:
    """A session that waits for an answer for so short a time that on a busy machine it may take several tries to log in."""
    opened: list[Session] = []

    def is_open() -> bool:
        with suppress(Unreachable):
            opened.append(Session.connect(endpoint, timeouts))
        return bool(opened)

    until(is_open)
    return opened[0]


def failure(endpoint: Endpoint, timeouts: Timeouts = PATIENT) -> ServerError:
    with pytest.raises(ServerError) as caught:
        Session.connect(endpoint, timeouts).close()
    assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value!r}"
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return caught.value


def local(port: int, user: str = "u", tls: TlsMode = TlsMode.PREFERRED) -> Endpoint:
    return Endpoint(Address("127.0.0.1", port), user, LiteralSecret(SECRET), tls)


@contextmanager
def listener(answer: bytes) -> Iterator[int]:
    """A peer that sends `answer` to whoever connects and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                with suppress(TimeoutError):
                    peer, _ = server.accept()
                    with peer, suppress(OSError):
                        peer.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            thread.join()


def test_which_implementation_runs(session: Session, driver: str) -> None:
    assert type(session.raw).__name__ == ("CMySQLConnection" if driver == "native" else "MySQLConnection")


def test_the_version_is_the_servers_own(session: Session, flavour: Flavour) -> None:
    assert session.version.flavour is flavour
    assert session.version.at_least(10, 5) if flavour is Flavour.MARIADB else session.version.at_least(9, 7)


def test_values_are_raw(session: Session) -> None:
    assert session.query("SELECT NULL, '', CAST('0000-00-00' AS CHAR), 1.50, -3, X'00FF80', 'ä€😀', '%s %d 100%'").rows == [
        (None, b"", b"0000-00-00", b"1.50", b"-3", b"\x00\xff\x80", "ä€😀".encode(), b"%s %d 100%")
    ]


def test_zero_dates_are_not_null(session: Session, schema: str) -> None:
    session.execute(f"CREATE TABLE {schema}.z (id INT PRIMARY KEY, d DATE NULL, t DATETIME(6) NULL, b VARBINARY(9), f DOUBLE)")
    session.execute(f"INSERT INTO {schema}.z VALUES (0, '0000-00-00', '0000-00-00', X'0027', 0.1), (1, NULL, NULL, NULL, NULL)")
    assert session.query(f"SELECT * FROM {schema}.z ORDER BY id").rows == [
        (b"0", b"0000-00-00", b"0000-00-00 00:00:00.000000", b"\x00'", b"0.1"),
        (b"1", None, None, None, None),
    ]


def test_parameters_arrive_as_they_are(session: Session) -> None:
    everything = bytes(range(256))
    awkward = "'; -- \\ \" % %s \n\0 😀"
    assert session.query("SELECT %s, %s, %s, %s", (everything, awkward, 7, None)).rows == [
        (everything, awkward.encode(), b"7", None)
    ]


def test_a_wrong_number_of_parameters_is_a_bug_of_ours(session: Session) -> None:
    with pytest.raises(ValueError, match="parameters"):
        session.query("SELECT %s", (1, 2))
    assert session.scalar("SELECT 1") == "1"


def test_reads_are_never_stale(session: Session, star: Sandbox, schema: str) -> None:
    session.execute(f"CREATE TABLE {schema}.s (id INT PRIMARY KEY)")
    assert session.scalar(f"SELECT COUNT(*) FROM {schema}.s") == "0"
    star.source.sql(f"INSERT INTO {schema}.s VALUES (1)")
    assert session.scalar(f"SELECT COUNT(*) FROM {schema}.s") == "1"


def test_the_session_is_set_up(session: Session) -> None:
    query = "SELECT @@time_zone, @@sql_mode, @@character_set_client, @@character_set_results, @@autocommit"
    assert session.text_row(query) == ("+00:00", "NO_AUTO_VALUE_ON_ZERO", "utf8mb4", "utf8mb4", "1")


def test_a_statement_is_one_round_trip(session: Session, driver: str) -> None:
    def pings() -> int:
        return int(session.text_row("SHOW SESSION STATUS LIKE 'Com_admin_commands'")[1] or 0)

    before = pings()
    session.scalar("SELECT 1")
    session.execute("DO 1")
    # The driver without its C extension pings before each statement, this one among them.
    assert pings() - before == {"native": 0, "pure": 3}[driver]


def test_one_statement_at_a_time(session: Session) -> None:
    with pytest.raises(StatementRefused) as caught:
        session.query("SELECT 1; SELECT 2")
    assert caught.value.errno == 1064
    assert session.scalar("SELECT 1") == "1"


def test_affected_rows_and_warnings(session: Session, schema: str) -> None:
    session.execute(f"CREATE TABLE {schema}.w (id INT PRIMARY KEY, v TINYINT)")
    assert session.execute(f"INSERT INTO {schema}.w VALUES (1, 1), (2, 999)") == 2
    assert [number for number, _ in session.warnings()] == [1264]
    session.execute("SET SESSION max_error_count = 2")
    session.execute(f"UPDATE IGNORE {schema}.w SET v = 1000")
    assert [number for number, _ in session.warnings()] == [1264, 1264]
    session.execute(f"INSERT INTO {schema}.w VALUES (3, 999), (4, 999), (5, 999)")
    assert [number for number, _ in session.warnings()] == [1264, 1264, 0], "what was not kept is told"
    session.execute("SET SESSION max_error_count = 0")
    session.execute(f"DELETE FROM {schema}.w WHERE id > 2")
    assert session.warnings() == []
    session.execute(f"INSERT INTO {schema}.w VALUES (3, 999)")
    assert [number for number, _ in session.warnings()] == [0]
    assert session.execute(f"SELECT * FROM {schema}.w") == 3
    assert session.query(f"DELETE FROM {schema}.w").rows == []


def test_a_refused_statement_leaves_the_session_usable(session: Session) -> None:
    with pytest.raises(StatementRefused) as caught:
        session.execute("SELECT * FROM no_such_schema_at_all.t")
    assert caught.value.errno in {1146, 1049}
    assert not isinstance(caught.value, PrivilegeMissing)
    assert session.scalar("SELECT 1") == "1"


def test_a_missing_privilege_is_told_apart(star: Sandbox, schema: str) -> None:
    with star.source.connect(Account.WATCH) as session:
        for statement in (f"CREATE TABLE {schema}.p (id INT)", "SET GLOBAL max_connections = 99", "SHUTDOWN"):
            with pytest.raises(PrivilegeMissing):
                session.execute(statement)
        assert session.scalar("SELECT 1") == "1"


def test_a_server_side_limit_ends_a_statement(session: Session, schema: str, flavour: Flavour) -> None:
    session.execute(f"CREATE TABLE {schema}.l (id INT PRIMARY KEY)")
    session.execute(f"INSERT INTO {schema}.l VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)")
    count = "SUM(t0.id * t8.id) FROM " + ", ".join(f"{schema}.l t{number}" for number in range(9))
    limited = (
        f"SET STATEMENT max_statement_time = 0.5 FOR SELECT {count}"
        if flavour is Flavour.MARIADB
        else f"SELECT /*+ MAX_EXECUTION_TIME(500) */ {count}"
    )
    with pytest.raises(StatementTimedOut):
        session.query(limited)
    assert session.scalar("SELECT 1") == "1"


def test_kill_running_ends_the_statement_from_another_thread(session: Session) -> None:
    number = session.connection_id

    def kill() -> None:
        with other.connect() as looking:
            until(lambda: looking.scalar(f"SELECT info FROM information_schema.processlist WHERE id = {number}") is not None)
        session.kill_running()

    other = _Root(session.endpoint)
    thread = threading.Thread(target=kill)
    thread.start()
    try:
        # A killed SLEEP says 1 on MySQL and raises on MariaDB; a select that looks at rows raises on both.
        with pytest.raises(StatementTimedOut):
            session.query("SELECT SUM(SLEEP(30)) FROM information_schema.collations")
    finally:
        thread.join()
    assert session.scalar("SELECT 1") == "1"
    session.kill_running()
    assert session.scalar("SELECT 2") == "2"


class _Root:
    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def connect(self) -> Session:
        return Session.connect(self._endpoint)


def test_a_read_timeout_leaves_the_outcome_unknown_and_kills_the_statement(star: Sandbox) -> None:
    session = impatient(star.source.endpoint(Account.WATCH), Timeouts(connect=60, read=2))  # who kills it connects as patiently
    number = session.connection_id
    started = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        session.query("SELECT SLEEP(120)")
    assert time.monotonic() - started < 60
    until(lambda: star.source.sql(f"SELECT COUNT(*) FROM information_schema.processlist WHERE id = {number}") == [("0",)])
    with pytest.raises(Unreachable):
        session.query("SELECT 1")


def test_a_stream_that_stops_early_is_killed(star: Sandbox, session: Session, schema: str) -> None:
    session.execute(f"CREATE TABLE {schema}.b (id INT AUTO_INCREMENT PRIMARY KEY, t TEXT)")
    session.execute(f"INSERT INTO {schema}.b (t) VALUES (REPEAT('x', 60000)), (REPEAT('y', 60000))")
    endless = f"SELECT a.t FROM {schema}.b a, {schema}.b b, information_schema.collations c, information_schema.collations d"
    reader = star.source.connect(Account.WATCH)
    number = reader.connection_id
    started = time.monotonic()
    for row in reader.stream(endless):
        assert len(row[0] or b"") == 60000
        break
    reader.close()
    assert time.monotonic() - started < 60
    until(lambda: star.source.sql(f"SELECT COUNT(*) FROM information_schema.processlist WHERE id = {number}") == [("0",)])


def test_batches_are_the_rows_of_a_stream_and_nothing_follows_a_stop(session: Session) -> None:
    numbers = "WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT n.i, NULL, x'FF' FROM n"
    seen = [row for batch in session.batches(numbers) for row in batch]
    assert [tuple(None if value is None else bytes(value) for value in row) for row in seen] == list(session.stream(numbers))
    for _ in session.batches(numbers + ", n AS other LIMIT 5000"):
        break
    with pytest.raises(Unreachable):  # the rest is not read; the session is closed
        session.query("SELECT 1")


def test_a_stream_yields_everything_in_order(session: Session) -> None:
    rows = session.stream("WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i FROM n")
    assert [int(row[0] or 0) for row in rows] == list(range(1, 901))
    assert session.scalar("SELECT 1") == "1"


def test_two_statements_at_once_are_a_bug_of_ours(session: Session) -> None:
    rows = session.stream("SELECT 1 UNION SELECT 2")
    next(rows)
    with pytest.raises(RuntimeError):
        session.query("SELECT 3")
    assert len(list(rows)) == 1


def test_closing_twice_is_harmless(star: Sandbox) -> None:
    session = star.source.connect()
    session.close()
    session.close()
    with pytest.raises(Unreachable):
        session.query("SELECT 1")


def test_a_refused_port() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and not listening: nobody else gets the port
        assert isinstance(failure(local(bound.getsockname()[1])), Unreachable)


def test_a_host_that_does_not_resolve() -> None:
    error = failure(replace(local(3306), address=Address("no-such-host.invalid", 3306)))
    assert isinstance(error, Unreachable)
    assert "no-such-host.invalid" in str(error)


def test_a_peer_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert isinstance(failure(local(silent.getsockname()[1]), Timeouts(connect=5)), Unreachable)
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()  # the time for a connect is spent once


@pytest.mark.parametrize("tls", [TlsMode.PREFERRED, TlsMode.REQUIRED])
@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x00" * 64,
        b"220 mail.example.com ESMTP\r\n",
        b"\xff" * 500,
    ],
    ids=["ssh", "http", "zeros", "smtp", "ones"],
)
def test_a_peer_that_is_no_mysql_server(answer: bytes, tls: TlsMode) -> None:
    with listener(answer) as port:
        assert isinstance(failure(local(port, tls=tls)), NotMySQL)


def test_a_peer_that_hangs_up_at_once() -> None:
    with listener(b"") as port:
        assert isinstance(failure(local(port)), Unreachable)


def test_a_wrong_password_and_an_unknown_account(star: Sandbox) -> None:
    for user in (Account.WATCH.value, "nobody-by-that-name", ""):
        error = failure(local(star.source.port, user))
        assert isinstance(error, LoginRefused)
        assert error.errno == 1045


def test_an_account_without_a_password_where_one_is_needed(star: Sandbox) -> None:
    assert isinstance(failure(replace(local(star.source.port, Account.WATCH), password=None)), LoginRefused)


@pytest.mark.parametrize("flavour", [Flavour.MYSQL], indirect=True, scope="session")
def test_a_login_that_needs_tls(star: Sandbox, schema: str) -> None:
    star.source.sql(f"CREATE USER '{schema}'@'%' IDENTIFIED WITH caching_sha2_password BY '{SECRET}'")
    try:
        assert isinstance(failure(local(star.source.port, schema, TlsMode.DISABLED)), LoginRefused)
    finally:
        star.source.sql(f"DROP USER '{schema}'@'%'")


def test_an_expired_password(star: Sandbox, schema: str) -> None:
    star.source.sql(f"CREATE USER '{schema}'@'%' IDENTIFIED BY '{SECRET}' PASSWORD EXPIRE")
    try:
        assert isinstance(failure(local(star.source.port, schema)), LoginRefused)
    finally:
        star.source.sql(f"DROP USER '{schema}'@'%'")


def test_a_secret_that_cannot_be_read(star: Sandbox) -> None:
    with pytest.raises(UsageError):
        Session.connect(replace(local(star.source.port), password=EnvSecret("REPWATCH_TEST_NO_SUCH_VARIABLE")))


def test_no_connection_is_left(lone: SandboxServer) -> None:
    lone.sql("SET GLOBAL max_connections = 10")
    with lone.connect() as root:
        with _all_connections(lone) as refused:
            assert isinstance(refused, LoginRefused)
            assert refused.errno == 1040
        root.execute("SET GLOBAL max_connections = 100")


@contextmanager
def _all_connections(server: SandboxServer) -> Iterator[ServerError]:
    opened: list[Session] = []
    try:
        while True:
            assert len(opened) < 50
            opened.append(server.connect(Account.WATCH))
    except ServerError as error:
        yield error
    finally:
        for session in opened:
            session.close()


def test_a_server_killed_in_the_middle_of_a_statement(lone: SandboxServer) -> None:
    session = lone.connect()
    with lone.connect() as looking:

        def kill() -> None:
            _wait_for_sleep(looking)
            lone.kill()

        killer = threading.Thread(target=kill)
        killer.start()
        with pytest.raises(OutcomeUnknown):
            session.query("SELECT SLEEP(100)")
        killer.join()
    assert isinstance(failure(lone.endpoint()), Unreachable)
    lone.start()
    with lone.connect() as again:
        assert again.scalar("SELECT 1") == "1"


def _wait_for_sleep(looking: Session) -> None:
    query = "SELECT COUNT(*) FROM information_schema.processlist WHERE info = 'SELECT SLEEP(100)'"
    until(lambda: looking.scalar(query) == "1")


def test_a_server_that_refuses_locks_is_logged_in_to_and_a_statement_there_can_be_ended(
    lone: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some releases of Galera do."""
    monkeypatch.setattr(session_module, "MARK", ", NO_SUCH_FUNCTION({})")
    with lone.connect() as looking:
        until(lambda: int(looking.text_row("SHOW GLOBAL STATUS LIKE 'Uptime'")[1] or 0) >= 3)
    with lone.connect() as session, lone.connect() as looking:

        def end() -> None:
            _wait_for_sleep(looking)
            session.kill_running()

        killer = threading.Thread(target=end)
        killer.start()
        with suppress(StatementRefused):
            session.query("SELECT SLEEP(100)")
        killer.join()
        assert session.scalar("SELECT 1") == "1"


def test_a_restarted_server_keeps_other_peoples_connections(lone: SandboxServer) -> None:
    """The number of a connection that was lost belongs to somebody else after a restart: it must not be killed."""
    lost = lone.connect()
    lone.kill()
    lone.start()
    with ExitStack() as stack:
        others = [stack.enter_context(lone.connect())]
        while others[-1].connection_id < lost.connection_id:
            assert len(others) < 100
            others.append(stack.enter_context(lone.connect()))
        lost._unread = True
        lost.close()
        until(lambda: not any(thread.name.startswith("abandon") for thread in threading.enumerate()))
        assert all(other.scalar("SELECT 1") == "1" for other in others)


def test_a_frozen_server(lone: SandboxServer) -> None:
    session = impatient(lone.endpoint())
    stream = lone.connect(timeouts=Timeouts(connect=60, read=600))
    rows = stream.stream("SELECT 1 UNION SELECT 2")
    next(rows)
    lone.freeze()
    try:
        assert isinstance(failure(lone.endpoint(), QUICK), Unreachable)
        with pytest.raises(OutcomeUnknown):
            session.query("SELECT 1")
        started = time.monotonic()
        stream.close()
        session.close()
        assert time.monotonic() - started < 60
    finally:
        lone.thaw()
    lone.sql("SELECT 1")


@pytest.mark.parametrize("harm", list(Harm))
def test_an_answer_that_cannot_be_read_says_nothing_of_the_statement(star: Sandbox, harm: Harm) -> None:
    """It may have been carried out; and what comes next on that connection may belong to it."""
    server = star.source
    server.connect(Account.WATCH).close()  # MySQL remembers it, and lets the account in without encryption then
    with FreezingProxy(server.address) as way:
        endpoint = replace(server.endpoint(Account.WATCH), address=way.address, tls=TlsMode.DISABLED)
        with impatient(endpoint, Timeouts(connect=60, read=3)) as session:
            way.harm = harm
            with pytest.raises(OutcomeUnknown):
                session.query("SELECT 1, 2")
            with pytest.raises(Unreachable):
                session.query("SELECT 1")


def test_tls_follows_the_server(star: Sandbox, flavour: Flavour) -> None:
    """The sandbox's MariaDB has no TLS, its MySQL has, with certificates that it signed itself."""
    endpoint = star.source.endpoint(Account.WATCH)
    with Session.connect(endpoint) as session:
        cipher = session.text_row("SHOW SESSION STATUS LIKE 'Ssl_cipher'")[1]
    assert bool(cipher) is (flavour is Flavour.MYSQL)
    with Session.connect(replace(star.source.endpoint(), tls=TlsMode.DISABLED)) as session:
        assert session.text_row("SHOW SESSION STATUS LIKE 'Ssl_cipher'")[1] == ""


@pytest.mark.parametrize("mode", [TlsMode.REQUIRED, TlsMode.VERIFY_CA, TlsMode.VERIFY_IDENTITY])
def test_tls_that_is_demanded_is_there_or_refused(star: Sandbox, flavour: Flavour, mode: TlsMode) -> None:
    authority = star.source.folder / "data" / "ca.pem"
    endpoint = replace(star.source.endpoint(Account.WATCH), tls=mode, ca=authority if flavour is Flavour.MYSQL else None)
    if flavour is Flavour.MARIADB or mode is TlsMode.VERIFY_IDENTITY:  # the certificate is for no host at all
        assert isinstance(failure(endpoint), Unreachable)
    else:
        with Session.connect(endpoint) as session:
            assert session.text_row("SHOW SESSION STATUS LIKE 'Ssl_cipher'")[1]


@pytest.mark.parametrize("mode", [TlsMode.VERIFY_CA, TlsMode.VERIFY_IDENTITY])
def test_a_certificate_of_an_unknown_authority_is_refused(star: Sandbox, mode: TlsMode) -> None:
    endpoint = replace(star.source.endpoint(Account.WATCH), tls=mode)
    assert isinstance(failure(endpoint), Unreachable)
