"""From a configured receiver to its notifier."""

from typing import assert_never

from repwatch.adapters.attempt import Bounded
from repwatch.adapters.slack import API_URL, SlackBot, SlackWebhook
from repwatch.adapters.smtp import SmtpNotifier
from repwatch.adapters.webhook import WebhookNotifier
from repwatch.errors import UsageError
from repwatch.model.settings import EmailReceiver, Receiver, SlackReceiver, WebhookReceiver
from repwatch.ports.notifier import Notifier, Rewriting

CALL_SECONDS = 15.0  # the whole call
WAIT_SECONDS = (
    30.0  # one wait for the receiver; longer than the call, so that a late answer is still heard and nothing is posted twice
)


def build(receiver: Receiver, *, seconds: float = CALL_SECONDS, wait: float = WAIT_SECONDS) -> Notifier:
    """The notifier for that receiver; it may be used from any thread. Raises UsageError if the receiver is incomplete."""
    return Bounded(_inner(receiver, wait), seconds, lanes(receiver))


def rewriting(receiver: Receiver) -> Rewriting | None:
    """By which its messages can be changed; None where nothing that was sent can be."""
    inner = _inner(receiver, CALL_SECONDS)
    return inner if isinstance(inner, SlackBot) else None


def lanes(receiver: Receiver) -> int:
    """How many calls at once that kind of receiver takes well."""
    match receiver.channel:
        case SlackReceiver():
            return 1  # it wants no more than a message a second in a channel
        case EmailReceiver():
            return 2  # Exchange Online refuses a fourth session of one sender
        case WebhookReceiver():
            return 8
        case _:
            assert_never(receiver.channel)


def _inner(receiver: Receiver, wait: float) -> Notifier:
    match receiver.channel:
        case SlackReceiver(token=token) as slack if token is not None:
            return SlackBot(token, slack.channel, slack.api_url or API_URL, wait, button=slack.app_token is not None)
        case SlackReceiver(webhook_url=url) if url is not None:
            return SlackWebhook(url, wait)
        case SlackReceiver():
            raise UsageError(f"receiver {receiver.name}: Slack needs a token or a webhook_url")
        case EmailReceiver() as mail:
            return SmtpNotifier(mail, wait)
        case WebhookReceiver() as webhook:
            return WebhookNotifier(webhook, wait)
        case _:
            assert_never(receiver.channel)
