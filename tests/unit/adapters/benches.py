"""One bench for each kind of receiver: a notifier, and the stand-in it delivers to, so that one contract is tested on all."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from repwatch.adapters.notifiers import build
from repwatch.model.endpoint import LiteralSecret, SecretSource
from repwatch.model.finding import FindingCode, Severity, Subject
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.model.settings import EmailReceiver, Receiver, SlackReceiver, WebhookReceiver
from repwatch.ports.notifier import Notifier
from repwatch.sandbox.standins import Misbehaviour
from repwatch.sandbox.standins_mail import MailCatcher
from repwatch.sandbox.standins_slack import SlackStandIn
from repwatch.sandbox.standins_webhook import WebhookCatcher

SINCE = datetime(2026, 11, 22, 2, 14, 5, tzinfo=UTC)
SUBJECT = Subject("shop", "10.0.0.3:3306", "", FindingCode.APPLIER_ERROR)
SECRETS = ("xoxb-very-secret", "webhook-path-secret", "mail-password-secret", "webhook-query-secret", "signing-secret")
TOKEN, PASSWORD, SIGNING = LiteralSecret(SECRETS[0]), LiteralSecret(SECRETS[2]), LiteralSecret(SECRETS[4])
FOR_EVER = 600.0
SECONDS = 60.0  # the limit of a call, but for tests of the limit itself


def notice(event: NoticeEvent = NoticeEvent.OPENED, number: int = 1, severity: Severity = Severity.CRITICAL) -> Notice:
    """A notice; `number` makes its id."""
    return Notice(
        id=f"n-{number}",
        subject=SUBJECT,
        event=event,
        server_name="db3",
        severity=severity,
        since=SINCE,
        at=SINCE + timedelta(minutes=number),
        summary="The applier stopped at a duplicate key",
        meaning="A row is already there.",
        remedy="    repwatch repair shop/db3",
        avoid="Do not skip it.",
        evidence={"transaction": "0-1-4711", "table": "shop.orders"},
    )


@dataclass(kw_only=True)
class Bench:
    """A kind of receiver. `received` gives for each delivery the notice's id, as the receiver can tell it."""

    kind: str
    receiver: Receiver
    received: Callable[[], list[str]]
    shown: Callable[[], str]
    fail_now: Callable[[], None]
    fail_for_good: Callable[[], None]
    stall: Callable[[], None]  # until it is told to go on
    lose_answer: Callable[[], None]
    go_on: Callable[[], None]
    recover: Callable[[], None] = field(default=lambda: None)
    close: Callable[[], None]

    def notifier(self, seconds: float = SECONDS) -> Notifier:
        """A notifier as the service makes it."""
        return build(self.receiver, seconds=seconds)


def slack_bench(token: SecretSource = TOKEN) -> tuple[Bench, SlackStandIn]:
    """A bot token."""
    server = SlackStandIn(token=SECRETS[0])
    return (
        Bench(
            kind="slack",
            receiver=Receiver(name="oncall", channel=SlackReceiver(channel="#db-alerts", token=token, api_url=server.api_url)),
            received=lambda: [_payload(post.metadata).get("id", "") for post in server.posts],
            shown=lambda: "\n".join(post.shown for post in server.posts),
            fail_now=lambda: server.misbehave(Misbehaviour(error="internal_error")),
            fail_for_good=lambda: server.misbehave(Misbehaviour(error="account_inactive")),
            stall=lambda: server.misbehave(Misbehaviour(stall=FOR_EVER, after_effect=True)),
            go_on=server.go_on,
            lose_answer=lambda: server.misbehave(Misbehaviour(hang_up=True, after_effect=True)),
            close=server.close,
        ),
        server,
    )


def slack_webhook_bench() -> tuple[Bench, SlackStandIn]:
    """An incoming webhook."""
    server = SlackStandIn()
    bench = Bench(
        kind="slack-webhook",
        receiver=Receiver(name="oncall", channel=SlackReceiver(webhook_url=LiteralSecret(server.webhook_url))),
        received=lambda: [post.shown.rpartition("notice ")[2].split()[0] for post in server.posts],
        shown=lambda: "\n".join(post.shown for post in server.posts),
        fail_now=lambda: server.misbehave(Misbehaviour(status=503)),
        fail_for_good=lambda: server.misbehave(Misbehaviour(status=404, body="no_service")),
        stall=lambda: server.misbehave(Misbehaviour(stall=FOR_EVER, after_effect=True)),
        go_on=server.go_on,
        lose_answer=lambda: server.misbehave(Misbehaviour(hang_up=True, after_effect=True)),
        close=server.close,
    )
    return bench, server


def webhook_bench(secret: SecretSource = SIGNING) -> tuple[Bench, WebhookCatcher]:
    """A generic webhook."""
    server = WebhookCatcher()
    bench = Bench(
        kind="webhook",
        receiver=Receiver(name="oncall", channel=WebhookReceiver(url=server.url, secret=secret)),
        received=lambda: [str(post.json["id"]) for post in server.posts],
        shown=lambda: "\n".join(post.body.decode() for post in server.posts),
        fail_now=lambda: server.misbehave(Misbehaviour(status=503)),
        fail_for_good=lambda: server.misbehave(Misbehaviour(status=404)),
        stall=lambda: server.misbehave(Misbehaviour(stall=FOR_EVER, after_effect=True)),
        go_on=server.go_on,
        lose_answer=lambda: server.misbehave(Misbehaviour(hang_up=True, after_effect=True)),
        close=server.close,
    )
    return bench, server


def email_bench(password: SecretSource = PASSWORD) -> tuple[Bench, MailCatcher]:
    """A mail server that demands a login."""
    server = MailCatcher(login=("repwatch", SECRETS[2]))
    mail = EmailReceiver(
        to=("dba@example.com", "lead@example.com"),
        sender="repwatch@example.com",
        host=server.host,
        port=server.port,
        user="repwatch",
        password=password,
    )

    def answer(data: str = "", stall: float = 0.0, *, after_effect: bool = False) -> None:
        server.refusals.data, server.refusals.stall, server.refusals.after_effect = data, stall, after_effect

    bench = Bench(
        kind="email",
        receiver=Receiver(name="oncall", channel=mail),
        received=lambda: [str(mail.message["Message-ID"]).partition("repwatch.")[2].partition("@")[0] for mail in server.mails],
        shown=lambda: "\n".join(f"{mail.message['Subject']}\n{mail.text}\n{mail.html}" for mail in server.mails),
        fail_now=lambda: answer("451 4.3.0 try again later"),
        fail_for_good=lambda: answer("554 5.7.1 we do not want this"),
        stall=lambda: answer(stall=FOR_EVER, after_effect=True),
        go_on=answer,
        lose_answer=lambda: answer("421 4.3.2 going away", after_effect=True),
        recover=answer,
        close=server.close,
    )
    return bench, server


def _payload(metadata: object) -> dict[str, str]:
    payload = metadata.get("event_payload") if isinstance(metadata, dict) else None
    return payload if isinstance(payload, dict) else {}


BENCHES: dict[str, Callable[[], tuple[Bench, object]]] = {
    "slack": slack_bench,
    "slack-webhook": slack_webhook_bench,
    "email": email_bench,
    "webhook": webhook_bench,
}
