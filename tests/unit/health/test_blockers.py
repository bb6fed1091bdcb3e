"""A source that waits for its replicas: what is found, what is the root, and what is said of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from repwatch.health.blockers import blamed
from repwatch.health.causes import causes
from repwatch.health.errant import errant_transactions
from repwatch.health.impact import impact_of
from repwatch.health.incident import Incident
from repwatch.health.movement import Progress
from repwatch.health.progress import remember
from repwatch.health.rules import diagnose
from repwatch.health.rules_semisync import STANDING
from repwatch.health.unjudged import unjudged
from repwatch.health.world import World
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.impact import Names
from repwatch.model.observation import ChannelObservation, Observation, ProbeFailure, ThreadError, ThreadState, Unobserved
from repwatch.model.past import Past
from repwatch.model.risks import Risks, SemiSync
from repwatch.model.server import Flavour
from repwatch.model.silence import Silence
from tests.unit.health.worlds import NOW, channel, observation, unobserved, uuid, world

FLAVOURS = pytest.mark.parametrize("flavour", list(Flavour))
WAITS = SemiSync(enabled=True, active=True, clients=0, fallbacks=0, unacknowledged=2, acknowledged=7, waiting=3)
TAKES_PART = Risks(settings={"rpl_semi_sync_replica_enabled": "1"})
BLOCKED, DEGRADED = FindingCode.COMMITS_BLOCKED, FindingCode.SEMISYNC_DEGRADED


def source(flavour: Flavour, semisync: SemiSync = WAITS, seconds: float = 0.0, **changes: Any) -> Observation:
    """As it was so many seconds ago."""
    settings = {"rpl_semi_sync_source_timeout": "10000"}
    return observation(
        flavour, 1, risks=Risks(semisync=semisync, settings=settings), at=NOW - timedelta(seconds=seconds), **changes
    )


def replica(flavour: Flavour, number: int, risks: Risks = TAKES_PART, **changes: Any) -> Observation:
    return observation(flavour, number, channel(flavour, 1, **changes), risks=risks)


def looked(*looks: Observation, others: tuple[Observation | Unobserved, ...] = ()) -> World:
    """The world after these looks at the source, the latest last."""
    progress = Progress()
    for look in looks:
        made = replace(world([look, *others]), progress=progress)
        progress = remember(made)
        made = replace(made, progress=progress)
    return made


def standing(flavour: Flavour, *others: Observation | Unobserved) -> World:
    return looked(source(flavour, seconds=5), source(flavour), others=others)


def by_code(made: World) -> Mapping[FindingCode, Finding]:
    findings = diagnose(made)
    return {finding.subject.code: finding for finding in blamed(made, findings, causes(made, findings), ())}


@FLAVOURS
@pytest.mark.parametrize(
    ("before", "now", "seconds", "found"),
    [
        (WAITS, WAITS, 5.0, True),
        (WAITS, replace(WAITS, clients=1, waiting=1), 5.0, True),  # a frozen replica counts as connected
        (WAITS, WAITS, STANDING.total_seconds(), True),
        (WAITS, WAITS, 1.0, False),
        (WAITS, replace(WAITS, acknowledged=8), 5.0, False),
        (WAITS, replace(WAITS, unacknowledged=3), 5.0, False),
        (replace(WAITS, waiting=0), WAITS, 5.0, False),
        (WAITS, replace(WAITS, waiting=0), 5.0, False),
    ],
)
def test_commits_that_stand(flavour: Flavour, before: SemiSync, now: SemiSync, seconds: float, found: bool) -> None:
    made = looked(source(flavour, before, seconds), source(flavour, now), others=(replica(flavour, 2),))
    finding = by_code(made).get(BLOCKED)
    assert (finding is not None) is found
    if finding is not None:
        assert finding.severity is Severity.CRITICAL
        assert finding.evidence["timeout_ms"] == "10000"
        assert ("_master_" in finding.remedy) is (flavour is Flavour.MARIADB)


@FLAVOURS
def test_what_it_means_for_those_below(flavour: Flavour) -> None:
    made = standing(flavour, replica(flavour, 2, receiver=ThreadState.STOPPED), replica(flavour, 3))
    findings = diagnose(made)
    impact = impact_of(made, findings, next(each for each in findings if each.subject.code is BLOCKED))
    assert impact is not None
    assert (impact.below, impact.good, impact.others) == (Names.of(["db2", "db3"]), Names.of(["db3"]), 2)


@FLAVOURS
def test_looks_with_a_pause_between_them_prove_nothing(flavour: Flavour) -> None:
    made = looked(source(flavour, seconds=3600), source(flavour), others=(replica(flavour, 2),))
    assert BLOCKED not in by_code(made)


STOPPED: dict[str, Any] = {"receiver": ThreadState.STOPPED}
BOTH_STOPPED: dict[str, Any] = {"receiver": ThreadState.STOPPED, "applier": ThreadState.STOPPED}
REFUSED: dict[str, Any] = {"receiver": ThreadState.CONNECTING, "receiver_error": ThreadError(errno=1045, text="Access denied")}


@FLAVOURS
@pytest.mark.parametrize(
    ("changes", "root"),
    [
        (STOPPED, FindingCode.RECEIVER_STOPPED),
        (BOTH_STOPPED, FindingCode.APPLIER_STOPPED),  # of which the stopped receiver is a symptom itself
        (REFUSED, FindingCode.RECEIVER_RETRYING),
    ],
)
def test_the_replica_is_the_root(flavour: Flavour, changes: dict[str, Any], root: FindingCode) -> None:
    made = standing(flavour, replica(flavour, 2, **changes), replica(flavour, 3))
    findings = diagnose(made)
    explained = causes(made, findings)
    named = {subject.code: cause for subject, cause in explained.items()}
    assert (named[BLOCKED].server, named[BLOCKED].code) == ("10.0.0.2:3306", root)
    assert named[DEGRADED].code is BLOCKED  # the other one might have acknowledged
    found = by_code(made)
    assert found[root].severity is Severity.CRITICAL
    assert found[root].evidence["blocks"] == "db1"
    assert "blocks" not in found[DEGRADED].evidence
    assert Incident(id="", finding=found[root], since=NOW).fingerprint != fingerprint(findings, root)


@FLAVOURS
@pytest.mark.parametrize(("risks", "others"), [(TAKES_PART, "db3"), (Risks(), None)])
def test_the_root_says_who_else_may_be_waited_for(flavour: Flavour, risks: Risks, others: str | None) -> None:
    """A replica that repwatch alone cannot reach may acknowledge all the same."""
    found = by_code(standing(flavour, replica(flavour, 2, **STOPPED), replica(flavour, 3, risks)))
    assert found[FindingCode.RECEIVER_STOPPED].evidence["blocks"] == "db1"
    assert found[FindingCode.RECEIVER_STOPPED].evidence.get("also_take_part") == others


def fingerprint(findings: tuple[Finding, ...], code: FindingCode) -> str:
    finding = next(each for each in findings if each.subject.code is code)
    return Incident(id="", finding=replace(finding, severity=Severity.CRITICAL), since=NOW).fingerprint


@FLAVOURS
def test_a_replica_out_of_sight_counts_as_it_was_seen_last(flavour: Flavour) -> None:
    made = standing(flavour, unobserved(ProbeFailure.TIMED_OUT), replica(flavour, 3))
    assert BLOCKED not in {subject.code for subject in causes(made, diagnose(made))}
    servers = tuple(replace(each, last_good=replica(flavour, 2)) if each.spec.label == "db2" else each for each in made.servers)
    made = replace(made, servers=servers)
    cause = {subject.code: cause for subject, cause in causes(made, diagnose(made)).items()}[BLOCKED]
    assert (cause.server, cause.code) == ("10.0.0.2:3306", FindingCode.SERVER_UNREACHABLE)


@FLAVOURS
def test_who_does_not_take_part_blocks_nobody(flavour: Flavour) -> None:
    made = standing(flavour, replica(flavour, 2, Risks(), **STOPPED), replica(flavour, 3))
    explained = {subject.code: cause.code for subject, cause in causes(made, diagnose(made)).items()}
    assert BLOCKED not in explained
    assert explained[DEGRADED] is BLOCKED


@FLAVOURS
@pytest.mark.parametrize(
    ("others", "needed", "hidden"),
    [
        ((), "1", True),
        ((Risks(),), "1", True),
        ((TAKES_PART,), "1", False),  # that one is well, and its receiver began without
        ((TAKES_PART,), "2", True),
        ((TAKES_PART, TAKES_PART), "2", False),
        ((TAKES_PART,), "", False),
    ],
)
def test_a_source_that_gives_up_though_others_are_left_is_no_symptom(
    flavour: Flavour, others: tuple[Risks, ...], needed: str, hidden: bool
) -> None:
    settings = {"rpl_semi_sync_source_wait_for_replica_count": needed}
    there = replace(source(flavour), risks=Risks(semisync=replace(WAITS, active=False, waiting=0), settings=settings))
    made = looked(there, others=(replica(flavour, 2, **STOPPED), *(replica(flavour, 3 + n, r) for n, r in enumerate(others))))
    explained = {subject.code: cause for subject, cause in causes(made, diagnose(made)).items()}
    assert (DEGRADED in explained) is hidden


@FLAVOURS
@pytest.mark.parametrize(("target", "told_apart"), [("shop/db2", True), ("shop/db1", False)])
def test_a_silence_of_the_replica_does_not_silence_the_source(flavour: Flavour, target: str, told_apart: bool) -> None:
    silence = Silence(target=target, author="a", reason="b", since=NOW - timedelta(hours=1), until=NOW + timedelta(hours=1))
    made = replace(standing(flavour, replica(flavour, 2, **STOPPED)), silences=(silence,))
    explained = causes(made, diagnose(made))
    assert (BLOCKED in {subject.code for subject in explained}) is not told_apart


@FLAVOURS
@pytest.mark.parametrize(("errno", "explained"), [(1040, True), (1045, False)])
def test_used_up_connections_are_explained_by_commits_that_waited(flavour: Flavour, errno: int, explained: bool) -> None:
    made = world([unobserved(ProbeFailure.LOGIN_REFUSED, errno=errno), replica(flavour, 2, **STOPPED)])
    named = {subject.code: cause.code for subject, cause in causes(made, diagnose(made)).items()}
    assert (named.get(FindingCode.LOGIN_REFUSED) is BLOCKED) is explained


@FLAVOURS
@pytest.mark.parametrize("failure", [ProbeFailure.LOGIN_REFUSED, ProbeFailure.TIMED_OUT])
def test_the_root_goes_on_to_say_whom_it_blocks_while_that_one_is_out_of_sight(flavour: Flavour, failure: ProbeFailure) -> None:
    there, stopped = standing(flavour, replica(flavour, 2, **STOPPED)), FindingCode.RECEIVER_STOPPED
    root, held = (Incident(id="", finding=by_code(there)[code], since=NOW) for code in (stopped, BLOCKED))
    made = world([unobserved(failure, errno=1040), replica(flavour, 2, **STOPPED)])
    assert BLOCKED not in by_code(made)
    findings = diagnose(made)

    def after(*incidents: Incident, made: World = made) -> Incident:
        found = blamed(made, findings, causes(made, findings), incidents)
        return replace(root, finding=next(each for each in found if each.subject == root.subject))

    assert after(root, held).fingerprint == root.fingerprint
    seen = world([source(flavour, replace(WAITS, waiting=0)), replica(flavour, 2, **STOPPED)])
    for freed in (after(root), after(held), after(root, held, made=seen)):
        assert "blocks" not in freed.finding.evidence


@FLAVOURS
@pytest.mark.parametrize("still", [False, True])
def test_what_waits_on_the_source_is_not_errant_on_its_replicas(flavour: Flavour, still: bool) -> None:
    """On MySQL a replica may have it first; on MariaDB the binary log's state has it."""

    def gtids(last: int) -> str:
        return f"{uuid(flavour, 1)}:1-{last}" if flavour is Flavour.MYSQL else f"0-1-{last}"

    state = "gtid_executed" if flavour is Flavour.MYSQL else "gtid_logged"
    changes: dict[str, Any] = {state: gtids(4)}
    there = source(flavour, WAITS if still else replace(WAITS, waiting=0), **changes)
    ahead: ChannelObservation = channel(flavour, 1, gtid_executed=gtids(5))
    here = observation(flavour, 2, ahead, risks=TAKES_PART, gtid_executed=gtids(5))
    before = replace(here, at=NOW - timedelta(seconds=5))
    made = replace(world([there, here]), past={"db2": Past(latest=here, before=before)})
    ends = errant_transactions(made, made.servers[1])
    assert bool(ends) is not (still and flavour is Flavour.MYSQL)
    past = {**made.past, "db1": Past(before=source(flavour, seconds=5))}  # it was released while it was looked at
    made = replace(made, past=past)
    assert bool(errant_transactions(made, made.servers[1])) is (flavour is Flavour.MARIADB)
    hidden = Subject("shop", "10.0.0.2:3306", "", FindingCode.ERRANT_TRANSACTIONS)
    assert (hidden in set(unjudged(made))) is (flavour is Flavour.MYSQL)


