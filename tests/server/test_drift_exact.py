"""`drift --proof exact` on live servers: everything is decided at one position, and every applier goes on afterwards."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.adapters.records import FileRecords
from repwatch.drift.report import ChangedRow, Proof, Reason, Verdict
from repwatch.drift.summary import exit_status
from repwatch.errors import LoginRefused, PrivilegeMissing, Refused, StoreError
from repwatch.flows import drift_sight, drift_stand
from repwatch.flows.drift import CheckRequest, check
from repwatch.flows.drift_holds import HOLDS, HoldBook, let_all_go, let_go
from repwatch.flows.drift_stand import ExactMeans
from repwatch.flows.hold import Held, channel_state, hold, release
from repwatch.flows.snapshot import take_snapshot
from repwatch.model.endpoint import Endpoint
from repwatch.model.server import Flavour
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.database import Params, Timeouts
from repwatch.sandbox import Account, Sandbox
from repwatch.sql import repair, replication, reseed
from tests.server.drifting import Found, drift_on, fill, found_in, of_replica, of_table, run_check
from tests.server.hot_writing import HotWriter
from tests.server.refusing import everything_on
from tests.server.watching import Service, until


@pytest.fixture
def means(star: Sandbox, tmp_path: Path) -> Iterator[ExactMeans]:
    """Whatever a test does, the replicas of `star` replicate afterwards."""
    yield ExactMeans(records=FileRecords(tmp_path / HOLDS))
    for server in star.replicas:
        with server.connect(Account.ROOT) as db, suppress(Refused):
            if channel_state(db, "").held:
                release(db, "", Held(delay=0, receiver=True, applier=True))


@pytest.fixture
def statements_replicate(star: Sandbox) -> Iterator[None]:
    """A difference in a counter stays for ever; row images would put it right with the next change."""
    before = star.source.sql("SELECT @@GLOBAL.binlog_format")[0][0]
    star.source.sql("SET GLOBAL binlog_format = 'MIXED'")
    yield
    star.source.sql(f"SET GLOBAL binlog_format = '{before}'")


def replicates(star: Sandbox, means: ExactMeans) -> None:
    """Nothing is held, nothing is written down as held, and what is written now arrives."""
    for server in star.replicas:
        with server.connect(Account.ROOT) as db:
            state = channel_state(db, "")
        assert (state.delay, state.applier_running, state.receiver_running) == (0, True, True)
        assert HoldBook(means.records, ReplicaTarget(server=server.spec())).left() is None
    star.wait_caught_up(120)


@contextmanager
def moving(star: Sandbox, schema: str) -> Iterator[None]:
    """Three hot rows of which one comes and goes, a growing table, and one that rests."""
    source = star.source
    source.sql(f"CREATE TABLE {schema}.hot (id INT PRIMARY KEY, n BIGINT)", f"INSERT INTO {schema}.hot VALUES (1, 0), (2, 0)")
    source.sql(f"CREATE TABLE {schema}.rest (id INT PRIMARY KEY, n BIGINT)", f"CREATE TABLE {schema}.none (id INT PRIMARY KEY)")
    source.sql(f"CREATE TABLE {schema}.keyless (n BIGINT)")
    source.sql(f"CREATE TABLE {schema}.grows (id INT AUTO_INCREMENT PRIMARY KEY, n BIGINT)")
    fill(source, f"{schema}.rest", [f"({number}, {number})" for number in range(6000)])
    star.wait_caught_up(60)
    hot, keyless = f"{schema}.hot", f"{schema}.keyless"
    writers = [
        HotWriter(source, lambda _: f"UPDATE {hot} SET n = n + 1 WHERE id = 1"),
        HotWriter(source, lambda n: f"DELETE FROM {hot} WHERE id = 3" if n % 2 else f"INSERT INTO {hot} VALUES (3, {n})"),
        HotWriter(source, lambda n: f"INSERT INTO {schema}.grows (n) VALUES ({n})"),
        HotWriter(source, lambda n: f"INSERT INTO {keyless} VALUES ({n % 2})" if n % 9 else f"DELETE FROM {keyless}"),
    ]
    with ExitStack() as stack:
        for writer in writers:
            stack.enter_context(writer)
        yield
    assert all(writer.done for writer in writers)
    star.wait_caught_up(120)


@pytest.mark.usefixtures("statements_replicate")
def test_all_is_decided_at_one_position_of_a_source_that_moves(
    star: Sandbox, schema: str, means: ExactMeans, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A counter that is off by one for ever, rows that are never met, and stands that end in the middle of a table."""
    monkeypatch.setattr(drift_stand, "STAND_SECONDS", 1.0)
    wrong, right = star.replicas
    with moving(star, schema):
        drift_on(wrong, f"UPDATE {schema}.hot SET n = n + 1 WHERE id = 1", f"DELETE FROM {schema}.rest WHERE id = 4711")
        report = run_check(star, f"{schema}.*", exact=means)
        replicates(star, means)
    assert {(table.table, table.verdict, table.proof) for table in of_replica(report, right).tables} == {
        (name, Verdict.IDENTICAL, Proof.SNAPSHOT) for name in ("hot", "rest", "none", "grows", "keyless")
    }
    hot, rest = of_table(report, wrong, "hot"), of_table(report, wrong, "rest")
    assert (found_in(rest), rest.proof) == ({Found("missing", ("4711",))}, Proof.SNAPSHOT)
    assert (hot.verdict, hot.proof, hot.reason) == (Verdict.DRIFTED, Proof.SNAPSHOT, None)
    assert {table.verdict for table in of_replica(report, wrong).tables if table.table in {"none", "grows", "keyless"}} == {
        Verdict.IDENTICAL
    }
    (difference,) = hot.differences
    assert isinstance(difference, ChangedRow)
    values = difference.columns["n"]
    assert int(str(values.replica)) - int(str(values.source)) == 1


