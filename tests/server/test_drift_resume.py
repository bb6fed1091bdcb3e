"""A check that was interrupted goes on: `kill -9` of the real command, and what the next one reads."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from repwatch.adapters.check_journal import FileCheckJournal
from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.drift.report import Reason, TableReport, Verdict
from repwatch.drift.resume import KEPT_FOR, PieceRecord
from repwatch.flows import drift_run
from repwatch.flows.drift import CheckRequest, check
from repwatch.flows.drift_run import WINDOW
from repwatch.model.server import Flavour
from repwatch.model.topology import ReplicaTarget
from repwatch.sandbox import Sandbox, SandboxServer
from tests.server.drifting import Found, drift_on, fill, fix_pieces, found_in, of_table

TABLES = 40
ROWS = 3_000
PIECE = 500


@pytest.fixture
def tables(star: Sandbox, schema: str) -> list[str]:
    """Many tables, each of a few pieces; two rows of the second replica are wrong, in the first and in the last table."""
    names = [f"t{number:02}" for number in range(TABLES)]
    for name in names:
        star.source.sql(f"CREATE TABLE {schema}.{name} (id INT PRIMARY KEY, v INT)")
        fill(star.source, f"{schema}.{name}", [f"({number}, 0)" for number in range(ROWS)], ROWS)
    star.wait_caught_up(60)
    for name in (names[0], names[-1]):
        drift_on(star.replicas[1], f"UPDATE {schema}.{name} SET v = 1 WHERE id = 7")
    return names


def command(box: Sandbox, folder: Path, schema: str, *words: str) -> list[str]:
    configuration = folder / "repwatch.toml"
    configuration.write_text(box.configuration(), encoding="utf-8")
    words = ("--config", str(configuration), "--state", str(folder / "state"), "--tables", f"{schema}.*", *words)
    return [sys.executable, "-m", "repwatch", "drift", *words, "--format", "json"]


HELD = 4  # pieces that wait for the source to have stood still; else as many as are read in a quarter of a second
# It kills itself when it keeps, or is about to keep, a certain piece, or when all were read.
RUN = f"""
import os, signal, sys
from repwatch.adapters.check_journal import FileCheckJournal
from repwatch.cli.main import main
from repwatch.drift import pace
from repwatch.flows import drift_run, drift_tables
pace.FIRST_ROWS = pace.MOST_ROWS = {PIECE}
pace.TARGET_SECONDS = 3600.0
drift_run.HELD = {HELD}
when = sys.argv.pop(1)
append, kept = FileCheckJournal.append, []
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def keep(journal, record):
    kept.append(record)
    if when == "before " + str(len(kept)):
        die()
    append(journal, record)
    if when == "after " + str(len(kept)):
        die()
FileCheckJournal.append = keep
if when == "settling":
    drift_tables.settle = lambda *_: die()
if when == "closing":
    drift_tables.ask_unchanged = lambda *_: die()
main()
"""


def run(words: list[str], when: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([words[0], "-c", RUN, when, *words[3:]], capture_output=True, text=True, timeout=300, check=False)


# One after another: in the scan, before and after a piece is kept; with rows in doubt; before the definitions are read again.
KILLS = ("before 40", "after 40", "settling", "closing")
UNDER_WAY = (WINDOW + HELD) * PIECE  # rows at a kill


def test_killed_again_and_again_and_resumed_it_comes_to_the_same_end(
    star: Sandbox, schema: str, tables: list[str], tmp_path: Path
) -> None:
    """And what was judged is not read again: at most what was under way."""
    before = rows_read(star.replicas[0])
    kept = [0]
    for number, when in enumerate(KILLS):
        killed = run(command(star, tmp_path, schema, *(["--resume"] if number else [])), when)
        assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
        kept.append(rows_kept(tmp_path))
    assert kept == sorted(kept)
    assert kept[-1] == TABLES * ROWS
    done = run(command(star, tmp_path, schema, "--resume"), "never")
    assert rows_read(star.replicas[0]) - before <= TABLES * ROWS + len(KILLS) * UNDER_WAY
    assert done.returncode == 1, done.stderr
    wrong = next(r for r in json.loads(done.stdout)["replicas"] if r["server"] == str(star.replicas[1].address))
    assert {t["table"]: t["difference_count"] for t in wrong["tables"] if t["difference_count"]} == {tables[0]: 1, tables[-1]: 1}
    assert all((t["rows"], t["verdict"] != "undecided") == (ROWS, True) for t in wrong["tables"])
    assert not list((tmp_path / "state" / "drift").glob("*.jsonl")), "a check that has ended leaves nothing to go on from"


def rows_kept(folder: Path) -> int:
    """Rows of the pieces that killed checks have judged."""
    (journal,) = (folder / "state" / "drift").glob("*.jsonl")
    records = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    return sum({(record["table"], str(record["lower"])): int(record["rows"]) for record in records}.values())


def rows_read(server: SandboxServer) -> int:
    """Rows that the server has read since its start: with MySQL of our tables, with MariaDB of all."""
    counter = "Rows_read" if server.flavour is Flavour.MARIADB else "Innodb_rows_read"
    return int(server.sql(f"SHOW GLOBAL STATUS LIKE '{counter}'")[0][1] or 0)


class Counting(FileCheckJournal):
    """Ends the check after some pieces."""

    def __init__(self, path: Path, *, resume: bool, after: int = 10**9) -> None:
        super().__init__(path, resume=resume)
        self.after, self.pieces = after, 0

    def append(self, record: PieceRecord) -> None:
        self.pieces += 1
        super().append(record)

    def over(self) -> bool:
        return self.pieces >= self.after


def test_what_was_judged_is_not_read_again(
    star: Sandbox, schema: str, tables: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fix_pieces(monkeypatch, PIECE)
    monkeypatch.setattr(drift_run, "HELD", HELD)
    targets = tuple(ReplicaTarget(server=server.spec()) for server in star.replicas)
    request = CheckRequest(source=star.source.spec(), replicas=targets, tables=(f"{schema}.*",))

    def run(journal: Counting, kept_for: timedelta = KEPT_FOR) -> dict[str, TableReport]:
        asked = replace(request, kept_for=kept_for)
        report = check(asked, connect=Session.connect, clock=SystemClock(), journal=journal, cancelled=journal.over)
        return {name: of_table(report, star.replicas[1], name) for name in tables}

    with Counting(tmp_path / "j", resume=False) as whole:
        run(whole)
    with Counting(tmp_path / "j", resume=False, after=20) as first:
        broken = run(first)
    assert any(table.reason is Reason.STOPPED for table in broken.values())
    before = SystemClock().now()
    with Counting(tmp_path / "j", resume=True) as second:
        resumed = run(second)
    with Counting(tmp_path / "j", resume=True) as late:
        anew = run(late, timedelta(0))
    assert {table.since for table in anew.values()} == {None}, "what is too old is read again"
    told = [table.since for table in resumed.values() if table.since is not None]
    assert told
    assert max(told) < before
    # What had a gap before it when the first one ended is read again: at most what was under way then.
    assert whole.pieces - first.pieces <= second.pieces <= whole.pieces - first.pieces + WINDOW + HELD
    for name, table in resumed.items():
        wrong = name in (tables[0], tables[-1])
        assert table.verdict is (Verdict.DRIFTED if wrong else Verdict.IDENTICAL)
        assert found_in(table) == ({Found("changed", ("7",), frozenset({"v"}))} if wrong else set())
