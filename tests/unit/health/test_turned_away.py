"""A replica that its source lets in and throws out: when it has a twin that nobody knows, and for how long that is said."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from repwatch.health.causes import causes
from repwatch.health.movement import Progress
from repwatch.health.progress import remember
from repwatch.health.rules import diagnose
from repwatch.health.turned_away import REMEMBERED
from repwatch.health.world import World
from repwatch.model.finding import FindingCode, Subject
from repwatch.model.observation import Observation, ProbeFailure, ThreadError, ThreadState, Unobserved
from repwatch.model.risks import Risks
from repwatch.model.server import Flavour
from tests.unit.health.worlds import NOW, channel, observation, star, unobserved, world

MA = Flavour.MARIADB
SOURCE, FINE, OTHER = star(MA)
OUT: dict[str, Any] = {"receiver": ThreadState.CONNECTING, "cut_off": True}
THROWN_OUT = replace(FINE, channels=(channel(MA, 1, **OUT),))
TWIN = FindingCode.DUPLICATE_SERVER_ID
RETRYING = FindingCode.RECEIVER_RETRYING


def after(*looks: tuple[float, Observation], others: Sequence[Observation | Unobserved] = (SOURCE,)) -> World:
    """The world after these looks at db2, so many seconds from now."""
    progress = Progress()
    for seconds, seen in looks:
        at = NOW + timedelta(seconds=seconds)
        results = (replace(each, at=at) for each in (others[0], seen, *others[1:]))
        made = replace(world(results), progress=progress, now=at)
        progress = remember(made)
        made = replace(made, progress=progress)
    return made


def twins(made: World) -> list[Subject]:
    return [each.subject for each in diagnose(made) if each.subject.code is TWIN]


def test_it_is_said_and_explains_that_it_connects_anew() -> None:
    made = after((0, THROWN_OUT))
    (twin,) = twins(made)
    found = diagnose(made)
    (retrying,) = [each.subject for each in found if each.subject.code is RETRYING]
    assert (twin.server, causes(made, found)[retrying]) == ("10.0.0.2:3306", twin)


@pytest.mark.parametrize(
    "changes",
    [
        {"cut_off": False},
        {"receiver": ThreadState.RUNNING},
        {"receiver_error": ThreadError(errno=2003, text="Can't connect")},
    ],
)
def test_what_else_makes_it_connect_anew_is_none(changes: dict[str, Any]) -> None:
    assert not twins(after((0, replace(FINE, channels=(channel(MA, 1, **(OUT | changes)),)))))


def test_mysql_says_it_itself() -> None:
    source, replica, _ = star(Flavour.MYSQL)
    made = after((0, replace(replica, channels=(channel(Flavour.MYSQL, 1, **OUT),))), others=(source,))
    assert not twins(made)


def test_a_source_that_does_not_answer_is_cause_enough() -> None:
    assert not twins(after((0, THROWN_OUT), others=(unobserved(ProbeFailure.UNREACHABLE),)))


@pytest.mark.parametrize(("times", "said"), [(1, False), (2, True)])
def test_while_it_has_its_turn(times: int, said: bool) -> None:
    """Once may be a connection that somebody has ended."""
    out = [(5.0 * number, THROWN_OUT) for number in range(times)]
    assert bool(twins(after(*out, (60, FINE)))) is said


def test_it_is_over_when_the_other_one_is_gone_for_some_time() -> None:
    out, last = [(0.0, THROWN_OUT), (5.0, THROWN_OUT)], REMEMBERED.total_seconds()
    assert twins(after(*out, (last, FINE)))
    assert not twins(after(*out, (last + 5, FINE)))


@pytest.mark.parametrize("change", [{"risks": Risks(starts=2)}, {"server_id": 77}])
def test_it_is_over_when_the_replica_was_changed(change: dict[str, Any]) -> None:
    out = replace(THROWN_OUT, risks=Risks(starts=1))
    fine = replace(FINE, risks=Risks(starts=1))
    assert twins(after((0, out), (5, out), (10, fine)))
    assert not twins(after((0, out), (5, out), (10, replace(fine, **change))))


def test_one_that_is_known_is_named() -> None:
    same_id = replace(OTHER, server_id=THROWN_OUT.server_id, channels=(channel(MA, 1, **OUT),))
    made = after((0, THROWN_OUT), others=(SOURCE, same_id))
    (found,) = [each for each in diagnose(made) if each.subject.code is TWIN]
    assert (found.subject.server, found.evidence["same_as"]) == ("10.0.0.3:3306", "10.0.0.2:3306")
    servers = made.servers
    dark = replace(made, servers=(*servers[:2], replace(servers[2], result=unobserved(ProbeFailure.UNREACHABLE))))
    assert not twins(dark)


def test_of_several_channels_it_is_said_once() -> None:
    both = observation(MA, 2, channel(MA, 1, name="a", **OUT), channel(MA, 9, name="b", **OUT))
    assert len(twins(after((0, both)))) == 1
