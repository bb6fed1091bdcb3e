"""Notices to a webhook: the contract's JSON body, signed where there is a secret, or a form that others take."""

from base64 import b64encode
from urllib.parse import SplitResult, unquote, urlsplit

from repwatch.adapters.attempt import refused, retry, retry_after
from repwatch.adapters.http_post import Answer, NoAnswer, post_json
from repwatch.adapters.secrets import reveal
from repwatch.errors import UsageError
from repwatch.model.digest import Digest
from repwatch.model.notice import Bundle, Notice
from repwatch.model.settings import WebhookForm, WebhookReceiver
from repwatch.ports.notifier import Delivery, DeliveryOutcome, Letter, Thread
from repwatch.render.digest import digest_json
from repwatch.render.notice_forms import alertmanager_body, pagerduty_body
from repwatch.render.notice_webhook import signature, webhook_body

_WORTH_ANOTHER_TRY = frozenset({408, 425, 429})  # and every 5xx


class WebhookNotifier:
    """One URL. Only scheme and host of it are ever shown: path, query and user may be credentials."""

    def __init__(self, receiver: WebhookReceiver, timeout: float) -> None:
        self._receiver = receiver
        self._timeout = timeout

    def send(self, notice: Letter, thread: Thread) -> Delivery:
        """Post the notice or digest; the receiver tells a repeated one by its `id`."""
        if isinstance(notice, Bundle):
            return refused("machines take one notice at a time", thread)
        try:
            body, headers = self._content(notice)
            url = urlsplit(self._receiver.url)
            answer = post_json(_address(url), body, headers | _login(url), self._timeout)
        except UsageError as error:
            return retry(str(error), thread)
        except ValueError:
            return refused("the webhook's URL cannot be posted to", thread)
        except NoAnswer as error:
            return retry(f"{_shown(url)}: {error}", thread)
        return judge(answer, _shown(url), thread)

    def _content(self, notice: Notice | Digest) -> tuple[bytes, dict[str, str]]:
        """Body and headers. Raises UsageError where the secret cannot be read."""
        secret = None if self._receiver.secret is None else reveal(self._receiver.secret)
        if isinstance(notice, Digest):
            return _signed(digest_json(notice), secret)
        match self._receiver.form:
            case WebhookForm.PAGERDUTY:
                return pagerduty_body(notice, secret or ""), {}
            case WebhookForm.ALERTMANAGER:
                return alertmanager_body(notice), {}
            case WebhookForm.REPWATCH:
                return _signed(webhook_body(notice), secret)


def _signed(body: bytes, secret: str | None) -> tuple[bytes, dict[str, str]]:
    return body, {} if secret is None else {"X-Repwatch-Signature": signature(body, secret)}


def judge(answer: Answer, name: str, thread: Thread) -> Delivery:
    """What an HTTP status means for the delivery."""
    if 200 <= answer.status < 300:
        return Delivery(outcome=DeliveryOutcome.DELIVERED, thread=thread)
    text = f"{name} answered {answer.status}"
    if answer.status in _WORTH_ANOTHER_TRY or answer.status >= 500:
        return retry(text, thread, retry_after(answer.headers))
    if 300 <= answer.status < 400:
        return refused(f"{text}: redirects are not followed, configure the final URL", thread)
    return refused(text, thread)


def _address(url: SplitResult) -> str:
    return url._replace(netloc=url.netloc.rpartition("@")[2], fragment="").geturl()


def _login(url: SplitResult) -> dict[str, str]:
    if url.username is None:
        return {}
    pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return {"Authorization": "Basic " + b64encode(pair.encode()).decode()}


def _shown(url: SplitResult) -> str:
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}"
