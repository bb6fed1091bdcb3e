"""The heartbeat on real servers: written where it may be, read everywhere, and silent where it stands still."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.flows.heartbeat import HeartWriter
from repwatch.health.beating import LATE
from repwatch.health.heart import heartbeat_stopped
from repwatch.health.lag import true_lag
from repwatch.health.world import World, stale_after
from repwatch.model.observation import BeatsUnread, Lag, LagBasis, Observation
from repwatch.model.server import Flavour
from repwatch.sandbox import Account, Sandbox
from repwatch.sql.heartbeat import make_table, writing_needs
from tests.server.diagnosing import Watcher, words
from tests.server.test_doctor import doctor, grants, problems
from tests.server.watching import Service, until

COUNT = "SELECT UNIX_TIMESTAMP(written) FROM repwatch.repwatch_heartbeat"
IS_LATE = f"SELECT written < UTC_TIMESTAMP(6) - INTERVAL {LATE.seconds} SECOND FROM repwatch.repwatch_heartbeat"


class Bench:
    """A watcher with a heart that beats in a thread of its own; `world` is what it looks at."""

    def __init__(self, box: Sandbox, max_lag: timedelta | None = None) -> None:
        self.box = box
        cluster = replace(box.cluster(), heartbeat="repwatch")
        self.watcher = Watcher(box, replace(cluster, max_lag=max_lag or cluster.max_lag))
        self.heart = HeartWriter("shop", "repwatch", Session.connect, SystemClock())
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.heart.run, args=(self.stop,))

    def look(self) -> World:
        """Look, and aim."""
        world = self.watcher.look()
        return replace(world, heart=self.heart.aim(world))

    def lag(self) -> Lag:
        """Of the first replica."""
        world = self.look()
        server = world.servers[1]
        assert isinstance(server.result, Observation)
        return true_lag(world, server, server.result.channels[0])

    def written(self) -> float:
        """When the last beat on the source was written."""
        rows = self.box.source.sql(COUNT)
        return float(rows[0][0] or 0) if rows else 0.0


@pytest.fixture
def bench(fresh_star: Sandbox) -> Iterator[Bench]:
    """With the table, and the right to write it on the source."""
    account = f"'{Account.WATCH}'@'%'"
    fresh_star.source.sql(*make_table("repwatch"), writing_needs("repwatch").text.format(account=account))
    fresh_star.wait_caught_up(60)
    made = Bench(fresh_star)
    made.look()
    made.thread.start()
    yield made
    made.stop.set()
    made.thread.join(60)
    made.watcher.prober.close()


def is_told(lag: Lag) -> bool:
    """By the beats, exactly. On a busy machine one may come late."""
    return (lag.basis, lag.at_least) == (LagBasis.HEARTBEAT, False)


def test_lag_is_told_by_the_beats(bench: Bench, flavour: Flavour) -> None:
    replica = bench.box.replicas[0]
    until(lambda: bench.lag().basis is LagBasis.HEARTBEAT, "a beat has arrived")
    replica.sql(f"STOP {words(flavour)} SQL_THREAD")
    until(lambda: is_told(lag := bench.lag()) and (lag.seconds or 0) >= 4, "it grows while the applier stands")
    replica.sql(f"START {words(flavour)} SQL_THREAD")
    until(lambda: is_told(lag := bench.lag()) and (lag.seconds or 0) <= 2, "it has caught up")


def says_what_it_waits_for(bench: Bench) -> bool:
    told = [finding.evidence.get("writer", "") for finding in heartbeat_stopped(bench.look())]
    return any("1205" in text or "imeout" in text for text in told)


def test_a_heart_that_stands_still_is_a_finding_and_no_lag(bench: Bench) -> None:
    until(lambda: bench.lag().basis is LagBasis.HEARTBEAT, "a beat has arrived")
    until(lambda: list(heartbeat_stopped(bench.look())) == [], "all is well")
    with bench.box.source.connect(Account.ROOT) as holder:
        holder.execute("LOCK TABLES repwatch.repwatch_heartbeat READ")  # readers go on
        until(lambda: bool(list(heartbeat_stopped(bench.look()))), "it is found")
        # On a slow machine the writer may not have given up waiting yet, or a look not have come back.
        until(lambda: says_what_it_waits_for(bench), "what the writer met is told")
        assert bench.lag().basis is not LagBasis.HEARTBEAT
        holder.execute("UNLOCK TABLES")
    until(lambda: not list(heartbeat_stopped(bench.look())), "it beats again")
    until(lambda: bench.lag().basis is LagBasis.HEARTBEAT, "lag is told by it again")


def test_nothing_is_written_on_what_has_become_read_only(bench: Bench) -> None:
    source = bench.box.source
    until(lambda: bench.written() > 0, "it beats")
    before = bench.look()
    source.sql("SET GLOBAL read_only = ON")
    until(lambda: bool(bench.heart.aim(before).problems), "the writer has noticed, before any look has")
    stood = bench.written()
    assert list(heartbeat_stopped(bench.look())) == []  # source-read-only says it
    source.sql("SET GLOBAL read_only = OFF")
    until(lambda: bench.look() is not None and bench.written() > stood, "it beats again")


def test_nothing_is_written_on_what_has_become_a_replica(bench: Bench, flavour: Flavour) -> None:
    """It may be writable all the same."""
    source, replica = bench.box.source, bench.box.replicas[0]
    until(lambda: bench.written() > 0, "it beats")
    before = bench.look()
    host, port = replica.address.host, replica.address.port
    if flavour is Flavour.MARIADB:
        source.sql(f"CHANGE MASTER TO MASTER_HOST = '{host}', MASTER_PORT = {port}")
    else:
        source.sql(f"CHANGE REPLICATION SOURCE TO SOURCE_HOST = '{host}', SOURCE_PORT = {port}")
    until(lambda: bool(bench.heart.aim(before).problems), "the writer has noticed, before any look has")
    stood = bench.written()
    source.sql(f"RESET {words(flavour)} ALL")
    until(lambda: bench.look() is not None and not bench.heart.aim(before).problems, "it is well again")
    until(lambda: bench.look() is not None and bench.written() > stood, "it beats again")


def test_a_replica_that_stands_at_a_gap_in_the_beats_is_not_behind_by_the_gap(bench: Bench, flavour: Flavour) -> None:
    replica = bench.box.replicas[0]
    until(lambda: bench.lag().basis is LagBasis.HEARTBEAT, "a beat has arrived")
    bench.stop.set()
    bench.thread.join(60)
    until(lambda: bench.box.source.sql(IS_LATE) == [("1",)], "the next beat is late")
    bench.box.wait_caught_up(60)
    replica.sql(f"STOP {words(flavour)} SQL_THREAD")
    bench.look()  # it may have been long ago
    bench.heart.beat()
    assert bench.lag().basis is not LagBasis.HEARTBEAT
    replica.sql(f"START {words(flavour)} SQL_THREAD")

    def is_over_it() -> bool:
        bench.heart.beat()
        return bench.lag() == Lag(seconds=0.0, basis=LagBasis.HEARTBEAT)

    until(is_over_it, "the beat after the gap has arrived")


def test_beats_that_are_filtered_away_tell_nothing_though_a_copy_has_one(bench: Bench, flavour: Flavour) -> None:
    replica = bench.box.replicas[0]
    until(lambda: bench.lag().basis is LagBasis.HEARTBEAT, "a beat has arrived")
    word = words(flavour)
    replica.sql(f"STOP {word} SQL_THREAD")
    if flavour is Flavour.MARIADB:
        replica.sql(f"STOP {word}", "SET GLOBAL replicate_wild_ignore_table = 'repwatch.%'")
    else:
        replica.sql("CHANGE REPLICATION FILTER REPLICATE_WILD_IGNORE_TABLE = ('repwatch.%')")
    replica.sql(f"START {word}" if flavour is Flavour.MARIADB else f"START {word} SQL_THREAD")
    old = stale_after(bench.watcher.cluster.poll_interval).total_seconds() + 5
    arrived = float(replica.sql(COUNT)[0][0] or 0)
    until(lambda: bench.look() is not None and bench.written() > arrived + old, "its beat is old")
    until(lambda: bench.lag().basis is not LagBasis.HEARTBEAT, "it has all that its source had, and its beat tells nothing")


def test_a_lock_on_the_table_hides_nothing_else(bench: Bench) -> None:
    until(lambda: bench.lag().basis is LagBasis.HEARTBEAT, "a beat has arrived")
    with bench.box.replicas[0].connect(Account.ROOT) as holder:
        holder.execute("SET SESSION lock_wait_timeout = 600")
        holder.execute("LOCK TABLES repwatch.repwatch_heartbeat WRITE")
        result = bench.look().servers[1].result
        assert isinstance(result, Observation), result
        assert result.beats == {}
        assert result.beats_unread is BeatsUnread.TIMED_OUT
        holder.execute("UNLOCK TABLES")


def test_doctor_asks_for_what_it_needs_and_the_service_beats(fresh_star: Sandbox, tmp_path: Path) -> None:
    service = Service(fresh_star, tmp_path)
    config = service.config
    table = f"[clusters.{fresh_star.cluster().name}.heartbeat]"
    config.write_text(f"{config.read_text(encoding='utf-8')}\n{table}\n", encoding="utf-8")
    status, document = doctor("--config", str(config), folder=tmp_path)
    assert (status, problems(document)) == (1, [("source", "heartbeat")])
    fresh_star.source.sql(*(each.rstrip(";") for each in grants(document)))
    status, document = doctor("--config", str(config), folder=tmp_path)
    assert (status, problems(document)) == (0, [])
    try:
        service.start()
        until(lambda: service.api().count('"lag_source": "heartbeat"') == 2, "the lag of both replicas is told by the beats")
        until(service.healthy, "everything is healthy")
        assert service.stop()[0] == 0
    finally:
        service.close()
    assert "Traceback" not in service.log
