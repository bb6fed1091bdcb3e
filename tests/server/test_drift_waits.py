"""On a source that stands still a difference is proved by one wait at the most, and by none while there is more to read."""

import time
from dataclasses import dataclass, field

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.drift.report import Verdict
from repwatch.drift.resume import PieceRecord
from repwatch.drift.verdict import STILL_MARGIN_DRIFT
from repwatch.flows.drift import CheckRequest, check
from repwatch.flows.drift_settle import HOT_ROWS
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.check_journal import NoJournal
from repwatch.sandbox import Sandbox
from tests.server.drifting import drift_on, fill, of_table

ROWS = 1_000
SMALL_TABLES = 15
LEAP = 0.25
SHORT = 0.1  # seconds; shorter waits are for answers


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


@dataclass
class SlowJournal(NoJournal):
    """Each piece takes a while until it is written down."""

    clock: LeapingClock
    seconds: float

    def append(self, record: PieceRecord) -> None:
        """Let time pass."""
        self.clock.ahead += self.seconds


def waits_of(star: Sandbox, schema: str, wrong: int) -> list[float]:
    """The waits of a check that meets wrong rows too soon to prove anything by standing still, and reads on for a while."""
    names = ["t", *(f"u{number}" for number in range(SMALL_TABLES))]
    star.source.sql(*(f"CREATE TABLE {schema}.{name} (id INT PRIMARY KEY, v INT)" for name in names))
    fill(star.source, f"{schema}.t", [f"({number}, 0)" for number in range(ROWS)], ROWS)
    star.wait_caught_up(60)
    drift_on(star.replicas[1], f"UPDATE {schema}.t SET v = 1 WHERE id < {wrong}")
    clock = LeapingClock()
    targets = tuple(ReplicaTarget(server=server.spec()) for server in star.replicas)
    request = CheckRequest(source=star.source.spec(), replicas=targets, tables=(f"{schema}.*",))
    report = check(request, connect=Session.connect, clock=clock, journal=SlowJournal(clock, LEAP))
    found = of_table(report, star.replicas[1], "t")
    assert (found.verdict, found.difference_count) == (Verdict.DRIFTED, wrong)
    assert of_table(report, star.replicas[0], "t").verdict is Verdict.IDENTICAL
    return clock.waits


def test_the_proof_of_a_few_rows_runs_beside_the_rest_of_the_scan(star: Sandbox, schema: str) -> None:
    assert not waits_of(star, schema, 10)


def test_many_rows_take_one_wait_behind_it(star: Sandbox, schema: str) -> None:
    waits = waits_of(star, schema, HOT_ROWS + 10)
    assert len(waits) <= 1
    assert sum(waits) < STILL_MARGIN_DRIFT + SHORT