def test_a_table_that_is_dropped_on_the_way_is_not_locked(star: Sandbox, schema: str, means: ExactMeans) -> None:
    """As those of an online change of a definition are, after the names were read and before the first stand."""
    star.source.sql(*(f"CREATE TABLE {schema}.{name} (id INT PRIMARY KEY)" for name in ("keeps", "_keeps_gho")))
    star.source.sql(f"INSERT INTO {schema}.keeps VALUES (1)")
    star.wait_caught_up(60)
    dropped = False

    class Dropping(Session):
        @classmethod
        def connect(cls, endpoint: Endpoint, timeouts: Timeouts | None = None) -> Self:
            nonlocal dropped
            if not dropped and endpoint == star.replicas[0].spec().writer:
                dropped = True
                star.source.sql(f"DROP TABLE {schema}._keeps_gho")
                star.wait_caught_up(60)
            return super().connect(endpoint, timeouts)

    request = CheckRequest(
        source=star.source.spec(),
        replicas=tuple(ReplicaTarget(server=server.spec()) for server in star.replicas),
        tables=(f"{schema}.*",),
    )
    report = check(request, connect=Dropping.connect, clock=SystemClock(), exact=means)
    replicates(star, means)
    for found in report.replicas:
        assert (found.reason, [(table.table, table.proof) for table in found.tables]) == (None, [("keeps", Proof.SNAPSHOT)])
    assert (dropped, report.verdict) == (True, Verdict.IDENTICAL)


def test_what_no_snapshot_covers_is_read_again_as_ever(star: Sandbox, schema: str, means: ExactMeans) -> None:
    """Beside a table of which one replica has a column more."""
    star.source.sql(
        f"CREATE TABLE {schema}.m (id INT PRIMARY KEY) ENGINE=MyISAM",
        f"INSERT INTO {schema}.m VALUES (1), (2)",
        f"CREATE TABLE {schema}.i (id INT PRIMARY KEY)",
        f"INSERT INTO {schema}.i VALUES (1), (2)",
    )
    star.wait_caught_up(60)
    drift_on(star.replicas[0], f"DELETE FROM {schema}.m WHERE id = 2")
    drift_on(star.replicas[1], f"ALTER TABLE {schema}.i ADD COLUMN more INT")
    report = run_check(star, f"{schema}.*", exact=means)
    replicates(star, means)
    assert of_table(report, star.replicas[1], "m").proof is Proof.REREAD
    wider = of_table(report, star.replicas[1], "i")
    assert (wider.verdict, wider.proof, wider.difference_count) == (Verdict.IDENTICAL, Proof.SNAPSHOT, 1)
    assert found_in(of_table(report, star.replicas[0], "m")) == {Found("missing", ("2",))}


