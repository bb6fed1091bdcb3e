"""Who is told what, and why."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from repwatch.health.incident import Incident, Phase
from repwatch.health.notice import Audience, Message, Reason, Withheld, decide, post, wants
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.impact import Impact
from repwatch.model.notice import Links, NoticeEvent
from repwatch.model.settings import LinkSpec, Receiver, WebhookReceiver

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HOOK = WebhookReceiver(url="http://127.0.0.1:1/")
ALL = Receiver(name="all", channel=HOOK)
PAGER = Receiver(name="pager", channel=HOOK, min_severity=Severity.CRITICAL)


def incident(severity: Severity = Severity.WARNING, **changes: object) -> Incident:
    subject = Subject("shop", "10.0.0.2:3306", "", FindingCode.LAGGING)
    finding = Finding(subject=subject, severity=severity, summary="s", meaning="m", remedy="r", evidence={"lag": "1"})
    return replace(Incident(id="i", finding=finding, since=NOW, phase=Phase.OPEN), **changes)  # type: ignore[arg-type]


TOLD: dict[str, Any] = {"told_to": (ALL.id,), "told": ("warning//",)}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (incident(phase=Phase.PENDING), Withheld.UNCONFIRMED),
        (incident(), (Message(Reason.FIRST, (ALL.id,)),)),
        (incident(Severity.CRITICAL), (Message(Reason.FIRST, (ALL.id, PAGER.id)),)),
        (incident(cause="shop/source//server-unreachable"), Withheld.EXPLAINED),
        (incident(**TOLD), Withheld.UNCHANGED),
        (incident(Severity.CRITICAL, **TOLD), (Message(Reason.FIRST, (PAGER.id,)), Message(Reason.CHANGED, (ALL.id,)))),
        (incident(Severity.CRITICAL, told_to=(ALL.id,), told=("warning//", "critical//")), (Message(Reason.FIRST, (PAGER.id,)),)),
        (incident(phase=Phase.RESOLVED, **TOLD), (Message(Reason.OVER, (ALL.id,)),)),
        (incident(phase=Phase.RESOLVED), Withheld.UNTOLD),
        (incident(phase=Phase.RESOLVED, told_to=("gone/webhook",), told=("warning//",)), Withheld.UNTOLD),
    ],
)
def test_decision(given: Incident, expected: tuple[Message, ...] | Withheld) -> None:
    assert decide(given, (ALL, PAGER), "db2", NOW) == expected


def test_a_notice_carries_impact_and_links_and_of_what_is_over_no_impact() -> None:
    asked = []

    def assess(finding: Finding) -> Impact:
        asked.append(finding)
        return Impact(others=3)

    audience = Audience(receivers=(ALL,), assess=assess, links=LinkSpec(page="https://r/", runbook="https://w/{code}"))
    told, (opened,) = post(incident(), audience, (), NOW)
    assert (opened.notice.impact, asked) == (Impact(others=3), [told.finding])
    assert opened.notice.links == Links(page="https://r/#shop/10.0.0.2:3306//lagging", runbook="https://w/lagging")
    post(told, audience, (), NOW)
    assert len(asked) == 1  # nothing is worked out where nothing is told
    _, (over,) = post(replace(told, phase=Phase.RESOLVED), audience, (), NOW)
    assert (over.notice.impact, over.notice.links) == (None, opened.notice.links)
    assert len(asked) == 1


def test_nobody_wants_it() -> None:
    assert decide(incident(), (PAGER,), None, NOW) is Withheld.UNWANTED


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("phase", Phase)
def test_asked_again_it_says_nothing_new(severity: Severity, phase: Phase) -> None:
    audience = Audience(receivers=(ALL, PAGER))
    once, _ = post(incident(severity), audience, (), NOW)
    again, postings = post(once, audience, (), NOW)
    assert postings == ()
    assert again == once
    _, last = post(replace(once, phase=phase), audience, (), NOW)
    assert {p.notice.event for p in last} == ({NoticeEvent.RESOLVED} if phase is Phase.RESOLVED else set())


def test_each_severity_is_told_once_however_often_it_comes_back() -> None:
    audience = Audience(receivers=(ALL,))
    current = incident()
    events = []
    for severity in [Severity.WARNING, Severity.CRITICAL] * 4:
        current = replace(current, finding=replace(current.finding, severity=severity))
        current, postings = post(current, audience, (), NOW)
        events += [posting.notice.event for posting in postings]
    assert events == [NoticeEvent.OPENED, NoticeEvent.UPDATED]


def test_ids_differ_and_the_key_stays() -> None:
    audience = Audience(receivers=(ALL, PAGER))
    current, first = post(incident(), audience, (), NOW)
    current = replace(current, finding=replace(current.finding, severity=Severity.CRITICAL))
    current, second = post(current, audience, (), NOW)
    _, last = post(replace(current, phase=Phase.RESOLVED), audience, (), NOW)
    notices = [posting.notice for posting in (*first, *second, *last)]
    assert len({notice.id for notice in notices}) == len(notices) == 4
    assert {notice.subject.key for notice in notices} == {"shop/10.0.0.2:3306//lagging"}
    assert last[0].receivers == (ALL.id, PAGER.id)


def test_a_notice_lists_what_it_explains() -> None:
    symptom = incident(cause="x")
    _, (posting,) = post(incident(), Audience(receivers=(ALL,), names={"10.0.0.2:3306": "db2"}), [symptom], NOW)
    assert posting.notice.evidence == {"lag": "1", "symptoms": "lagging on db2"}
    assert posting.notice.server_name == "db2"


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        ((), True),
        (("shop",), True),
        (("other",), False),
        (("shop/db2",), True),
        (("shop/10.0.0.2:3306",), True),
        (("shop/db3", "shop/db2/lagging"), True),
        (("shop/*/lagging",), True),
        (("shop/db2/applier-error",), False),
        (("*/db2",), True),
    ],
)
def test_patterns(patterns: tuple[str, ...], wanted: bool) -> None:
    assert wants(replace(ALL, match=patterns), incident(), "db2") is wanted


def test_a_receiver_is_not_told_through_itself_that_it_refuses() -> None:
    subject = Subject("", "", ALL.id, FindingCode.RECEIVER_UNDELIVERABLE)
    refused = incident(Severity.CRITICAL)
    refused = replace(refused, finding=replace(refused.finding, subject=subject))
    assert decide(refused, (ALL, PAGER), None, NOW) == (Message(Reason.FIRST, (PAGER.id,)),)
