"""Incidents over a series of looks, as a table would tell it."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from repwatch.health.incident import Change, Incident, Look, LookKind, Phase, step
from repwatch.model.finding import Finding, FindingCode, Severity, Subject

START = datetime(2026, 11, 22, tzinfo=UTC)
A, B = "a:1", "b:1"


def finding(code: FindingCode = FindingCode.APPLIER_ERROR, server: str = A, *, settled: bool = True) -> Finding:
    return Finding(
        subject=Subject("shop", server, "", code), severity=Severity.CRITICAL, summary="s", meaning="m", remedy="r",
        settled=settled,
    )  # fmt: skip


class Story:
    """Incidents, and the looks that come over them, a second apart."""

    def __init__(self) -> None:
        self.incidents: dict[str, Incident] = {}
        self.ended: list[Incident] = []
        self.now = START

    def look(
        self,
        *findings: Finding,
        kind: LookKind = LookKind.POLL,
        asked: str = "ab",
        blind: str = "",
        unknown: Collection[Subject] = (),
        causes: Mapping[Subject, Subject] | None = None,
    ) -> tuple[Change, ...]:
        servers = frozenset(f"{name}:1" for name in asked) | ({""} if asked == "ab" else frozenset())
        observed = servers - {f"{name}:1" for name in blind}
        look = Look(at=self.now, kind=kind, asked=servers, observed=observed, unknown=frozenset(unknown))
        changes = step(self.incidents.values(), findings, look, causes or {})
        self.incidents = {}
        for change in changes:
            if change.after and change.after.phase is Phase.RESOLVED:
                self.ended.append(change.after)
            elif change.after:
                self.incidents[change.after.id] = change.after
        self.now += timedelta(seconds=1)
        return changes

    def only(self) -> Incident:
        (incident,) = self.incidents.values()
        return incident

    def of(self, code: FindingCode) -> Incident:
        return next(incident for incident in self.incidents.values() if incident.subject.code is code)

    def tell(self, code: FindingCode) -> None:
        incident = self.of(code)
        self.incidents[incident.id] = replace(incident, told_to=("oncall/webhook",), told=(incident.fingerprint,))


@pytest.mark.parametrize(
    ("settled", "kinds", "phase"),
    [
        (True, [LookKind.POLL], Phase.PENDING),
        (True, [LookKind.POLL, LookKind.CONFIRM], Phase.OPEN),
        (True, [LookKind.POLL, LookKind.POLL], Phase.OPEN),
        (False, [LookKind.POLL, LookKind.CONFIRM], Phase.PENDING),
        (False, [LookKind.POLL, LookKind.CONFIRM, LookKind.POLL], Phase.OPEN),
        (False, [LookKind.CONFIRM, LookKind.POLL], Phase.PENDING),
    ],
)
def test_confirmation(settled: bool, kinds: list[LookKind], phase: Phase) -> None:
    story = Story()
    for kind in kinds:
        story.look(finding(settled=settled), kind=kind)
    assert story.only().phase is phase
    assert story.only().since == START


def test_what_is_borne_with_patience_opens_when_that_is_over() -> None:
    story = Story()
    held = replace(finding(), patience=timedelta(seconds=4))
    phases = []
    for _ in range(5):
        story.look(held)
        phases.append(story.only().phase)
    assert phases == [Phase.PENDING] * 4 + [Phase.OPEN]


def test_the_end_of_patience_is_a_new_sight_to_be_confirmed() -> None:
    """A repair lets go of the applier and starts it a moment later: to see it in between is no news."""
    story = Story()
    for _ in range(3):
        story.look(replace(finding(), patience=timedelta(minutes=10)))
    story.look(finding())
    assert story.only().phase is Phase.PENDING
    story.look(finding())
    assert story.only().phase is Phase.OPEN


def test_a_passing_sight_leaves_nothing() -> None:
    story = Story()
    story.look(finding())
    (change,) = story.look()
    assert change.after is None
    assert not story.incidents
    assert not story.ended


def test_a_pending_incident_waits_while_its_server_is_not_seen() -> None:
    story = Story()
    story.look(finding())
    story.look(blind="a")
    assert story.only().phase is Phase.PENDING


def test_a_flap_is_one_incident() -> None:
    story = Story()
    story.look(finding())
    story.look(finding())
    first = story.only().id
    for _ in range(5):
        story.look()
        story.look(finding())
    assert story.only().id == first
    assert not story.ended


def test_it_ends_with_the_second_good_poll() -> None:
    story = Story()
    story.look(finding())
    story.look(finding())
    story.look()
    assert story.only().phase is Phase.OPEN
    story.look(kind=LookKind.CONFIRM)
    assert story.only().phase is Phase.OPEN
    story.look()
    assert not story.incidents
    assert story.ended[0].resolved == START + timedelta(seconds=4)


def test_the_next_occurrence_is_another_incident() -> None:
    story = Story()
    for findings in ([finding()], [finding()], [], [], [finding()], [finding()]):
        story.look(*findings)
    assert story.only().id != story.ended[0].id


@pytest.mark.parametrize("how", [{"blind": "a"}, {"asked": "b"}])
def test_a_server_that_is_not_seen_resolves_nothing(how: dict[str, str]) -> None:
    story = Story()
    story.look(finding())
    story.look(finding())
    before = story.only()
    for _ in range(10):
        story.look(**how)  # type: ignore[arg-type]
    assert story.only() == before


def test_what_cannot_be_judged_is_not_resolved() -> None:
    story = Story()
    story.look(finding())
    story.look(finding())
    before = story.only()
    for _ in range(10):
        story.look(unknown={before.subject})
    assert story.only() == before
    story.look()
    story.look()
    assert story.incidents == {}


def test_findings_of_servers_that_were_not_asked_do_not_count_as_looks() -> None:
    story = Story()
    story.look(finding())
    story.look(finding(), asked="b")
    assert story.only().phase is Phase.PENDING


@pytest.mark.parametrize(
    ("was", "now", "ends"),
    [
        (FindingCode.SERVER_UNREACHABLE, FindingCode.LOGIN_REFUSED, True),
        (FindingCode.SERVER_UNREACHABLE, FindingCode.PRIVILEGE_MISSING, True),
        (FindingCode.SERVER_UNREACHABLE, FindingCode.OBSERVATION_STALE, False),
        (FindingCode.OBSERVATION_STALE, FindingCode.SERVER_UNREACHABLE, True),
        (FindingCode.LOGIN_REFUSED, FindingCode.SERVER_UNREACHABLE, False),
    ],
)
def test_blindness_is_superseded_only_by_knowing_more(was: FindingCode, now: FindingCode, ends: bool) -> None:
    story = Story()
    story.look(finding(was, settled=False), blind="a")
    story.look(finding(was, settled=False), blind="a")
    story.look(finding(now, settled=False), blind="a")
    story.look(finding(now, settled=False), blind="a")
    assert [incident.subject.code for incident in story.ended] == ([was] if ends else [])


DOWN = finding(FindingCode.SERVER_UNREACHABLE, A, settled=False)
RETRYING = finding(FindingCode.RECEIVER_RETRYING, B, settled=False)
CAUSES = {RETRYING.subject: DOWN.subject}


def test_a_symptom_is_withheld_while_its_cause_lasts() -> None:
    story = Story()
    story.look(DOWN, RETRYING, blind="a", causes=CAUSES)
    story.look(DOWN, RETRYING, blind="a", causes=CAUSES)
    assert story.of(FindingCode.RECEIVER_RETRYING).cause == DOWN.subject.key
    assert story.of(FindingCode.SERVER_UNREACHABLE).cause == ""


def test_a_symptom_that_is_left_behind_is_let_go_after_a_grace() -> None:
    story = Story()
    for _ in range(2):
        story.look(DOWN, RETRYING, blind="a", causes=CAUSES)
    for _ in range(3):
        story.look(RETRYING, causes=CAUSES)
    assert story.of(FindingCode.RECEIVER_RETRYING).cause
    story.now += timedelta(seconds=80)
    story.look(RETRYING, causes=CAUSES)
    assert story.of(FindingCode.RECEIVER_RETRYING).cause == ""


def test_a_symptom_that_is_no_longer_seen_is_not_told_while_it_closes() -> None:
    story = Story()
    stopped = finding(FindingCode.APPLIER_STOPPED)
    half = finding(FindingCode.HALF_LOADED)
    for _ in range(2):
        story.look(half, stopped, causes={stopped.subject: half.subject})
    story.look(half)  # what is not found has no cause looked up
    assert story.of(FindingCode.APPLIER_STOPPED).cause == half.subject.key


def test_a_symptom_whose_server_goes_out_of_sight_stays_one() -> None:
    """Its own server is not seen: that it is not found says nothing, its cause lasts, and there is another finding."""
    story = Story()
    stopped, blocked, dark = (
        finding(FindingCode.RECEIVER_STOPPED, B),
        finding(FindingCode.COMMITS_BLOCKED),
        finding(FindingCode.LOGIN_REFUSED),
    )
    for _ in range(2):
        story.look(stopped, blocked, causes={blocked.subject: stopped.subject})
    story.look(stopped, dark, blind="a", causes={dark.subject: blocked.subject})
    assert story.of(FindingCode.COMMITS_BLOCKED).cause == stopped.subject.key
    assert story.of(FindingCode.LOGIN_REFUSED).cause == blocked.subject.key


STOPPED, BLOCKED, DARK = (
    finding(FindingCode.RECEIVER_STOPPED, B),
    finding(FindingCode.COMMITS_BLOCKED),
    finding(FindingCode.LOGIN_REFUSED),
)


@pytest.mark.parametrize("how", ["comes back", "is silenced"])
def test_what_is_seen_is_not_hidden_behind_what_is_out_of_sight_and_told_to_nobody(how: str) -> None:
    story = Story()
    for _ in range(2):
        story.look(STOPPED, BLOCKED, causes={BLOCKED.subject: STOPPED.subject})
    story.tell(FindingCode.RECEIVER_STOPPED)
    for _ in range(2):
        story.look(STOPPED, DARK, blind="a", causes={DARK.subject: BLOCKED.subject})
    assert story.of(FindingCode.LOGIN_REFUSED).cause == BLOCKED.subject.key
    if how == "is silenced":
        replica = story.of(FindingCode.RECEIVER_STOPPED)
        story.incidents[replica.id] = replace(replica, silenced_until=START + timedelta(hours=1))
    for _ in range(3):
        found = (STOPPED, DARK) if how == "is silenced" else (DARK,)
        story.look(*found, blind="a", causes={DARK.subject: BLOCKED.subject})
    assert story.of(FindingCode.LOGIN_REFUSED).phase is Phase.OPEN
    assert story.of(FindingCode.LOGIN_REFUSED).cause == ""


def test_what_is_seen_is_not_hidden_behind_what_cannot_be_confirmed_now() -> None:
    story = Story()
    story.look(STOPPED, BLOCKED, causes={BLOCKED.subject: STOPPED.subject})
    for _ in range(2):
        story.look(STOPPED, DARK, blind="a", causes={DARK.subject: BLOCKED.subject})
    assert story.of(FindingCode.LOGIN_REFUSED).phase is Phase.OPEN
    assert story.of(FindingCode.LOGIN_REFUSED).cause == ""


def test_a_cause_that_was_told_explains_though_it_is_out_of_sight() -> None:
    story = Story()
    for _ in range(2):
        story.look(BLOCKED)
    story.tell(FindingCode.COMMITS_BLOCKED)
    for _ in range(2):
        story.look(DARK, blind="a", causes={DARK.subject: BLOCKED.subject})
    assert story.of(FindingCode.LOGIN_REFUSED).cause == BLOCKED.subject.key


def test_a_cause_whose_server_is_not_asked_still_waits_to_be_confirmed() -> None:
    story = Story()
    story.look(DOWN, RETRYING, blind="a", causes=CAUSES)
    story.look(RETRYING, kind=LookKind.CONFIRM, asked="b", causes=CAUSES)
    assert story.of(FindingCode.RECEIVER_RETRYING).cause == DOWN.subject.key


def test_a_cause_that_comes_back_takes_its_symptom_again() -> None:
    story = Story()
    for _ in range(2):
        story.look(DOWN, RETRYING, blind="a", causes=CAUSES)
    for _ in range(3):
        story.look(RETRYING, causes=CAUSES)
    story.now += timedelta(seconds=50)
    for _ in range(2):
        story.look(DOWN, RETRYING, blind="a", causes=CAUSES)
    story.now += timedelta(seconds=50)
    story.look(DOWN, RETRYING, blind="a", causes=CAUSES)
    assert story.of(FindingCode.RECEIVER_RETRYING).cause == DOWN.subject.key


def test_what_somebody_was_told_is_not_withheld_afterwards() -> None:
    story = Story()
    story.look(RETRYING, causes=CAUSES)
    story.look(RETRYING, causes=CAUSES)
    story.tell(FindingCode.RECEIVER_RETRYING)
    story.look(DOWN, RETRYING, blind="a", causes=CAUSES)
    assert story.of(FindingCode.RECEIVER_RETRYING).cause == ""


def test_what_began_long_before_is_no_symptom() -> None:
    story = Story()
    story.look(RETRYING, causes=CAUSES)
    story.look(RETRYING, causes=CAUSES)
    story.now += timedelta(minutes=5)
    story.look(DOWN, RETRYING, blind="a", causes=CAUSES)
    assert story.of(FindingCode.RECEIVER_RETRYING).cause == ""


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ({"error_class": "network", "errno": "2003"}, {"error_class": "network", "errno": "2013"}, True),
        (
            {"error_class": "duplicate-key", "gtid_executed": "0-1-5"},
            {"error_class": "duplicate-key", "gtid_executed": "0-1-9"},
            True,
        ),
        ({"error_class": "duplicate-key"}, {"error_class": "row-not-found"}, False),
        ({"error_class": "other", "errno": "1"}, {"error_class": "other", "errno": "2"}, False),
    ],
)
def test_news_is_another_class_of_error_and_no_position(one: dict[str, str], two: dict[str, str], same: bool) -> None:
    prints = {Incident(id="x", finding=replace(finding(), evidence=evidence), since=START).fingerprint for evidence in (one, two)}
    assert (len(prints) == 1) is same
