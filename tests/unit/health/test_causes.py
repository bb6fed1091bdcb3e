"""Which finding explains which."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from repwatch.health.causes import causes
from repwatch.health.rules import diagnose
from repwatch.health.world import World
from repwatch.model.finding import Finding, FindingCode, Subject
from repwatch.model.observation import Lag, LagBasis, ProbeFailure, ThreadError, ThreadState
from repwatch.model.server import Flavour
from tests.unit.health.worlds import channel, observation, spec, star, unobserved, world


@pytest.mark.parametrize("flavour", list(Flavour))
def test_a_reseed_explains_what_it_does_to_its_replica_and_nothing_else(flavour: Flavour) -> None:
    source = star(flavour)[0]
    stopped = channel(flavour, 1, receiver=ThreadState.STOPPED, applier=ThreadState.STOPPED)
    elsewhere = observation(flavour, 3, channel(flavour, 1, applier=ThreadState.STOPPED))
    made = world([source, observation(flavour, 2, stopped, half_loaded=True, read_only=False), elsewhere])
    findings = diagnose(made)
    explained = causes(made, findings)
    there = {each.subject.code: explained.get(each.subject) for each in findings if each.subject.server == "10.0.0.2:3306"}
    assert FindingCode.HALF_LOADED in there
    assert there.pop(FindingCode.HALF_LOADED) is None
    assert {code for code, cause in there.items() if cause and cause.code is FindingCode.HALF_LOADED} == {
        FindingCode.APPLIER_STOPPED,
        FindingCode.RECEIVER_STOPPED,
        FindingCode.REPLICA_WRITABLE,
    }
    remedies = {each.remedy for each in findings if each.subject.code in there and each.subject.server == "10.0.0.2:3306"}
    assert len(remedies) == 1  # none of them says to start what the reseed has stopped
    assert all(cause.server == subject.server for subject, cause in explained.items())


def test_an_error_of_the_applier_is_not_explained_by_a_reseed() -> None:
    source, _, other = star(Flavour.MYSQL)
    broken = channel(
        Flavour.MYSQL, 1, applier=ThreadState.STOPPED, applier_error=ThreadError(errno=1062, text="Duplicate entry '1'")
    )
    made = world([source, observation(Flavour.MYSQL, 2, broken, half_loaded=True), other])
    findings = diagnose(made)
    assert FindingCode.APPLIER_ERROR in {each.subject.code for each in findings}
    assert not [each for each in causes(made, findings) if each.code is FindingCode.APPLIER_ERROR]


@pytest.mark.parametrize("flavour", list(Flavour))
def test_who_stops_both_threads_is_told_of_once(flavour: Flavour) -> None:
    source, _, other = star(flavour)
    made = world(
        [source, observation(flavour, 2, channel(flavour, 1, receiver=ThreadState.STOPPED, applier=ThreadState.STOPPED)), other]
    )
    findings = diagnose(made)
    by_code = {each.subject.code: each for each in findings}
    explained = causes(made, findings)
    receiver, applier = by_code[FindingCode.RECEIVER_STOPPED].subject, by_code[FindingCode.APPLIER_STOPPED].subject
    assert explained[receiver] == applier
    assert commands_in(by_code[FindingCode.APPLIER_STOPPED]) == (
        ["START SLAVE"] if flavour is Flavour.MARIADB else ["START REPLICA"]
    )


TWIN_TEXT = "A replica with the same server_uuid/server_id as this replica has connected to the source"


@pytest.mark.parametrize("flavour", list(Flavour))
@pytest.mark.parametrize(
    ("receiver", "error"),
    [
        (ThreadState.CONNECTING, None),
        (ThreadState.CONNECTING, ThreadError(errno=2013, text="Lost connection")),
        (ThreadState.STOPPED, ThreadError(errno=13114, text=TWIN_TEXT)),
    ],
)
def test_twins_throw_each_other_out_unless_their_source_is_gone(
    flavour: Flavour, receiver: ThreadState, error: ThreadError | None
) -> None:
    source = star(flavour)[0]
    thrown_out = channel(flavour, 1, receiver=receiver, receiver_error=error)
    twins = [observation(flavour, number, thrown_out, server_id=2) for number in (2, 3)]
    made = world([source, *twins])
    findings = diagnose(made)
    duplicate = next(each.subject for each in findings if each.subject.code is FindingCode.DUPLICATE_SERVER_ID)
    receivers = {each.subject for each in findings if each.subject.code.value.startswith("receiver-")}
    assert {subject.server for subject in receivers} == {"10.0.0.2:3306", "10.0.0.3:3306"}
    assert {causes(made, findings)[subject] for subject in receivers} == {duplicate}
    gone = world([unobserved(ProbeFailure.UNREACHABLE), *twins])
    explained = causes(gone, diagnose(gone))
    wanted = FindingCode.DUPLICATE_SERVER_ID if receiver is ThreadState.STOPPED else FindingCode.SERVER_UNREACHABLE
    assert {explained[subject].code for subject in receivers} == {wanted}


def test_a_refused_login_of_a_twin_has_its_own_cause() -> None:
    refused = channel(
        Flavour.MYSQL, 1, receiver=ThreadState.CONNECTING, receiver_error=ThreadError(errno=1045, text="Access denied")
    )
    source, other = star(Flavour.MYSQL)[:2]
    made = world([source, observation(Flavour.MYSQL, 2, refused), replace(other, instance="db3:3306 /data/")])
    findings = diagnose(made)
    assert {FindingCode.RECEIVER_RETRYING, FindingCode.DUPLICATE_SERVER_ID} <= {each.subject.code for each in findings}
    assert not [subject for subject in causes(made, findings) if subject.code is FindingCode.RECEIVER_RETRYING]


def commands_in(finding: Finding) -> list[str]:
    return [text.split(" FOR ")[0].split(" '")[0].strip() for text in re.findall(r"`([^`]+)`", finding.remedy)]


def lag(seconds: float | None, basis: LagBasis = LagBasis.STATUS, **changes: Any) -> dict[str, Any]:
    return {"lag": Lag(seconds=seconds, basis=basis), **changes}


def in_a_chain(flavour: Flavour, middle: dict[str, Any], leaf: dict[str, Any], *, max_lag: int = 30) -> World:
    """db1 → db2 → db3 → db4; db3 and db4 have the same lag."""
    looks = [
        observation(flavour, 1),
        observation(flavour, 2, channel(flavour, 1, **middle)),
        observation(flavour, 3, channel(flavour, 2, **leaf)),
        observation(flavour, 4, channel(flavour, 3, **leaf)),
    ]
    below = (spec(3, replicates_from="db2", max_lag=timedelta(seconds=max_lag)), spec(4, replicates_from="db3"))
    return world(looks, spec(1), spec(2), *below)


def places(explained: Mapping[Subject, Subject]) -> dict[str, str]:
    """Of lag: the server -> server and code of what explains it."""
    found = {one.server: two for one, two in explained.items() if one.code is FindingCode.LAGGING}
    return {name[7:8]: f"{two.server[7:8]} {two.code}" for name, two in found.items() if two.code is not FindingCode.HALF_LOADED}


@pytest.mark.parametrize("flavour", list(Flavour))
@pytest.mark.parametrize(
    ("middle", "leaf", "expected"),
    [
        (lag(100), lag(100), {"3": "2 lagging", "4": "2 lagging"}),
        (lag(100), lag(130), {"3": "2 lagging", "4": "2 lagging"}),
        (lag(100), lag(131), {"4": "3 lagging"}),  # db3 is behind by more than its limit of its own; db4 comes from there
        (lag(100), lag(60), {"3": "2 lagging", "4": "2 lagging"}),  # it is catching up, or was looked at before
        (lag(10), lag(100), {"4": "3 lagging"}),
        (lag(100), lag(None), {}),
        (lag(None), lag(100), {"4": "3 lagging"}),
        (lag(100, LagBasis.HEARTBEAT), lag(100, LagBasis.HEARTBEAT), {"3": "2 lagging", "4": "2 lagging"}),
        (lag(100), lag(100, LagBasis.PERFORMANCE_SCHEMA), {}),  # each link has its own lag there
        (lag(100), lag(130, delay=timedelta(seconds=0)), {"3": "2 lagging", "4": "2 lagging"}),
        (lag(100), lag(200, delay=timedelta(seconds=100)), {"3": "2 lagging", "4": "2 lagging"}),
    ],
)
def test_lag_that_comes_from_above_is_part_of_the_lag_there(
    flavour: Flavour, middle: dict[str, Any], leaf: dict[str, Any], expected: dict[str, str]
) -> None:
    made = in_a_chain(flavour, middle, leaf)
    findings = diagnose(made)
    assert places(causes(made, findings)) == expected


@pytest.mark.parametrize("flavour", list(Flavour))
def test_lag_from_above_is_part_of_what_makes_it_there(flavour: Flavour) -> None:
    made = in_a_chain(flavour, lag(100), lag(100))
    findings = diagnose(made)
    above = next(each for each in findings if each.subject.server == "10.0.0.2:3306")
    blocked = replace(above, subject=replace(above.subject, code=FindingCode.APPLIER_BLOCKED))
    expected = dict.fromkeys("234", "2 applier-blocked")
    assert places(causes(made, (*findings, blocked))) == expected


@pytest.mark.parametrize("flavour", list(Flavour))
def test_in_a_ring_nobody_s_lag_is_hidden(flavour: Flavour) -> None:
    one, two = (observation(flavour, a, channel(flavour, b, **lag(100)), read_only=False) for a, b in ((1, 2), (2, 1)))
    ring = world([one, two], spec(1, replicates_from="db2", writable=True), spec(2, writable=True))
    findings = diagnose(ring)
    assert sum(each.subject.code is FindingCode.LAGGING for each in findings) == 2
    assert places(causes(ring, findings)) == {}
