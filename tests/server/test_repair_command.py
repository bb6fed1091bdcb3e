"""`repwatch repair` as a user or a script runs it: what it prints, and its exit status."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import repwatch
from repwatch.sandbox import Sandbox, SandboxServer
from tests.server.repairing import by_hand, configured, healthy, identical, let_replicate, run_command
from tests.server.reseeding import contents

SCHEMA = json.loads((Path(repwatch.__file__).parent / "schemas" / "plan.schema.json").read_text())


@pytest.fixture
def replica(star: Sandbox) -> Iterator[SandboxServer]:
    server = star.replicas[1]
    yield server
    let_replicate(star, server)


@pytest.fixture
def configuration(star: Sandbox, tmp_path: Path) -> Path:
    return configured(star, tmp_path)


@pytest.fixture
def table(star: Sandbox, schema: str, replica: SandboxServer) -> str:
    name = f"{schema}.t"
    star.source.sql(
        f"CREATE TABLE {name} (id INT PRIMARY KEY, v VARCHAR(20))", f"INSERT INTO {name} VALUES (1, 'a'), (2, 'b'), (3, 'c')"
    )
    star.wait_caught_up(60)
    return name


def document(text: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(text)
    jsonschema.validate(parsed, SCHEMA)
    return parsed


def test_from_plan_to_undo(  # noqa: PLR0917 - fixtures
    star: Sandbox, schema: str, table: str, replica: SandboxServer, configuration: Path, tmp_path: Path
) -> None:
    """Each step with its exit status; nothing happens without --apply, and not for a hash that is not the plan's."""
    by_hand(replica, f"UPDATE {table} SET v = 'x' WHERE id = 2", f"DELETE FROM {table} WHERE id = 3")
    wrong = contents(replica, schema)
    words = (replica.name, "--tables", f"{schema}.*", "--format", "json")

    def run(*more: str) -> tuple[int, str]:
        done = run_command(configuration, tmp_path, *words, *more)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout

    status, out = run()
    shown = document(out)
    assert (status, shown["refusals"]) == (1, [])
    assert "outcome" not in shown
    assert [step["what"].split()[0] for step in shown["steps"] if f" {table} " in step["what"]] == ["update", "insert"]
    assert run("--apply") == (2, "")
    assert run("--apply", "--plan-hash", "0" * 16)[0] == 2
    assert contents(replica, schema) == wrong
    status, out = run("--apply", "--plan-hash", shown["plan_hash"])
    done = document(out)
    assert (status, done["outcome"], done["verdict"], done["plan_hash"]) == (0, "done", "identical", shown["plan_hash"])
    identical(star, replica, schema)
    assert run("--apply", "--plan-hash", shown["plan_hash"])[0] == 0  # nothing is left to do
    undo = (replica.name, "--undo", done["undo_file"], "--format", "json")
    assert run_command(configuration, tmp_path, *undo).returncode == 1
    undone = run_command(configuration, tmp_path, *undo, "--apply", "--yes")
    assert (undone.returncode, document(undone.stdout)["outcome"]) == (0, "done")
    assert contents(replica, schema) == wrong
    healthy(star, replica)


def test_the_text_names_the_rows(schema: str, table: str, replica: SandboxServer, configuration: Path, tmp_path: Path) -> None:
    by_hand(replica, f"UPDATE {table} SET v = 'x' WHERE id = 2")
    shown = run_command(configuration, tmp_path, replica.name, "--tables", f"{schema}.*")
    assert shown.returncode == 1
    assert f"update {table} id=2" in shown.stdout
    repaired = run_command(configuration, tmp_path, replica.name, "--tables", f"{schema}.*", "--apply", "--yes")
    assert repaired.returncode == 0


@pytest.mark.parametrize(
    "words",
    [("nobody",), ("replica2", "--yes"), ("replica2", "--apply", "--yes", "--plan-hash", "0"), ("replica2", "--undo", "/none")],
)
def test_bad_usage(configuration: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    done = run_command(configuration, tmp_path, *words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "hint" in done.stderr or "go with" in done.stderr or "exclude" in done.stderr


def test_a_pattern_that_matches_nothing_is_an_error(configuration: Path, tmp_path: Path, replica: SandboxServer) -> None:
    assert run_command(configuration, tmp_path, replica.name, "--tables", "nowhere.*").returncode == 2
