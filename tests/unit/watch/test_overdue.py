"""A receiver that cannot be reached refuses nothing: the others are told of it when that has gone on for too long."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from repwatch.adapters.store.reader import read_views
from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.errors import StoreError
from repwatch.flows.book import Book
from repwatch.flows.deliver import Courier, undeliverable
from repwatch.flows.sorting import Bundling, Singly
from repwatch.flows.watch import SelfWatcher, advance
from repwatch.health.incident import Look, LookKind
from repwatch.health.notice import Audience
from repwatch.health.overdue import FIRST_TRIES, STUCK, TOO_LONG
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.model.settings import Receiver, WebhookReceiver
from repwatch.model.view import State
from repwatch.ports.notifier import Delivery, DeliveryOutcome, Letter, Thread
from tests.unit.watch.handclock import HandClock

HOOK = WebhookReceiver(url="http://127.0.0.1:1/")
DEAF, OTHER = Receiver(name="deaf", channel=HOOK), Receiver(name="other", channel=HOOK)
DOWN = Finding(
    subject=Subject("shop", "a:1", "", FindingCode.SERVER_UNREACHABLE),
    severity=Severity.CRITICAL,
    summary="s",
    meaning="m",
    remedy="r",
)
OTHER_DOWN = replace(DOWN, subject=replace(DOWN.subject, server="b:1"))


class Ear:
    """A receiver that answers as told, and remembers what it took."""

    def __init__(self, answer: DeliveryOutcome) -> None:
        self.answer = answer
        self.takes: set[Subject] = set()  # whatever the answer is
        self.leaves: set[Subject] = set()  # likewise
        self.heard: list[tuple[FindingCode, NoticeEvent]] = []
        self.missed = ""  # whom what it takes does not reach

    def send(self, notice: Letter, thread: Thread) -> Delivery:
        assert isinstance(notice, Notice)
        outcome = DeliveryOutcome.DELIVERED if notice.subject in self.takes else self.answer
        outcome = DeliveryOutcome.RETRY if notice.subject in self.leaves else outcome
        if outcome is DeliveryOutcome.DELIVERED:
            self.heard.append((notice.subject.code, notice.event))
            return Delivery(outcome=outcome, text=self.missed, thread=thread)
        return Delivery(outcome=outcome, text="nobody there", thread=thread)


class Service:
    """An incident that two receivers are told of, and the watch over repwatch itself."""

    def __init__(self, store: SqlStore) -> None:
        self.store, self.clock = store, HandClock()
        self.audience = Audience(receivers=(DEAF, OTHER))
        self.own = SelfWatcher(Book(store, self.clock, ""), self.audience, self.clock, debts=store.overdue)
        self.deaf, self.other = Ear(DeliveryOutcome.RETRY), Ear(DeliveryOutcome.DELIVERED)
        self.couriers = [
            Courier(receiver.id, ear, store, Singly(receiver.id, store), self.clock, beside=lambda call: call())
            for receiver, ear in ((DEAF, self.deaf), (OTHER, self.other))
        ]

    def happen(self, finding: Finding = DOWN) -> None:
        book = Book(self.store, self.clock, "shop")
        for _ in range(2):
            incidents, _standing = book.read()
            look = Look(at=self.clock.now(), kind=LookKind.POLL, asked=frozenset({finding.subject.server}), observed=frozenset())
            book.record(advance(incidents, [finding], look, self.audience, {}))

    def run(self, span: timedelta) -> None:
        end = self.clock.now() + span
        while self.clock.now() < end:
            self.clock.sleep(5)
            self.own.tick()
            for courier in self.couriers:
                while courier._safely(courier.turn):
                    pass


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    store = SqlStore.open(f"sqlite:///{tmp_path}/s.db")
    yield Service(store)
    store.close()


def test_the_others_are_told_of_it_once_and_of_its_end(service: Service) -> None:
    service.happen()
    service.run(TOO_LONG - timedelta(minutes=1))
    assert service.other.heard == [(FindingCode.SERVER_UNREACHABLE, NoticeEvent.OPENED)]
    service.run(timedelta(minutes=30))
    assert service.other.heard[1:] == [(FindingCode.RECEIVER_UNDELIVERABLE, NoticeEvent.OPENED)]
    assert [finding.subject for finding in service.own.findings] == [undeliverable(DEAF.id)]
    service.deaf.answer = DeliveryOutcome.DELIVERED
    service.run(timedelta(minutes=10))
    assert service.deaf.heard == [(FindingCode.SERVER_UNREACHABLE, NoticeEvent.OPENED)]
    assert service.other.heard[2:] == [(FindingCode.RECEIVER_UNDELIVERABLE, NoticeEvent.RESOLVED)]
    assert service.own.findings == ()


@pytest.mark.parametrize(
    "others",
    [(), (replace(OTHER, match=("shop",)),)],
    ids=["the only receiver", "another that takes a cluster alone"],
)
@pytest.mark.parametrize("answer", [DeliveryOutcome.RETRY, DeliveryOutcome.REFUSED])
def test_where_nobody_else_is_to_be_told_it_is_shown_as_such(
    service: Service, tmp_path: Path, others: tuple[Receiver, ...], answer: DeliveryOutcome
) -> None:
    service.own.audience = replace(service.audience, receivers=(DEAF, *others))
    service.deaf.answer = answer
    service.happen()
    service.run(TOO_LONG + timedelta(minutes=1))
    assert of_receivers(service.other.heard) == []
    (view,) = [dated.cluster for dated in read_views(f"sqlite:///{tmp_path}/s.db") if not dated.cluster.name]
    assert view.state is State.CRITICAL
    (finding,) = view.findings
    assert (finding.code, finding.evidence["told_to"]) == (FindingCode.RECEIVER_UNDELIVERABLE, "nobody")


def test_that_nobody_is_reached_is_worse_than_that_somebody_is_not(service: Service) -> None:
    service.deaf.answer, service.deaf.missed = DeliveryOutcome.DELIVERED, "550 no such user"
    service.happen()
    service.run(timedelta(minutes=1))
    assert [(finding.subject, finding.severity) for finding in service.own.findings] == [
        (undeliverable(DEAF.id), Severity.WARNING)
    ]
    service.deaf.answer = DeliveryOutcome.RETRY
    service.happen(OTHER_DOWN)
    service.run(TOO_LONG + timedelta(minutes=1))
    (finding,) = service.own.findings
    assert (finding.subject, finding.severity) == (undeliverable(DEAF.id), Severity.CRITICAL)
    service.deaf.answer, service.deaf.missed = DeliveryOutcome.DELIVERED, ""
    service.run(timedelta(minutes=10))
    assert service.own.findings == ()


def test_two_that_take_nothing_are_told_of_to_each_other(service: Service) -> None:
    service.other.answer = DeliveryOutcome.RETRY
    service.happen()
    service.run(2 * TOO_LONG)
    assert {finding.subject for finding in service.own.findings} == {undeliverable(DEAF.id), undeliverable(OTHER.id)}
    service.deaf.answer = service.other.answer = DeliveryOutcome.DELIVERED
    service.run(2 * TOO_LONG)
    for ear in (service.deaf, service.other):  # the end goes behind the beginning, which waited
        assert of_receivers(ear.heard) == [NoticeEvent.OPENED, NoticeEvent.RESOLVED]
    assert service.own.findings == ()


def test_what_was_not_tried_yet_is_nobody_s_failure(service: Service) -> None:
    service.happen()
    service.clock.sleep(2 * TOO_LONG.total_seconds())  # the service was not running
    service.own.tick()
    assert service.own.findings == ()


def test_a_long_queue_that_moves_is_no_failure(service: Service) -> None:
    """Slack takes a message a second: after a storm the last ones are old, and each may have been put off once."""
    service.happen()
    service.run(timedelta(seconds=30))
    service.happen(OTHER_DOWN)
    service.run(TOO_LONG - timedelta(minutes=1))
    service.deaf.takes = {DOWN.subject}
    service.run(timedelta(minutes=5))
    assert service.deaf.heard == [(FindingCode.SERVER_UNREACHABLE, NoticeEvent.OPENED)]
    assert not service.own.findings
    service.run(TOO_LONG)
    assert [finding.subject for finding in service.own.findings] == [undeliverable(DEAF.id)]


def stuck(service: Service) -> None:
    """The deaf one takes whatever comes, save the first notice."""
    service.deaf.leaves = {DOWN.subject}
    service.deaf.answer = DeliveryOutcome.DELIVERED
    service.happen()
    for number in range(2 * int(STUCK / TOO_LONG)):
        service.happen(replace(DOWN, subject=replace(DOWN.subject, server=f"c{number}:1")))
        service.run(TOO_LONG / 2)


def of_receivers(heard: list[tuple[FindingCode, NoticeEvent]]) -> list[NoticeEvent]:
    return [event for code, event in heard if code is FindingCode.RECEIVER_UNDELIVERABLE]


def test_one_notice_that_is_never_taken_is_told_once_with_its_cause_and_over_when_it_is(service: Service) -> None:
    stuck(service)
    assert not of_receivers(service.other.heard), "it may still go through"
    service.run(2 * FIRST_TRIES)
    (finding,) = service.own.findings
    assert "told_to" not in finding.evidence
    assert (finding.subject, finding.evidence["answer"]) == (undeliverable(DEAF.id), "nobody there")
    assert finding.evidence["incident"] == DOWN.subject.key
    service.run(3 * STUCK)
    assert of_receivers(service.other.heard) == [NoticeEvent.OPENED]
    service.deaf.leaves = set()
    service.run(TOO_LONG)
    assert of_receivers(service.other.heard) == [NoticeEvent.OPENED, NoticeEvent.RESOLVED]
    assert not service.own.findings


def test_it_is_over_when_the_receiver_is_no_longer_to_have_it(service: Service) -> None:
    stuck(service)
    service.run(2 * FIRST_TRIES)
    service.store.begin_service([OTHER.id], [], service.clock.now())
    service.run(timedelta(minutes=1))
    assert of_receivers(service.other.heard) == [NoticeEvent.OPENED, NoticeEvent.RESOLVED]


def test_a_start_does_not_say_that_a_stuck_notice_went_through(service: Service) -> None:
    stuck(service)
    service.run(2 * FIRST_TRIES)
    service.store.begin_service([DEAF.id, OTHER.id], [], service.clock.now())
    for _ in range(4):  # nothing is tried yet
        service.own.tick()
        service.clock.sleep(5)
    service.run(STUCK)
    assert of_receivers(service.other.heard) == [NoticeEvent.OPENED]


def test_what_was_stuck_before_a_start_and_goes_through_then_is_no_news(service: Service) -> None:
    service.deaf.leaves, service.deaf.answer = {DOWN.subject}, DeliveryOutcome.DELIVERED
    service.happen()
    service.run(timedelta(minutes=1))
    service.clock.sleep(STUCK.total_seconds())  # the service was not running
    service.store.begin_service([DEAF.id, OTHER.id], [], service.clock.now())
    service.own.tick()
    service.clock.sleep(5)
    service.own.tick()
    service.deaf.leaves = set()
    service.run(STUCK)
    assert not of_receivers(service.other.heard)


def test_a_receiver_that_comes_to_refuse_is_one_finding(service: Service) -> None:
    service.happen()
    service.run(2 * TOO_LONG)
    service.deaf.answer = DeliveryOutcome.REFUSED
    service.run(timedelta(minutes=10))
    assert [finding.subject for finding in service.own.findings] == [undeliverable(DEAF.id)]
    assert service.other.heard[1:] == [(FindingCode.RECEIVER_UNDELIVERABLE, NoticeEvent.OPENED)]


def test_of_a_receiver_that_is_no_longer_configured_nothing_is_said(service: Service) -> None:
    service.happen()
    service.run(TOO_LONG - timedelta(minutes=1))
    service.own.audience = Audience(receivers=(OTHER,))
    service.run(timedelta(minutes=10))
    assert service.own.findings == ()


def test_a_store_that_cannot_be_read_changes_nothing(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.happen()
    service.run(2 * TOO_LONG)

    def gone(receivers: object, before: object) -> tuple[()]:
        raise StoreError("gone")

    service.own.debts = gone
    service.own.tick()
    assert [finding.subject for finding in service.own.findings] == [undeliverable(DEAF.id)]


def test_people_who_cannot_be_reached_are_told_of_though_the_oldest_notice_was_not_tried(service: Service) -> None:
    """For people the most urgent goes first: what is older may wait behind it for as long as nothing gets through."""
    store, clock = service.store, service.clock
    service.couriers[0] = Courier(
        DEAF.id, service.deaf, store, Bundling(DEAF.id, store, clock), clock, beside=lambda call: call()
    )
    service.deaf.answer = DeliveryOutcome.RETRY
    service.happen(replace(OTHER_DOWN, severity=Severity.WARNING))
    service.happen()
    service.run(TOO_LONG + timedelta(minutes=2))
    assert [finding.subject for finding in service.own.findings] == [undeliverable(DEAF.id)]


def test_a_button_that_nobody_hears_hides_no_receiver_that_takes_nothing(service: Service) -> None:
    button = replace(DOWN, subject=Subject("", "", DEAF.id, FindingCode.BUTTON_DISCONNECTED), severity=Severity.WARNING)
    service.store.set_standing(button)
    service.happen()
    service.run(2 * TOO_LONG)
    assert {finding.subject for finding in service.own.findings} == {button.subject, undeliverable(DEAF.id)}
    service.deaf.answer = DeliveryOutcome.REFUSED
    service.run(timedelta(minutes=10))
    assert {finding.subject for finding in service.own.findings} == {button.subject, undeliverable(DEAF.id)}
    undelivered = [event for code, event in service.other.heard if code is FindingCode.RECEIVER_UNDELIVERABLE]
    assert undelivered == [NoticeEvent.OPENED]
