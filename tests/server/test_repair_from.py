"""Wrong rows get the values of a trusted replica, which is held for a moment; the source's tables are not read."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.adapters.records import FileRecords
from repwatch.drift.repair_stages import Stage
from repwatch.drift.report import Verdict
from repwatch.errors import Refused
from repwatch.flows.drift_holds import HOLDS, HoldBook
from repwatch.flows.hold import channel_state, hold
from repwatch.flows.repair import RepairRequest, Tools, propose
from repwatch.flows.repair_run import carry_out
from repwatch.model.plan import Outcome
from repwatch.model.server import Flavour
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.database import Params, Result
from repwatch.sandbox import Sandbox, SandboxServer
from tests.conftest import start
from tests.server.refusing import everything_on
from tests.server.repairing import (
    by_hand,
    configured,
    healthy,
    let_replicate,
    plan,
    request,
    run_command,
    run_killed,
    tools,
    undo,
)
from tests.server.reseeding import writer
from tests.server.test_repair_kills import SIGKILLED
from tests.server.test_reseed_from import STATES, State


@pytest.fixture(scope="module")
def star(flavour: Flavour) -> Iterator[Sandbox]:
    """Servers of our own: what others wrote to a replica by hand would forbid to copy from it."""
    with start(flavour) as box:
        yield box


@pytest.fixture
def replica(star: Sandbox) -> Iterator[SandboxServer]:
    """A replica that replicates again afterwards, and so does its donor."""
    yield star.replicas[0]
    let_replicate(star, *star.replicas)


@pytest.fixture
def configuration(star: Sandbox, tmp_path: Path) -> Path:
    return configured(star, tmp_path)


def from_sibling(star: Sandbox, *tables: str) -> RepairRequest:
    return replace(request(star, star.replicas[0], *tables), donor=ReplicaTarget(server=star.replicas[1].spec()))


def drifted(star: Sandbox, schema: str) -> str:
    """Of 600 rows one is wrong on the source alone, and three on the first replica."""
    table = f"{schema}.t"
    star.source.sql(
        f"CREATE TABLE {table} (id INT AUTO_INCREMENT PRIMARY KEY, v INT NOT NULL, u INT UNIQUE)",
        f"INSERT INTO {table} (v, u) VALUES {', '.join(f'(1, {number})' for number in range(600))}",
    )
    star.wait_caught_up(60)
    by_hand(star.source, f"UPDATE {table} SET v = 99 WHERE id = 9")
    by_hand(
        star.replicas[0],
        f"DELETE FROM {table} WHERE id = 3",
        f"UPDATE {table} SET v = 2 WHERE id IN (5, 9)",
        f"INSERT INTO {table} VALUES (-7, 7, NULL)",
    )
    return table


def rows(server: SandboxServer, table: str) -> list[tuple[str | None, ...]]:
    return server.sql(f"SELECT id, v, u FROM {table} ORDER BY id")


def test_the_rows_of_a_trusted_replica_count(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    """While somebody writes. Where the source itself is wrong, its replica is believed."""
    donor = star.replicas[1]
    table = drifted(star, schema)
    read: list[tuple[str, str]] = []

    class Listening(Session):
        def query(self, sql: str, params: Params = ()) -> Result:
            if table.rpartition(".")[0] in sql and table.rpartition(".")[2] in sql and "information_schema" not in sql:
                read.append((self.server, sql))
            return super().query(sql, params)

    asked = from_sibling(star, f"{schema}.*")
    doors = replace(tools(tmp_path), connect=Listening.connect)
    proposal = propose(asked, doors)
    assert str(donor.address) in {step.where for step in proposal.plan.steps}
    assert proposal.plan.refusals == ()
    with writer(
        star,
        f"INSERT INTO {table} (v) VALUES (3)",
        f"UPDATE {table} SET v = v + 1 WHERE id = 100 + FLOOR(RAND() * 400)",
        "DO SLEEP(0.2)",  # rows that change all the time are another matter
    ):
        applied = carry_out(asked, doors, proposal)
    assert (applied.outcome, applied.verdict) == (Outcome.DONE, Verdict.IDENTICAL.value), applied.text
    assert {server for server, _ in read} == {str(donor.address), str(replica.address)}
    healthy(star, replica)
    healthy(star, donor)
    assert rows(replica, table) == rows(donor, table)
    assert ("9", "1", "8") in rows(replica, table)
    assert undo(asked, tmp_path, applied.undo_file).outcome is Outcome.DONE
    undone = [row for row in rows(replica, table) if int(row[0] or 0) < 20]
    assert [row[:2] for row in undone if row[0] in {"-7", "3", "5", "9"}] == [("-7", "7"), ("5", "2"), ("9", "2")]


def test_the_donor_is_part_of_what_is_agreed_to(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    drifted(star, schema)
    asked = from_sibling(star, f"{schema}.*")
    ours = plan(asked, tmp_path).plan.plan_hash
    assert ours == plan(asked, tmp_path).plan.plan_hash
    assert ours != plan(replace(asked, donor=None), tmp_path).plan.plan_hash


MOMENTS = [
    ("after", Stage.HELD),
    pytest.param("after", Stage.AT_POSITION, marks=pytest.mark.long),
    pytest.param("before", Stage.COMMITTED, marks=pytest.mark.long),
]


@pytest.mark.parametrize(("moment", "stage"), MOMENTS)
def test_killed_it_is_finished_with_the_same_donor(  # noqa: PLR0917 - fixtures
    star: Sandbox, schema: str, replica: SandboxServer, configuration: Path, tmp_path: Path, moment: str, stage: Stage
) -> None:
    """Nobody names it again; what it may have left of the donor's hold is put right."""
    donor, state = star.replicas[1], tmp_path / "state"
    table = drifted(star, schema)
    words = (replica.name, "--tables", f"{schema}.*")
    killed = run_killed(configuration, state, moment, stage.value, *words, "--from", donor.name, "--apply", "--yes")
    assert killed.returncode == SIGKILLED, killed.stdout + killed.stderr
    book = HoldBook(FileRecords(state / HOLDS), ReplicaTarget(server=donor.spec()))
    if stage is Stage.HELD:  # as it is between the donor's hold and its end
        with donor.connect() as db:
            hold(db, "", book.begin(db))
    finished = run_command(configuration, state, *words, "--apply", "--yes")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert book.left() is None
    healthy(star, replica)
    healthy(star, donor)
    assert rows(replica, table) == rows(donor, table) != rows(star.source, table)


