"""`kill -9` of the real command at each of its recorded steps, then the command again: the same end."""

import subprocess
import time
from pathlib import Path

import pytest

from repwatch.reseed.stages import Stage
from repwatch.sandbox import Sandbox
from tests.server.reseeding import (
    break_with_1062,
    command,
    contents,
    healthy,
    journal_events,
    make_everything,
    run_command,
)

STEPS = [*(stage.value for stage in Stage if stage is not Stage.LOADING), "proved"]


def kill_at(arguments: list[str], journal: Path, moment: tuple[str, str]) -> None:
    """Run the command and kill it as soon as its journal says so. Fails if it ends before."""
    seen = len(journal_events(journal))
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while moment not in journal_events(journal)[seen:]:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.kill()
    process.wait()


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("event", ["begin", "done"])
def test_killed_at_each_step_it_goes_on_to_the_same_end(star: Sandbox, schema: str, tmp_path: Path, event: str) -> None:
    replica = star.replicas[0]
    make_everything(star, schema)
    star.source.sql(f"CREATE TABLE {schema}.busy (id INT AUTO_INCREMENT PRIMARY KEY, v INT DEFAULT 0)")
    star.wait_caught_up(60)
    configuration = tmp_path / "repwatch.toml"
    configuration.write_text(star.configuration(), encoding="utf-8")
    journal = tmp_path / "state" / "reseed" / f"127.0.0.1_{replica.port}.jsonl"
    state = ("--state", str(tmp_path / "state"))
    for number, step in enumerate(STEPS):
        break_with_1062(star, replica, f"{schema}.busy", 1_000 * (number + 1))
        kill_at(command(configuration, replica.name, "--apply", "--yes", *state), journal, (event, step))
        star.source.sql(f"INSERT INTO {schema}.busy (v) VALUES ({number})")
        again = run_command(configuration, replica.name, *(("--apply", "--yes") if number % 2 else ("--resume",)), *state)
        if (again.returncode, event, step) in ((2, "begin", "marked"), (2, "done", "proved")):
            again = run_command(configuration, replica.name, "--apply", "--yes", *state)  # there was nothing to resume
        assert again.returncode == 0, (step, again.stdout, again.stderr)
        healthy(star, replica)
        assert contents(replica, schema) == contents(star.source, schema), step


@pytest.mark.long
def test_killed_twice_in_a_row_it_still_ends(star: Sandbox, schema: str, tmp_path: Path) -> None:
    replica = star.replicas[0]
    star.source.sql(f"CREATE TABLE {schema}.busy (id INT AUTO_INCREMENT PRIMARY KEY, v INT DEFAULT 0)")
    star.wait_caught_up(60)
    break_with_1062(star, replica, f"{schema}.busy", 5)
    configuration = tmp_path / "repwatch.toml"
    configuration.write_text(star.configuration(), encoding="utf-8")
    journal = tmp_path / "state" / "reseed" / f"127.0.0.1_{replica.port}.jsonl"
    words = (replica.name, "--apply", "--yes", "--state", str(tmp_path / "state"))
    for step in ("loaded", "positioned"):
        kill_at(command(configuration, *words), journal, ("begin", step))
        replica.kill()  # and the server with it
        replica.start()
    assert run_command(configuration, *words).returncode == 0
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)
