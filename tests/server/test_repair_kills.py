"""A repair that is killed at any of its stages is finished by the next one, and nothing is done twice."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from repwatch.drift.repair_stages import Stage
from repwatch.errors import Refused
from repwatch.flows.hold import Held, channel_state, release
from repwatch.sandbox import Account, Sandbox, SandboxServer
from tests.server.repairing import by_hand, healthy, identical, plan, request, run_command, run_killed, stages
from tests.server.reseeding import contents, writer

SIGKILLED = -9
OFTEN = [("after", Stage.HELD), ("after", Stage.COMMITTING), ("before", Stage.COMMITTED)]
ALL = [(moment, stage) for stage in Stage for moment in ("before", "after") if (moment, stage) not in OFTEN]


@dataclass(frozen=True)
class Bench:
    star: Sandbox
    schema: str
    replica: SandboxServer
    configuration: Path
    state: Path

    @property
    def words(self) -> tuple[str, ...]:
        return (self.replica.name, "--tables", f"{self.schema}.*")


@pytest.fixture
def bench(star: Sandbox, schema: str, tmp_path: Path) -> Iterator[Bench]:
    server = star.replicas[0]
    configuration = tmp_path / "repwatch.toml"
    configuration.write_text(star.configuration())
    yield Bench(star, schema, server, configuration, tmp_path / "state")
    with server.connect(Account.ROOT) as db, suppress(Refused):
        release(db, "", Held(delay=0, receiver=True, applier=True))
    star.wait_caught_up(60)


def drifted(bench: Bench) -> str:
    star, replica, table = bench.star, bench.replica, f"{bench.schema}.t"
    star.source.sql(
        f"CREATE TABLE {table} (id INT AUTO_INCREMENT PRIMARY KEY, v INT NOT NULL, u INT UNIQUE)",
        f"INSERT INTO {table} (v, u) VALUES {', '.join(f'(1, {number})' for number in range(50))}",
    )
    star.wait_caught_up(60)
    by_hand(
        replica,
        f"DELETE FROM {table} WHERE id IN (3, 4)",
        f"UPDATE {table} SET u = -u WHERE id IN (5, 6)",
        f"UPDATE {table} SET v = 2, u = 5 WHERE id = 5",
        f"UPDATE {table} SET u = 4 WHERE id = 6",
        f"INSERT INTO {table} VALUES (-7, 7, NULL)",
    )
    return table


@pytest.mark.parametrize(("moment", "stage"), OFTEN)
def test_killed_and_finished(bench: Bench, moment: str, stage: Stage) -> None:
    kill_and_finish(bench, moment, stage)


@pytest.mark.long
@pytest.mark.parametrize(("moment", "stage"), ALL)
def test_killed_at_any_other_stage_and_finished(bench: Bench, moment: str, stage: Stage) -> None:
    kill_and_finish(bench, moment, stage)


def kill_and_finish(bench: Bench, moment: str, stage: Stage) -> None:
    """While somebody writes to the repaired table."""
    table = drifted(bench)
    with writer(bench.star, f"INSERT INTO {table} (v) VALUES (3)", f"UPDATE {table} SET v = v + 1 WHERE id = 20"):
        killed = run_killed(bench.configuration, bench.state, moment, stage.value, *bench.words, "--apply", "--yes")
        assert killed.returncode == SIGKILLED, killed.stdout + killed.stderr
        assert (stage.value in stages(bench.state)) == (moment == "after")
        finished = run_command(bench.configuration, bench.state, *bench.words, "--apply", "--yes")
        assert finished.returncode == 0, finished.stdout + finished.stderr
        assert "Traceback" not in finished.stderr
    identical(bench.star, bench.replica, bench.schema)
    healthy(bench.star, bench.replica)
    again = plan(request(bench.star, bench.replica, f"{bench.schema}.*"), bench.state)
    assert again.nothing_to_do


@pytest.mark.long
def test_a_restart_of_the_replica_does_not_let_it_go(bench: Bench) -> None:
    """Killed right before the commit, then the server goes down and comes back: nothing is applied until a person looks."""
    table = drifted(bench)
    before = contents(bench.replica, bench.schema)
    moment = ("after", Stage.COMMITTING.value)
    assert run_killed(bench.configuration, bench.state, *moment, *bench.words, "--apply", "--yes").returncode == SIGKILLED
    bench.replica.kill()
    bench.replica.start()
    bench.star.source.sql(f"INSERT INTO {table} (v) VALUES (3)")
    with bench.replica.connect(Account.ROOT) as db:
        assert channel_state(db, "").held
    assert contents(bench.replica, bench.schema) == before
    shown = run_command(bench.configuration, bench.state, *bench.words)
    assert shown.returncode == 1, shown.stdout + shown.stderr
    finished = run_command(bench.configuration, bench.state, *bench.words, "--apply", "--yes")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    identical(bench.star, bench.replica, bench.schema)
    healthy(bench.star, bench.replica)
