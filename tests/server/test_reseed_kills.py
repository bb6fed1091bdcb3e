"""`kill -9` of the real command at each of its recorded steps, then the command again: the same end."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from repwatch.reseed.stages import Stage
from repwatch.sandbox import Sandbox, SandboxServer
from repwatch.sql.reseed import MARKER_SCHEMA
from tests.server.killing import kill_at
from tests.server.reseeding import (
    break_with_1062,
    command,
    contents,
    healthy,
    make_everything,
    run_command,
)

STEPS = [*(stage.value for stage in Stage if stage is not Stage.LOADING), "proved"]
UNMARKED = (("settings", ""), ("begin", "marked"), ("done", "proved"))  # when a kill may leave no mark


@dataclass(frozen=True)
class Case:
    """A way to reseed, and the moments at which it is killed."""

    words: tuple[str, ...]
    moments: tuple[tuple[str, str], ...]
    damage: tuple[str, ...]
    stops: bool = True  # the applier is broken too


# What only the replica has; a foreign key leads from it to what the source has, and a trigger is on it.
EXTRA = (
    "CREATE TABLE @s@.extra (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES @s@.parent (id) ON DELETE CASCADE)",
    "INSERT INTO @s@.extra VALUES (1, 1), (2, NULL)",
    "CREATE TRIGGER @s@.extra_one AFTER INSERT ON @s@.extra FOR EACH ROW DELETE FROM @s@.counted",
)

# A copy of everything, or of single tables, has no states that the comparison of everything has not.
CASES = {
    "differential": Case(
        words=("--method", "differential"),
        moments=(("settings", ""), *((event, step) for step in STEPS for event in ("begin", "done")), ("written", "")),
        damage=("DELETE FROM @s@.child", "UPDATE @s@.parent SET name = 'wrong'", "DROP VIEW @s@.z_base", *EXTRA),
    ),
    "logical": Case(
        words=("--method", "logical"),
        moments=(("begin", "loaded"), ("begin", "positioned"), ("done", "attached")),
        damage=("DELETE FROM @s@.child", *EXTRA),
    ),
    "table": Case(
        words=("--table", "@s@.parent"),
        moments=(("begin", "quiet"), ("begin", "loaded"), ("written", ""), ("done", "loaded"), ("begin", "caught-up")),
        damage=("UPDATE @s@.parent SET name = 'wrong'", "DROP TRIGGER @s@.count_one"),
        stops=False,
    ),
}


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", CASES)
def test_killed_at_each_step_it_goes_on_to_the_same_end(star: Sandbox, schema: str, tmp_path: Path, name: str) -> None:
    case, replica = CASES[name], star.replicas[0]
    make_everything(star, schema)
    star.source.sql(f"CREATE TABLE {schema}.busy (id INT AUTO_INCREMENT PRIMARY KEY, v INT DEFAULT 0)")
    star.wait_caught_up(60)
    configuration = tmp_path / "repwatch.toml"
    configuration.write_text(star.configuration(), encoding="utf-8")
    journal = tmp_path / "state" / "reseed" / f"127.0.0.1_{replica.port}.jsonl"
    words = (replica.name, *(word.replace("@s@", schema) for word in case.words), "--state", str(tmp_path / "state"))
    for number, moment in enumerate(case.moments):
        if case.stops:
            break_with_1062(star, replica, f"{schema}.busy", 1_000 * (number + 1))
        damage = (statement.replace("@s@", schema) for statement in case.damage)
        replica.sql("SET SESSION sql_log_bin = 0", "SET SESSION foreign_key_checks = 0", *damage)
        kill_at(command(configuration, *words, "--apply", "--yes"), journal, moment)
        if case.stops and moment != ("done", "proved"):
            assert extra(replica, schema) == [("1", "1"), ("2", None)], moment
        star.source.sql(f"INSERT INTO {schema}.busy (v) VALUES ({number})")
        resume = (replica.name, "--resume", *words[-2:])  # it knows by itself how it began
        again = run_command(configuration, *((*words, "--apply", "--yes") if number % 2 else resume))
        if again.returncode == 2 and moment in UNMARKED:
            again = run_command(configuration, *words, "--apply", "--yes")  # there was nothing to resume
        assert again.returncode == 0, (moment, again.stdout, again.stderr)
        healthy(star, replica)
        assert contents(replica, schema) == contents(star.source, schema), moment


def extra(replica: SandboxServer, schema: str) -> object:
    """The rows that only the replica has, where they are: in their own place, or in quarantine."""
    places = [f"{schema}.extra" for _ in replica.sql(f"SHOW TABLES FROM {schema} LIKE 'extra'")]
    if not places:
        (row,) = replica.sql(f"SELECT id FROM {MARKER_SCHEMA}.quarantine WHERE db = '{schema}' AND name = 'extra'")
        places.append(f"{MARKER_SCHEMA}.kept_{row[0]}")
    return replica.sql(f"SELECT * FROM {places[0]} ORDER BY id")


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


def test_data_that_was_replaced_in_part_stays_so_until_it_is_whole(star: Sandbox, schema: str, tmp_path: Path) -> None:
    """A run that takes it up begins anew; killed before it has replaced anything itself, there still is no way back."""
    replica = star.replicas[0]
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1)")
    star.wait_caught_up(60)
    replica.sql("SET SESSION sql_log_bin = 0", f"INSERT INTO {schema}.t VALUES (2)")
    configuration = tmp_path / "repwatch.toml"
    configuration.write_text(star.configuration(), encoding="utf-8")
    journal = tmp_path / "state" / "reseed" / f"127.0.0.1_{replica.port}.jsonl"
    words = (replica.name, "--state", str(tmp_path / "state"))
    for moment in (("written", ""), ("begin", "quiet")):
        kill_at(command(configuration, *words, "--apply", "--yes"), journal, moment)
    assert run_command(configuration, *words, "--cancel").returncode == 2
    assert run_command(configuration, *words, "--resume").returncode == 0
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)