def test_many_rows_without_a_key_are_parted_by_their_hashes(
    star: Sandbox, schema: str, means: ExactMeans, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as cannot be read at once, without an index or all at one value of it, while the source is written to: counted
    to the last one, though the list is cut; without a stand that is left open."""
    monkeypatch.setattr(drift_stand, "HASHED_ROWS", 20)
    monkeypatch.setattr(drift_sight, "UNDIVIDED_ROWS", 20)
    plain, indexed = f"{schema}.plain", f"{schema}.indexed"
    star.source.sql(f"CREATE TABLE {plain} (a INT, v INT)", f"CREATE TABLE {indexed} (a INT, v INT, KEY (a))")
    star.source.sql(f"CREATE TABLE {schema}.moves (id INT PRIMARY KEY AUTO_INCREMENT)")
    for table in (plain, indexed):
        fill(star.source, table, [f"(1, {number % 400})" for number in range(800)])
    star.wait_caught_up(60)
    drift_on(star.replicas[0], *(f"DELETE FROM {table} WHERE v % 2 AND v < 200" for table in (plain, indexed)))
    drift_on(star.replicas[0], *(f"INSERT INTO {table} VALUES (NULL, 7), (NULL, 7)" for table in (plain, indexed)))
    with HotWriter(star.source, lambda _: f"INSERT INTO {schema}.moves VALUES ()"):
        report = run_check(star, f"{schema}.*", most=3, exact=means)
        without = run_check(star, plain, most=3)
    replicates(star, means)
    for table in ("plain", "indexed"):
        wrong, clean = (of_table(report, server, table) for server in star.replicas)
        assert (wrong.verdict, wrong.difference_count, len(wrong.differences), wrong.reason) == (Verdict.DRIFTED, 101, 3, None)
        assert (wrong.rows, wrong.rows_proved, wrong.proof) == (800, 600, Proof.SNAPSHOT)
        assert (clean.verdict, clean.rows_proved, clean.proof) == (Verdict.IDENTICAL, 800, Proof.SNAPSHOT)
    assert of_table(without, star.replicas[0], "plain").reason is Reason.NO_PRIMARY_KEY


def test_a_server_that_somebody_else_works_on_is_left_out(star: Sandbox, schema: str, means: ExactMeans) -> None:
    """The others are checked all the same."""
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1)")
    star.wait_caught_up(60)
    drift_on(star.replicas[0], f"DELETE FROM {schema}.t")
    with star.replicas[1].connect(Account.OPERATOR) as db:
        assert db.scalar(reseed.lock(reseed.LOCK_NAME, 60)) == "1"
        report = run_check(star, f"{schema}.t", exact=means)
    found, refused = (of_replica(report, server) for server in star.replicas)
    assert (found.verdict, found.reason, found.tables[0].proof) == (Verdict.DRIFTED, None, Proof.SNAPSHOT)
    assert (refused.verdict, refused.reason, refused.tables[0].proof) == (Verdict.UNDECIDED, Reason.NOT_HELD, None)
    replicates(star, means)
    assert of_replica(run_check(star, f"{schema}.t", exact=means), star.replicas[1]).verdict is Verdict.IDENTICAL


def test_a_replica_that_is_a_source_or_delayed_is_left_out(star: Sandbox, schema: str, means: ExactMeans) -> None:
    """One that has a replica of its own in the inventory. Where none is left, all of them are told of."""
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    replica, other = (server.spec() for server in star.replicas)
    chained = replace(other, replicates_from=replica.name)
    late = replace(replica, delay=timedelta(hours=1))
    for targets, others, reasons in (
        ((late, other), (), [Reason.NOT_HELD, None]),
        ((replica,), (chained,), [Reason.NOT_HELD]),
    ):
        request = CheckRequest(
            source=star.source.spec(),
            replicas=tuple(ReplicaTarget(server=target) for target in targets),
            tables=(f"{schema}.t",),
        )
        report = check(request, connect=Session.connect, clock=SystemClock(), exact=replace(means, others=others))
        assert [found.reason for found in report.replicas] == reasons
        assert exit_status(report) == 2
    replicates(star, means)


def test_only_the_watching_account_is_not_enough(star: Sandbox, schema: str, means: ExactMeans) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    request = CheckRequest(
        source=replace(star.source.spec(), operator=None),
        replicas=(ReplicaTarget(server=replace(star.replicas[0].spec(), operator=None)),),
        tables=(f"{schema}.t",),
    )
    report = check(request, connect=Session.connect, clock=SystemClock(), exact=means)
    assert (report.verdict, report.replicas[0].reason) == (Verdict.UNDECIDED, Reason.NOT_HELD)
    replicates(star, means)


def test_a_source_that_refuses_its_operator_is_to_blame_and_no_replica(star: Sandbox, schema: str, means: ExactMeans) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    spec = star.source.spec()
    request = CheckRequest(
        source=replace(spec, operator=replace(spec.writer, user="nobody")),
        replicas=tuple(ReplicaTarget(server=server.spec()) for server in star.replicas),
        tables=(f"{schema}.t",),
    )
    with pytest.raises(LoginRefused) as refused:
        check(request, connect=Session.connect, clock=SystemClock(), exact=means)
    assert refused.value.server == str(star.source.address)
    replicates(star, means)


def test_an_operator_that_lacks_a_privilege_may_not_hold(star: Sandbox, schema: str, means: ExactMeans) -> None:
    """Which is no more than is asked of it before anything is changed."""
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    star.wait_caught_up(60)
    replica = star.replicas[0].spec()

    class Lacking(Session):
        def execute(self, sql: str, params: Params = ()) -> int:
            if self.endpoint == replica.writer and sql == repair.keep_alive():
                raise PrivilegeMissing("access denied", server=self.server)
            return super().execute(sql, params)

    request = CheckRequest(source=star.source.spec(), replicas=(ReplicaTarget(server=replica),), tables=(f"{schema}.t",))
    report = check(request, connect=Lacking.connect, clock=SystemClock(), exact=means)
    assert [found.reason for found in report.replicas] == [Reason.NOT_HELD]
    replicates(star, means)


@pytest.fixture
def held_by_a_killed_check(star: Sandbox, schema: str, tmp_path: Path, means: ExactMeans) -> Path:
    """The folder of a configuration; both replicas are held, as the check was killed when it was about to take the snapshot."""
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1)")
    star.wait_caught_up(60)
    (tmp_path / "repwatch.toml").write_text(HEAD + star.configuration())
    killed = run_drift(tmp_path, KILLED, f"{schema}.t", "--proof", "exact")
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    for server in star.replicas:
        with server.connect(Account.ROOT) as db:
            assert channel_state(db, "").held
        assert HoldBook(means.records, ReplicaTarget(server=server.spec())).left() is not None
    star.source.sql(f"INSERT INTO {schema}.t VALUES (2)")
    return tmp_path


HEAD = '[store]\nurl = "sqlite:///repwatch.db"\n[web]\nlisten = "127.0.0.1:0"\n'
KILLED = """
import os, signal, sys
from repwatch.cli.main import main
from repwatch.flows import drift_stand
drift_stand.take_snapshot = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
main()
"""


def run_drift(folder: Path, program: str, table: str, *options: str) -> subprocess.CompletedProcess[str]:
    words = ["drift", "--config", str(folder / "repwatch.toml"), "--tables", table, "--format", "json", *options]
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        stdin=subprocess.DEVNULL,
    )


def test_the_next_check_lets_go_of_what_a_killed_one_held(
    star: Sandbox, schema: str, held_by_a_killed_check: Path, means: ExactMeans
) -> None:
    """Also after the replica's server has restarted, which starts the applier, and an exact check may follow at once."""
    star.replicas[0].kill()
    star.replicas[0].start()
    done = run_drift(held_by_a_killed_check, "from repwatch.cli.main import main; main()", f"{schema}.t")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stdout + done.stderr
    replicates(star, means)
    exact = run_drift(held_by_a_killed_check, "from repwatch.cli.main import main; main()", f"{schema}.t", "--proof", "exact")
    assert exact.returncode == 0, exact.stdout + exact.stderr
    proofs = {table["proof"] for replica in json.loads(exact.stdout)["replicas"] for table in replica["tables"]}
    assert proofs == {"snapshot"}
    replicates(star, means)


def test_the_service_lets_go_of_what_a_killed_check_held(star: Sandbox, held_by_a_killed_check: Path, means: ExactMeans) -> None:
    service = Service(star, held_by_a_killed_check)
    try:
        service.start()
        until(
            lambda: all(HoldBook(means.records, ReplicaTarget(server=s.spec())).left() is None for s in star.replicas), "let go"
        )
    finally:
        service.close()
    replicates(star, means)


def test_a_hold_that_is_worked_on_or_was_ended_is_left_alone(star: Sandbox, means: ExactMeans, tmp_path: Path) -> None:
    target = ReplicaTarget(server=star.replicas[0].spec())
    book = HoldBook(means.records, target)
    assert not let_go(target, means.records, Session.connect, SystemClock())
    with star.replicas[0].connect(Account.OPERATOR) as db:
        hold(db, "", book.begin(db))
        assert db.scalar(reseed.lock(reseed.LOCK_NAME, 60)) == "1"
        assert not let_go(target, means.records, Session.connect, SystemClock())
        assert channel_state(db, "").held
    assert let_go(target, means.records, Session.connect, SystemClock(), patience=30)
    replicates(star, means)
    (record,) = tmp_path.glob(f"{HOLDS}/*.json")
    record.write_text('{"delay": "x"}')
    with pytest.raises(StoreError):
        book.left()
    with pytest.raises(Refused):
        let_all_go([target], means.records, Session.connect, SystemClock())
    book.end()


@pytest.mark.parametrize("same_number", [False, True])
def test_another_server_at_that_address_is_left_alone(star: Sandbox, schema: str, means: ExactMeans, same_number: bool) -> None:
    """Somebody stopped its applier. On MariaDB it may have the server id of the one that was held, and is behind it then."""
    was, now = star.replicas
    target = ReplicaTarget(server=now.spec())
    book = HoldBook(means.records, target)
    mariadb = star.flavour is Flavour.MARIADB
    number = was.seat.server_id if same_number and mariadb else now.seat.server_id
    star.wait_caught_up(60)
    with now.connect(Account.ROOT) as db:
        db.execute(replication.stop_channel(db.version, ""))
        db.execute(f"SET GLOBAL server_id = {number}")
        star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
        until(lambda: bool(was.sql(f"SHOW TABLES IN {schema}")), "the other one has what is new")
        try:
            with was.connect(Account.OPERATOR) as other:
                book.begin(other)
            before = everything_on(now)
            with pytest.raises(Refused):
                let_go(target, means.records, Session.connect, SystemClock(), patience=30)
            with pytest.raises(Refused):
                book.begin(db)
            assert everything_on(now) == before
            assert book.left() is not None
        finally:
            book.end()
            db.execute(f"SET GLOBAL server_id = {now.seat.server_id}")
            db.execute(replication.start_channel(db.version, ""))
    star.wait_caught_up(60)
    replicates(star, means)


@pytest.mark.parametrize("moved", [False, True])
def test_a_replica_whose_holder_loses_its_session_is_let_go(
    star: Sandbox, schema: str, means: ExactMeans, monkeypatch: pytest.MonkeyPatch, moved: bool
) -> None:
    """Over another session, unless that one leads to another server, which is left alone: the record tells of the hold."""
    held, other = star.replicas
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1)")
    star.wait_caught_up(60)
    cut: list[str] = []

    def cutting(*words: Any, **more: Any) -> Any:
        taken = take_snapshot(*words, **more)
        if not cut:
            with held.connect(Account.ROOT) as db:
                cut.append(db.scalar(f"SELECT IS_USED_LOCK('{reseed.LOCK_NAME}')") or "")
                db.execute(f"KILL {cut[0]}")
        return taken

    def connect(endpoint: Endpoint, timeouts: Timeouts | None = None) -> Session:
        there = other.spec().writer if moved and cut and endpoint == held.spec().writer else endpoint
        return Session.connect(there, timeouts)

    monkeypatch.setattr(drift_stand, "take_snapshot", cutting)
    before = everything_on(other)
    request = CheckRequest(
        source=star.source.spec(), replicas=(ReplicaTarget(server=held.spec()),), tables=(f"{schema}.*",), settle_seconds=20
    )
    check(request, connect=connect, clock=SystemClock(), exact=means)
    assert cut
    target = ReplicaTarget(server=held.spec())
    assert everything_on(other) == before
    assert (HoldBook(means.records, target).left() is not None) is moved
    assert let_go(target, means.records, Session.connect, SystemClock(), patience=60) is moved
    replicates(star, means)
