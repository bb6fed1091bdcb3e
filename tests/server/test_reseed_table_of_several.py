"""`reseed --table` on a replica of two sources: one channel is held, and the other goes on all the while."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from repwatch.adapters.journal import FileJournal
from repwatch.adapters.mysql.session import Session
from repwatch.flows.hold import channel_states
from repwatch.flows.reseed import apply_reseed, plan_reseed
from repwatch.flows.reseed_survey import ReseedRequest
from repwatch.model.plan import Outcome
from repwatch.model.schema import TableName
from repwatch.model.server import Flavour
from repwatch.model.topology import ReplicaTarget
from repwatch.reseed.stages import Stage
from repwatch.sandbox import Sandbox, SandboxServer
from repwatch.sandbox.plan import SOURCE, multi_source
from repwatch.sql import replication
from tests.server.reseeding import CLOCK, request, tools, writer

LOCAL = "SET SESSION sql_log_bin = 0"
SCHEMAS = {SOURCE: "one", "source2": "two"}


class Killed(Exception):
    """When the rows are right and replication has not gone on."""


class EndingJournal(FileJournal):
    """Of a run that ends there."""

    def append(self, entry: Mapping[str, str]) -> None:
        if (entry["event"], entry.get("step")) == ("begin", Stage.RELEASED.value):
            raise Killed
        super().append(entry)


@pytest.fixture
def written(flavour: Flavour) -> Iterator[Sandbox]:
    """The channels `first` and `second`, whose sources are written to; `both.shared` comes from both. A row is wrong."""
    with Sandbox.start(flavour, links=multi_source()) as box, ExitStack() as writing:
        (replica,) = box.replicas
        for name, schema in SCHEMAS.items():
            box.server(name).sql(
                f"CREATE DATABASE {schema}",
                f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, v INT)",
                f"INSERT INTO {schema}.t VALUES (1, 1), (2, 2)",
                f"CREATE TABLE {schema}.busy (id INT AUTO_INCREMENT PRIMARY KEY)",
                "CREATE DATABASE IF NOT EXISTS both_of_them",
                "CREATE TABLE IF NOT EXISTS both_of_them.shared (id INT PRIMARY KEY)",
            )
        box.wait_caught_up(60)
        replica.sql(LOCAL, "UPDATE one.t SET v = 9 WHERE id = 2", "UPDATE two.t SET v = 9 WHERE id = 2")
        for name, schema in SCHEMAS.items():
            writing.enter_context(writer(box, f"INSERT INTO {schema}.busy VALUES ()", server=box.server(name)))
        yield box


def asked(box: Sandbox, table: str) -> ReseedRequest:
    schema, _, name = table.partition(".")
    (replica,) = box.replicas
    target = ReplicaTarget(server=replica.spec(), channel="first")
    whole = request(box, replica, tables=(TableName(schema, name),))
    return replace(whole, replica=target, others=(box.server("source2").spec(),))


def refused(request: ReseedRequest) -> list[str]:
    return [refusal.code for refusal in plan_reseed(request, Session.connect, CLOCK).plan.refusals]


def test_one_channel_is_held_and_the_other_goes_on(written: Sandbox, tmp_path: Path) -> None:
    (replica,) = written.replicas
    table = asked(written, "one.t")
    assert refused(table) == []
    reconnect(replica)
    wait_until(lambda: refused(table) == [])
    assert "not-following" in refused(replace(table, source=written.server("source2").spec()))
    assert refused(replace(table, others=())) == ["other-channels"]
    assert refused(asked(written, "both_of_them.shared")) == ["other-channels"]
    with suppress(Killed):
        apply_reseed(table, replace(tools(tmp_path), journal=EndingJournal(tmp_path / "journal.jsonl")), None)
    assert held(replica) == {"first": True, "second": False}
    wait_for_more(replica, "two.busy")
    applied = apply_reseed(table, tools(tmp_path), None)
    assert (applied.outcome, applied.verdict, applied.text) == (Outcome.DONE, "identical", ""), applied.text
    assert Stage.LOADED.value not in applied.done_steps  # the rows were right already
    assert held(replica) == {"first": False, "second": False}
    for name in ("one.busy", "two.busy"):
        wait_for_more(replica, name)
    assert replica.sql("SELECT v FROM one.t ORDER BY id") == [("1",), ("2",)]
    assert replica.sql("SELECT v FROM two.t ORDER BY id") == [("1",), ("9",)]  # nobody has asked for that


def reconnect(replica: SandboxServer) -> None:
    """By another name of the sources, so that MariaDB has what is received to tell who they are: now of both, for each."""
    with replica.connect() as db:
        for channel in ("first", "second"):
            db.execute(replication.stop_channel(db.version, channel))
            db.execute(replication.change_channel(db.version, channel, {"HOST": "'localhost'"}))
            db.execute(replication.follow_by_gtid(db.version, channel))
            db.execute(replication.start_channel(db.version, channel))
    for name in ("one.busy", "two.busy"):
        wait_for_more(replica, name)


def held(server: SandboxServer) -> dict[str, bool]:
    with server.connect() as db:
        return {state.channel: state.held for state in channel_states(db)}


def wait_for_more(server: SandboxServer, table: str) -> None:
    """The channel that brings rows of this table runs."""
    count = f"SELECT COUNT(*) FROM {table}"
    before = server.sql(count)
    wait_until(lambda: server.sql(count) != before)


def wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)
