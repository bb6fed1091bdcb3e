"""A check holds back while a server is busy, says so, and goes on afterwards; it keeps to its share of the time."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from repwatch.adapters.check_control import tell as say
from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.drift.control import Word
from repwatch.drift.progress import Progress
from repwatch.drift.report import Verdict
from repwatch.drift.throttle import Hold, Limits, Strain
from repwatch.flows.drift import CheckRequest, check
from repwatch.model.endpoint import Endpoint
from repwatch.model.server import Flavour
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.database import Params, Result, Timeouts
from repwatch.sandbox import Sandbox, SandboxServer
from tests.server.drifting import fill
from tests.server.test_drift import writing
from tests.server.watching import until

THREADS = 8
TABLES = 24


@contextmanager
def crowd(server: SandboxServer) -> Iterator[threading.Event]:
    """Many sessions that run something until the event is set."""
    over = threading.Event()
    ready = threading.Barrier(THREADS + 1)

    def run() -> None:
        with server.connect() as db:
            ready.wait(60)
            while not over.is_set():
                db.query("SELECT BENCHMARK(200000, SHA2('x', 256))")

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    ready.wait(60)
    try:
        yield over
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.fixture
def request_(star: Sandbox, schema: str) -> CheckRequest:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, v INT)")
    fill(star.source, f"{schema}.t", [f"({number}, 0)" for number in range(30_000)], 6_000)
    star.wait_caught_up(60)
    targets = tuple(ReplicaTarget(server=server.spec()) for server in star.replicas)
    return CheckRequest(source=star.source.spec(), replicas=targets, tables=(f"{schema}.*",))


def test_it_waits_while_threads_run(star: Sandbox, request_: CheckRequest) -> None:
    held: list[Hold] = []
    for server in (star.source, star.replicas[1]):
        held.clear()
        with crowd(server) as over:

            def told(progress: Progress, over: threading.Event = over) -> None:
                if isinstance(progress.waits, Hold):
                    held.append(progress.waits)
                    over.set()

            limited = replace(request_, limits=Limits(threads_running=THREADS - 4))
            report = check(limited, connect=Session.connect, clock=SystemClock(), progress=told)
        assert report.verdict is Verdict.IDENTICAL
        assert {(hold.server, hold.strain) for hold in held} == {(str(server.address), Strain.THREADS_RUNNING)}


@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM"])
def test_it_keeps_to_its_share(star: Sandbox, schema: str, request_: CheckRequest, engine: str) -> None:
    """Invariant: the source is read for that share of the time, until its last piece; also where pieces are read twice."""
    star.source.sql(f"ALTER TABLE {schema}.t ENGINE = {engine}", f"CREATE TABLE {schema}.log (id INT PRIMARY KEY)")
    reading = Spent(least=0.05)  # beside which the rest of a reading is nothing
    with writing(star.source, lambda n: f"INSERT INTO {schema}.log VALUES ({n})", pause=0.01):
        report = check(
            replace(request_, tables=(f"{schema}.t",), limits=Limits(load=5)), connect=reading.connect, clock=SystemClock()
        )
    assert report.verdict is Verdict.IDENTICAL
    source = str(request_.source.endpoint.address)
    assert reading.share(source) <= 0.05
    assert engine == "InnoDB" or reading.repeats(source)
    assert len(reading.done) > 2 * 3


def test_servers_of_one_machine_take_turns_while_the_source_is_written_to(star: Sandbox, schema: str) -> None:
    """And the source rests as long as it is read; unless somebody said how much of its time may be taken."""
    names = [f"{schema}.t{number}" for number in range(TABLES)]
    star.source.sql(*(f"CREATE TABLE {name} (id INT PRIMARY KEY, v INT)" for name in names))
    star.source.sql(*(f"INSERT INTO {name} VALUES (1, 0)" for name in names))
    star.wait_caught_up(60)
    targets = tuple(ReplicaTarget(server=server.spec()) for server in star.replicas)
    request = CheckRequest(source=star.source.spec(), replicas=targets, tables=(f"{schema}.*",))

    def spent(load: int | None) -> Spent:
        reading = Spent(least=0.15)
        check(replace(request, limits=Limits(load=load)), connect=reading.connect, clock=SystemClock())
        return reading

    idle = spent(None)
    with writing(star.source, lambda n: f"UPDATE {names[n % TABLES]} SET v = v + 1", pause=0.01):
        gentle, full = spent(None), spent(100)
    source = str(star.source.address)
    assert gentle.overlaps(source) < TABLES / 2 < min(idle.overlaps(source), full.overlaps(source))
    assert gentle.share(source) <= 0.5


@pytest.mark.parametrize("flavour", [Flavour.MARIADB], indirect=True, ids=str)
def test_beside_writers_no_long_log_is_read_for_a_position(star: Sandbox, schema: str, request_: CheckRequest) -> None:
    """BINLOG_GTID_POS reads a log from its start. It may be asked where the writer pauses, but not for each piece."""
    long = [f"INSERT INTO {schema}.log VALUES (REPEAT('x', 1000000))"] * 6
    star.source.sql(f"CREATE TABLE {schema}.log (v LONGBLOB)", "SET SESSION binlog_format = ROW", *long)
    star.wait_caught_up(60)
    asked: list[str] = []

    def connect(endpoint: Endpoint, timeouts: Timeouts | None = None) -> Session:
        session = Session.connect(endpoint, timeouts)
        query = session.query

        def noted(sql: str, params: Params = ()) -> Result:
            asked.append(sql)
            return query(sql, params)

        session.query = noted  # type: ignore[method-assign]
        return session

    with writing(star.source, lambda n: f"UPDATE {schema}.t SET v = {n} WHERE id = 1 + {n} % 30000", pause=0.01):
        check(replace(request_, limits=Limits(load=100)), connect=connect, clock=SystemClock())
    pieces = sum("GROUP_CONCAT" in sql and "FORCE INDEX" in sql for sql in asked)
    assert sum("BINLOG_GTID_POS" in sql for sql in asked) < pieces / 8


@dataclass(frozen=True)
class Reading:
    """A statement that took signatures, in seconds on a monotonic clock."""

    server: str
    sql: str
    start: float
    end: float


class Spent:
    """Notes when signatures are read. `least`: they take so many seconds, as if tables were larger."""

    def __init__(self, least: float = 0.0) -> None:
        self.done: list[Reading] = []
        self._least = least

    def overlaps(self, server: str) -> int:
        """How many readings of one server ran beside one of another."""
        mine = [each for each in self.done if each.server == server]
        others = [each for each in self.done if each.server != server]
        return sum(any(one.start < other.end and other.start < one.end for other in others) for one in mine)

    def repeats(self, server: str) -> int:
        """How many readings of one server were of what it had been asked before."""
        mine = [each.sql for each in self.done if each.server == server]
        return len(mine) - len(set(mine))

    def share(self, server: str) -> float:
        """The share of the time in which one server was read, from its first reading until its last piece begins."""
        mine = [each for each in self.done if each.server == server]
        last = max({each.sql: each.start for each in reversed(mine)}.values())
        return sum(each.end - each.start for each in mine if each.start < last) / (last - mine[0].start)

    def connect(self, endpoint: Endpoint, timeouts: Timeouts | None = None) -> Session:
        session = Session.connect(endpoint, timeouts)
        query = session.query

        def noted(sql: str, params: Params = ()) -> Result:
            if not ("GROUP_CONCAT" in sql and "FORCE INDEX" in sql):
                return query(sql, params)
            start = time.monotonic()
            try:
                time.sleep(self._least)
                return query(sql, params)
            finally:
                self.done.append(Reading(session.server, sql, start, time.monotonic()))

        session.query = noted  # type: ignore[method-assign]
        return session


def test_a_running_check_is_paused_let_go_and_stopped(star: Sandbox, schema: str, request_: CheckRequest, tmp_path: Path) -> None:
    for number in range(100):
        star.source.sql(f"CREATE TABLE {schema}.u{number} (id INT PRIMARY KEY)")
    configuration = tmp_path / "repwatch.toml"
    configuration.write_text(star.configuration(), encoding="utf-8")

    def drift(*words: str) -> list[str]:
        return [sys.executable, "-m", "repwatch", "drift", *words, "--config", str(configuration), "--state", str(tmp_path)]

    def tell(word: str) -> int:
        return subprocess.run(drift(word, "shop"), capture_output=True, check=False).returncode

    def judged() -> int:
        return sum(path.read_bytes().count(b"\n") for path in (tmp_path / "drift").glob("*.jsonl"))

    assert tell("pause") == 2, "no check runs"
    words = ("shop", "--tables", f"{schema}.*", "--load", "1", "--format", "json")
    process = subprocess.Popen(drift(*words), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    until(lambda: judged() > 0, "a piece is judged")
    assert tell("pause") == 0
    before = -1
    while before != judged():  # what was in flight comes to its end
        before = judged()
        time.sleep(1)
    assert process.poll() is None
    assert tell("resume") == 0
    until(lambda: judged() > before, "it goes on")
    assert say(tmp_path / "drift", "shop", Word.STOP) == 1  # at once: another process might begin after its end
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 3
    tables = [table for replica in json.loads(out)["replicas"] for table in replica["tables"]]
    assert {table["reason"] for table in tables if table["verdict"] == "undecided"} == {"stopped"}
    assert not list((tmp_path / "drift").glob("*.control"))
