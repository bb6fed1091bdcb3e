"""Rules about the source in force: a change of it, a loop, and that it is known by what it is and not by where it listens."""

from dataclasses import replace

import pytest

from repwatch.health.causes import causes
from repwatch.health.inventory import agreed_source
from repwatch.health.rules import diagnose
from repwatch.health.settled import ANNOUNCED
from repwatch.health.world import SourceChange, World
from repwatch.model.finding import FindingCode
from repwatch.model.observation import ProbeFailure, ThreadState
from repwatch.model.server import Address, Flavour
from repwatch.model.topology import AUTO
from tests.unit.health.worlds import NOW, channel, observation, spec, star, unobserved, world

FLAVOURS = pytest.mark.parametrize("flavour", list(Flavour))


def codes(made: World) -> list[tuple[str, str]]:
    return [(f.subject.server.removesuffix(":3306").replace("10.0.0.", "db"), f.subject.code.value) for f in diagnose(made)]


@FLAVOURS
def test_a_change_of_the_source_is_told_for_a_while(flavour: Flavour) -> None:
    changed = SourceChange(before="db2", after="db1", at=NOW, last_known=NOW)
    made = replace(world(star(flavour), source="db1"), source_change=changed)
    assert codes(made) == [("db1", "source-changed")]
    assert codes(replace(made, source_change=replace(changed, at=NOW - ANNOUNCED))) == []
    assert codes(replace(made, source_change=replace(changed, before="who"))) == []


@FLAVOURS
def test_a_loop_is_told_of_unless_it_is_meant(flavour: Flavour) -> None:
    _, replica, other = star(flavour)
    source = observation(flavour, 1, channel(flavour, 2), read_only=False)
    made = world([source, replica, other])
    assert codes(made) == [("db1", "wrong-source")]
    meant = spec(1, replicates_from="db2", writable=True)
    assert codes(world([source, replica, other], meant, spec(2), spec(3))) == []
    at_rest = observation(flavour, 1, channel(flavour, 9, receiver=ThreadState.STOPPED), read_only=False)
    assert ("db1", "wrong-source") not in codes(world([at_rest, replica, other]))
    from_elsewhere = observation(flavour, 1, channel(flavour, 9), read_only=False)
    assert codes(world([from_elsewhere, replica, other])) == []


@FLAVOURS
@pytest.mark.parametrize("follows", [True, False])
def test_a_switch_over_behind_the_configurations_back_is_one_disagreement(flavour: Flavour, follows: bool) -> None:
    old = observation(flavour, 1, *((channel(flavour, 2),) if follows else ()), read_only=True)
    new = observation(flavour, 2)
    replica = observation(flavour, 3, channel(flavour, 2))
    made = world([old, new, replica])
    findings = diagnose(made)
    (disagreement,) = [finding for finding in findings if not finding.subject.server]
    others = {finding.subject for finding in findings} - {disagreement.subject}
    assert {subject.code.value for subject in others} == {
        "wrong-source",
        "source-read-only",
        "replication-missing",
        "replica-writable",
    }
    assert set(causes(made, findings).items()) >= {(subject, disagreement.subject) for subject in others}


@FLAVOURS
def test_two_servers_that_have_changed_places_are_one_disagreement(flavour: Flavour) -> None:
    old = observation(flavour, 1, channel(flavour, 2), read_only=True)
    made = world([old, observation(flavour, 2)])
    findings = diagnose(made)
    (disagreement,) = [finding for finding in findings if not finding.subject.server]
    others = {finding.subject for finding in findings} - {disagreement.subject}
    assert set(causes(made, findings).items()) >= {(subject, disagreement.subject) for subject in others}


@FLAVOURS
@pytest.mark.parametrize("leftover", [False, True])
def test_a_chain_that_is_cut_in_its_middle_is_no_switch_over(flavour: Flavour, leftover: bool) -> None:
    at_rest = channel(flavour, 2, receiver=ThreadState.STOPPED)
    source = observation(flavour, 1, *((at_rest,) if leftover else ()), read_only=False)
    middle, last = observation(flavour, 2, read_only=True), observation(flavour, 3, channel(flavour, 2))
    made = world([source, middle, last], spec(1), spec(2), spec(3, replicates_from="db2"))
    told = [each for each in codes(made) if each[1] != "receiver-stopped"]  # of what is left over
    assert told == [("db2", "replication-missing")]
    assert not set(causes(made, diagnose(made)).values()) & {finding.subject for finding in diagnose(made)}


@FLAVOURS
@pytest.mark.parametrize("upstream", ["db1", "db2"])
def test_a_source_never_seen_and_known_by_another_address_is_no_switch_over(flavour: Flavour, upstream: str) -> None:
    middle = observation(flavour, 2, channel(flavour, 1, source=Address("192.168.7.1", 33061)))
    last = observation(flavour, 3, channel(flavour, 2))
    down = unobserved(ProbeFailure.UNREACHABLE)
    made = world([down, middle, last], spec(1), spec(2), spec(3, replicates_from=upstream))
    assert ("", "wrong-source") not in codes(made)


@FLAVOURS
def test_who_reads_from_elsewhere_is_no_part_of_a_switch_over(flavour: Flavour) -> None:
    stray = observation(flavour, 4, channel(flavour, 9))
    made = world([observation(flavour, 1), observation(flavour, 2), observation(flavour, 3, channel(flavour, 2)), stray])
    findings = diagnose(made)
    named = causes(made, findings)
    wrong = [f.subject for f in findings if f.subject.code is FindingCode.WRONG_SOURCE and f.subject.server]
    assert [(subject.server, subject in named) for subject in wrong] == [("10.0.0.3:3306", True), ("10.0.0.4:3306", False)]


@FLAVOURS
def test_a_source_that_has_one_itself_by_the_configuration_is_no_disagreement(flavour: Flavour) -> None:
    middle = observation(flavour, 1, channel(flavour, 2))
    made = world(
        [middle, observation(flavour, 2), observation(flavour, 3, channel(flavour, 1))],
        spec(1, replicates_from="db2"),
        spec(2),
        spec(3),
    )
    assert not [finding for finding in diagnose(made) if not finding.subject.server]


@FLAVOURS
def test_a_source_behind_another_address_is_the_source_all_the_same(flavour: Flavour) -> None:
    """Network address translation: what the replicas call it is no address of the inventory."""
    inside = Address("192.168.7.1", 33061)
    source, *_ = star(flavour)
    replicas = [observation(flavour, number, channel(flavour, 1, source=inside)) for number in (2, 3)]
    made = world([source, *replicas])
    assert codes(made) == []
    assert agreed_source(replace(made, source=None, cluster=replace(made.cluster, source=AUTO))) == "db1"
