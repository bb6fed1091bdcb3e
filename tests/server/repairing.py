"""What the tests of repair share: drift made by hand, a repair as the command runs it, and one that is killed at a stage.

Run as a program it is `repwatch repair` with a journal that ends the process, as `kill -9` does, right before or right after
one stage is written down.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.journal import FileJournal
from repwatch.adapters.mysql.session import Session
from repwatch.adapters.records import FileRecords
from repwatch.drift.undo import parse
from repwatch.errors import Refused
from repwatch.flows.drift_holds import HOLDS
from repwatch.flows.hold import Held, channel_state, release
from repwatch.flows.repair import Proposal, RepairRequest, Tools, agreed_to, propose
from repwatch.flows.repair_run import carry_out
from repwatch.flows.repair_undo import UndoProposal, carry_out_undo, propose_undo
from repwatch.model.plan import Applied
from repwatch.model.topology import ReplicaTarget, ServerSpec
from repwatch.sandbox import Account, Sandbox, SandboxServer
from repwatch.sql import replication
from tests.server.reseeding import contents

CLOCK = SystemClock()


def request(box: Sandbox, replica: SandboxServer, *tables: str, source: ServerSpec | None = None) -> RepairRequest:
    return RepairRequest(
        source=source or box.source.spec(),
        replica=ReplicaTarget(server=replica.spec()),
        others=tuple(server.spec() for server in box.replicas if server is not replica),
        tables=tables,
    )


def tools(folder: Path) -> Tools:
    return Tools(
        connect=Session.connect,
        clock=CLOCK,
        journal=FileJournal(folder / "journal.jsonl"),
        records=FileRecords(folder),
        holds=FileRecords(folder / HOLDS),
        progress=lambda _: None,
    )


def plan(asked: RepairRequest, folder: Path) -> Proposal:
    return propose(asked, tools(folder))


def repair(asked: RepairRequest, folder: Path, plan_hash: str = "") -> Applied:
    proposal = plan(asked, folder)
    assert proposal.plan.refusals == ()
    if plan_hash:
        proposal = agreed_to(proposal, plan_hash, tools(folder))
    return carry_out(asked, tools(folder), proposal)


def plan_undo(asked: RepairRequest, folder: Path, file: str) -> UndoProposal:
    return propose_undo(asked, tools(folder), parse(Path(file).read_text(encoding="utf-8")))


def undo(asked: RepairRequest, folder: Path, file: str) -> Applied:
    proposal = plan_undo(asked, folder, file)
    assert proposal.plan.refusals == ()
    return carry_out_undo(asked, tools(folder), proposal)


def by_hand(server: SandboxServer, *statements: str) -> None:
    """Change a replica as nobody should, and leave no trace in its binary log."""
    settings = "sql_log_bin = 0, foreign_key_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'"
    server.sql(f"SET SESSION {settings}", *statements)


def healthy(box: Sandbox, replica: SandboxServer) -> None:
    """It replicates without delay, is read-only as before, and has no transaction that its source does not have."""
    box.wait_caught_up(60)
    with box.source.connect() as source, replica.connect() as db:
        state = channel_state(db, "")
        assert (state.receiver_running, state.applier_running, state.delay) == (True, True, 0)
        assert db.scalar(replication.written(db.version)) == source.scalar(replication.written(source.version))
    assert replica.sql("SELECT @@GLOBAL.read_only") == [("1",)]


def identical(box: Sandbox, replica: SandboxServer, schema: str) -> None:
    """Row by row and byte by byte, by a comparison that is not repwatch's own."""
    box.wait_caught_up(60)
    ours, theirs = contents(box.source, schema), contents(replica, schema)
    for name, value in ours.items():
        assert not name.startswith("rows of") or theirs[name] == value, name


def let_replicate(box: Sandbox, *replicas: SandboxServer) -> None:
    """Take a hold from replicas, whatever a test left of one, and wait until all have caught up."""
    for replica in replicas:
        with replica.connect(Account.ROOT) as db, suppress(Refused):
            release(db, "", Held(delay=0, receiver=True, applier=True))
    box.wait_caught_up(60)


def configured(box: Sandbox, folder: Path) -> Path:
    """A configuration of the servers, in a file."""
    file = folder / "repwatch.toml"
    file.write_text(box.configuration())
    return file


def command(configuration: Path, folder: Path, *words: str) -> list[str]:
    return ["repair", *words, "--config", str(configuration), "--state", str(folder)]


def run_command(configuration: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return _run([sys.executable, "-m", "repwatch", *command(configuration, folder, *words)])


def run_killed(configuration: Path, folder: Path, moment: str, stage: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`moment` is "before" or "after"."""
    return _run([sys.executable, "-m", "tests.server.repairing", moment, stage, *command(configuration, folder, *words)])


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    return subprocess.run(words, capture_output=True, text=True, timeout=200, check=False, stdin=subprocess.DEVNULL, cwd=root)


def stages(folder: Path) -> list[str]:
    """What the journals below a folder say."""
    lines = [line for path in sorted(folder.rglob("journal.jsonl")) for line in path.read_text().splitlines()]
    return [json.loads(line)["stage"] for line in lines]


class _DeadlyJournal(FileJournal):
    moment, stage = "", ""

    def append(self, entry: Mapping[str, str]) -> None:
        fatal = entry["stage"] == self.stage
        if fatal and self.moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        super().append(entry)
        if fatal:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    from repwatch.cli import main as cli
    from repwatch.cli import repair as verb

    _DeadlyJournal.moment, _DeadlyJournal.stage = sys.argv[1:3]
    vars(verb)["FileJournal"] = _DeadlyJournal
    sys.argv[1:] = sys.argv[3:]
    cli.main()
