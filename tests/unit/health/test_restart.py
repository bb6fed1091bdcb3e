"""When a thread may be started again: every kind of error in every state, and never more often than the budget says."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.health.errors_applier import APPLIER_ERRORS
from repwatch.health.errors_catalogue import ErrorClass
from repwatch.health.errors_receiver import RECEIVER_ERRORS
from repwatch.health.incident import Incident, Phase
from repwatch.health.notice import RESTART_PATIENCE, Withheld
from repwatch.health.notice import decide as decide_notice
from repwatch.health.restart import BUDGET, PAUSES, WINDOW, Go, Stay, decide, due, settle
from repwatch.health.restart_told import remembered
from repwatch.health.rules_channel import applier_error, receiver_error
from repwatch.health.skips import recall
from repwatch.health.world import Done, Restarts, World
from repwatch.model.endpoint import Endpoint
from repwatch.model.finding import Finding
from repwatch.model.observation import ChannelObservation, ProbeFailure, ThreadError, ThreadState
from repwatch.model.past import Past
from repwatch.model.restart import ChannelThread, Restart, RestartOutcome
from repwatch.model.risks import Risks
from repwatch.model.server import Flavour
from repwatch.model.settings import Receiver, WebhookReceiver
from repwatch.model.silence import Silence
from repwatch.sql.replication import HOLD_DELAY
from tests.unit.health.worlds import NOW, address, channel, observation, spec, unobserved, world

MY = Flavour.MYSQL
APPLIER, RECEIVER = ChannelThread.APPLIER, ChannelThread.RECEIVER
STOPPED = ThreadState.STOPPED
RISKS = Risks(starts=3, stops=2, uptime=9000)
RAN = {("", APPLIER): 2, ("", RECEIVER): 2}
OPERATOR = Endpoint(address(2), "operator")
HOOK = Receiver(name="oncall", channel=WebhookReceiver(url="http://127.0.0.1:1/"))


def stopped(thread: ChannelThread, errno: int, text: str = "", **changes: Any) -> ChannelObservation:
    """A channel from db1 whose thread this error has stopped."""
    error = ThreadError(errno=errno, text=text)
    at = {"failed_gtid": "u:7", "applied_log": "b.1:70", "source_log": "b.1:90"}
    if thread is APPLIER:
        return channel(MY, 1, **{"applier": STOPPED, "applier_error": error, **at, **changes})
    return channel(MY, 1, **{"receiver": STOPPED, "receiver_error": error, **at, **changes})


def scene(
    broken: ChannelObservation, *done: Done, source: Any = None, seen: Any = None, wanted: Any = None, **changes: Any
) -> World:
    """db1 and its replica db2, which may be restarted, and ran when it was seen last."""
    replica = observation(MY, 2, broken, **{"risks": RISKS, **(seen or {})})
    specs = (spec(1), spec(2, **{"operator": OPERATOR, **(wanted or {})}))
    made = world([source or observation(MY, 1), replica], *specs, restart_transient=True)
    return replace(made, **{"past": {"db2": Past(ran=RAN)}, "restarts": Restarts(done=done), **changes})


def verdict(scene: World, thread: ChannelThread = APPLIER) -> Go | Stay:
    server = scene.servers[1]
    assert server.observation is not None
    return decide(scene, server, server.observation.channels[0], thread)


def before(minutes: float, outcome: RestartOutcome | None = RestartOutcome.STARTED, **changes: Any) -> Done:
    """A restart of db2's applier, at another transaction than that of `stopped`."""
    restart = Restart(
        id=f"r{minutes}",
        cluster="shop",
        server=str(address(2)),
        channel="",
        thread=APPLIER,
        at=NOW - timedelta(minutes=minutes),
        number=1,
        errno=1205,
        transaction="u:1",
        position="b.1:1",
        starts=3,
        stops=2,
        outcome=outcome,
    )
    return Done(replace(restart, **changes), timedelta(minutes=minutes))


