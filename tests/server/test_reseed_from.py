"""A replica is made right with the data of another one, whose applier is held for a moment; the source is spared."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.adapters.records import FileRecords
from repwatch.errors import Refused, ServerError, StatementRefused
from repwatch.flows import reseed_donor
from repwatch.flows.drift_holds import HOLDS, HoldBook, let_go
from repwatch.flows.hold import channel_state, hold, release
from repwatch.flows.reseed import apply_reseed, plan_reseed
from repwatch.flows.reseed_donor import held as held_for_copy
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.model.plan import Outcome
from repwatch.model.schema import TableName
from repwatch.model.server import Flavour
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.database import Params, Result
from repwatch.reseed import pieces
from repwatch.reseed.method import Method
from repwatch.reseed.progress import Phase, Progress
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sandbox.statements import attach
from repwatch.sql import replication
from repwatch.sql.replication import HOLD_DELAY
from repwatch.sql.reseed import LOCK_NAME, MARKER_SCHEMA
from repwatch.sql.snapshot import START
from tests.conftest import start
from tests.server.filtering import filtering
from tests.server.killing import kill_at
from tests.server.refusing import changed, everything_on
from tests.server.reseeding import (
    CLOCK,
    break_with_1062,
    command,
    contents,
    delay_by,
    healthy,
    make_everything,
    put_all_back,
    request,
    run_command,
    tools,
    writer,
)

IS_LOCKED = f"SELECT IS_USED_LOCK('{LOCK_NAME}')"


@pytest.fixture(scope="module")
def star(flavour: Flavour) -> Iterator[Sandbox]:
    """Servers of our own: what others wrote to a replica by hand would forbid to copy from it."""
    with start(flavour) as box:
        yield box


@pytest.fixture
def replica(star: Sandbox) -> Iterator[SandboxServer]:
    """A replica that replicates again afterwards, and so does its donor."""
    yield star.replicas[0]
    put_all_back(star)


def from_sibling(box: Sandbox, replica: SandboxServer, method: Method | None = None) -> ReseedRequest:
    donor = ReplicaTarget(server=box.replicas[1].spec())
    return replace(request(box, replica, method=method), donor=donor)


@pytest.mark.parametrize("method", [Method.DIFFERENTIAL, Method.LOGICAL])
def test_a_broken_replica_gets_the_data_of_another(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, method: Method
) -> None:
    donor = star.replicas[1]
    make_everything(star, schema)
    star.source.sql(f"CREATE TABLE {schema}.busy (id INT AUTO_INCREMENT PRIMARY KEY, v INT DEFAULT 0)")
    star.wait_caught_up(60)
    break_with_1062(star, replica, f"{schema}.busy", 1_000)
    replica.sql("SET SESSION sql_log_bin = 0", f"DELETE FROM {schema}.child", f"UPDATE {schema}.parent SET name = 'wrong'")
    snapshots: list[str] = []
    phases: set[Phase] = set()

    def tell(progress: Progress) -> None:
        phases.add(progress.phase)

    class Listening(Session):
        def execute(self, sql: str, params: Params = ()) -> int:
            if sql == START and Phase.VERIFY not in phases:  # the proof may take some of its own
                snapshots.append(self.server)
            return super().execute(sql, params)

    asked = from_sibling(star, replica, method)
    with writer(
        star, f"INSERT INTO {schema}.busy (v) VALUES (1)", f"UPDATE {schema}.busy SET v = v + 1 ORDER BY id DESC LIMIT 5"
    ):
        plan = plan_reseed(asked, Session.connect, CLOCK).plan
        applied = apply_reseed(asked, replace(tools(tmp_path, tell), connect=Listening.connect), plan.plan_hash)
    assert (applied.outcome, applied.verdict, applied.text) == (Outcome.DONE, "identical", "")
    assert set(snapshots) == {str(donor.address)}
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)
    with donor.connect() as db:
        state = channel_state(db, "")
        assert (state.delay, state.applier_running, state.receiver_running) == (0, True, True)
    star.source.sql(f"INSERT INTO {schema}.parent (name) VALUES ('after')")
    star.wait_caught_up(60)
    assert contents(replica, schema) == contents(star.source, schema)


def test_single_tables_wait_for_a_donor_that_is_behind(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    donor = star.replicas[1]
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, v INT)", f"INSERT INTO {schema}.t VALUES (1, 1), (2, 2)")
    star.wait_caught_up(60)
    replica.sql("SET SESSION sql_log_bin = 0", f"UPDATE {schema}.t SET v = 9 WHERE id = 2")
    asked = replace(from_sibling(star, replica), tables=(TableName(schema, "t"),))
    with donor.connect() as db:
        db.execute("LOCK TABLES " + f"{schema}.t READ")  # its applier waits
        star.source.sql(f"INSERT INTO {schema}.t VALUES (3, 3)")
        with replica.connect() as other:
            while other.scalar(f"SELECT COUNT(*) FROM {schema}.t") != "3":
                other.execute("DO SLEEP(0.1)")
        pauses: list[float] = []

        class Clock(SystemClock):
            def sleep(self, seconds: float) -> None:
                pauses.append(seconds)
                db.execute("UNLOCK TABLES")
                super().sleep(seconds)

        plan = plan_reseed(asked, Session.connect, CLOCK).plan
        applied = apply_reseed(asked, replace(tools(tmp_path), clock=Clock()), plan.plan_hash)
    assert pauses
    assert (applied.outcome, applied.verdict) == (Outcome.DONE, "identical")
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)


def test_single_tables_of_a_replica_that_wrote_itself(flavour: Flavour, tmp_path: Path) -> None:
    """What it wrote is no position that the donor could reach."""
    with start(flavour) as box:
        replica = box.replicas[0]
        box.source.sql(
            "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)", "INSERT INTO d.t VALUES (1, 1), (2, 2)"
        )
        box.wait_caught_up(60)
        replica.sql("UPDATE d.t SET v = 9 WHERE id = 2")
        asked = replace(from_sibling(box, replica), tables=(TableName("d", "t"),))
        plan = plan_reseed(asked, Session.connect, CLOCK).plan
        applied = apply_reseed(asked, tools(tmp_path), plan.plan_hash)
        assert (applied.outcome, applied.verdict) == (Outcome.DONE, "identical")
        healthy(box, replica)
        assert contents(replica, "d") == contents(box.source, "d")


MOMENTS = {
    "differential": (("begin", "loaded"), ("written", ""), ("begin", "attached")),
    "logical": (("begin", "loaded"), ("done", "loaded"), ("done", "attached")),
}


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("method", MOMENTS)
def test_killed_it_goes_on_to_the_same_end(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, method: str
) -> None:
    star.source.sql(
        f"CREATE TABLE {schema}.busy (id INT AUTO_INCREMENT PRIMARY KEY, v INT DEFAULT 0)",
        f"INSERT INTO {schema}.busy (v) VALUES (1), (2)",
    )
    star.wait_caught_up(60)
    configuration = tmp_path / "repwatch.toml"
    configuration.write_text(star.configuration(), encoding="utf-8")
    journal = tmp_path / "state" / "reseed" / f"127.0.0.1_{replica.port}.jsonl"
    words = (replica.name, "--from", star.replicas[1].name, "--state", str(tmp_path / "state"))
    for number, moment in enumerate(MOMENTS[method]):
        replica.sql("SET SESSION sql_log_bin = 0", f"DELETE FROM {schema}.busy WHERE id = 1")
        kill_at(command(configuration, *words, "--method", method, "--apply", "--yes"), journal, moment)
        star.source.sql(f"INSERT INTO {schema}.busy (v) VALUES ({number})")
        again = run_command(configuration, *words, "--resume")
        assert again.returncode == 0, (moment, again.stdout, again.stderr)
        healthy(star, replica)
        assert contents(replica, schema) == contents(star.source, schema)


def killed_run(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, *, method: str, moment: tuple[str, str]
) -> tuple[Path, tuple[str, ...]]:
    """A reseed of a replica that lacks a row, with the second replica as the donor; its configuration, and the words to go on."""
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1)")
    star.wait_caught_up(60)
    replica.sql("SET SESSION sql_log_bin = 0", f"DELETE FROM {schema}.t")
    configuration = tmp_path / "repwatch.toml"
    configuration.write_text(star.configuration(), encoding="utf-8")
    journal = tmp_path / "state" / "reseed" / f"127.0.0.1_{replica.port}.jsonl"
    words = (replica.name, "--state", str(tmp_path / "state"))
    begin = ("--from", star.replicas[1].name, "--method", method, "--apply", "--yes")
    kill_at(command(configuration, *words, *begin), journal, moment)
    return configuration, words


def test_what_was_begun_with_a_donor_goes_on_with_it(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    """It was killed while it held the donor, and nobody names that again."""
    donor = star.replicas[1]
    configuration, words = killed_run(star, schema, replica, tmp_path, method="logical", moment=("begin", "loaded"))
    book = HoldBook(FileRecords(tmp_path / "state" / HOLDS), ReplicaTarget(server=donor.spec()))
    with donor.connect() as db:
        state, left = channel_state(db, ""), book.left()
        was = left.held if left else book.begin(db)
        if not state.held:
            hold(db, "", was)
    for other in (("--method", "differential"), ("--table", f"{schema}.t"), ("--from", replica.name)):
        assert run_command(configuration, *words, "--resume", *other).returncode == 2
    assert (MARKER_SCHEMA,) in replica.sql("SHOW DATABASES")
    done = run_command(configuration, *words, "--resume", "--format", "json")
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert str(donor.address) in {step["where"] for step in json.loads(done.stdout)["steps"]}
    assert book.left() is None
    healthy(star, replica)
    with donor.connect() as db:
        state = channel_state(db, "")
        assert (state.delay, state.applier_running) == (0, True)
    assert contents(replica, schema) == contents(star.source, schema)


@pytest.mark.parametrize("void", [False, True])
def test_a_donor_that_is_lost_when_the_data_is_there_is_not_needed(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, void: bool
) -> None:
    """Unless all would have to be copied again: by another method, or, if somebody wrote on the replica, by another plan."""
    donor = star.replicas[1]
    configuration, words = killed_run(star, schema, replica, tmp_path, method="differential", moment=("done", "positioned"))
    if void:
        with replica.connect() as db:
            for statement in another_position(star.flavour):
                db.execute(statement)
    donor.kill()
    try:
        other = ("--from", donor.name, "--method", "logical", "--apply", "--yes")
        assert run_command(configuration, *words, *other).returncode == 2
        done = run_command(configuration, *words, "--resume")
        assert (done.returncode, "Traceback" in done.stderr) == (2 if void else 0, False), (done.stdout, done.stderr)
        if void:
            assert ("--apply" in done.stdout, "--resume" in done.stdout) == (True, False)  # the way on that there is
            done = run_command(configuration, *words, "--method", "differential", "--apply", "--yes")
            assert done.returncode == 0, (done.stdout, done.stderr)
    finally:
        donor.start()
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)


def another_position(flavour: Flavour) -> tuple[str, ...]:
    """As if something else had been applied since."""
    if flavour is Flavour.MARIADB:
        return ("STOP SLAVE", "SET GLOBAL gtid_slave_pos = '0-1-1'")
    other = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1"
    return ("STOP REPLICA", "RESET BINARY LOGS AND GTIDS", f"SET GLOBAL gtid_purged = '{other}'")


def test_a_hold_that_a_killed_one_left_is_put_right(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    """As it is between the hold and its end."""
    donor = star.replicas[1]
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1)")
    star.wait_caught_up(60)
    replica.sql("SET SESSION sql_log_bin = 0", f"DELETE FROM {schema}.t")
    configuration = tmp_path / "repwatch.toml"
    configuration.write_text(star.configuration(), encoding="utf-8")
    book = HoldBook(FileRecords(tmp_path / "state" / HOLDS), ReplicaTarget(server=donor.spec()))
    with donor.connect() as db:
        hold(db, "", book.begin(db))
        assert channel_state(db, "").delay == HOLD_DELAY
    words = (replica.name, "--from", donor.name, "--state", str(tmp_path / "state"), "--apply", "--yes")
    done = run_command(configuration, *words)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert book.left() is None
    with donor.connect() as db:
        state = channel_state(db, "")
        assert (state.delay, state.applier_running) == (0, True)
    healthy(star, replica)


def test_a_donor_whose_holder_loses_its_session_is_let_go_all_the_same(
    star: Sandbox, replica: SandboxServer, tmp_path: Path
) -> None:
    """What was read meanwhile is not believed: the session was what kept others off."""
    donor = star.replicas[1]
    target, records = ReplicaTarget(server=donor.spec()), FileRecords(tmp_path)
    holding = held_for_copy(target, records, Session.connect, SystemClock(), "")
    holding.__enter__()
    with donor.connect() as db:
        assert channel_state(db, "").held
        db.execute(f"KILL {db.scalar(IS_LOCKED)}")
    with pytest.raises(ServerError):
        holding.__exit__(None, None, None)
    assert HoldBook(records, target).left() is None
    healthy(star, donor)


def test_a_donor_that_cannot_be_let_go_is_told_of(
    star: Sandbox, replica: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else has the turn when its holder has lost its session."""
    monkeypatch.setattr(reseed_donor, "KILLED_SECONDS", 0.0)
    donor = star.replicas[1]
    target, records = ReplicaTarget(server=donor.spec()), FileRecords(tmp_path)
    holding = held_for_copy(target, records, Session.connect, SystemClock(), "")
    holding.__enter__()
    with donor.connect() as db:
        db.execute(f"KILL {db.scalar(IS_LOCKED)}")
        assert db.scalar(f"SELECT GET_LOCK('{LOCK_NAME}', 60)") == "1"
        with pytest.raises(ServerError, match="`repwatch drift`"):
            holding.__exit__(None, None, None)
    assert let_go(target, records, Session.connect, SystemClock(), patience=60)
    healthy(star, donor)


