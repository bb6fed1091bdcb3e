"""Which finding explains which."""

import re
from dataclasses import replace

import pytest

from repwatch.health.causes import causes
from repwatch.health.rules import diagnose
from repwatch.model.finding import Finding, FindingCode
from repwatch.model.observation import ProbeFailure, ThreadError, ThreadState
from repwatch.model.server import Flavour
from tests.unit.health.worlds import channel, observation, star, unobserved, world


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