def catalogue() -> Iterator[tuple[ChannelThread, int, str, ErrorClass]]:
    """Every number of the catalogue, with a text for each of its entries that has one."""
    texts = {
        "purged": "have been purged", "twin": "same server_uuid", "errant": "has more GTIDs", "packet": "max_allowed_packet",
        "log": "bogus data", "off": "binary log is not open", "id": "misconfigured source", "ids": "equal MySQL server ids",
        "denied": "access denied", "relay": "could not open log file", "queue": "could not queue event", "none": "",
    }  # fmt: skip
    for thread, entries in ((APPLIER, APPLIER_ERRORS), (RECEIVER, RECEIVER_ERRORS)):
        for entry in entries:
            for errno in sorted(entry.errnos - {0}):
                for text in texts.values():
                    yield thread, errno, text, entry.advice.error_class


def test_only_what_passes_by_itself_is_restarted() -> None:
    """The whole catalogue, and what is not in it."""
    passing = {APPLIER: {ErrorClass.TRANSIENT}, RECEIVER: {ErrorClass.TRANSIENT, ErrorClass.NETWORK}}
    allowed: dict[ChannelThread, set[int]] = {APPLIER: set(), RECEIVER: set()}
    refused: dict[ChannelThread, set[int]] = {APPLIER: set(), RECEIVER: set()}
    for thread, errno, text, _ in catalogue():
        found = verdict(scene(stopped(thread, errno, text)), thread)
        assert found in (Go(1), Stay.NOT_TRANSIENT)
        (allowed if isinstance(found, Go) else refused)[thread].add(errno)
    numbers = {
        thread: {n for of, n, _, kind in catalogue() if of is thread and kind in passing[thread]} for thread in ChannelThread
    }
    assert allowed[APPLIER] == numbers[APPLIER] == {1205, 1213, 1614, 1969, 1317, 1927, 3024, 3058, 3572, 3101}
    assert allowed[RECEIVER] == numbers[RECEIVER] - {2026}
    assert allowed[RECEIVER] >= {1743, 13115, 2003, 2013}
    assert {1062, 1032, 1594, 1236, 13114, 1950} & (allowed[APPLIER] | allowed[RECEIVER]) == set()
    assert refused[APPLIER] & allowed[APPLIER] == set()
    assert verdict(scene(stopped(APPLIER, 4711))) is Stay.NOT_TRANSIENT
    assert verdict(scene(stopped(RECEIVER, 1597, "COM_REGISTER_REPLICA failed: Access denied (errno: 1045)")), RECEIVER) is (
        Stay.NOT_TRANSIENT
    )


BAD_STATES: dict[str, tuple[dict[str, Any], dict[str, Any], Stay]] = {
    "a reseed's mark": ({}, {"seen": {"half_loaded": True}}, Stay.HALF_LOADED),
    "a hold": ({"delay": timedelta(seconds=HOLD_DELAY)}, {}, Stay.HELD),
    "a skip counter": ({"skip_pending": 1}, {}, Stay.SKIP_PENDING),
    "a STOP since it ran": ({}, {"seen": {"risks": replace(RISKS, stops=3)}}, Stay.PERSON),
    "counts begun anew": ({}, {"seen": {"risks": Risks(uptime=5)}}, Stay.PERSON),
    "counts not seen": ({}, {"seen": {"risks": None}}, Stay.PERSON),
    "never seen to run": ({}, {"past": {}}, Stay.PERSON),
    "another source": ({"source": address(9), "source_server_id": 9, "source_uuid": "x"}, {}, Stay.OTHER_SOURCE),
    "no history": ({}, {"restarts": None}, Stay.NO_RECORD),
    "not allowed here": ({}, {"wanted": {"restart_transient": False}}, Stay.NOT_ALLOWED),
    "no operator": ({}, {"wanted": {"operator": None}}, Stay.NOT_ALLOWED),
    "a silence": (
        {},
        {"silences": (Silence(target="shop/db2", author="a", reason="r", since=NOW, until=NOW + timedelta(hours=1)),)},
        Stay.SILENCED,
    ),
}