State = Callable[[Sandbox, str], AbstractContextManager[ReseedRequest]]


@contextmanager
def itself(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    asked = request(star, star.replicas[0])
    yield replace(asked, donor=asked.replica)


@contextmanager
def the_source(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    yield replace(request(star, star.replicas[0]), donor=ReplicaTarget(server=star.source.spec()))


@contextmanager
def stopped(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    stop, start = ("STOP SLAVE", "START SLAVE") if star.flavour is Flavour.MARIADB else ("STOP REPLICA", "START REPLICA")
    with changed(star.replicas[1], stop, start):
        yield from_sibling(star, star.replicas[0])


@contextmanager
def delayed(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    with star.replicas[1].connect() as db:
        delay_by(db, 3600)
        try:
            yield from_sibling(star, star.replicas[0])
        finally:
            delay_by(db, 0)


@contextmanager
def held(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    with star.replicas[1].connect() as db:
        was = hold(db, "")
        try:
            yield from_sibling(star, star.replicas[0])
        finally:
            release(db, "", was)


@contextmanager
def writable(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    with changed(star.replicas[1], "SET GLOBAL read_only = 0", "SET GLOBAL read_only = 1"):
        yield from_sibling(star, star.replicas[0])


@contextmanager
def detached(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    """It replicates from nobody."""
    donor = star.replicas[1]
    if star.flavour is Flavour.MARIADB:
        donor.sql("STOP SLAVE", "RESET SLAVE ALL")
    else:
        donor.sql("STOP REPLICA", "RESET REPLICA ALL")
    try:
        yield from_sibling(star, star.replicas[0])
    finally:
        user, secret = Account.REPLICATION.value, star.credentials.secret(Account.REPLICATION)
        donor.sql(*attach(star.flavour, "", star.source.address, user, secret))
        star.wait_caught_up(60)


@contextmanager
def of_two_sources(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    donor = star.replicas[1]
    user, secret = Account.REPLICATION.value, star.credentials.secret(Account.REPLICATION)
    donor.sql(attach(star.flavour, "other", star.replicas[0].address, user, secret)[0])
    try:
        yield from_sibling(star, star.replicas[0])
    finally:
        with donor.connect() as db:
            db.execute(replication.forget_channel(db.version, "other"))


@contextmanager
def having_written(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    donor = star.replicas[1]
    donor.sql(f"CREATE DATABASE {schema}_own")
    try:
        yield from_sibling(star, star.replicas[0])
    finally:
        donor.sql("SET SESSION sql_log_bin = 0", f"DROP DATABASE {schema}_own")
        if star.flavour is Flavour.MARIADB:
            donor.sql("RESET MASTER")
        else:  # the source gets it too, without content
            ((known,),) = star.source.sql("SELECT @@GLOBAL.gtid_executed")
            ((gtid,),) = donor.sql(f"SELECT GTID_SUBTRACT(@@GLOBAL.gtid_executed, '{known}')")
            star.source.sql(f"SET SESSION gtid_next = '{gtid}'", "COMMIT", "SET SESSION gtid_next = 'AUTOMATIC'")


@contextmanager
def by_its_files(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    yield from_sibling(star, star.replicas[0], Method.PHYSICAL)


@contextmanager
def without_privileges(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    donor = star.replicas[1]
    weak = replace(donor.spec(), operator=donor.endpoint(Account.WATCH))
    yield replace(request(star, star.replicas[0]), donor=ReplicaTarget(server=weak))


@contextmanager
def lacking_a_table(star: Sandbox, schema: str) -> Iterator[ReseedRequest]:
    with filtering(star.replicas[1], "replicate_ignore_table", f"{schema}.t"):
        yield from_sibling(star, star.replicas[0])


STATES: tuple[tuple[str, State], ...] = (
    ("same-server", itself),
    ("same-server", the_source),
    ("donor-stopped", stopped),
    ("donor-delayed", delayed),
    ("held", held),
    ("donor-writable", writable),
    ("donor-not-following", detached),
    ("donor-channels", of_two_sources),
    ("donor-errant", having_written),
    ("donor-files", by_its_files),
    ("privilege-missing", without_privileges),
    ("filtered", lacking_a_table),
)


@pytest.mark.parametrize(("code", "state"), STATES, ids=[f"{code}-{state.__name__}" for code, state in STATES])
def test_refused_and_nothing_changed(star: Sandbox, schema: str, tmp_path: Path, code: str, state: State) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1)")
    star.wait_caught_up(60)
    with state(star, schema) as asked:
        before = [everything_on(server) for server in star.replicas]
        plan = plan_reseed(asked, Session.connect, CLOCK).plan
        assert code in {refusal.code for refusal in plan.refusals}
        with pytest.raises(Refused):
            apply_reseed(asked, tools(tmp_path), plan.plan_hash)
        assert [everything_on(server) for server in star.replicas] == before
    star.wait_caught_up(60)


@pytest.mark.parametrize("method", [Method.LOGICAL, Method.DIFFERENTIAL])
def test_a_schema_change_that_comes_to_the_donor_is_not_missed(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, method: Method
) -> None:
    """Added instantly, a column shows in an old read view without an error on MariaDB; nothing locks it out on MySQL here."""
    donor = star.replicas[1]
    for name in "ab":
        star.source.sql(f"CREATE TABLE {schema}.{name} (id INT PRIMARY KEY, v INT)", f"INSERT INTO {schema}.{name} VALUES (1, 1)")
    star.wait_caught_up(60)
    snapshots: list[Phase] = []
    begun: list[str] = []

    def alter_the_other(progress: Progress) -> None:
        if progress.phase is Phase.SNAPSHOT:
            snapshots.append(progress.phase)
        if progress.phase in {Phase.COMPARE, Phase.DATA} and not begun:
            begun.append(progress.text)
            other = "b" if progress.text == f"{schema}.a" else "a"
            star.source.sql(f"ALTER TABLE {schema}.{other} ADD COLUMN w INT DEFAULT 3, ALGORITHM=INSTANT")
            with donor.connect() as db:
                while not has_column(db, f"{schema}.{other}", "w"):
                    db.execute("DO SLEEP(0.1)")

    asked = from_sibling(star, replica, method)
    plan = plan_reseed(asked, Session.connect, CLOCK).plan
    applied = apply_reseed(asked, tools(tmp_path, alter_the_other), plan.plan_hash)
    assert applied.outcome is Outcome.DONE, applied.text
    assert len(snapshots) == 2  # it was noticed, and all begun anew
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)


def has_column(db: Session, table: str, name: str) -> bool:
    """Whether it has it by now. While a definition is being changed, MySQL refuses to show it (1684)."""
    with suppress(StatementRefused):
        return bool(db.texts(f"SHOW COLUMNS FROM {table} LIKE '{name}'"))
    return False


def test_a_schema_change_that_comes_before_a_large_table_is_cut(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    donor = star.replicas[1]
    monkeypatch.setattr(pieces, "PIECE_ROWS", 100)
    star.source.sql(
        f"CREATE TABLE {schema}.n (n INT PRIMARY KEY)",
        f"INSERT INTO {schema}.n VALUES {', '.join(f'({number})' for number in range(1200))}",
    )
    star.wait_caught_up(60)
    donor.sql(f"ANALYZE NO_WRITE_TO_BINLOG TABLE {schema}.n")
    altered: list[str] = []

    class Altering(Session):
        def query(self, sql: str, params: Params = ()) -> Result:
            if sql.startswith("SELECT MIN(") and f"`{schema}`.`n`" in sql and not altered:
                altered.append(sql)
                star.source.sql(f"ALTER TABLE {schema}.n ADD COLUMN v INT DEFAULT 1, FORCE")
                with donor.connect() as db:
                    while not has_column(db, f"{schema}.n", "v"):
                        db.execute("DO SLEEP(0.1)")
            return super().query(sql, params)

    asked = from_sibling(star, replica, Method.LOGICAL)
    plan = plan_reseed(asked, Session.connect, CLOCK).plan
    applied = apply_reseed(asked, replace(tools(tmp_path), connect=Altering.connect), plan.plan_hash)
    assert altered
    assert (applied.outcome, applied.verdict, applied.text) == (Outcome.DONE, "identical", "")
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)
