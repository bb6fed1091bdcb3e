"""Bundles at the receivers: one message for all, and what comes later finds it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest

from repwatch.adapters.notifiers import build, rewriting
from repwatch.model.endpoint import LiteralSecret
from repwatch.model.finding import Severity, Subject
from repwatch.model.notice import Bundle, Member, Notice, NoticeEvent
from repwatch.model.settings import Receiver, SlackReceiver
from repwatch.ports.notifier import BUNDLE, DeliveryOutcome, Notifier, Rewriting, Thread
from repwatch.sandbox.standins import Misbehaviour
from repwatch.sandbox.standins_mail import MailCatcher
from repwatch.sandbox.standins_slack import SlackPost, SlackStandIn
from tests.unit.adapters.benches import (
    BENCHES,
    SECONDS,
    SUBJECT,
    TOKEN,
    Bench,
    email_bench,
    notice,
    slack_bench,
    webhook_bench,
)

APP = LiteralSecret("xapp-secret")


def of(place: int, event: NoticeEvent = NoticeEvent.OPENED, severity: Severity = Severity.CRITICAL, number: int = 1) -> Notice:
    """A notice of the server of that number."""
    subject = Subject("shop", f"10.0.0.{place}:3306", "", SUBJECT.code)
    return replace(notice(event, number, severity), id=f"i{place}-{number}", subject=subject, server_name=f"db{place}")


def bundle(notices: Sequence[Notice], threads: Mapping[str, Thread] | None = None, name: str = "bundle-1") -> Bundle:
    known = threads or {}
    return Bundle(
        id=name, members=tuple(Member(notice=each, thread=known.get(each.id.partition("-")[0], {})) for each in notices)
    )


ALL = [of(place) for place in range(1, 9)]


@pytest.fixture(params=["slack", "slack-webhook", "email"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made, _ = BENCHES[request.param]()
    yield made
    made.close()


def test_a_bundle_arrives_with_all_that_is_in_it(bench: Bench) -> None:
    delivery = bench.notifier().send(bundle(ALL), {})
    assert delivery.outcome is DeliveryOutcome.DELIVERED, delivery.text
    for each in ALL:
        assert f"shop/{each.server_name}" in bench.shown()
        assert each.subject.key in bench.shown()
    assert "8 incidents" in bench.shown()


def test_trouble_of_the_moment_is_retried_and_a_refusal_is_told(bench: Bench) -> None:
    bench.fail_now()
    assert bench.notifier().send(bundle(ALL), {}).outcome is DeliveryOutcome.RETRY
    bench.recover()
    bench.fail_for_good()
    assert bench.notifier().send(bundle(ALL), {}).outcome is DeliveryOutcome.REFUSED


def test_a_slow_receiver_gets_a_bundle_once(bench: Bench) -> None:
    notifier = bench.notifier(seconds=1)
    bench.stall()
    assert notifier.send(bundle(ALL), {}).outcome is DeliveryOutcome.RETRY
    bench.go_on()
    assert any(notifier.send(bundle(ALL), {}).outcome is DeliveryOutcome.DELIVERED for _ in range(60))
    assert bench.shown().count("bundle-1") == (2 if bench.kind == "email" else 1)  # a mail has two parts


def test_a_machine_takes_no_bundle() -> None:
    made, server = webhook_bench()
    assert made.notifier().send(bundle(ALL), {}).outcome is DeliveryOutcome.REFUSED
    assert not server.posts
    made.close()


# ── Slack ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    made, server = slack_bench()
    yield server
    made.close()


def bot(slack: SlackStandIn) -> Notifier:
    channel = SlackReceiver(channel="#db-alerts", token=TOKEN, api_url=slack.api_url, app_token=APP)
    return build(Receiver(name="oncall", channel=channel), seconds=SECONDS)


def has_button(post: SlackPost) -> bool:
    return any(block["type"] == "actions" for block in post.blocks)


def test_a_later_notice_of_a_member_stands_whole_below_the_bundle_which_stays(slack: SlackStandIn) -> None:
    notifier = bot(slack)
    thread = notifier.send(bundle(ALL), {}).thread
    delivery = notifier.send(of(3, NoticeEvent.REMINDER, number=2), thread)
    (root,) = slack.roots
    (reply,) = slack.replies(root)
    assert root.edits == 0
    for wanted in ("shop/db3", "repwatch repair shop/db3", "Do not skip it."):
        assert wanted in reply.shown
    assert has_button(reply)
    assert reply.broadcast, "a reminder is for everybody"
    assert delivery.thread == thread
    notifier.send(of(3, NoticeEvent.RESOLVED, number=3), delivery.thread)
    assert slack.roots == (root,)
    assert "RESOLVED" in slack.replies(root)[1].shown
    assert not slack.replies(root)[1].broadcast


@pytest.mark.parametrize("first", [[Severity.WARNING] * 2, [Severity.WARNING, Severity.CRITICAL]])
def test_what_becomes_critical_is_shown_in_the_channel(slack: SlackStandIn, first: list[Severity]) -> None:
    notifier = bot(slack)
    thread = notifier.send(bundle([of(place, severity=each) for place, each in enumerate(first)]), {}).thread
    delivery = notifier.send(of(0, NoticeEvent.UPDATED, number=2), thread)
    assert slack.posts[-1].broadcast
    notifier.send(of(0, NoticeEvent.UPDATED, number=3), delivery.thread)
    assert not slack.posts[-1].broadcast


def test_what_was_told_in_one_bundle_and_ends_in_one_ends_below_it(slack: SlackStandIn) -> None:
    notifier = bot(slack)
    thread = notifier.send(bundle(ALL), {}).thread
    over = [of(place, NoticeEvent.RESOLVED, number=2) for place in range(1, 9)]
    threads = {f"i{place}": {**thread, "severity": "warning"} if place == 1 else thread for place in range(1, 9)}
    assert notifier.send(bundle(over, threads, "bundle-2"), {}).outcome is DeliveryOutcome.DELIVERED
    (root,) = slack.roots
    (reply,) = slack.replies(root)
    assert reply.broadcast
    assert "RESOLVED" in reply.shown


def test_what_has_a_message_of_its_own_is_brought_up_to_date_with_the_bundle(slack: SlackStandIn) -> None:
    notifier = bot(slack)
    threads = {f"i{place}": notifier.send(of(place), {}).thread for place in (1, 2, 3)}
    threads |= {"i4": notifier.send(bundle([of(4), of(5)]), {}).thread}
    slack.delete(threads["i3"]["ts"])
    over = [of(place, NoticeEvent.RESOLVED, number=2) for place in (1, 3, 4, 5)] + [of(2, NoticeEvent.REMINDER, number=2)]
    assert notifier.send(bundle(over, threads, "bundle-2"), {}).outcome is DeliveryOutcome.DELIVERED
    one, two, four, last = slack.roots
    assert ([each.edits for each in (one, two, four, last)], "RESOLVED" in one.shown) == ([1, 0, 0, 0], True)
    assert "5 incidents" in last.shown
    assert not slack.replies(one)


def test_a_retry_after_a_failed_post_changes_nothing_twice(slack: SlackStandIn) -> None:
    notifier = bot(slack)
    thread = notifier.send(of(1), {}).thread
    over = bundle([of(1, NoticeEvent.RESOLVED, number=2), of(2)], {"i1": thread})
    slack.misbehave(Misbehaviour(after_effect=True), Misbehaviour(status=429, headers={"Retry-After": "3"}))
    delivery = notifier.send(over, {})
    assert (delivery.outcome, delivery.retry_after is not None) == (DeliveryOutcome.RETRY, True)
    assert notifier.send(over, {}).outcome is DeliveryOutcome.DELIVERED
    assert len(slack.roots) == 2
    assert "RESOLVED" in slack.roots[0].shown


def test_a_bundle_whose_message_was_deleted_is_followed_up_by_a_new_one(slack: SlackStandIn) -> None:
    notifier = bot(slack)
    thread = notifier.send(bundle(ALL), {}).thread
    slack.delete(thread["ts"])
    over = [of(place, NoticeEvent.RESOLVED, number=2) for place in range(1, 9)]
    threads = {f"i{place}": thread for place in range(1, 9)}
    assert notifier.send(bundle(over, threads, "bundle-2"), {}).outcome is DeliveryOutcome.DELIVERED
    delivery = notifier.send(of(1, NoticeEvent.UPDATED, number=3), thread)
    assert len(slack.roots) == 2
    assert BUNDLE not in delivery.thread


def test_a_bundle_is_not_lost_because_slack_dislikes_its_looks(slack: SlackStandIn) -> None:
    slack.misbehave(Misbehaviour(error="invalid_blocks"))
    assert bot(slack).send(bundle(ALL), {}).outcome is DeliveryOutcome.DELIVERED
    (root,) = slack.roots
    assert not root.blocks
    assert "shop/db8" in root.text


def rewriter(slack: SlackStandIn, channel: str = "#db-alerts") -> Rewriting:
    made = rewriting(Receiver(name="oncall", channel=SlackReceiver(channel=channel, token=TOKEN, api_url=slack.api_url)))
    assert made is not None
    return made


def some_over(ended: int) -> Bundle:
    return bundle([of(n, NoticeEvent.RESOLVED) for n in range(1, ended + 1)] + [of(n) for n in range(ended + 1, 9)])


def test_a_bundle_s_message_shows_how_many_are_still_open_and_that_all_are_over(slack: SlackStandIn) -> None:
    delivery = bot(slack).send(bundle(ALL), {})
    assert delivery.rewritable
    again = rewriter(slack)
    for ended in (3, 3, 8):
        assert again.rewrite(some_over(ended), delivery.thread).outcome is DeliveryOutcome.DELIVERED
        (root,) = slack.posts
        assert ("5 of 8" in root.shown, "RESOLVED" in root.shown) == (ended == 3, ended == 8)
        assert root.metadata["event_payload"]["id"] == "bundle-1"  # type: ignore[index]


@pytest.mark.parametrize("error", ["message_not_found", "cant_update_message", "edit_window_closed", "is_archived"])
def test_a_message_that_cannot_be_changed_is_left(slack: SlackStandIn, error: str) -> None:
    thread = bot(slack).send(bundle(ALL), {}).thread
    slack.misbehave(Misbehaviour(error=error))
    assert rewriter(slack).rewrite(some_over(8), thread).outcome is DeliveryOutcome.REFUSED
    assert len(slack.posts) == 1


@pytest.mark.parametrize(
    "trouble",
    [Misbehaviour(status=429, headers={"Retry-After": "7"}), Misbehaviour(error="invalid_auth"), Misbehaviour(status=503)],
)
def test_what_may_be_put_right_is_tried_again(slack: SlackStandIn, trouble: Misbehaviour) -> None:
    thread = bot(slack).send(bundle(ALL), {}).thread
    slack.misbehave(trouble)
    delivery = rewriter(slack).rewrite(some_over(8), thread)
    assert (delivery.outcome, delivery.retry_after is not None) == (DeliveryOutcome.RETRY, trouble.status == 429)
    assert rewriter(slack).rewrite(some_over(8), thread).outcome is DeliveryOutcome.DELIVERED


def test_a_message_in_a_channel_of_before_is_left(slack: SlackStandIn) -> None:
    thread = bot(slack).send(bundle(ALL), {}).thread
    assert rewriter(slack, "#other").rewrite(some_over(8), thread).outcome is DeliveryOutcome.REFUSED
    assert slack.posts[0].edits == 0


def test_slack_that_is_away_is_tried_again(slack: SlackStandIn) -> None:
    thread = bot(slack).send(bundle(ALL), {}).thread
    again = rewriter(slack)
    slack.close()
    assert again.rewrite(some_over(8), thread).outcome is DeliveryOutcome.RETRY


# ── e-mail ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def mails() -> Iterator[tuple[Notifier, MailCatcher]]:
    made, server = email_bench()
    yield made.notifier(), server
    made.close()


def test_mails_about_a_member_answer_the_bundle(mails: tuple[Notifier, MailCatcher]) -> None:
    notifier, server = mails
    thread = notifier.send(bundle(ALL), {}).thread
    threads = {f"i{place}": thread for place in range(1, 9)}
    notifier.send(of(1, NoticeEvent.UPDATED, number=2), thread)
    over = [of(place, NoticeEvent.RESOLVED, number=3) for place in range(1, 9)]
    notifier.send(bundle(over, threads, "bundle-2"), {})
    notifier.send(bundle([*over, of(9)], threads, "bundle-3"), {})
    first, update, end, mixed = (mail.message for mail in server.mails)
    assert first["X-Repwatch-Event"] == "bundle"
    assert (first["X-Priority"], end["X-Priority"], mixed["X-Priority"]) == ("1", None, "1")
    assert first["Message-ID"] == "<repwatch.bundle-1@example.com>"
    assert [each["References"] for each in (update, end, mixed)] == [first["Message-ID"]] * 2 + [None]