@pytest.mark.parametrize("thread", list(ChannelThread))
@pytest.mark.parametrize("name", BAD_STATES)
@pytest.mark.parametrize("errno", [1205, 1743, 2003, 1062])
def test_nothing_is_started_where_somebody_may_be_at_work(name: str, thread: ChannelThread, errno: int) -> None:
    of_channel, of_scene, why = BAD_STATES[name]
    found = verdict(scene(stopped(thread, errno, **of_channel), **of_scene), thread)
    calm = verdict(scene(stopped(thread, errno)), thread)
    assert found is (why if isinstance(calm, Go) or why is Stay.NOT_ALLOWED else calm)
    assert due(scene(stopped(thread, errno, **of_channel), **of_scene)) == ()


def test_a_thread_that_is_not_stopped_by_an_error_is_left_alone() -> None:
    for changes in ({"applier_error": None}, {"applier": ThreadState.RUNNING}, {"applier": ThreadState.UNKNOWN}):
        assert verdict(scene(stopped(APPLIER, 1205, **changes))) is Stay.NOT_STOPPED
    trying = stopped(RECEIVER, 2003, receiver=ThreadState.CONNECTING)
    assert verdict(scene(trying), RECEIVER) is Stay.NOT_STOPPED
    assert due(world([observation(MY, 1), observation(MY, 2, channel(MY, 1))])) == ()


def test_a_delayed_replica_is_stopped_on_purpose_when_it_matters() -> None:
    late = timedelta(hours=1)
    assert verdict(scene(stopped(APPLIER, 1205, delay=late))) is Stay.DELAYED
    assert verdict(scene(stopped(APPLIER, 1205), wanted={"delay": late})) is Stay.DELAYED
    assert verdict(scene(stopped(RECEIVER, 2003, delay=late)), RECEIVER) == Go(1)


def test_a_receiver_waits_for_its_source() -> None:
    gone = unobserved(ProbeFailure.UNREACHABLE)
    broken = stopped(RECEIVER, 2003)
    away = scene(broken, source=gone)
    away = replace(away, servers=(replace(away.servers[0], last_good=observation(MY, 1)), away.servers[1]))
    assert verdict(away, RECEIVER) is Stay.SOURCE_AWAY
    old = scene(broken, source=observation(MY, 1, at=NOW - timedelta(minutes=1)))
    assert verdict(old, RECEIVER) is Stay.SOURCE_AWAY
    assert verdict(scene(broken), RECEIVER) == Go(1)


def test_the_same_transaction_is_not_tried_twice_however_long_ago() -> None:
    same = stopped(APPLIER, 1213)
    for minutes in (0, 1, 29, 31, 10_000):
        assert verdict(scene(same, before(minutes, transaction="u:7"))) is Stay.SAME_TRANSACTION
    unnamed = replace(same, failed_gtid="")
    assert verdict(scene(unnamed, before(31, transaction="", position="b.1:70"))) is Stay.SAME_TRANSACTION
    assert verdict(scene(unnamed, before(31, transaction="u:7", position="b.1:70"))) is Stay.SAME_TRANSACTION
    assert verdict(scene(unnamed, before(31, transaction="u:7", position="b.1:60"))) == Go(1)
    assert verdict(scene(replace(unnamed, applied_log=""), before(31))) is Stay.SAME_TRANSACTION
    assert verdict(scene(same, before(31, RestartOutcome.UNKNOWN, transaction="u:7"))) is Stay.SAME_TRANSACTION
    assert verdict(scene(same, before(31, thread=RECEIVER, transaction="u:7"))) == Go(1)
    assert verdict(scene(same, before(31, server="10.0.0.3:3306", transaction="u:7"))) == Go(1)
    assert verdict(scene(same, before(31, channel="billing", transaction="u:7"))) == Go(1)
    for outcome in (RestartOutcome.NOT_SENT, RestartOutcome.REFUSED):
        assert verdict(scene(same, before(31, outcome, transaction="u:7"))) == Go(1)
    damaged = stopped(RECEIVER, 1743)
    assert verdict(scene(damaged, before(31, thread=RECEIVER, transaction="", position="b.1:90")), RECEIVER) is (
        Stay.SAME_TRANSACTION
    )
    lost = stopped(RECEIVER, 2003)
    assert verdict(scene(lost, before(31, thread=RECEIVER, transaction="", position="b.1:90")), RECEIVER) == Go(1)


