"""Replicas that one source refuses for one reason are one event."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from repwatch.health.causes import causes
from repwatch.health.incident import Incident, Phase
from repwatch.health.rules import diagnose
from repwatch.health.world import World
from repwatch.model.finding import FindingCode, Subject
from repwatch.model.observation import Observation, ProbeFailure, ThreadError, ThreadState
from repwatch.model.server import Flavour
from repwatch.model.silence import Silence
from tests.unit.health.worlds import NOW, address, channel, observation, star, unobserved, world

FLAVOUR = Flavour.MYSQL
LOGIN, FULL = 1045, 1040


def replica(number: int, errno: int = LOGIN, source: int = 1, state: ThreadState = ThreadState.CONNECTING) -> Observation:
    """Its source does not let it in."""
    refused = channel(FLAVOUR, source, receiver=state, receiver_error=ThreadError(errno=errno, text="no"))
    return observation(FLAVOUR, number, refused)


def subject(number: int, code: FindingCode = FindingCode.RECEIVER_RETRYING) -> Subject:
    return Subject("shop", str(address(number)), "", code)


def explained(made: World, incidents: Sequence[Incident] = ()) -> Mapping[Subject, Subject]:
    """What explains the refusals."""
    found = causes(made, diagnose(made), incidents)
    receivers = (FindingCode.RECEIVER_RETRYING, FindingCode.RECEIVER_ERROR)
    return {each: cause for each, cause in found.items() if each.code in receivers}


def incident(made: World, about: Subject, minutes: int, *told_to: str) -> Incident:
    """It began so long ago."""
    finding = next(each for each in diagnose(made) if each.subject == about)
    return Incident(id=about.key, finding=finding, since=NOW - timedelta(minutes=minutes), phase=Phase.OPEN, told_to=told_to)


@pytest.mark.parametrize("errno", [LOGIN, FULL, 1226])
def test_the_first_explains_the_others(errno: int) -> None:
    made = world([star(FLAVOUR)[0], *(replica(number, errno) for number in (2, 3, 4))])
    assert explained(made) == {subject(3): subject(2), subject(4): subject(2)}


def test_one_that_has_given_up_is_refused_as_well() -> None:
    made = world([star(FLAVOUR)[0], replica(2), replica(3, state=ThreadState.STOPPED)])
    assert explained(made) == {subject(2): subject(3, FindingCode.RECEIVER_ERROR)}


@pytest.mark.parametrize("other", [replica(3, errno=FULL), replica(3, errno=1236), star(FLAVOUR)[2]])
def test_another_error_is_another_event(other: Observation) -> None:
    assert explained(world([star(FLAVOUR)[0], replica(2), other])) == {}


def test_another_source_is_another_event() -> None:
    made = world([star(FLAVOUR)[0], replica(2), star(FLAVOUR)[2], replica(4, source=3)])
    assert explained(made) == {}


def test_who_was_told_of_first_remains_the_first() -> None:
    made = world([star(FLAVOUR)[0], *map(replica, (2, 3, 4))])
    since = [incident(made, subject(3), 2), incident(made, subject(4), 1)]
    assert explained(made, since) == {subject(2): subject(3), subject(4): subject(3)}
    told = [since[0], replace(since[1], told_to=("oncall",))]
    assert explained(made, told) == {subject(2): subject(4), subject(3): subject(4)}


def test_what_is_silenced_keeps_back_no_other() -> None:
    silence = Silence(target="shop/db2", author="a", reason="r", since=NOW, until=NOW + timedelta(hours=1))
    made = replace(world([star(FLAVOUR)[0], *map(replica, (2, 3, 4))]), silences=(silence,))
    assert explained(made) == {subject(2): subject(3), subject(4): subject(3)}


def test_a_source_that_lets_repwatch_in_no_more_than_its_replicas_is_the_cause() -> None:
    refused = unobserved(ProbeFailure.LOGIN_REFUSED, errno=FULL)
    made = world([refused, replica(2, FULL), replica(3, FULL)])
    source = subject(1, FindingCode.LOGIN_REFUSED)
    assert explained(made) == {subject(2): source, subject(3): source}
    # repwatch's own account is another one than the replicas'.
    made = world([replace(refused, errno=LOGIN), replica(2), replica(3)])
    assert explained(made) == {subject(3): subject(2)}
