"""What moves and what stands still, over looks made by hand."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.health.causes import causes
from repwatch.health.lag import true_lag
from repwatch.health.movement import Movement, Progress, follow
from repwatch.health.progress import GRACE, remember
from repwatch.health.rules import diagnose
from repwatch.health.rules_progress import OWED
from repwatch.health.world import World
from repwatch.model.backlog import has_work
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.observation import (
    ChannelObservation,
    LagQuality,
    Observation,
    ProbeFailure,
    Pulse,
    ThreadState,
    ThreadWait,
    Unobserved,
)
from repwatch.model.server import Flavour
from tests.unit.health.worlds import NOW, channel, observation, unobserved, uuid, world

MY, MA = Flavour.MYSQL, Flavour.MARIADB
FLAVOURS = pytest.mark.parametrize("flavour", list(Flavour))
PERIOD = timedelta(seconds=30)
STALLED = ("db2", "receiver-stalled")


def at(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def gtids(flavour: Flavour, last: int) -> str:
    return f"{uuid(flavour, 1)}:1-{last}" if flavour is MY else f"0-1-{last}"


class Story:
    """A source and two replicas that are looked at again and again."""

    def __init__(self, flavour: Flavour) -> None:
        self.flavour = flavour
        self.progress = Progress()
        self.poll_interval = timedelta(minutes=30)  # looks may be as far apart as a test likes
        self.last: dict[str, Observation] = {}
        self.world: World = world([])

    def look(
        self,
        seconds: float,
        *,
        written: int | None = 9,
        received: int = 9,
        heartbeats: int | None = 4,
        other: int = 4,
        **changes: Any,
    ) -> list[tuple[str, str]]:
        """A look so many seconds after NOW; `written` None: the source does not answer. Who is found to have what."""
        moment = NOW + at(seconds)
        pulse = Pulse(heartbeats=heartbeats, period=PERIOD)
        executed = changes.pop("executed", received)
        own = {"gtid_received": gtids(self.flavour, received), "gtid_executed": gtids(self.flavour, executed), "pulse": pulse}
        one = channel(self.flavour, 1, **(own | changes))
        two = replace(channel(self.flavour, 1, **own), pulse=replace(pulse, heartbeats=other))
        source = (
            unobserved(ProbeFailure.TIMED_OUT, at=moment)
            if written is None
            else observation(self.flavour, 1, gtid_executed=gtids(self.flavour, written), at=moment)
        )
        seen = [observation(self.flavour, n, c, at=moment, gtid_executed=one.gtid_executed) for n, c in ((2, one), (3, two))]
        return self.see([source, *seen], moment - NOW)

    def see(self, results: Iterable[Observation | Unobserved], moment: timedelta) -> list[tuple[str, str]]:
        made = world(results, poll_interval=self.poll_interval)
        servers = tuple(replace(s, last_good=s.observation or self.last.get(s.spec.label)) for s in made.servers)
        self.last = {s.spec.label: s.last_good for s in servers if s.last_good}
        made = replace(made, servers=servers, now=NOW + moment, progress=self.progress)
        self.progress = remember(made)
        self.world = replace(made, progress=self.progress)
        self.findings: dict[tuple[str, str], Finding] = {
            (f.subject.server.removesuffix(":3306").replace("10.0.0.", "db"), f.subject.code.value): f
            for f in diagnose(self.world)
        }
        return sorted(self.findings)


@FLAVOURS
def test_two_heartbeats_overdue_are_a_stall_and_one_is_not(flavour: Flavour) -> None:
    story = Story(flavour)
    assert story.look(0, other=1) == []
    limit = (2 * PERIOD + GRACE).total_seconds()
    assert story.look(limit, other=2) == []
    assert story.look(limit + 1, other=3) == [STALLED]
    assert story.findings[STALLED].severity is Severity.CRITICAL
    assert story.look(limit + 2, other=3, heartbeats=5) == []


@FLAVOURS
@pytest.mark.parametrize(
    "moves",
    [{"received": 10}, {"source_log": "b.2:7"}, {"heartbeats": 5}],
    ids=lambda moves: next(iter(moves)),
)
def test_whatever_arrives_is_movement(flavour: Flavour, moves: dict[str, Any]) -> None:
    story = Story(flavour)
    story.look(0)
    story.look(60, other=5, **moves)
    assert story.look(70, other=6, **moves) == []


@FLAVOURS
def test_what_the_source_wrote_and_the_receiver_does_not_take(flavour: Flavour) -> None:
    story = Story(flavour)
    story.look(0)
    assert story.look(5, written=10, other=5) == []
    assert story.look(5 + OWED.total_seconds() - 1, written=12, other=6) == []
    assert story.look(5 + OWED.total_seconds(), written=13, other=7) == [STALLED]
    assert "unreceived_since" in story.findings[STALLED].evidence
    assert story.look(25, written=14, received=11, other=8) == []  # it is late, and it moves
    assert story.look(25 + OWED.total_seconds() - 1, written=15, received=11, other=9) == []


def test_writes_of_the_replica_s_own_do_not_hide_what_the_receiver_does_not_take() -> None:
    """On MariaDB they have the next numbers of the domain: larger ones than what the source writes meanwhile."""
    story = Story(MA)

    def look(seconds: float, written: int) -> list[tuple[str, str]]:
        moment = NOW + at(seconds)
        feed = channel(MA, 1, gtid_received="0-1-9", gtid_executed="0-1-9", pulse=Pulse(heartbeats=4, period=PERIOD))
        own = {"gtid_executed": "0-2-50", "gtid_binlog": "0-2-50", "gtid_logged": "0-1-9,0-2-50"}
        source = observation(MA, 1, gtid_executed=gtids(MA, written), at=moment)
        found = story.see([source, observation(MA, 2, feed, at=moment, **own)], at(seconds))
        return [each for each in found if each == STALLED]

    assert look(0, 9) == []
    assert look(5, 12) == []
    assert look(5 + OWED.total_seconds(), 13) == [STALLED]


@FLAVOURS
def test_an_old_gap_of_a_quiet_source_is_no_stall(flavour: Flavour) -> None:
    story = Story(flavour)
    for seconds in (0, 20, 40, 60):  # as where the replica leaves out a domain, or filters
        assert story.look(seconds, written=12, received=9, other=seconds) == []


@FLAVOURS
@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_pause_of_the_looks_or_a_jump_of_the_clock_is_no_stillness(flavour: Flavour, jump: int) -> None:
    story = Story(flavour)
    story.poll_interval = timedelta(seconds=5)
    for seconds in (0, 5, 10):
        assert story.look(seconds, written=9 + bool(seconds), other=seconds) == []
    assert story.look(jump, written=11, other=jump) == []
    assert story.look(jump + 5, written=12, other=jump + 5) == [STALLED]  # 15 seconds in all, that were looked at


@FLAVOURS
def test_a_clock_that_was_set_back_does_not_end_the_watch(flavour: Flavour) -> None:
    story = Story(flavour)
    story.poll_interval = timedelta(seconds=5)
    story.look(0)
    for seconds in range(-7200, -7110, 5):
        found = story.look(seconds, other=seconds)
    assert found == [STALLED]


@FLAVOURS
@pytest.mark.parametrize(
    "changes",
    [
        {"pulse": Pulse()},
        {"pulse": Pulse(heartbeats=0)},
        {"receiver_wait": ThreadWait.RELAY_SPACE},
    ],
    ids=["no pulse", "no heartbeats", "no room"],
)
def test_silence_that_proves_nothing(flavour: Flavour, changes: dict[str, Any]) -> None:
    story = Story(flavour)
    for seconds in (0, 100, 200):
        assert STALLED not in story.look(seconds, other=seconds, **changes)


@FLAVOURS
def test_a_frozen_source_explains_its_silent_replicas(flavour: Flavour) -> None:
    story = Story(flavour)
    story.look(0)
    assert story.look(5, written=None) == [("db1", "server-unreachable")]
    assert story.findings["db1", "server-unreachable"].severity is Severity.CRITICAL
    limit = (PERIOD + GRACE).total_seconds()
    assert story.look(limit, written=None) == [("db1", "server-unreachable")]
    assert story.look(limit + 1, written=None) == [("db1", "server-unreachable"), STALLED, ("db3", "receiver-stalled")]
    stalled = story.findings[STALLED]
    assert (stalled.severity, stalled.evidence["cause"]) == (Severity.WARNING, "server-unreachable")
    assert causes(story.world, story.findings.values())[stalled.subject].code is FindingCode.SERVER_UNREACHABLE


@FLAVOURS
def test_a_source_is_alive_while_a_replica_receives_from_it(flavour: Flavour) -> None:
    story = Story(flavour)
    source = ("db1", "server-unreachable")
    story.look(0)
    story.look(5, written=None, other=5)  # moved, but perhaps before the source fell silent
    assert story.findings[source].severity is Severity.CRITICAL
    story.look(10, written=None, other=6)
    assert story.findings[source].severity is Severity.WARNING
    assert story.findings[source].evidence["replicas_progress"].startswith("db3 ")
    limit = (PERIOD + GRACE).total_seconds()
    assert story.look(10 + limit, written=None, other=6) == [source]
    assert story.look(11 + limit, written=None, other=6) == [source, STALLED, ("db3", "receiver-stalled")]
    assert story.findings[source].severity is Severity.CRITICAL  # db3 is silent, too, by now
    story.look(15 + limit)
    story.look(20 + limit, written=None, heartbeats=7)
    assert story.findings[source].severity is Severity.CRITICAL  # another outage


@FLAVOURS
def test_a_replica_that_cannot_connect_is_not_explained_by_a_living_source(flavour: Flavour) -> None:
    story = Story(flavour)
    story.look(0)
    lost: dict[str, Any] = {"receiver": ThreadState.CONNECTING}
    story.look(5, written=None, other=5, **lost)
    retrying = ("db2", "receiver-retrying")
    assert "cause" in story.findings[retrying].evidence
    story.look(10, written=None, other=6, **lost)
    assert "cause" not in story.findings[retrying].evidence
    assert story.findings[retrying].severity is Severity.CRITICAL
    assert story.findings[retrying].subject not in causes(story.world, story.findings.values())


@FLAVOURS
def test_lag_is_exact_while_what_the_source_had_arrives(flavour: Flavour) -> None:
    story = Story(flavour)

    def quality() -> LagQuality:
        seen = story.world.servers[1]
        assert seen.observation
        return true_lag(story.world, seen, seen.observation.channels[0]).quality

    story.look(0, written=9, received=9)
    assert quality() is LagQuality.EXACT
    story.look(5, written=12, received=11)  # the source is asked a moment later
    assert quality() is LagQuality.EXACT
    story.look(10, written=20, received=12)
    assert quality() is LagQuality.EXACT
    story.look(15, written=30, received=15)  # a slow line: it moves, and does not keep up
    assert quality() is LagQuality.LOWER_BOUND


MARKS = st.lists(st.tuples(st.integers(1, 50), st.sampled_from("ab")), min_size=1, max_size=12)


@given(MARKS)
def test_movement_is_between_two_looks(steps: list[tuple[int, str]]) -> None:
    known: Movement | None = None
    moment, seen = NOW, []
    for pause, mark in steps:
        moment += timedelta(seconds=pause)
        seen.append((moment, mark))
        known = follow(known, mark, moment, timedelta(seconds=30))
        assert known.mark == mark
        assert known.looked == moment
        assert all(m == mark for when, m in seen if when >= known.since)
        times = [when for when, _ in seen if when >= known.since]
        assert known.still == sum((b - a for a, b in pairwise(times) if b - a <= timedelta(seconds=30)), timedelta(0))
        earlier = [(when, m) for when, m in seen if when < known.since]
        assert (known.before is None) == (not earlier)
        if earlier:
            assert known.before == earlier[-1][0]
            assert earlier[-1][1] != mark


@pytest.mark.parametrize(
    ("received", "executed", "logs", "work"),
    [
        ("0-1-9", "0-1-9", ("", ""), False),
        ("0-1-9", "0-1-8", ("", ""), True),
        ("0-1-9", "0-1-8,5-7-1", ("", ""), True),
        ("0-1-9", "0-1-9,5-7-1", ("", ""), False),
        ("", "0-1-9", ("b.1:4", "b.1:4"), False),
        ("", "0-1-9", ("b.1:9", "b.1:4"), True),
        ("", "", ("", ""), False),
        ("soon", "0-1-1", ("", ""), False),
    ],
)
def test_work_is_what_is_received_and_not_applied(received: str, executed: str, logs: tuple[str, str], work: bool) -> None:
    made: ChannelObservation = channel(
        MA, 1, gtid_received=received, gtid_executed=executed, source_log=logs[0], applied_log=logs[1]
    )
    assert has_work(MA, made) is work


@FLAVOURS
@given(st.lists(st.tuples(st.integers(1, 40), st.booleans(), st.booleans(), st.integers(0, 3)), max_size=12))
def test_who_receives_is_never_called_stalled(flavour: Flavour, steps: list[tuple[int, bool, bool, int]]) -> None:
    """Whatever the source does: a receiver that moved at this look or less than OWED ago is not stalled."""
    story, moment, written, beats, moved = Story(flavour), 0, 9, 0, 0
    received = 9
    for pause, answers, receives, writes in steps:
        moment += pause
        written += writes
        if receives:
            beats, received, moved = beats + 1, written, moment
        found = story.look(moment, written=written if answers else None, received=received, heartbeats=beats, other=moment)
        if moment - moved < OWED.total_seconds():
            assert STALLED not in found
