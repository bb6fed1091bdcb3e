"""However often a condition changes, few are told so, the last notice is true, and it is told in time."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repwatch.flows.book import living
from repwatch.flows.watch import advance
from repwatch.health.flaps import FIRST_HOLD, LONGEST_HOLD, MEMORY, Ended, flaps_of, hold
from repwatch.health.incident import Incident, Look, LookKind
from repwatch.health.notice import Audience
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.model.settings import Receiver, WebhookReceiver

START = datetime(2026, 11, 22, tzinfo=UTC)
SUBJECT = Subject("shop", "a:1", "", FindingCode.APPLIER_ERROR)
FINDING = Finding(subject=SUBJECT, severity=Severity.WARNING, summary="s", meaning="m", remedy="r")
DOWN = Finding(
    subject=Subject("shop", "b:1", "", FindingCode.SERVER_UNREACHABLE), severity=Severity.WARNING, summary="s", meaning="m",
    remedy="r",
)  # fmt: skip
AUDIENCE = Audience(receivers=(Receiver(name="oncall", channel=WebhookReceiver(url="http://127.0.0.1:1/")),))
SECOND = timedelta(seconds=1)


@dataclass
class Watch:
    """Looks at one server, and what is told."""

    now: datetime = START
    incidents: tuple[Incident, ...] = ()
    ended: dict[Subject, Ended] = field(default_factory=dict)
    told: list[Notice] = field(default_factory=list)
    causes: dict[Subject, Subject] = field(default_factory=dict)

    def look(self, *findings: Finding, after: timedelta = SECOND, kind: LookKind = LookKind.POLL) -> None:
        self.now += after
        servers = frozenset({"a:1", "b:1"})
        look = Look(at=self.now, kind=kind, asked=servers, observed=servers, ended=self.ended)
        entry = advance(self.incidents, findings, look, AUDIENCE, self.causes)
        self.incidents = living(self.incidents, entry.changes)
        for change in entry.changes:
            if change.after and change.after.resolved:
                self.ended[change.after.subject] = Ended(change.after.resolved, change.after.flaps)
        self.told += [posting.notice for posting in entry.postings]

    def outage(self) -> None:
        """It comes, and goes for good as far as anybody can see."""
        for _ in range(3):
            self.look(FINDING)
        for _ in range(3):
            self.look()

    def events(self) -> list[NoticeEvent]:
        return [notice.event for notice in self.told]


@settings(max_examples=8)
@given(seed=st.integers(), longest=st.sampled_from([1, 2, 3, 10, 60, 90, 600, 1900]))
def test_ten_thousand_changes_an_hour_make_tens_of_notices(seed: int, longest: int) -> None:
    watch, random = Watch(), Random(seed)
    true, until = False, START
    while watch.now < START + timedelta(hours=1):
        if watch.now >= until:
            true, until = not true, watch.now + timedelta(seconds=random.randint(1, longest))
        watch.look(*([FINDING] if true else []), after=timedelta(seconds=0.36))
    assert len(watch.told) <= 20
    expected = [NoticeEvent.OPENED, NoticeEvent.RESOLVED] * len(watch.told)
    assert watch.events() == expected[: len(watch.told)]
    watch.look()
    watch.look(after=SECOND)
    watch.look(after=LONGEST_HOLD + SECOND)
    assert watch.incidents == ()
    assert watch.events()[-1:] in ([], [NoticeEvent.RESOLVED])


def test_the_first_time_it_ends_at_once_the_second_after_a_minute() -> None:
    watch = Watch()
    watch.outage()
    assert watch.events() == [NoticeEvent.OPENED, NoticeEvent.RESOLVED]
    watch.outage()
    assert watch.events()[2:] == [NoticeEvent.OPENED]
    assert "came_back" in watch.told[-1].evidence
    watch.look(after=FIRST_HOLD)
    assert watch.events()[2:] == [NoticeEvent.OPENED, NoticeEvent.RESOLVED]


def test_what_comes_back_while_it_is_held_is_one_incident_and_has_to_be_gone_anew() -> None:
    watch = Watch()
    for _ in range(3):
        watch.outage()
        watch.look(after=FIRST_HOLD / 2)
    assert watch.events() == [NoticeEvent.OPENED, NoticeEvent.RESOLVED, NoticeEvent.OPENED]
    watch.look(after=FIRST_HOLD / 2 + SECOND)
    assert watch.incidents == ()


def test_an_hour_without_it_and_it_counts_anew() -> None:
    watch = Watch()
    watch.outage()
    watch.look(after=MEMORY + SECOND)
    watch.outage()
    assert watch.events() == [NoticeEvent.OPENED, NoticeEvent.RESOLVED] * 2


def test_a_cause_that_is_gone_and_held_explains_nothing() -> None:
    """Else the replicas of a source that flapped would be silent for an hour."""
    watch = Watch(causes={SUBJECT: DOWN.subject})
    watch.ended[DOWN.subject] = Ended(START, 9)
    for _ in range(3):
        watch.look(DOWN)
    for _ in range(3):
        watch.look()
    assert [incident.subject for incident in watch.incidents] == [DOWN.subject]
    for _ in range(3):
        watch.look(FINDING)
    assert [notice.subject for notice in watch.told] == [DOWN.subject, SUBJECT]


def test_who_looks_for_the_last_time_ends_it_whatever_it_was() -> None:
    watch = Watch()
    watch.outage()
    watch.look(FINDING)
    watch.look(FINDING)
    watch.look(kind=LookKind.LAST)
    assert watch.incidents == ()
    assert watch.events()[-1] is NoticeEvent.RESOLVED


def test_a_clock_that_is_set_back_holds_nothing_for_longer_than_its_hold() -> None:
    watch = Watch()
    watch.outage()
    watch.outage()
    watch.look(after=-timedelta(days=1))
    watch.look(after=FIRST_HOLD)
    assert watch.incidents == ()


@pytest.mark.parametrize(("flaps", "minutes"), [(0, 0), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (1000, 60)])
def test_holds(flaps: int, minutes: int) -> None:
    assert hold(flaps) == timedelta(minutes=minutes)


def test_flaps_are_counted_in_a_row() -> None:
    assert flaps_of(None, START) == 0
    assert flaps_of(Ended(START, 3), START + MEMORY) == 4
    assert flaps_of(Ended(START, 3), START + MEMORY + SECOND) == 0
    assert flaps_of(Ended(START + timedelta(days=1), 3), START) == 0
