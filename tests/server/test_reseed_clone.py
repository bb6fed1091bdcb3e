"""Cloning: a MySQL replica that becomes a physical copy of its source, and replicates again, identical."""

import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.errors import Refused, ServerError
from repwatch.flows.hold import channel_state, channel_states
from repwatch.flows.reseed import apply_reseed, cancel_reseed, plan_reseed
from repwatch.flows.reseed_survey import ReseedRequest, survey
from repwatch.model.endpoint import LiteralSecret
from repwatch.model.plan import Outcome
from repwatch.model.server import Address, Flavour
from repwatch.model.topology import ReplicaTarget
from repwatch.reseed.method import Method
from repwatch.reseed.progress import Phase, Progress
from repwatch.reseed.stages import Stage
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sql.replication import SourceLogin
from repwatch.sql.reseed import LOCK_NAME, MARKER_SCHEMA
from tests.server.freezing import FreezingProxy
from tests.server.killing import kill_at
from tests.server.refusing import changed, everything_on
from tests.server.reseeding import (
    CLOCK,
    Enough,
    break_with_1062,
    command,
    contents,
    healthy,
    make_everything,
    request,
    reseed,
    run_command,
    tools,
    writer,
)

PLUGIN = "--plugin-load-add=mysql_clone.so"


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the servers may have tablespaces, beside their data folders."""
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="module")
def box(outside: Path) -> Iterator[Sandbox]:
    """A source and two replicas that can be cloned."""
    with Sandbox.start(Flavour.MYSQL, replicas=2, options=(PLUGIN, f"--innodb-directories={outside}")) as started:
        yield started


@pytest.fixture(scope="module")
def still(box: Sandbox) -> str:
    """A schema with a table, for tests that change nothing."""
    box.source.sql("CREATE DATABASE still", "CREATE TABLE still.t (id INT PRIMARY KEY)", "INSERT INTO still.t VALUES (1)")
    box.wait_caught_up(60)
    return "still"


@pytest.fixture
def schema(box: Sandbox) -> Iterator[str]:
    """A new schema on all of them; dropped afterwards."""
    name = f"t_{secrets.token_hex(4)}"
    box.source.sql(f"CREATE DATABASE {name}")
    box.wait_caught_up(60)
    yield name
    box.source.sql(f"DROP DATABASE {name}")
    box.wait_caught_up(60)


def clone_request(box: Sandbox, replica: SandboxServer, way: Address | None = None) -> ReseedRequest:
    """`way` leads to the source, for the copy alone."""
    password = box.credentials.secret(Account.OPERATOR).text
    login = SourceLogin(address=way or box.source.address, user=Account.OPERATOR.value, password=password)
    return replace(request(box, replica, login=True, method=Method.CLONE), clone_login=login)


def test_the_sizes_of_all_files_are_known(box: Sandbox, still: str) -> None:
    """As they lie in the data folders, where a server at rest may still shorten its undo logs."""
    rows = ", ".join(["(REPEAT('x', 1500))"] * 5000)
    box.source.sql(f"CREATE TABLE {still}.large (v VARCHAR(2000), KEY (v(500)))", f"INSERT INTO {still}.large VALUES {rows}")
    box.wait_caught_up(60)
    clone = survey(clone_request(box, box.replicas[0]), Session.connect, CLOCK).clone
    assert clone is not None
    for server, side in ((box.source, clone.donor), (box.replicas[0], clone.target)):
        files = (server.folder / "data").rglob("*")
        there = sum(path.stat().st_size for path in files if path.suffix == ".ibd" or path.name.startswith("undo_"))
        assert side.file_bytes > 50_000_000
        assert side.file_bytes == pytest.approx(there, rel=0.2)
    box.source.sql(f"DROP TABLE {still}.large")
    box.wait_caught_up(60)


def test_a_broken_replica_is_cloned_and_replicates(box: Sandbox, schema: str, tmp_path: Path) -> None:
    replica = box.replicas[0]
    make_everything(box, schema)
    box.source.sql(
        f"RENAME TABLE {schema}.`odd ``name` TO {schema}.odd_name",  # a clone would refuse it
        f"CREATE TABLE {schema}.busy (id INT AUTO_INCREMENT PRIMARY KEY, v INT DEFAULT 0)",
        f"CREATE TABLE {schema}.ticks (id INT AUTO_INCREMENT PRIMARY KEY, at INT)",
        f"CREATE EVENT {schema}.often ON SCHEDULE EVERY 1 SECOND DO INSERT INTO {schema}.ticks (at) VALUES (@@server_id)",
    )
    box.wait_caught_up(60)
    break_with_1062(box, replica, f"{schema}.busy", 1_000)
    replica.sql(
        "SET SESSION sql_log_bin = 0",
        f"CREATE DATABASE {schema}_extra",
        f"DELETE FROM {schema}.child",
        "SET GLOBAL super_read_only = 1",
    )
    identity = replica.sql("SELECT @@server_uuid, @@server_id")
    seen: list[Phase] = []

    def tell(progress: Progress) -> None:
        seen.append(progress.phase)

    with writer(box, f"INSERT INTO {schema}.busy (v) VALUES (1)", f"UPDATE {schema}.busy SET v = v + 1 ORDER BY id DESC LIMIT 5"):
        applied = reseed(clone_request(box, replica), tmp_path, tell)
    assert (applied.outcome, applied.verdict, applied.text) == (Outcome.DONE, "identical", "")
    assert Phase.VERIFY in seen
    assert replica.sql("SELECT @@GLOBAL.super_read_only") == [("1",)]
    replica.sql("SET GLOBAL super_read_only = 0")
    box.source.sql(f"DROP EVENT {schema}.often")
    healthy(box, replica)
    assert replica.sql("SELECT @@server_uuid, @@server_id") == identity
    assert replica.sql("SELECT @@GLOBAL.event_scheduler") == [("ON",)]
    assert replica.sql("SELECT * FROM performance_schema.persisted_variables") == []
    assert contents(replica, schema) == contents(box.source, schema)
    assert (f"{schema}_extra",) not in replica.sql("SHOW DATABASES")
    assert replica.sql(f"SELECT DISTINCT at FROM {schema}.ticks") == [("1",)]  # no event ran on the replica
    events = f"SELECT EVENT_NAME, STATUS, DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '{schema}' ORDER BY 1"
    assert replica.sql(events) == [("off", "DISABLED", "root@%"), ("tick", "REPLICA_SIDE_DISABLED", "root@%")]
    replica.stop()
    replica.start()
    box.source.sql(f"INSERT INTO {schema}.parent (name) VALUES ('after')")
    box.wait_caught_up(60)
    assert contents(replica, schema) == contents(box.source, schema)
    journal = (tmp_path / "journal.jsonl").read_text(encoding="utf-8")
    for account in Account:
        assert box.credentials.secret(account).text not in journal


@pytest.mark.parametrize("account", [False, True])
def test_a_replica_is_cloned_from_another_one(box: Sandbox, schema: str, tmp_path: Path, *, account: bool) -> None:
    """With its channel, login and all, where no account is given."""
    replica, donor = box.replicas
    box.source.sql(f"CREATE TABLE {schema}.t (id INT AUTO_INCREMENT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1), (2)")
    box.wait_caught_up(60)
    break_with_1062(box, replica, f"{schema}.t", 9)
    asked = clone_request(box, replica)
    assert asked.clone_login is not None
    login = replace(asked.clone_login, address=donor.address)
    asked = replace(asked, donor=ReplicaTarget(server=donor.spec()), clone_login=login, login=asked.login if account else None)
    with writer(box, f"INSERT INTO {schema}.t VALUES ()"):
        applied = reseed(asked, tmp_path)
    assert (applied.outcome, applied.verdict, applied.text) == (Outcome.DONE, "identical", "")
    healthy(box, replica)
    assert contents(replica, schema) == contents(box.source, schema)


def test_channels_that_come_along_are_removed(box: Sandbox, schema: str, tmp_path: Path) -> None:
    """The source is itself a replica, of another name: both channels would run on the clone."""
    replica = box.replicas[0]
    box.source.sql(
        "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = 1, SOURCE_USER = 'x', SOURCE_AUTO_POSITION = 1 "
        "FOR CHANNEL 'up'",
        "START REPLICA FOR CHANNEL 'up'",
    )
    try:
        applied = reseed(clone_request(box, replica), tmp_path)
        assert (applied.outcome, applied.verdict) == (Outcome.DONE, "identical")
        with replica.connect() as db:
            assert [state.channel for state in channel_states(db)] == [""]
        healthy(box, replica)
    finally:
        for server in (box.source, replica):
            with suppress(ServerError):
                server.sql("STOP REPLICA FOR CHANNEL 'up'", "RESET REPLICA ALL FOR CHANNEL 'up'")


@pytest.mark.long
def test_a_server_that_nothing_starts_again_is_waited_for(box: Sandbox, schema: str, tmp_path: Path) -> None:
    """It ends with error 3707; a person starts it."""
    replica = box.replicas[0]
    box.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1), (2)")
    box.wait_caught_up(60)
    replica.sql("SET SESSION sql_log_bin = 0", f"DELETE FROM {schema}.t")
    replica.stop()
    alone = subprocess.Popen(replica.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_login(replica)

        def start(progress: Progress) -> None:
            if progress.phase is Phase.RESTART and alone.poll() is not None:
                replica.start()

        applied = reseed(clone_request(box, replica), tmp_path, start)
    finally:
        alone.kill()
        alone.wait()
        replica.start()
    assert (applied.outcome, applied.verdict, applied.text) == (Outcome.DONE, "identical", "")
    healthy(box, replica)
    assert contents(replica, schema) == contents(box.source, schema)


def wait_for_login(server: SandboxServer) -> None:
    deadline = time.monotonic() + 120
    while not answers(server):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def answers(server: SandboxServer) -> bool:
    try:
        server.connect().close()
    except ServerError:
        return False
    return True


def test_a_clone_that_the_donor_refuses_leaves_everything_and_is_cancelled(box: Sandbox, schema: str, tmp_path: Path) -> None:
    replica = box.replicas[0]
    box.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1)")
    box.wait_caught_up(60)
    before = contents(replica, schema)
    asked = clone_request(box, replica)
    assert asked.clone_login is not None
    applied = reseed(replace(asked, clone_login=replace(asked.clone_login, password="wrong")), tmp_path)
    assert applied.outcome is Outcome.FAILED
    assert contents(replica, schema) == before
    assert (MARKER_SCHEMA,) in replica.sql("SHOW DATABASES")
    replica.kill()
    replica.start()
    assert replica.sql("SELECT @@GLOBAL.super_read_only") == [("1",)]  # as it was told to start
    cancel_reseed(asked, tools(tmp_path))
    healthy(box, replica)
    assert replica.sql("SELECT * FROM performance_schema.persisted_variables") == []
    assert replica.sql("SELECT @@GLOBAL.super_read_only, @@GLOBAL.event_scheduler") == [("0", "ON")]
    with replica.connect() as db:
        assert channel_state(db, "").applier_running


def test_a_clone_after_another_method_after_a_clone_puts_back_what_was_before_the_first(
    box: Sandbox, schema: str, tmp_path: Path
) -> None:
    replica = box.replicas[0]
    box.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1)")
    box.wait_caught_up(60)
    asked = clone_request(box, replica)
    assert asked.clone_login is not None
    refused = replace(asked, clone_login=replace(asked.clone_login, password="wrong"))
    assert reseed(refused, tmp_path).outcome is Outcome.FAILED
    with pytest.raises(Enough):
        reseed(replace(asked, method=Method.LOGICAL), tmp_path, end_at_snapshot)
    assert reseed(refused, tmp_path).outcome is Outcome.FAILED
    assert replica.sql("SELECT @@GLOBAL.clone_valid_donor_list") == [(None,)]
    cancel_reseed(asked, tools(tmp_path))
    healthy(box, replica)
    assert replica.sql("SELECT * FROM performance_schema.persisted_variables") == []
    assert replica.sql("SELECT @@GLOBAL.super_read_only, @@GLOBAL.event_scheduler") == [("0", "ON")]


def end_at_snapshot(progress: Progress) -> None:
    if progress.phase is Phase.SNAPSHOT:
        raise Enough


MOMENTS = (("cloning", ""), ("written", ""), ("done", "loaded"), ("begin", "attached"), ("done", "attached"))


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("moment", MOMENTS, ids=["-".join(filter(None, moment)) for moment in MOMENTS])
def test_killed_it_goes_on_to_the_same_end(box: Sandbox, schema: str, tmp_path: Path, moment: tuple[str, str]) -> None:
    replica = box.replicas[0]
    box.source.sql(
        f"CREATE TABLE {schema}.busy (id INT AUTO_INCREMENT PRIMARY KEY, v INT DEFAULT 0)",
        f"INSERT INTO {schema}.busy (v) VALUES (1), (2)",
    )
    box.wait_caught_up(60)
    configuration = tmp_path / "repwatch.toml"
    configuration.write_text(box.configuration(), encoding="utf-8")
    journal = tmp_path / "state" / "reseed" / f"127.0.0.1_{replica.port}.jsonl"
    words = (replica.name, "--state", str(tmp_path / "state"))
    replica.sql("SET SESSION sql_log_bin = 0", f"DELETE FROM {schema}.busy")
    kill_at(command(configuration, *words, "--method", "clone", "--apply", "--yes"), journal, moment)
    box.source.sql(f"INSERT INTO {schema}.busy (v) VALUES (3)")
    again = run_command(configuration, *words, "--resume")
    assert again.returncode == 0, (again.stdout, again.stderr)
    healthy(box, replica)
    assert contents(replica, schema) == contents(box.source, schema)
    assert replica.sql("SELECT * FROM performance_schema.persisted_variables") == []


MIDDLE = 10_000_000  # bytes of a copy of more than a hundred megabytes


# Of the operator: what each does, and whether it has the turn.
SESSIONS = f"""
SELECT IF(COMMAND = 'Sleep', 'idle', 'working'), ID <=> IS_USED_LOCK('{LOCK_NAME}')
FROM performance_schema.processlist WHERE USER = '{Account.OPERATOR}'
"""


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("whom", ["target", "donor"])
def test_a_server_that_dies_in_the_middle_is_cloned_again(box: Sandbox, schema: str, tmp_path: Path, whom: str) -> None:
    replica = box.replicas[0]
    box.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1), (2)")
    box.wait_caught_up(60)
    killed: list[Phase] = []
    at_work: list[tuple[str | None, ...]] = []

    def kill(progress: Progress) -> None:
        if progress.phase is Phase.CLONE and progress.text == "file copy" and not killed:
            killed.append(progress.phase)
            at_work.extend(replica.sql(SESSIONS))
            server = replica if whom == "target" else box.source
            server.kill()
            server.start()
            way.thaw()

    with FreezingProxy(box.source.address, freeze_after=MIDDLE) as way:  # a copy that goes on may end before a look at it
        first = reseed(clone_request(box, replica, way.address), tmp_path, kill)
    assert (first.outcome, killed) == (Outcome.FAILED, [Phase.CLONE])
    # The one that looks, and the one that clones: it has the turn, and an idle one beside it would hold the server's end up.
    assert sorted(at_work) == [("idle", "0"), ("working", "1")]
    assert replica.sql(f"SELECT value FROM {MARKER_SCHEMA}.marker WHERE name = 'stage'") == [("loading",)]
    assert plan_reseed(clone_request(box, replica), Session.connect, CLOCK).taken_up is Stage.LOADING
    with pytest.raises(Refused):
        cancel_reseed(clone_request(box, replica), tools(tmp_path))
    second = reseed(clone_request(box, replica), tmp_path)
    assert (second.outcome, second.verdict, second.text) == (Outcome.DONE, "identical", "")
    healthy(box, replica)
    assert contents(replica, schema) == contents(box.source, schema)


State = Callable[[Sandbox, str], AbstractContextManager[ReseedRequest]]


@contextmanager
def no_plugin(box: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    replica = box.replicas[0]
    restarted_with(box, replica, "--clone=OFF")
    try:
        yield clone_request(box, replica)
    finally:
        restarted_with(box, replica, "--clone=ON")


def restarted_with(box: Sandbox, server: SandboxServer, option: str) -> None:
    server.use(option)
    server.kill()
    server.start()
    box.wait_connected()


@contextmanager
def without_binlog(server: SandboxServer, before: tuple[str, ...], after: str) -> Iterator[None]:
    """A change of one server alone."""
    server.sql("SET SESSION sql_log_bin = 0", *before)
    try:
        yield
    finally:
        server.sql("SET SESSION sql_log_bin = 0", after)


@contextmanager
def other_accounts(box: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    """An account that only the replica has would be locked out."""
    replica, user = box.replicas[0], f"only_{schema}"
    create = f"CREATE USER '{user}'@'%' IDENTIFIED BY 'secret'"
    with without_binlog(replica, (create, f"GRANT ALL ON *.* TO '{user}'@'%'"), f"DROP USER '{user}'@'%'"):
        asked = clone_request(box, replica)
        spec = asked.replica.server
        account = replace(spec.writer, user=user, password=LiteralSecret("secret"))
        yield replace(asked, replica=ReplicaTarget(server=replace(spec, operator=account)))


@contextmanager
def no_privilege(box: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    account = f"'{Account.OPERATOR}'@'%'"
    revoke, grant = f"REVOKE CLONE_ADMIN ON *.* FROM {account}", f"GRANT CLONE_ADMIN ON *.* TO {account}"
    with without_binlog(box.replicas[0], (revoke,), grant):
        yield clone_request(box, box.replicas[0])


@contextmanager
def small_packets(box: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    ((was,),) = box.source.sql("SELECT @@GLOBAL.max_allowed_packet")
    with changed(box.source, "SET GLOBAL max_allowed_packet = 1048576", f"SET GLOBAL max_allowed_packet = {was}"):
        yield clone_request(box, box.replicas[0])


@contextmanager
def other_charset(box: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    replica = box.replicas[0]
    ((was,),) = replica.sql("SELECT @@GLOBAL.collation_server")
    with changed(replica, "SET GLOBAL collation_server = latin1_swedish_ci", f"SET GLOBAL collation_server = {was}"):
        yield clone_request(box, replica)


@contextmanager
def other_plugins(box: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    install = "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'"
    with without_binlog(box.source, (install,), "UNINSTALL PLUGIN rpl_semi_sync_source"):
        yield clone_request(box, box.replicas[0])


@contextmanager
def registered_here_alone(box: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    """The donor has the plugin by its configuration, and its table of plugins would come along."""
    row = "INSERT INTO mysql.plugin VALUES ('clone', 'mysql_clone.so')"
    with without_binlog(box.replicas[0], (row,), "DELETE FROM mysql.plugin WHERE name = 'clone'"):
        yield clone_request(box, box.replicas[0])


@contextmanager
def outside_files(box: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    """A tablespace in a folder of its own."""
    ((folder,),) = box.source.sql("SELECT @@innodb_directories")
    create = f"CREATE TABLESPACE elsewhere ADD DATAFILE '{folder}/elsewhere.ibd'"
    with without_binlog(box.source, (create,), "DROP TABLESPACE elsewhere"):
        yield clone_request(box, box.replicas[0])


@contextmanager
def odd_names(box: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    with changed(box.source, f"CREATE TABLE {schema}.`odd ``name` (id INT PRIMARY KEY)", f"DROP TABLE {schema}.`odd ``name`"):
        box.wait_caught_up(60)
        yield clone_request(box, box.replicas[0])


@contextmanager
def own_schema(box: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    with without_binlog(box.replicas[0], (f"CREATE DATABASE {schema}_own",), f"DROP DATABASE {schema}_own"):
        asked = clone_request(box, box.replicas[0])
        spec = replace(asked.replica.server, local_tables=(f"{schema}_own.*",))
        yield replace(asked, replica=ReplicaTarget(server=spec))


@contextmanager
def no_account(box: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    yield replace(clone_request(box, box.replicas[0]), login=None)


STATES: tuple[tuple[str, State], ...] = (
    ("clone-plugin", no_plugin),
    ("clone-plugin", registered_here_alone),
    ("account-differs", other_accounts),
    ("privilege-missing", no_privilege),
    ("packet-too-small", small_packets),
    ("charset-differs", other_charset),
    ("plugins-differ", other_plugins),
    ("files-elsewhere", outside_files),
    ("backtick-names", odd_names),
    ("local-tables", own_schema),
    ("no-replication-account", no_account),
)


@pytest.mark.parametrize(("code", "state"), STATES, ids=[f"{code}-{state.__name__}" for code, state in STATES])
def test_refused_and_nothing_changed(box: Sandbox, still: str, tmp_path: Path, code: str, state: State) -> None:
    with state(box, still) as asked:
        before = everything_on(box.replicas[0])
        plan = plan_reseed(asked, Session.connect, CLOCK).plan
        assert code in {refusal.code for refusal in plan.refusals}
        with pytest.raises(Refused):
            apply_reseed(asked, tools(tmp_path), plan.plan_hash)
        assert everything_on(box.replicas[0]) == before