def test_a_replica_is_let_go_though_its_donor_is_lost(
    star: Sandbox, schema: str, replica: SandboxServer, configuration: Path, tmp_path: Path
) -> None:
    donor, state = star.replicas[1], tmp_path / "state"
    table = drifted(star, schema)
    before = rows(replica, table)
    words = (replica.name, "--tables", f"{schema}.*", "--apply", "--yes")
    killed = run_killed(configuration, state, "after", Stage.HELD.value, *words, "--from", donor.name)
    assert killed.returncode == SIGKILLED, killed.stdout + killed.stderr
    donor.kill()
    try:
        ended = run_command(configuration, state, *words)
        assert ended.returncode == 2, ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr
        with replica.connect() as db:
            now = channel_state(db, "")
            assert (now.delay, now.applier_running, now.receiver_running) == (0, True, True)
    finally:
        donor.start()
    assert rows(replica, table) == before
    star.wait_caught_up(60)
    again = run_command(configuration, state, *words, "--from", donor.name)
    assert again.returncode == 0, again.stdout + again.stderr
    assert rows(replica, table) == rows(donor, table)


def test_what_a_killed_one_left_held_is_let_go_and_told_though_only_a_plan_is_asked_for(
    star: Sandbox, schema: str, replica: SandboxServer, configuration: Path, tmp_path: Path
) -> None:
    donor, state = star.replicas[1], tmp_path / "state"
    drifted(star, schema)
    book = HoldBook(FileRecords(state / HOLDS), ReplicaTarget(server=donor.spec()))
    with donor.connect() as db:
        hold(db, "", book.begin(db))
    words = (replica.name, "--tables", f"{schema}.*", "--from", donor.name)
    planned = run_command(configuration, state, *words)
    assert planned.returncode == 1, planned.stdout + planned.stderr
    assert donor.name in planned.stderr
    assert book.left() is None
    healthy(star, donor)
    assert donor.name not in run_command(configuration, state, *words).stderr


def test_an_interrupted_one_takes_its_rows_from_nobody_else(
    star: Sandbox, schema: str, replica: SandboxServer, configuration: Path, tmp_path: Path
) -> None:
    donor, state = star.replicas[1], tmp_path / "state"
    drifted(star, schema)
    words = (replica.name, "--tables", f"{schema}.*", "--apply", "--yes")
    assert run_killed(configuration, state, "after", Stage.HELD.value, *words).returncode == SIGKILLED
    refused = run_command(configuration, state, *words, "--from", donor.name)
    assert refused.returncode == 2
    assert "other-server" in refused.stdout
    finished = run_command(configuration, state, *words)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    healthy(star, replica)


REFUSED = [(code, state) for code, state in STATES if code in {"same-server", "held", "donor-delayed", "donor-not-following"}]


@pytest.mark.parametrize(("code", "state"), REFUSED, ids=[f"{code}-{state.__name__}" for code, state in REFUSED])
def test_refused_and_nothing_changed(star: Sandbox, schema: str, tmp_path: Path, code: str, state: State) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1)")
    star.wait_caught_up(60)
    by_hand(star.replicas[0], f"DELETE FROM {schema}.t")
    with state(star, schema) as other:
        asked = replace(request(star, star.replicas[0], f"{schema}.*"), donor=other.donor)
        before = [everything_on(server) for server in star.replicas]
        proposal = plan(asked, tmp_path)
        assert code in {refusal.code for refusal in proposal.plan.refusals}
        with pytest.raises(Refused):
            carry_out(asked, tools(tmp_path), proposal)
        assert [everything_on(server) for server in star.replicas] == before
    star.wait_caught_up(60)


def test_a_donor_that_became_writable_since_the_plan_is_not_believed(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    donor = star.replicas[1]
    table = drifted(star, schema)
    before = rows(replica, table)
    asked = from_sibling(star, f"{schema}.*")
    doors: Tools = tools(tmp_path)
    proposal = propose(asked, doors)
    donor.sql("SET GLOBAL read_only = 0")
    try:
        applied = carry_out(asked, doors, proposal)
    finally:
        donor.sql("SET GLOBAL read_only = 1")
    assert applied.outcome is Outcome.FAILED
    assert rows(replica, table) == before
    healthy(star, replica)
