"""A reseed that is taken up late: whatever has happened to the channel in between, the same end."""

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.adapters.journal import FileJournal
from repwatch.errors import StatementRefused, StoreError
from repwatch.flows.hold import channel_state
from repwatch.flows.reseed import apply_reseed
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.model.plan import Outcome
from repwatch.model.schema import TableName
from repwatch.model.server import Flavour
from repwatch.reseed.method import Method
from repwatch.sandbox import Sandbox, SandboxServer
from repwatch.sql import replication
from repwatch.sql.reseed import DROP_MARKER
from tests.conftest import start
from tests.server.reseeding import Enough, contents, delay_by, healthy, journal_events, put_back, request, tools
from tests.server.test_reseed import killed_at

DELAY = 7_000  # seconds: whatever is wanted of a replica that waits for so long comes too late


@pytest.fixture
def replica(star: Sandbox, schema: str) -> Iterator[SandboxServer]:
    server = star.replicas[0]
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, v INT)", f"INSERT INTO {schema}.t VALUES (1, 1), (2, 2)")
    star.wait_caught_up(60)
    yield server
    with server.connect() as db:
        put_back(db)
    star.wait_caught_up(60)


class _Ending(FileJournal):
    """The run ends where its journal says so, as one that is killed."""

    end: tuple[str, str]

    def append(self, entry: Mapping[str, str]) -> None:
        super().append(entry)
        if (entry["event"], entry.get("step", "")) == self.end:
            raise Enough


def end_at(asked: ReseedRequest, folder: Path, *end: str) -> None:
    """Run until the journal has that event of that step."""
    journal = _Ending(folder / "journal.jsonl")
    journal.end = (end[0], end[1])
    with pytest.raises(Enough):
        apply_reseed(asked, replace(tools(folder), journal=journal), None)


@pytest.mark.parametrize(
    "at", [(method, step) for method in (Method.DIFFERENTIAL, Method.TABLE) for step in ("caught-up", "proved")]
)
def test_a_replica_that_stands_is_started(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, at: tuple[Method, str]
) -> None:
    """As after a restart with skip_replica_start, or somebody's STOP."""
    method, step = at
    tables = (TableName(schema, "t"),) if method is Method.TABLE else ()
    asked = request(star, replica, method=None if tables else method, tables=tables)
    end_at(asked, tmp_path, "begin", step)
    with replica.connect() as db:
        db.execute(replication.stop_channel(db.version, ""))
    star.source.sql(f"INSERT INTO {schema}.t VALUES (3, 3)")
    applied = apply_reseed(asked, tools(tmp_path), None)
    assert applied.outcome is Outcome.DONE, applied.text
    healthy(star, replica)


@pytest.mark.parametrize("statement", [f"_DELAY = {DELAY}", DROP_MARKER])
def test_an_intended_delay_comes_back_wherever_the_run_was_killed(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, statement: str
) -> None:
    with replica.connect() as db:
        delay_by(db, DELAY)
    asked = request(star, replica)
    with pytest.raises(Enough):
        apply_reseed(asked, replace(tools(tmp_path), connect=killed_at(statement).connect), None)
    star.source.sql(f"INSERT INTO {schema}.t VALUES (3, 3)")
    applied = apply_reseed(asked, tools(tmp_path), None)
    assert applied.outcome is Outcome.DONE, applied.text
    with replica.connect() as db:
        state = channel_state(db, "")
        assert (state.delay, state.receiver_running, state.applier_running) == (DELAY, True, True)
        delay_by(db, 0)
    healthy(star, replica)


def test_a_channel_that_runs_is_not_stopped_again(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    """MariaDB forgets what it has received when both threads stop, and the source may have it no more."""
    asked = request(star, replica)
    end_at(asked, tmp_path, "begin", "proved")
    applied = apply_reseed(asked, replace(tools(tmp_path), connect=killed_at("STOP ").connect), None)
    assert applied.outcome is Outcome.DONE, applied.text
    healthy(star, replica)


class _Full(FileJournal):
    """Its disk is full at the end of the run."""

    def append(self, entry: Mapping[str, str]) -> None:
        if entry["event"] == "outcome":
            raise StoreError("no space left")
        super().append(entry)


def test_what_came_of_it_is_told_also_where_it_cannot_be_recorded(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path
) -> None:
    full = replace(tools(tmp_path), journal=_Full(tmp_path / "journal.jsonl"))
    applied = apply_reseed(request(star, replica), full, None)
    assert (applied.outcome, applied.verdict) == (Outcome.DONE, "identical")
    assert "no space left" in applied.text
    healthy(star, replica)


@pytest.mark.parametrize("step", ["positioned", "caught-up"])
def test_a_copy_that_the_source_has_left_behind_is_made_anew(flavour: Flavour, tmp_path: Path, step: str) -> None:
    with start(flavour, replicas=1) as box:
        source, (replica,) = box.source, box.replicas
        source.sql("CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)", "INSERT INTO shop.t VALUES (1)")
        box.wait_caught_up(60)
        asked = request(box, replica, method=Method.DIFFERENTIAL)
        end_at(asked, tmp_path, "begin", step)
        with replica.connect() as db:
            db.execute(replication.stop_channel(db.version, ""))
        source.sql("INSERT INTO shop.t VALUES (2)")
        purge(source)
        applied = apply_reseed(asked, tools(tmp_path), None)
        assert applied.outcome is Outcome.DONE, applied.text
        assert applied.done_steps.count("loaded") == 1
        assert ("purged", "") in journal_events(tmp_path / "journal.jsonl")
        healthy(box, replica)
        assert contents(replica, "shop") == contents(source, "shop")


def purge(source: SandboxServer) -> None:
    """Delete all binary logs but the present one. A session that was sent one, and a checkpoint, keep it for a moment."""
    source.sql("FLUSH BINARY LOGS")
    deadline = time.monotonic() + 90
    while len(logs := source.sql("SHOW BINARY LOGS")) > 1:
        assert time.monotonic() < deadline, logs
        with source.connect() as db:
            for row in db.texts("SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'"):
                with suppress(StatementRefused):  # it has ended by itself
                    db.execute(f"KILL {row['ID']}")
        source.sql(f"PURGE BINARY LOGS TO '{logs[-1][0]}'")
        time.sleep(0.2)
