"""Two repairs of one replica: the second does not act on what was true before the first."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from repwatch.drift.repair_stages import Stage
from repwatch.errors import Refused
from repwatch.flows.hold import Held, channel_state, release
from repwatch.flows.repair_run import carry_out
from repwatch.flows.repair_undo import carry_out_undo
from repwatch.model.plan import Outcome
from repwatch.model.server import Flavour
from repwatch.sandbox import Account, Sandbox, SandboxServer
from tests.conftest import start
from tests.server.repairing import (
    by_hand,
    healthy,
    identical,
    let_replicate,
    plan,
    plan_undo,
    repair,
    request,
    run_killed,
    stages,
    tools,
)


@pytest.fixture(scope="module")
def star(flavour: Flavour) -> Iterator[Sandbox]:
    """One for this module: what is asserted of the replica's history holds where nobody has written on it before."""
    with start(flavour) as box:
        yield box


@pytest.fixture
def replica(star: Sandbox) -> Iterator[SandboxServer]:
    """A replica that replicates again afterwards, whatever the test did to it."""
    server = star.replicas[0]
    yield server
    let_replicate(star, server)


@pytest.fixture
def table(star: Sandbox, schema: str, replica: SandboxServer) -> str:
    name = f"{schema}.t"
    star.source.sql(f"CREATE TABLE {name} (id INT PRIMARY KEY, v INT NOT NULL)", f"INSERT INTO {name} VALUES (1, 1), (2, 2)")
    star.wait_caught_up(60)
    by_hand(replica, f"UPDATE {name} SET v = 9 WHERE id = 1")
    return name


def killed_while_it_held(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> Path:
    """The folder of the records that it leaves."""
    configuration = tmp_path / "repwatch.toml"
    configuration.write_text(star.configuration(), encoding="utf-8")
    words = (replica.name, "--tables", f"{schema}.*", "--apply", "--yes")
    assert run_killed(configuration, tmp_path / "state", "after", Stage.HELD.value, *words).returncode == -9
    return tmp_path / "state" / "repair" / f"127.0.0.1_{replica.port}"


def test_what_another_has_finished_is_not_taken_up_again(
    star: Sandbox, schema: str, table: str, replica: SandboxServer, tmp_path: Path
) -> None:
    """It would hold the replica again, and the journal, which says that all has ended, would not tell the next one."""
    folder = killed_while_it_held(star, schema, replica, tmp_path)
    asked = request(star, replica, f"{schema}.*")
    first, second = plan(asked, folder), plan(asked, folder)
    assert first.pending is not None
    assert carry_out(asked, tools(folder), first).outcome is Outcome.DONE
    written = stages(folder)
    with pytest.raises(Refused):
        carry_out(asked, tools(folder), second)
    assert stages(folder) == written
    identical(star, replica, schema)
    healthy(star, replica)


def test_what_another_left_behind_is_not_overwritten(
    star: Sandbox, schema: str, table: str, replica: SandboxServer, tmp_path: Path
) -> None:
    """A run of its own would bury how the replica was before the first one."""
    asked = request(star, replica, f"{schema}.*")
    early = plan(asked, tmp_path / "state" / "repair" / f"127.0.0.1_{replica.port}")
    folder = killed_while_it_held(star, schema, replica, tmp_path)
    with replica.connect(Account.ROOT) as db:
        release(db, "", Held(delay=0, receiver=True, applier=True))  # by hand: only the journal knows of it now
    written = stages(folder)
    with pytest.raises(Refused):
        carry_out(asked, tools(folder), early)
    assert stages(folder) == written
    assert repair(asked, folder).outcome is Outcome.DONE
    identical(star, replica, schema)
    healthy(star, replica)


def test_an_undo_does_not_run_on_what_another_left_behind(
    star: Sandbox, schema: str, table: str, replica: SandboxServer, tmp_path: Path
) -> None:
    folder = tmp_path / "state" / "repair" / f"127.0.0.1_{replica.port}"
    asked = request(star, replica, f"{schema}.*")
    undo_file = repair(asked, folder).undo_file
    early = plan_undo(asked, folder, undo_file)
    by_hand(replica, f"UPDATE {table} SET v = 8 WHERE id = 2")
    killed_while_it_held(star, schema, replica, tmp_path)
    written = stages(folder)
    with pytest.raises(Refused):
        carry_out_undo(asked, tools(folder), early)
    assert stages(folder) == written
    with replica.connect(Account.ROOT) as db:
        assert channel_state(db, "").held
    assert repair(asked, folder).outcome is Outcome.DONE
    identical(star, replica, schema)
    healthy(star, replica)
