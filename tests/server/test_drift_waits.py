"""On a source that stands still a difference is proved by one wait at the most, and by none once it has stood for a second."""

import time
from dataclasses import dataclass, field

import pytest

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.drift.report import Verdict
from repwatch.drift.resume import PieceRecord
from repwatch.drift.verdict import STILL_MARGIN_DRIFT, STILL_MARGIN_EQUAL
from repwatch.flows.drift import CheckRequest, check
from repwatch.flows.drift_settle import HOT_ROWS
from repwatch.flows.drift_sight import LEAF_ROWS
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.check_journal import NoJournal
from repwatch.ports.clock import Clock
from repwatch.sandbox import Sandbox
from tests.server.drifting import Found, drift_on, fill, found_in, of_table

ROWS = 1_000
SMALL_TABLES = 15
LEAP = 0.25
SHORT = 0.1  # seconds; shorter waits are for answers
FIRST, LAST = "t", "v"  # of tables, by name: the others lie between


@dataclass
class LeapingClock(SystemClock):
    """Notes the waits. Leaps stand for pieces that take long: the source has stood still meanwhile."""

    waits: list[float] = field(default_factory=list)
    ahead: float = 0.0

    def monotonic(self) -> float:
        """Seconds."""
        return time.monotonic() + self.ahead

    def sleep(self, seconds: float) -> None:
        """Wait, and note it."""
        if seconds > SHORT:
            self.waits.append(seconds)
        super().sleep(seconds)

    @property
    def later(self) -> list[float]:
        """The waits without that of the beginning: MySQL shows late what its replicas had applied."""
        begins = self.waits and self.waits[0] <= STILL_MARGIN_EQUAL + SHORT
        return self.waits[1:] if begins else self.waits


@dataclass
class StandingClock(LeapingClock):
    """Time passes while somebody waits for it, and in no other way."""

    def monotonic(self) -> float:
        """Seconds."""
        return self.ahead

    def sleep(self, seconds: float) -> None:
        """Wait, and note it."""
        super().sleep(seconds)
        self.ahead += seconds


@dataclass
class SlowJournal(NoJournal):
    """Each piece takes a while until it is written down."""

    clock: LeapingClock
    seconds: float

    def append(self, record: PieceRecord) -> None:
        """Let time pass."""
        self.clock.ahead += self.seconds


def waits_of(star: Sandbox, schema: str, wrong: int, table: str) -> list[float]:
    """The waits of a check that meets wrong rows in one table, and reads others before or after it for a while."""
    names = [table, *(f"u{number}" for number in range(SMALL_TABLES))]
    star.source.sql(*(f"CREATE TABLE {schema}.{name} (id INT PRIMARY KEY, v INT)" for name in names))
    fill(star.source, f"{schema}.{table}", [f"({number}, 0)" for number in range(ROWS)], ROWS)
    star.wait_caught_up(60)
    drift_on(star.replicas[1], f"UPDATE {schema}.{table} SET v = 1 WHERE id < {wrong}")
    clock = LeapingClock()
    targets = tuple(ReplicaTarget(server=server.spec()) for server in star.replicas)
    request = CheckRequest(source=star.source.spec(), replicas=targets, tables=(f"{schema}.*",))
    report = check(request, connect=Session.connect, clock=clock, journal=SlowJournal(clock, LEAP))
    found = of_table(report, star.replicas[1], table)
    assert (found.verdict, found.difference_count) == (Verdict.DRIFTED, wrong)
    assert of_table(report, star.replicas[0], table).verdict is Verdict.IDENTICAL
    return clock.later


def test_the_proof_of_a_few_rows_runs_beside_the_rest_of_the_scan(star: Sandbox, schema: str) -> None:
    assert not waits_of(star, schema, 10, FIRST)


def test_many_rows_are_read_again_behind_it_and_proved_at_once(star: Sandbox, schema: str) -> None:
    assert not waits_of(star, schema, HOT_ROWS + 10, FIRST)


@pytest.mark.parametrize("wrong", [10, HOT_ROWS + 10])
def test_what_is_read_last_is_waited_for_no_more_than_the_rest(star: Sandbox, schema: str, wrong: int) -> None:
    assert not waits_of(star, schema, wrong, LAST)


def found_missing(star: Sandbox, schema: str, clock: Clock) -> set[Found]:
    """What a check of the one table finds on the second replica."""
    targets = tuple(ReplicaTarget(server=server.spec()) for server in star.replicas)
    request = CheckRequest(source=star.source.spec(), replicas=targets, tables=(f"{schema}.t",))
    report = check(request, connect=Session.connect, clock=clock)
    return found_in(of_table(report, star.replicas[1], "t"))


def test_what_shows_before_it_is_logged_is_waited_for(star: Sandbox, schema: str) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY) ENGINE = MyISAM", f"INSERT INTO {schema}.t VALUES (1), (2)")
    star.wait_caught_up(60)
    drift_on(star.replicas[1], f"DELETE FROM {schema}.t WHERE id = 2")
    clock = StandingClock()
    assert found_missing(star, schema, clock) == {Found("missing", ("2",))}
    assert sum(clock.waits) >= 2 * STILL_MARGIN_DRIFT


def test_a_check_that_is_over_at_once_waits_until_the_source_has_stood_for_a_second(star: Sandbox, schema: str) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)", f"INSERT INTO {schema}.t VALUES (1), (2)")
    star.wait_caught_up(60)
    drift_on(star.replicas[1], f"DELETE FROM {schema}.t WHERE id = 2")
    clock = LeapingClock()
    assert found_missing(star, schema, clock) == {Found("missing", ("2",))}
    assert len(clock.later) <= 1
    assert sum(clock.waits) < STILL_MARGIN_DRIFT + SHORT


@dataclass
class CountingClock(SystemClock):
    """Counts the waits for the source to have stood still for long enough."""

    looks: int = 0

    def sleep(self, seconds: float) -> None:
        """Wait, and count it."""
        self.looks += seconds == STILL_MARGIN_EQUAL / 4
        super().sleep(seconds)


def test_the_scan_goes_on_while_rows_are_looked_for(star: Sandbox, schema: str) -> None:
    """In each table a piece differs. Its parts are proved by a standstill, for which nothing waits but the end of the check."""
    names = [f"t{number}" for number in range(8)]
    for name in names:
        star.source.sql(f"CREATE TABLE {schema}.{name} (id INT PRIMARY KEY, v INT)")
        fill(star.source, f"{schema}.{name}", [f"({number}, 0)" for number in range(3 * LEAF_ROWS)], LEAF_ROWS)
    star.wait_caught_up(60)
    drift_on(star.replicas[1], *(f"UPDATE {schema}.{name} SET v = 1 WHERE id = 4711" for name in names))
    clock = CountingClock()
    targets = tuple(ReplicaTarget(server=server.spec()) for server in star.replicas)
    report = check(
        CheckRequest(source=star.source.spec(), replicas=targets, tables=(f"{schema}.*",)), connect=Session.connect, clock=clock
    )
    for name in names:
        assert found_in(of_table(report, star.replicas[1], name)) == {Found("changed", ("4711",), frozenset({"v"}))}
        assert of_table(report, star.replicas[0], name).verdict is Verdict.IDENTICAL
    assert clock.looks < 2 * len(names)