def test_the_pauses_grow_and_the_budget_ends() -> None:
    broken = stopped(APPLIER, 1205)
    assert verdict(scene(broken, before(0.9))) is Stay.PAUSE
    assert verdict(scene(broken, before(1))) == Go(2)
    assert verdict(scene(broken, before(4.9), before(8))) is Stay.PAUSE
    assert verdict(scene(broken, before(5), before(8))) == Go(3)
    assert verdict(scene(broken, before(6), before(12), before(29.9))) is Stay.BUDGET
    assert verdict(scene(broken, before(6), before(12), before(30))) == Go(3)
    other = before(1, thread=RECEIVER)
    assert verdict(scene(broken, before(6), before(12), other)) is Stay.BUDGET  # it is one for the channel
    assert verdict(scene(broken, before(5, None))) is Stay.UNSETTLED


def test_an_intention_is_settled_by_a_look_at_the_server() -> None:
    intended = before(1, None).restart
    broken = stopped(APPLIER, 1205)

    def found(**seen: Any) -> RestartOutcome | None:
        return settle(intended, scene(broken, seen=seen)).outcome

    assert found() is RestartOutcome.NOT_SENT
    assert found(risks=replace(RISKS, starts=4)) is RestartOutcome.UNKNOWN
    assert found(risks=replace(RISKS, uptime=59)) is RestartOutcome.UNKNOWN  # the server has been restarted since
    assert found(risks=None) is RestartOutcome.UNKNOWN
    blind = world([observation(MY, 1), unobserved(ProbeFailure.TIMED_OUT)])
    assert settle(intended, blind).outcome is None
    done = replace(intended, outcome=RestartOutcome.REFUSED)
    assert settle(done, scene(broken)) is done


def test_an_intention_that_came_to_nothing_has_seen_that_no_person_stopped_it() -> None:
    broken = stopped(APPLIER, 1205)
    unsent = before(2, RestartOutcome.NOT_SENT)
    assert verdict(scene(broken, unsent, past={})) == Go(2)
    assert verdict(scene(broken, unsent, past={}, seen={"risks": replace(RISKS, stops=3)})) is Stay.PERSON
    assert verdict(scene(broken, unsent, past={}, seen={"risks": replace(RISKS, starts=4)})) is Stay.PERSON
    assert verdict(scene(broken, before(2, RestartOutcome.UNKNOWN), past={})) is Stay.PERSON


def looks(*steps: tuple[ThreadState, int, int, str]) -> Past | None:
    """db2's past after looks at its applier: state, starts, stops, what the thread does."""
    past: dict[str, Past] = {}
    for number, (state, starts, stops, text) in enumerate(steps):
        seen = observation(
            MY, 2, channel(MY, 1, applier=state, applier_text=text), at=NOW + timedelta(seconds=5 * number),
            risks=Risks(starts=starts, stops=stops, uptime=100 + 5 * number),
        )  # fmt: skip
        past = dict(recall(past, world([observation(MY, 1), seen])))
    return past.get("db2")


