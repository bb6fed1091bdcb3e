"""`repwatch repair` as a user or a script runs it: what it prints, its exit status, and every reason to refuse."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import repwatch
from repwatch.errors import Refused
from repwatch.flows.hold import Held, release
from repwatch.model.topology import ReplicaTarget
from repwatch.sandbox import Account, Sandbox, SandboxServer
from tests.server.repairing import by_hand, healthy, identical, plan, request, run_command
from tests.server.reseeding import contents, last_error

SCHEMA = json.loads((Path(repwatch.__file__).parent / "schemas" / "plan.schema.json").read_text())


@pytest.fixture
def replica(star: Sandbox) -> Iterator[SandboxServer]:
    server = star.replicas[1]
    yield server
    with server.connect(Account.ROOT) as db, suppress(Refused):
        release(db, "", Held(delay=0, receiver=True, applier=True))
    star.wait_caught_up(60)


@pytest.fixture
def configuration(star: Sandbox, tmp_path: Path) -> Path:
    file = tmp_path / "repwatch.toml"
    file.write_text(star.configuration())
    return file


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


def codes(star: Sandbox, replica: SandboxServer, tables: str, folder: Path) -> set[str]:
    proposal = plan(request(star, replica, tables), folder)
    assert not proposal.nothing_to_do
    return {refusal.code for refusal in proposal.plan.refusals}


def test_the_source_is_never_a_target(star: Sandbox, schema: str, tmp_path: Path) -> None:
    """Told to repair the source from its replica."""
    asked = replace(
        request(star, star.replicas[0]), source=star.replicas[0].spec(), replica=ReplicaTarget(server=star.source.spec())
    )
    found = {refusal.code for refusal in plan(asked, tmp_path).plan.refusals}
    assert {"has-replicas", "is-source", "not-following"} <= found


def test_a_server_is_not_repaired_from_itself(star: Sandbox, tmp_path: Path) -> None:
    asked = replace(request(star, star.replicas[0]), source=star.replicas[0].spec())
    assert "same-server" in {refusal.code for refusal in plan(asked, tmp_path).plan.refusals}


def test_without_an_operator_the_missing_grants_are_told(star: Sandbox, schema: str, tmp_path: Path) -> None:
    spec = replace(star.replicas[0].spec(), operator=None)
    asked = replace(request(star, star.replicas[0]), replica=ReplicaTarget(server=spec))
    assert {refusal.code for refusal in plan(asked, tmp_path).plan.refusals} >= {"privilege-missing"}


def test_a_stopped_replica_is_left_to_who_stopped_it(
    star: Sandbox, schema: str, table: str, replica: SandboxServer, tmp_path: Path
) -> None:
    replica.sql("STOP SLAVE SQL_THREAD" if star.flavour.value == "mariadb" else "STOP REPLICA SQL_THREAD")
    assert codes(star, replica, f"{schema}.*", tmp_path) == {"replication-stopped"}


def test_a_replica_that_halted_is_for_reseed(
    star: Sandbox, schema: str, table: str, replica: SandboxServer, tmp_path: Path
) -> None:
    by_hand(replica, f"INSERT INTO {table} VALUES (9, 'z')")
    star.source.sql(f"INSERT INTO {table} VALUES (9, 'i')")
    while last_error(star.flavour, replica) != "1062":
        pass
    try:
        assert codes(star, replica, f"{schema}.*", tmp_path) == {"applier-error"}
    finally:
        by_hand(replica, f"DELETE FROM {table} WHERE id = 9")


@pytest.mark.parametrize(
    ("difference", "code"),
    [
        ("ALTER TABLE {t} MODIFY v INT", "schema-differs"),
        ("ALTER TABLE {t} ADD COLUMN w INT", "schema-differs"),
        ("ALTER TABLE {t} MODIFY v VARCHAR(20) CHARACTER SET latin1", "schema-differs"),
        ("ALTER TABLE {t} ENGINE = MyISAM", "engine"),
        ("ALTER TABLE {t} DROP PRIMARY KEY", "schema-differs"),
        ("DROP TABLE {t}", "table-differs"),
    ],
)
def test_tables_that_differ_otherwise_are_refused(  # noqa: PLR0917 - fixtures
    star: Sandbox, schema: str, table: str, replica: SandboxServer, tmp_path: Path, difference: str, code: str
) -> None:
    by_hand(replica, f"UPDATE {table} SET v = '7' WHERE id = 2", difference.format(t=table))
    try:
        assert code in codes(star, replica, f"{schema}.*", tmp_path)
    finally:
        if difference.startswith("DROP"):
            by_hand(replica, f"CREATE TABLE {table} (id INT)")


def test_a_prepared_transaction_is_told(star: Sandbox, schema: str, table: str, replica: SandboxServer, tmp_path: Path) -> None:
    with star.source.connect(Account.ROOT) as db:
        for statement in ("XA START 'r'", f"INSERT INTO {table} VALUES (9, 'z')", "XA END 'r'", "XA PREPARE 'r'"):
            db.execute(statement)
    try:
        assert "prepared-xa" in codes(star, replica, f"{schema}.*", tmp_path)
    finally:
        with star.source.connect(Account.ROOT) as db:
            db.execute("XA ROLLBACK 'r'")


def test_too_many_rows_are_for_reseed(star: Sandbox, schema: str, table: str, replica: SandboxServer, tmp_path: Path) -> None:
    rows = ", ".join(f"({number}, 'x')" for number in range(100, 10_200))
    by_hand(replica, f"INSERT INTO {table} VALUES {rows}")
    assert codes(star, replica, f"{schema}.*", tmp_path) == {"too-many-rows"}
