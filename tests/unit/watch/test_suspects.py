"""Suspicions outlive a restart and a store that fails; their checks begin when they can, and are not made over and over."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.drift.progress import Phase, Progress
from repwatch.drift.report import DriftReport, Reason, ReplicaReport, Verdict
from repwatch.errors import StoreError, UsageError
from repwatch.flows.scheduled_drift import STOPPED_SECONDS, Ended
from repwatch.flows.suspect_check import PAUSE, SuspectChecker
from repwatch.flows.suspects import Suspects
from repwatch.health.rules import diagnose
from repwatch.health.world import World
from repwatch.model.finding import FindingCode
from repwatch.model.observation import ChannelObservation, ThreadError, ThreadState
from repwatch.model.risks import Risks, Suspicion
from repwatch.model.server import Flavour
from repwatch.model.topology import ReplicaTarget
from tests.unit.health.worlds import channel, observation, star, uuid, world
from tests.unit.watch.handclock import HandClock

MY = Flavour.MYSQL
PROGRESS = Progress(phase=Phase.SCANNING, tables_done=0, tables=1, table="w.t", rows=1, rows_expected=2, seconds=1, waits=None)


class Flaky(SqlStore):
    """The real store, which fails at times."""

    gone = False

    def suspicions(self, cluster: str) -> tuple[Suspicion, ...]:
        if self.gone:
            raise StoreError("gone")
        return super().suspicions(cluster)

    def record_suspicions(self, cluster: str, all_of_it: Iterable[Suspicion]) -> None:
        if self.gone:
            raise StoreError("gone")
        super().record_suspicions(cluster, all_of_it)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Flaky]:
    opened = Flaky.open(f"sqlite:///{tmp_path}/s.db")
    yield opened
    opened.close()


def broken(table: str, number: int = 1) -> World:
    error = ThreadError(errno=1062, text="")
    stopped = channel(MY, 1, applier=ThreadState.STOPPED, applier_error=error, failed_table=table, failed_gtid=f"x:{number}")
    return world([observation(MY, 1), observation(MY, 2, stopped)])


def healthy() -> World:
    return world(star(MY)[:2])


def test_a_restart_forgets_nothing(store: Flaky) -> None:
    raised = Suspects(store, "shop").after(broken("w.t"))
    assert [each.tables for each in raised] == [("w.t",)]
    assert Suspects(store, "shop").after(healthy()) == raised
    other = Suspects(store, "other")
    assert other.after(healthy()) == ()
    again = Suspects(store, "shop")
    again.after(healthy())
    again.clear(raised, raised[0].since)
    assert Suspects(store, "shop").open() == ()


def test_a_store_that_fails_loses_nothing(store: Flaky) -> None:
    suspects = Suspects(store, "shop")
    store.gone = True
    raised = suspects.after(broken("w.t"))
    assert suspects.open() == raised
    suspects.after(healthy())
    store.gone = False
    assert store.suspicions("shop") == ()
    suspects.after(healthy())
    assert store.suspicions("shop") == raised


def test_what_was_kept_joins_what_was_seen_while_the_store_was_gone(store: Flaky) -> None:
    kept = Suspects(store, "shop").after(broken("w.t"))
    store.gone = True
    suspects = Suspects(store, "shop")
    assert suspects.after(healthy()) == ()
    store.gone = False
    assert suspects.after(healthy()) == kept


def at(made: World, moment: datetime) -> World:
    """The same world, looked at then."""
    servers = tuple(replace(server, result=replace(server.result, at=moment)) for server in made.servers)
    return replace(made, servers=servers, now=moment)


class Bench:
    """A checker whose checks come to what the test says."""

    def __init__(self, store: Flaky) -> None:
        self.clock = HandClock()
        self.suspects = Suspects(store, "shop")
        self.checked: list[tuple[str, ...]] = []
        self.recorded: list[Verdict] = []
        self.verdict: Verdict | Exception = Verdict.IDENTICAL
        self.by_person = False
        self.meanwhile: Callable[[], object] = lambda: None
        self.checker = SuspectChecker(check=self._check, record=self._record, suspects=self.suspects, clock=self.clock)

    def look(self, made: World) -> None:
        """One look, and the check that it begins, to its end."""
        self.clock.sleep(1)
        made = at(made, self.clock.now())
        self.suspects.after(made)
        self.checker.begin(made)
        for thread in threading.enumerate():
            if thread.name == "suspect-shop":
                thread.join(60)

    def _check(
        self, target: ReplicaTarget, tables: Sequence[str], *, cancelled: Callable[[], bool], progress: Callable[[Progress], None]
    ) -> Ended:
        progress(PROGRESS)
        running = self.checker.now
        assert running is not None
        assert (running.tables, running.replica, running.progress) == (len(tables), "db2", PROGRESS)
        assert (target.server.label, target.channel, cancelled()) == ("db2", "", False)
        self.clock.sleep(1)
        self.checked.append(tuple(tables))
        self.meanwhile()
        if isinstance(self.verdict, Exception):
            raise self.verdict
        replica = ReplicaReport(
            server="10.0.0.2:3306", name="db2", channel="", server_uuid="", verdict=self.verdict, as_of="", reason=None
        )
        if self.verdict is Verdict.UNDECIDED:
            replica = replace(replica, reason=Reason.HOT_ROWS)
        now = self.clock.now()
        report = DriftReport(
            verdict=self.verdict,
            started=now,
            finished=now + timedelta(seconds=1),
            source="a:1",
            source_name=None,
            replicas=(replica,),
        )
        return Ended(report, self.by_person)

    def _record(self, report: DriftReport) -> None:
        self.recorded.append(report.verdict)


def test_a_check_begins_as_soon_as_the_applier_runs_and_clears_what_is_identical(store: Flaky) -> None:
    bench = Bench(store)
    bench.look(broken("w.t"))
    assert bench.checked == []
    bench.look(healthy())
    assert (bench.checked, bench.recorded, bench.suspects.open()) == ([("w.t",)], [Verdict.IDENTICAL], ())
    bench.look(healthy())
    assert len(bench.checked) == 1


@pytest.mark.parametrize("verdict", [Verdict.DRIFTED, Verdict.UNDECIDED, UsageError("no"), StoreError("gone"), ValueError("bug")])
def test_what_is_not_identical_is_checked_again_after_a_pause(store: Flaky, verdict: Verdict | Exception) -> None:
    bench = Bench(store)
    bench.verdict = verdict
    bench.look(broken("w.t"))
    bench.look(healthy())
    made = len(bench.checked)
    assert bench.suspects.open()
    bench.look(healthy())
    assert len(bench.checked) == made
    bench.verdict = Verdict.IDENTICAL
    bench.clock.sleep(2 * PAUSE)
    bench.look(healthy())
    assert bench.suspects.open() == ()


def test_one_that_somebody_stops_rests_for_an_hour_unless_more_becomes_suspect(store: Flaky) -> None:
    bench = Bench(store)
    bench.verdict, bench.by_person = Verdict.UNDECIDED, True
    bench.look(broken("w.t"))
    bench.look(healthy())
    assert bench.checker.now is None
    bench.clock.sleep(STOPPED_SECONDS - 10)
    bench.look(healthy())
    assert len(bench.checked) == 1
    bench.look(broken("w.u", 2))
    bench.look(healthy())
    assert bench.checked[1:] == [("w.t", "w.u")]
    bench.verdict, bench.by_person = Verdict.IDENTICAL, False
    bench.clock.sleep(STOPPED_SECONDS)
    bench.look(healthy())
    assert bench.suspects.open() == ()


def test_a_table_that_is_gone_has_everything_checked(store: Flaky) -> None:
    bench = Bench(store)
    bench.verdict = UsageError("no table matches")
    bench.look(broken("w.t"))
    bench.look(healthy())
    assert bench.checked == [("w.t",), ()]


def test_what_becomes_suspect_during_a_check_is_checked_at_once_and_not_cleared_by_it(store: Flaky) -> None:
    bench = Bench(store)
    bench.look(broken("w.t"))
    bench.meanwhile = lambda: bench.suspects.after(at(broken("w.u", 2), bench.clock.now()))
    bench.look(healthy())
    bench.meanwhile = lambda: None
    assert bench.suspects.open()
    bench.look(healthy())
    assert bench.checked[1] == ("w.t", "w.u")


def test_the_tables_that_a_log_shows_are_kept_and_change_nothing_else(store: Flaky) -> None:
    suspects = Suspects(store, "shop")
    history = f"{uuid(MY, 2)}:1"
    replica = observation(MY, 2, channel(MY, 1), gtid_executed=history, risks=Risks())
    made = world([observation(MY, 1, risks=Risks()), replica])
    raised = suspects.after(made)
    suspects.name("10.0.0.2:3306", ("w.t",))
    (kept,) = store.suspicions("shop")
    assert kept == replace(raised[0], named=("w.t",))
    assert suspects.after(made) == (kept,)
    (finding, _) = diagnose(replace(made, suspicions=(kept,)))
    assert (finding.subject.code, finding.evidence["tables"]) == (FindingCode.ERRANT_TRANSACTIONS, "w.t")
    suspects.clear(raised, kept.since)
    assert suspects.open() == ()


def test_a_service_that_ends_begins_no_check(store: Flaky) -> None:
    bench = Bench(store)
    bench.look(broken("w.t"))
    bench.checker.cancel()
    bench.look(healthy())
    assert bench.checked == []


class Siblings:
    """Two replicas; a check of the first takes as long as the test wants."""

    def __init__(self, store: Flaky) -> None:
        self.clock = HandClock()
        self.suspects = Suspects(store, "shop")
        self.begun: list[tuple[str, tuple[str, ...]]] = []
        self.may_end = threading.Event()
        self.checker = SuspectChecker(check=self._check, record=lambda _: None, suspects=self.suspects, clock=self.clock)

    def look(self, *, everything: bool = False, **tables: str) -> None:
        """Such a table has stopped the applier of a replica; or `everything` of the first one is in question."""
        risks = Risks(settings={"replica_exec_mode": "idempotent"}) if everything else Risks()
        replicas = [
            observation(MY, number, self._channel(tables.get(f"db{number}", "")), risks=risks if number == 2 else Risks())
            for number in (2, 3)
        ]
        self.clock.sleep(1)
        made = at(world([observation(MY, 1), *replicas]), self.clock.now())
        self.suspects.after(made)
        self.checker.begin(made)

    def _channel(self, table: str) -> ChannelObservation:
        if not table:
            return channel(MY, 1)
        error = ThreadError(errno=1062, text="")
        return channel(MY, 1, applier=ThreadState.STOPPED, applier_error=error, failed_table=table, failed_gtid="x:1")

    def _check(
        self, target: ReplicaTarget, tables: Sequence[str], *, cancelled: Callable[[], bool], progress: Callable[[Progress], None]
    ) -> Ended:
        self.begun.append((target.server.label, tuple(tables)))
        progress(PROGRESS)
        if target.server.label == "db2":
            assert self.may_end.wait(120)
        address = str(target.server.endpoint.address)
        replica = ReplicaReport(
            server=address, name=target.server.label, channel="", server_uuid="", verdict=Verdict.IDENTICAL, as_of="", reason=None
        )
        now = self.clock.now()
        report = DriftReport(
            verdict=Verdict.IDENTICAL, started=now, finished=now, source="a:1", source_name=None, replicas=(replica,)
        )
        return Ended(report, by_person=False)

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_check_of_everything_keeps_no_check_of_a_table_of_a_sibling_waiting(store: Flaky) -> None:
    bench = Siblings(store)
    try:
        bench.look(everything=True)
        bench.until(lambda: bench.begun == [("db2", ())])
        first = bench.checker.now
        bench.look(everything=True, db3="w.t")
        assert len(bench.begun) == 1
        bench.look(everything=True)
        bench.until(lambda: [s.server for s in bench.suspects.open()] == ["10.0.0.2:3306"])
        assert bench.begun == [("db2", ()), ("db3", ("w.t",))]
        bench.until(lambda: not bench.checker._of_known.locked())
        assert (bench.checker.running, bench.checker.now) == (True, first)
    finally:
        bench.may_end.set()
    bench.until(lambda: not bench.checker.running)
    assert (bench.suspects.open(), bench.checker.now) == ((), None)


def test_what_is_checked_is_not_checked_beside_that(store: Flaky) -> None:
    """All of it is in question by now, and is checked when the first check is over."""
    bench = Siblings(store)
    try:
        bench.look(db2="w.t")
        bench.look()
        bench.until(lambda: bench.begun == [("db2", ("w.t",))])
        for _ in range(3):
            bench.look(everything=True)
        bench.until(lambda: not bench.checker._of_all.locked())
        assert len(bench.begun) == 1
    finally:
        bench.may_end.set()
    bench.until(lambda: not bench.checker.running)
    bench.look(everything=True)
    bench.until(lambda: bench.suspects.open() == ())
    assert bench.begun[1:] == [("db2", ())]
