"""Reminders and escalation: of what is critical and nobody has acknowledged, in time, and of nothing else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from repwatch.health.incident import Incident, Phase
from repwatch.health.notice import Audience, post
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.notice import NoticeEvent
from repwatch.model.settings import Receiver, WebhookReceiver

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
HOOK = WebhookReceiver(url="http://127.0.0.1:1/")
ONCALL = Receiver(name="oncall", channel=HOOK, remind_every=HOUR)
CHIEF = Receiver(name="chief", channel=HOOK, escalate_after=10 * MINUTE, remind_every=timedelta(0))
AUDIENCE = Audience(receivers=(ONCALL, CHIEF))
Told = list[tuple[int, NoticeEvent, tuple[str, ...]]]


def incident(severity: Severity = Severity.CRITICAL, **changes: Any) -> Incident:
    subject = Subject("shop", "a:1", "", FindingCode.APPLIER_ERROR)
    finding = Finding(subject=subject, severity=severity, summary="s", meaning="m", remedy="r")
    return replace(Incident(id="i", finding=finding, since=NOW, phase=Phase.OPEN), **changes)


class Story:
    """One incident, looked at each minute; told are (minute, event, receivers)."""

    def __init__(self, **changes: Any) -> None:
        self.incident = incident(**changes)
        self.minute = 0
        self.told: Told = []

    def until(self, minute: int, **changes: Any) -> None:
        self.incident = replace(self.incident, **changes)
        while self.minute < minute:
            now = NOW + self.minute * MINUTE
            self.incident, postings = post(self.incident, AUDIENCE, (), now)
            self.told += [(self.minute, p.notice.event, tuple(r.partition("/")[0] for r in p.receivers)) for p in postings]
            self.minute += 1


OPENED = [(0, NoticeEvent.OPENED, ("oncall",))]
ESCALATED = [*OPENED, (10, NoticeEvent.OPENED, ("chief",))]


def test_nobody_answers() -> None:
    story = Story()
    story.until(130)
    reminders: Told = [(60, NoticeEvent.REMINDER, ("oncall",)), (120, NoticeEvent.REMINDER, ("oncall",))]
    assert story.told == ESCALATED + reminders
    story.until(131, phase=Phase.RESOLVED)
    assert story.told[-1] == (130, NoticeEvent.RESOLVED, ("oncall", "chief"))


def test_somebody_answers_in_time() -> None:
    story = Story()
    story.until(5)
    story.until(200, acknowledged=True, acknowledged_by="ann")
    assert story.told == [*OPENED, (5, NoticeEvent.ACKNOWLEDGED, ("oncall",))]


def test_a_late_answer_ends_the_reminders_of_all() -> None:
    story = Story()
    story.until(15)
    story.until(200, acknowledged=True)
    assert story.told == [*ESCALATED, (15, NoticeEvent.ACKNOWLEDGED, ("oncall", "chief"))]


@pytest.mark.parametrize("changes", [{"severity": Severity.WARNING}, {"good_polls": 1}])
def test_a_warning_and_what_is_not_seen_any_more_urge_nobody(changes: dict[str, Any]) -> None:
    story = Story(**changes)
    story.until(200)
    assert story.told == OPENED


def test_time_counts_from_when_it_became_critical() -> None:
    story = Story(severity=Severity.WARNING)
    story.until(30)
    story.until(45, finding=incident().finding)
    assert story.told == [*OPENED, (30, NoticeEvent.UPDATED, ("oncall",)), (40, NoticeEvent.OPENED, ("chief",))]


def test_a_silence_stops_the_clock_and_starts_it_anew() -> None:
    story = Story()
    story.until(5)
    story.until(90, silenced_until=NOW + 90 * MINUTE)
    assert story.told == OPENED
    story.until(110, silenced_until=None)
    assert story.told == [*OPENED, (90, NoticeEvent.REMINDER, ("oncall",)), (100, NoticeEvent.OPENED, ("chief",))]


def test_a_symptom_waits_for_nobody() -> None:
    story = Story(cause="shop/b:1//server-unreachable")
    story.until(200)
    assert story.told == []
