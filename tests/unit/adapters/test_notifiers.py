"""What is special to each kind of receiver: Slack's threads and errors, a mail server's codes and TLS, a webhook's statuses."""

import hashlib
import hmac
import json
import socket
import threading
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from repwatch.adapters.attempt import retry_after, scrub
from repwatch.adapters.notifiers import build
from repwatch.errors import UsageError
from repwatch.model.endpoint import LiteralSecret
from repwatch.model.finding import Severity
from repwatch.model.notice import NoticeEvent
from repwatch.model.settings import EmailReceiver, Receiver, SlackReceiver, WebhookForm, WebhookReceiver
from repwatch.ports.notifier import Delivery, DeliveryOutcome
from repwatch.sandbox.standins import Misbehaviour
from repwatch.sandbox.standins_mail import MailCatcher
from repwatch.sandbox.standins_slack import SlackStandIn
from repwatch.sandbox.standins_webhook import WebhookCatcher
from tests.unit.adapters.benches import PASSWORD, SECONDS, SECRETS, SIGNING, TOKEN, notice
from tests.unit.adapters.tls import self_made, tls

DELIVERED, RETRY, REFUSED = DeliveryOutcome.DELIVERED, DeliveryOutcome.RETRY, DeliveryOutcome.REFUSED


def slack_receiver(server: SlackStandIn, channel: str = "#db-alerts") -> Receiver:
    return Receiver(name="oncall", channel=SlackReceiver(channel=channel, token=TOKEN, api_url=server.api_url))


def mail_receiver(server: MailCatcher, **changes: object) -> Receiver:
    to = ("dba@example.com", "lead@example.com")
    mail = EmailReceiver(to=to, sender="repwatch@example.com", host=server.host, port=server.port)
    return Receiver(name="oncall", channel=replace(mail, **changes))  # type: ignore[arg-type]


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn(token=SECRETS[0], missing=("#nowhere",)) as server:
        yield server


@pytest.fixture
def catcher() -> Iterator[MailCatcher]:
    with MailCatcher() as server:
        yield server


@pytest.fixture
def hook() -> Iterator[WebhookCatcher]:
    with WebhookCatcher() as server:
        yield server


# ── Slack ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_slack_keeps_one_message_for_an_incident_and_tells_the_rest_in_its_thread(slack: SlackStandIn) -> None:
    notifier = build(slack_receiver(slack), seconds=SECONDS)
    thread = notifier.send(notice(NoticeEvent.OPENED, 1), {}).thread
    assert thread["channel"].startswith("C")
    assert "repwatch repair shop/db3" in slack.roots[0].shown
    for number, event in enumerate(
        (NoticeEvent.UPDATED, NoticeEvent.ACKNOWLEDGED, NoticeEvent.REMINDER, NoticeEvent.RESOLVED), 2
    ):
        thread = notifier.send(notice(event, number), thread).thread
    (root,) = slack.roots
    assert root.edits == 3  # a reminder changes nothing
    assert "RESOLVED" in root.shown
    assert "repwatch repair shop/db3" not in root.shown
    assert [reply.broadcast for reply in slack.replies(root)] == [False, False, True, False]
    assert [reply.metadata["event_payload"]["event"] for reply in slack.replies(root)] == [  # type: ignore[index]
        *("updated", "acknowledged", "reminder", "resolved"),
    ]


def test_slack_is_loud_when_a_warning_becomes_critical(slack: SlackStandIn) -> None:
    notifier = build(slack_receiver(slack), seconds=SECONDS)
    thread = notifier.send(notice(severity=Severity.WARNING), {}).thread
    thread = notifier.send(notice(NoticeEvent.UPDATED, 2), thread).thread
    notifier.send(notice(NoticeEvent.UPDATED, 3), thread)
    assert [reply.broadcast for reply in slack.replies(slack.roots[0])] == [True, False]


def test_slack_says_how_long_to_wait(slack: SlackStandIn) -> None:
    for limit in (
        Misbehaviour(status=429, headers={"Retry-After": "37"}),
        Misbehaviour(error="ratelimited", headers={"retry-after": "37"}),
    ):
        slack.misbehave(limit)
        delivery = build(slack_receiver(slack), seconds=SECONDS).send(notice(), {})
        assert (delivery.outcome, delivery.retry_after) == (RETRY, timedelta(seconds=37))
    assert not slack.posts