@FLAVOURS
@pytest.mark.parametrize("waiting", [0, 2])
def test_a_busy_source_hides_nothing(flavour: Flavour, waiting: int) -> None:
    """Somebody waits at each look, and what waited at the look before has been committed since."""

    def gtids(last: int) -> str:
        return f"{uuid(flavour, 1)}:1-{last}" if flavour is Flavour.MYSQL else f"0-1-{last}"

    state = "gtid_executed" if flavour is Flavour.MYSQL else "gtid_logged"
    changes: dict[str, Any] = {state: gtids(4)}
    there = source(flavour, replace(WAITS, acknowledged=9, waiting=waiting), **changes)
    here = observation(flavour, 2, channel(flavour, 1, gtid_executed=gtids(5)), risks=TAKES_PART, gtid_executed=gtids(5))
    before = replace(here, at=NOW - timedelta(seconds=5))
    past = {"db1": Past(latest=there, before=source(flavour, seconds=5)), "db2": Past(latest=here, before=before)}
    made = replace(world([there, here]), past=past)
    assert errant_transactions(made, made.servers[1]) == gtids(5).replace("1-5", "5" if flavour is Flavour.MYSQL else "1-5")
    assert FindingCode.ERRANT_TRANSACTIONS not in {each.code for each in unjudged(made)}