@pytest.mark.parametrize(
    ("steps", "ran"),
    [
        ([(ThreadState.RUNNING, 1, 0, "")], 0),
        ([(STOPPED, 1, 0, "")], None),
        ([(ThreadState.RUNNING, 1, 0, ""), (STOPPED, 1, 1, "")], 0),
        # A STOP that waits for a row: counted, and the applier still runs.
        ([(ThreadState.RUNNING, 1, 0, ""), (ThreadState.RUNNING, 1, 1, "Waiting for workers to exit"), (STOPPED, 1, 1, "")], 0),
        ([(ThreadState.RUNNING, 1, 1, "Waiting for workers to exit"), (STOPPED, 1, 1, "")], None),
        ([(ThreadState.RUNNING, 1, 0, ""), (STOPPED, 1, 1, ""), (ThreadState.RUNNING, 2, 1, "")], 1),
        ([(ThreadState.RUNNING, 1, 0, ""), (ThreadState.RUNNING, 2, 1, "")], 1),  # stopped and started in between
        ([(ThreadState.RUNNING, 1, 0, ""), (STOPPED, 1, 0, ""), (STOPPED, 2, 0, "")], 0),  # our own START did not help
    ],
)
def test_the_stops_are_counted_from_the_first_look_at_which_it_ran(
    steps: list[tuple[ThreadState, int, int, str]], ran: int | None
) -> None:
    past = looks(*steps)
    assert past is not None
    assert past.ran.get(("", APPLIER)) == ran


def test_a_server_that_was_restarted_counts_anew() -> None:
    first = observation(MY, 2, channel(MY, 1), risks=Risks(starts=1, stops=4, uptime=100))
    past = recall({}, world([observation(MY, 1), first]))
    later = observation(
        MY, 2, channel(MY, 1, applier=STOPPED), at=NOW + timedelta(seconds=5), risks=Risks(starts=1, stops=4, uptime=2)
    )
    assert recall(past, world([observation(MY, 1), later]))["db2"].ran.get(("", APPLIER)) is None


@given(
    st.lists(
        st.tuples(st.floats(0, 1200), st.floats(-7200, 7200), st.booleans(), st.sampled_from(list(RestartOutcome))), max_size=40
    )
)
def test_no_half_hour_has_more_than_the_budget(steps: list[tuple[float, float, bool, RestartOutcome]]) -> None:
    """Time passes, the clock on the wall jumps, the service is started anew: each time it goes ahead whenever it may."""
    steady, wall = 0.0, NOW
    done: list[tuple[Restart, float | None]] = []  # with the steady time, as long as the process lives
    sent: list[tuple[float, datetime, int]] = []  # steady, wall, which life of the service
    life = 0
    for number, (passes, jump, anew, outcome) in enumerate(steps):
        steady += passes
        wall += timedelta(seconds=passes)
        if anew:
            life += 1
            done = [(restart, None) for restart, _ in done]
        elif number % 3 == 0:
            wall += timedelta(seconds=jump)
        ages = [
            Done(r, min(abs(wall - r.at), timedelta(seconds=steady - begun)) if begun is not None else abs(wall - r.at))
            for r, begun in done
        ]
        found = verdict(scene(stopped(APPLIER, 1205, failed_gtid=f"u:{number + 100}"), *ages))
        if isinstance(found, Go):
            assert found.number <= BUDGET
            restart = replace(before(0, outcome).restart, id=str(number), at=wall, transaction=f"u:{number + 100}")
            done.append((restart, steady))
            sent.append((steady, wall, life))
    half = WINDOW.total_seconds()
    for at, on_wall, lived in sent:
        assert sum(0 <= other - at < half for other, _, life_of in sent if life_of == lived) <= BUDGET
        assert sum(timedelta(0) <= other - on_wall < WINDOW for _, other, _ in sent) <= BUDGET


def finding(made: World, thread: ChannelThread = APPLIER) -> Finding:
    (found,) = (applier_error if thread is APPLIER else receiver_error)(made)
    return found