@pytest.mark.parametrize("error", ["internal_error", "fatal_error", "service_unavailable", "request_timeout", "ratelimited"])
def test_slacks_own_troubles_are_retried(slack: SlackStandIn, error: str) -> None:
    slack.misbehave(Misbehaviour(error=error))
    assert build(slack_receiver(slack), seconds=SECONDS).send(notice(), {}).outcome is RETRY


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_slack_behind_a_broken_gateway_is_retried(slack: SlackStandIn, status: int) -> None:
    slack.misbehave(Misbehaviour(status=status, body="<html>bad gateway</html>"))
    assert build(slack_receiver(slack), seconds=SECONDS).send(notice(), {}).outcome is RETRY


@pytest.mark.parametrize(
    "error", ["token_revoked", "token_expired", "account_inactive", "not_in_channel", "missing_scope", "restricted_action"]
)
def test_what_needs_a_person_is_refused_and_named(slack: SlackStandIn, error: str) -> None:
    slack.misbehave(Misbehaviour(error=error))
    delivery = build(slack_receiver(slack), seconds=SECONDS).send(notice(), {})
    assert delivery.outcome is REFUSED
    assert error in delivery.text


def test_a_wrong_token_and_a_missing_channel_are_refused(slack: SlackStandIn) -> None:
    token = LiteralSecret("xoxb-wrong")
    wrong = Receiver(name="oncall", channel=SlackReceiver(channel="#db-alerts", token=token, api_url=slack.api_url))
    for bad, name in ((wrong, "invalid_auth"), (slack_receiver(slack, "#nowhere"), "channel_not_found")):
        delivery = build(bad, seconds=SECONDS).send(notice(), {})
        assert delivery.outcome is REFUSED
        assert name in delivery.text


def test_a_retry_after_a_lost_reply_rewrites_the_root_again_but_posts_no_second_root(slack: SlackStandIn) -> None:
    notifier = build(slack_receiver(slack), seconds=SECONDS)
    thread = notifier.send(notice(), {}).thread
    slack.misbehave(Misbehaviour(after_effect=True), Misbehaviour(error="internal_error"))
    failed = notifier.send(notice(NoticeEvent.RESOLVED, 2), thread)
    assert (failed.outcome, failed.thread) == (RETRY, thread)
    assert notifier.send(notice(NoticeEvent.RESOLVED, 2), failed.thread).outcome is DELIVERED
    (root,) = slack.roots
    assert len(slack.replies(root)) == 1


def test_a_deleted_message_is_posted_anew(slack: SlackStandIn) -> None:
    notifier = build(slack_receiver(slack), seconds=SECONDS)
    thread = notifier.send(notice(), {}).thread
    slack.delete(thread["ts"])
    again = notifier.send(notice(NoticeEvent.RESOLVED, 2), thread)
    assert again.outcome is DELIVERED
    (root,) = slack.roots
    assert again.thread["ts"] == root.ts
    slack.delete(root.ts)
    assert notifier.send(notice(NoticeEvent.REMINDER, 3), again.thread).outcome is DELIVERED
    assert len(slack.roots) == 1


def test_another_channel_in_the_configuration_gets_a_message_of_its_own(slack: SlackStandIn) -> None:
    thread = build(slack_receiver(slack), seconds=SECONDS).send(notice(), {}).thread
    build(slack_receiver(slack, "#new"), seconds=SECONDS).send(notice(NoticeEvent.UPDATED, 2), thread)
    first, second = slack.roots
    assert first.channel != second.channel


def test_where_edits_are_forbidden_the_thread_tells_it(slack: SlackStandIn) -> None:
    notifier = build(slack_receiver(slack), seconds=SECONDS)
    thread = notifier.send(notice(), {}).thread
    slack.misbehave(Misbehaviour(error="cant_update_message"))
    assert notifier.send(notice(NoticeEvent.RESOLVED, 2), thread).outcome is DELIVERED
    (root,) = slack.roots
    assert root.edits == 0
    assert "Resolved" in slack.replies(root)[0].shown


@pytest.mark.parametrize("error", ["invalid_blocks", "msg_blocks_too_long"])
def test_a_notice_is_not_lost_because_slack_dislikes_its_looks(slack: SlackStandIn, error: str) -> None:
    notifier = build(slack_receiver(slack), seconds=SECONDS)
    slack.misbehave(Misbehaviour(error=error))
    thread = notifier.send(notice(), {}).thread
    assert not slack.roots[0].blocks
    assert "repwatch repair shop/db3" in slack.roots[0].text
    slack.misbehave(Misbehaviour(error=error), Misbehaviour(after_effect=True), Misbehaviour(error=error))
    assert notifier.send(notice(NoticeEvent.RESOLVED, 2), thread).outcome is DELIVERED
    assert "RESOLVED" in slack.roots[0].text


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        *((404, "no_service", REFUSED), (410, "channel_is_archived", REFUSED), (403, "action_prohibited", REFUSED)),
        *((400, "invalid_token", REFUSED), (429, "", RETRY), (500, "rollup_error", RETRY), (503, "", RETRY)),
    ],
)
def test_the_incoming_webhooks_answers(slack: SlackStandIn, status: int, body: str, outcome: DeliveryOutcome) -> None:
    slack.misbehave(Misbehaviour(status=status, body=body, headers={"Retry-After": "9"} if status == 429 else {}))
    receiver = Receiver(name="oncall", channel=SlackReceiver(webhook_url=LiteralSecret(slack.webhook_url)))
    delivery = build(receiver, seconds=SECONDS).send(notice(), {})
    assert delivery.outcome is outcome
    assert body in delivery.text
    assert SECRETS[1] not in delivery.text
    assert delivery.retry_after == (timedelta(seconds=9) if status == 429 else None)


def test_the_incoming_webhook_falls_back_to_plain_text(slack: SlackStandIn) -> None:
    slack.misbehave(Misbehaviour(status=400, body="invalid_blocks"))
    receiver = Receiver(name="oncall", channel=SlackReceiver(webhook_url=LiteralSecret(slack.webhook_url)))
    assert build(receiver, seconds=SECONDS).send(notice(), {}).outcome is DELIVERED
    assert "repwatch repair shop/db3" in slack.posts[0].text


def test_slack_without_token_or_webhook_is_said_at_once() -> None:
    with pytest.raises(UsageError):
        build(Receiver(name="oncall", channel=SlackReceiver(channel="#x")))


# ── e-mail ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def send_mail(server: MailCatcher, **changes: object) -> Delivery:
    return build(mail_receiver(server, **changes), seconds=SECONDS).send(notice(), {})


def test_a_mail_is_what_mail_programs_expect(catcher: MailCatcher) -> None:
    notifier = build(mail_receiver(catcher), seconds=SECONDS)
    thread = notifier.send(notice(), {}).thread
    thread = notifier.send(notice(NoticeEvent.UPDATED, 2), thread).thread
    notifier.send(notice(NoticeEvent.RESOLVED, 3), thread)
    first, second, last = (mail.message for mail in catcher.mails)
    assert first["Message-ID"] == "<repwatch.n-1@example.com>"
    assert first["In-Reply-To"] is None
    for later in (second, last):
        assert later["In-Reply-To"] == later["References"] == first["Message-ID"]
    assert first["Auto-Submitted"] == "auto-generated"
    assert first["X-Priority"] == "1"
    assert last["X-Priority"] is None
    assert parsedate_to_datetime(first["Date"]).astimezone(UTC) == notice().at
    assert catcher.mails[0].recipients == ("dba@example.com", "lead@example.com")
    assert {part.get_content_type() for part in first.walk()} == {"multipart/alternative", "text/plain", "text/html"}
    assert "0-1-4711" in catcher.mails[0].text
    assert "0-1-4711" in catcher.mails[0].html