def test_the_first_restart_is_nobodys_news_for_a_while() -> None:
    found = finding(scene(stopped(APPLIER, 1205)))
    assert found.being_restarted
    assert found.evidence["restart"] == "due"
    incident = Incident(id="i", finding=found, since=NOW, phase=Phase.OPEN)
    late = NOW + RESTART_PATIENCE
    assert decide_notice(incident, [HOOK], None, NOW) is Withheld.RESTARTING
    assert not isinstance(decide_notice(incident, [HOOK], None, late), Withheld)
    assert not isinstance(decide_notice(incident, [HOOK], None, NOW - timedelta(hours=1)), Withheld)  # the clock was set back
    assert decide_notice(replace(incident, good_polls=1), [HOOK], None, late) is Withheld.RESTARTING
    known = replace(incident, told=(incident.fingerprint,), told_to=(HOOK.id,))
    assert decide_notice(known, [HOOK], None, NOW) is Withheld.UNCHANGED


@pytest.mark.parametrize(
    ("done", "restart"),
    [
        ((before(2, transaction="u:7"),), "same-transaction"),
        ((before(0.5),), "pause"),
        ((before(2),), "due"),
        ((before(6), before(12), before(18, number=3)), "budget"),
        ((before(2, None),), "unsettled"),
    ],
)
def test_from_the_second_on_people_are_told_at_once_and_of_what_was_tried(done: tuple[Done, ...], restart: str) -> None:
    found = finding(scene(stopped(APPLIER, 1205), *done))
    assert not found.being_restarted
    assert found.evidence["restart"] == restart
    assert found.evidence["restarted"] == f"{done[0].restart.number} of {BUDGET}"
    assert found.evidence["last_restart"]
    plain = finding(scene(stopped(APPLIER, 1205), restarts=None))
    assert plain.summary in found.summary
    assert found.summary != plain.summary


def test_where_nothing_may_be_started_nothing_is_said_of_it() -> None:
    for made in (
        scene(stopped(APPLIER, 1205), wanted={"restart_transient": False}),
        scene(stopped(APPLIER, 1062)),
        scene(stopped(APPLIER, 1205), restarts=None),
    ):
        found = finding(made)
        assert not found.being_restarted
        assert not [name for name in found.evidence if "restart" in name]


def test_a_start_that_was_not_taken_is_no_restart() -> None:
    found = finding(scene(stopped(APPLIER, 1205), before(2, RestartOutcome.REFUSED, text="no")))
    assert "restarted" not in found.evidence
    assert "no" in found.evidence["restart_failed"]
    problem = Restarts(problems={(str(address(2)), ""): "it cannot log in"})
    assert finding(scene(stopped(APPLIER, 1205), restarts=problem)).evidence["restart_problem"] == "it cannot log in"


def test_an_incident_remembers_what_helped() -> None:
    healthy = channel(MY, 1)
    broken = finding(scene(stopped(APPLIER, 1205)))
    incident = Incident(id="i", finding=broken, since=NOW - timedelta(minutes=1), phase=Phase.OPEN)
    (once,) = remembered([incident], scene(healthy, before(0.5)))
    assert once.finding.evidence["restarted"] == f"1 of {BUDGET}"
    assert remembered([once], scene(healthy, before(0.5))) == (once,)
    (twice,) = remembered([once], scene(healthy, before(0.5), before(0.2, number=2)))
    assert twice.finding.evidence["restarted"] == f"2 of {BUDGET}"
    assert len(twice.finding.summary) == len(once.finding.summary)
    for other in (before(2), before(0.5, channel="x"), before(0.5, thread=RECEIVER), before(0.5, server="10.0.0.3:3306")):
        assert remembered([incident], scene(healthy, other)) == (incident,)
    assert remembered([incident], scene(healthy, restarts=None)) == (incident,)


def test_there_is_a_pause_for_each_restart() -> None:
    assert len(PAUSES) == BUDGET
    assert list(PAUSES) == sorted(PAUSES)