@pytest.mark.parametrize(
    ("sender", "recipients", "data", "outcome"),
    [
        ("451 later", {}, "", RETRY),
        ("550 not you", {}, "", REFUSED),
        ("", {"dba@example.com": "550 no such user", "lead@example.com": "550 no such user"}, "", REFUSED),
        ("", {"dba@example.com": "550 no such user", "lead@example.com": "450 greylisted"}, "", RETRY),
        ("", {"dba@example.com": "450 greylisted", "lead@example.com": "451 greylisted"}, "", RETRY),
        ("", {"dba@example.com": "550 no such user"}, "", DELIVERED),
        ("", {}, "452 disk full", RETRY),
        ("", {}, "552 too big", REFUSED),
    ],
)
def test_a_mail_servers_codes(
    catcher: MailCatcher, sender: str, recipients: dict[str, str], data: str, outcome: DeliveryOutcome
) -> None:
    catcher.refusals.sender, catcher.refusals.recipients, catcher.refusals.data = sender, recipients, data
    delivery = send_mail(catcher)
    assert delivery.outcome is outcome
    for answer in (sender, data, *recipients.values()):
        assert answer in delivery.text
    assert len(catcher.mails) == (outcome is DELIVERED)


def test_a_wrong_password_is_refused_and_not_shown() -> None:
    with MailCatcher(login=("repwatch", "right")) as server:
        delivery = send_mail(server, user="repwatch", password=PASSWORD)
        assert delivery.outcome is REFUSED
        assert "535" in delivery.text
        assert SECRETS[2] not in delivery.text
        assert send_mail(server).outcome is REFUSED  # 530: it wants a login and none is configured


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_made(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
def test_tls_is_used_where_offered_and_verified(certificate: Path, implicit: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.2 stands for another machine: what is not trusted gets neither mail nor password, what is trusted gets both."""
    with MailCatcher(host="127.0.0.2", tls=tls(certificate), implicit_tls=implicit, login=("repwatch", SECRETS[2])) as server:
        changes = {"user": "repwatch", "password": PASSWORD, "implicit_tls": implicit}
        delivery = send_mail(server, **changes)
        assert delivery.outcome is RETRY
        assert "certificate" in delivery.text
        assert not server.mails
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
        assert send_mail(server, **changes).outcome is DELIVERED
        assert (server.mails[0].tls, server.mails[0].login) == (True, "repwatch")


def test_a_self_made_certificate_on_this_machine_will_do(certificate: Path) -> None:
    with MailCatcher(tls=tls(certificate)) as server:
        assert send_mail(server).outcome is DELIVERED
        assert server.mails[0].tls


def test_no_password_crosses_the_network_in_the_clear() -> None:
    with MailCatcher(host="127.0.0.2", login=("repwatch", SECRETS[2])) as server:
        delivery = send_mail(server, user="repwatch", password=PASSWORD)
        assert delivery.outcome is REFUSED
        assert "TLS" in delivery.text


@pytest.mark.parametrize("silent", [False, True], ids=["hangs-up", "falls-silent"])
def test_a_mail_that_was_accepted_is_delivered_however_the_server_takes_its_leave(silent: bool) -> None:
    listener, done = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb", buffering=0) as stream:
            for answer in (b"220 hi", b"250 hello", b"250 sender", b"250 to", b"250 to", b"354 go on"):
                stream.write(answer + b"\r\n")
                stream.readline()
            while stream.readline() != b".\r\n":
                pass
            stream.write(b"250 taken\r\n")
            if silent:
                done.wait(300)

    thread = threading.Thread(target=serve)
    thread.start()
    mail = EmailReceiver(
        to=("a@example.com", "b@example.com"), sender="r@example.com", host="127.0.0.1", port=listener.getsockname()[1]
    )
    delivery = build(Receiver(name="oncall", channel=mail), seconds=SECONDS).send(notice(), {})
    done.set()
    thread.join()
    listener.close()
    assert delivery.outcome is DELIVERED, delivery.text


# ── webhook ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def send_hook(url: str, *, signed: bool = True) -> Delivery:
    receiver = Receiver(name="oncall", channel=WebhookReceiver(url=url, secret=SIGNING if signed else None))
    return build(receiver, seconds=SECONDS).send(notice(), {"kept": "1"})


def test_a_webhook_can_verify_who_sent_it(hook: WebhookCatcher) -> None:
    assert send_hook(hook.url).outcome is DELIVERED
    assert send_hook(hook.url, signed=False).outcome is DELIVERED
    signed, unsigned = hook.posts
    expected = "sha256=" + hmac.new(SECRETS[4].encode(), signed.body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(signed.headers["x-repwatch-signature"], expected)
    assert "x-repwatch-signature" not in unsigned.headers
    assert signed.headers["content-type"].startswith("application/json")
    assert signed.json["key"] == "shop/10.0.0.3:3306//applier-error"


def test_a_webhook_of_another_form(hook: WebhookCatcher) -> None:
    for form in (WebhookForm.PAGERDUTY, WebhookForm.ALERTMANAGER):
        receiver = Receiver(name="oncall", channel=WebhookReceiver(url=hook.url, secret=SIGNING, form=form))
        assert build(receiver, seconds=SECONDS).send(notice(), {}).outcome is DELIVERED
    event, alerts = hook.posts
    assert event.json["routing_key"] == SECRETS[4]
    assert isinstance(json.loads(alerts.body), list)
    assert not any("x-repwatch-signature" in post.headers for post in hook.posts)
    assert SECRETS[4].encode() not in alerts.body


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, DELIVERED) for status in (200, 202, 204)),
        *((status, REFUSED) for status in (301, 302, 307, 308, 400, 401, 403, 404, 410, 413)),
        *((status, RETRY) for status in (408, 425, 429, 500, 502, 503, 504)),
    ],
)
def test_a_webhooks_statuses(hook: WebhookCatcher, status: int, outcome: DeliveryOutcome) -> None:
    hook.misbehave(Misbehaviour(status=status, headers={"Location": hook.url, "Retry-After": "5"}))
    delivery = send_hook(hook.url)
    assert delivery.outcome is outcome
    assert not hook.posts  # no redirect was followed
    assert delivery.thread == {"kept": "1"}
    if outcome is not DELIVERED:
        assert str(status) in delivery.text
        assert SECRETS[3] not in delivery.text
    assert delivery.retry_after == (timedelta(seconds=5) if outcome is RETRY else None)


def test_user_and_password_of_a_url_go_into_a_header_and_nowhere_else(hook: WebhookCatcher) -> None:
    hook.misbehave(Misbehaviour(after_effect=True), Misbehaviour(status=500))
    url = hook.url.replace("http://", "http://us%40er:p%3Ass@")
    assert send_hook(url).outcome is DELIVERED
    assert b64decode(hook.posts[0].headers["authorization"].removeprefix("Basic ")) == b"us@er:p:ss"
    assert "p%3Ass" not in send_hook(url).text


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "nonsense",
        "http://",
        "http://[::1/x",
        "http://127.0.0.1:port/x",
        "http://127.0.0.1/a b",
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    assert send_hook(url).outcome is REFUSED


def test_a_host_that_does_not_resolve_is_retried() -> None:
    assert send_hook("http://no-such-host.invalid/x?token=secret").outcome is RETRY


# ── shared ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_retry_after_as_a_date_counts_from_the_answers_own_clock() -> None:
    headers = {"Date": "Sun, 22 Nov 2026 02:00:00 GMT", "Retry-After": "Sun, 22 Nov 2026 02:01:30 GMT"}
    assert retry_after(headers) == timedelta(seconds=90)
    for useless in ({}, {"Retry-After": "soon"}, {"Retry-After": "-3"}, {"Retry-After": "Sun, 22 Nov 2026 02:01:30 GMT"}):
        assert retry_after(useless) is None
    assert retry_after({"retry-after": "9" * 30}) in {None, timedelta(days=1)}
    assert retry_after({"retry-after": "99999999"}) == timedelta(days=1)


def test_an_echoed_secret_is_scrubbed_in_any_shape() -> None:
    secret = "s3 cret/ß"
    echoed = "s3 cret/ß s3%20cret%2F%C3%9F czMgY3JldC/Dnw=="
    assert "cret" not in scrub(echoed, [secret])
    assert "czMgY3JldC" not in scrub(echoed, [secret])
    assert len(scrub("x" * 10_000, [])) <= 200
