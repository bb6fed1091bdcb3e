"""Notices to Slack: with a bot token a message and thread for each incident, rewritten as it changes; or an incoming webhook."""

import http.client
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from repwatch.adapters.attempt import describe, refused, retry
from repwatch.adapters.authorities import WEB
from repwatch.adapters.http_post import Answer, NoAnswer, post_json, proxies
from repwatch.adapters.secrets import reveal
from repwatch.adapters.slack_answers import BLOCKS_REFUSED, ROOT_FIXED, ROOT_GONE, error_name, judge_api, judge_webhook
from repwatch.errors import UsageError
from repwatch.model.digest import Digest
from repwatch.model.endpoint import SecretSource
from repwatch.model.finding import Severity
from repwatch.model.notice import Bundle, Notice, NoticeEvent
from repwatch.ports.notifier import BUNDLE, Delivery, DeliveryOutcome, Letter, Thread
from repwatch.render import notice_slack
from repwatch.render.bundle import bundle_slack, bundle_slack_plain
from repwatch.render.digest import digest_slack, digest_slack_plain
from repwatch.render.notice_slack import SlackMessage

API_URL = "https://slack.com/api/"
REWRITES = 10
"""Messages that one bundle may bring up to date: Slack allows about 50 updates a minute (Tier 3), bundles are 15 s apart, and
their own messages take six."""
Call = Callable[[SlackMessage], SlackResponse]

# The client logs requests and failures; what matters of them is in the Delivery, and nothing of it belongs in our log.
_QUIET = logging.getLogger("repwatch.slack_sdk")
_QUIET.propagate = False
_QUIET.addHandler(logging.NullHandler())
_QUIET.setLevel(logging.CRITICAL)


class SlackBot:
    """A bot token and a channel. Remembered of an incident: the channel's id and the root message's timestamp."""

    def __init__(self, token: SecretSource, channel: str, api_url: str, timeout: float, *, button: bool = False) -> None:
        self._token = token
        self._button = button  # somebody listens when it is pressed
        self._channel = channel
        self._api_url = api_url or API_URL
        self._timeout = timeout

    def send(self, notice: Letter, thread: Thread) -> Delivery:
        """Post, or rewrite the root and reply. What may be repeated without harm comes first, so that a retry doubles nothing."""
        try:
            return self._tell(self._client(), notice, thread)
        except SlackApiError as error:
            return judge_api(error.response, thread)
        except UsageError as error:
            return retry(str(error), thread)
        except (OSError, http.client.HTTPException) as error:
            return retry(f"Slack: {describe(error)}", thread)
        except SlackClientError as error:
            return refused(f"Slack: {type(error).__name__}", thread)

    def _client(self) -> WebClient:
        # No retry handlers: the default one posts again after a lost connection, and the one for 429 sleeps in this thread.
        token, timeout = reveal(self._token), max(1, round(self._timeout))
        context = WEB.context()
        client = WebClient(token, base_url=self._api_url, timeout=timeout, ssl=context, logger=_QUIET, retry_handlers=[])
        client.proxy = proxies(self._api_url).get(urlsplit(self._api_url).scheme)  # its own choice ignores `no_proxy`
        return client

    def _tell(self, client: WebClient, notice: Letter, thread: Thread) -> Delivery:
        if isinstance(notice, Digest):
            return self._summarise(client, notice)
        if isinstance(notice, Bundle):
            return self._bundle(client, notice)
        if not self._is_here(thread):
            return self._open(client, notice)
        return self._follow_up(client, notice, thread)

    def _summarise(self, client: WebClient, digest: Digest) -> Delivery:
        message, bare = digest_slack(digest), digest_slack_plain(digest)
        _with_or_without_blocks(lambda each: self._post(client, self._channel, each), message, bare)
        return Delivery(outcome=DeliveryOutcome.DELIVERED)

    def _open(self, client: WebClient, notice: Notice) -> Delivery:
        message, bare = notice_slack.root(notice, button=self._button), notice_slack.plain(notice)
        answer = _with_or_without_blocks(lambda each: self._post(client, self._channel, each), message, bare)
        return self._delivered(notice, str(answer.get("channel") or self._channel), str(answer.get("ts") or ""))

    def _is_here(self, thread: Thread) -> bool:
        return thread.get("to") == self._channel and bool(thread.get("ts"))

    def _bundle(self, client: WebClient, bundle: Bundle) -> Delivery:
        """Bring the members' own messages up to date, then say it once: below the bundle that told of all of them, if one did."""
        for member in bundle.members:
            if self._is_here(member.thread) and BUNDLE not in member.thread and member.notice.event is not NoticeEvent.REMINDER:
                self._rewrite_if_there(client, member.thread, member.notice)
        answer = self._say(client, bundle, *_common(bundle))
        severities = {member.notice.severity.value for member in bundle.members}
        remembered = self._remembered(str(answer.get("channel") or self._channel), str(answer.get("ts") or ""))
        severity = {"severity": severities.pop()} if len(severities) == 1 else {}
        thread = remembered | severity | {BUNDLE: bundle.id}
        return Delivery(outcome=DeliveryOutcome.DELIVERED, thread=thread, rewritable=True)

    def rewrite(self, bundle: Bundle, thread: Thread) -> Delivery:
        """Bring a bundle's message to its members' present state. What needs a person may be put right: it is tried again."""
        if not self._is_here(thread):
            return refused("its message is in another channel", thread)
        try:
            self._update(self._client(), thread, bundle_slack(bundle), bundle_slack_plain(bundle))
        except SlackApiError as error:
            name = error_name(error.response)
            judged = judge_api(error.response, thread)
            return judged if name in ROOT_GONE | ROOT_FIXED else replace(judged, outcome=DeliveryOutcome.RETRY)
        except UsageError as error:
            return retry(str(error), thread)
        except (OSError, http.client.HTTPException, SlackClientError) as error:
            return retry(f"Slack: {type(error).__name__}", thread)
        return Delivery(outcome=DeliveryOutcome.DELIVERED, thread=thread)

    def _say(self, client: WebClient, bundle: Bundle, to: str, channel: str, ts: str) -> SlackResponse:
        message, bare = bundle_slack(bundle), bundle_slack_plain(bundle)
        if to == self._channel and ts:
            try:
                return _with_or_without_blocks(
                    lambda each: self._post(client, channel, each, thread_ts=ts, loud=True), message, bare
                )
            except SlackApiError as error:
                if error_name(error.response) not in ROOT_GONE:
                    raise
        return _with_or_without_blocks(lambda each: self._post(client, self._channel, each), message, bare)

    def _rewrite_if_there(self, client: WebClient, thread: Thread, notice: Notice) -> None:
        try:
            self._rewrite(client, thread, notice)
        except SlackApiError as error:
            if error_name(error.response) not in ROOT_GONE:
                raise

    def _follow_up(self, client: WebClient, notice: Notice, thread: Thread) -> Delivery:
        """Rewrite the incident's message and reply to it. One that was told in a bundle has none: the reply is whole."""
        channel, ts, loud = thread["channel"], thread["ts"], _calls_the_channel(notice, thread)
        bundled = BUNDLE in thread
        try:
            if notice.event is not NoticeEvent.REMINDER and not bundled:
                self._rewrite(client, thread, notice)
            _with_or_without_blocks(
                lambda message: self._post(client, channel, message, thread_ts=ts, loud=loud),
                notice_slack.root(notice, button=self._button) if bundled else notice_slack.reply(notice),
                notice_slack.plain(notice),
            )
        except SlackApiError as error:
            if error_name(error.response) in ROOT_GONE:  # somebody deleted the message or replaced the channel
                return self._open(client, notice)
            raise
        delivery = self._delivered(notice, channel, ts)
        return replace(delivery, thread={**delivery.thread, BUNDLE: thread[BUNDLE]}) if bundled else delivery

    def _rewrite(self, client: WebClient, thread: Thread, notice: Notice) -> None:
        """Bring the root to the incident's present state; where edits are forbidden, the thread alone tells it."""
        try:
            self._update(client, thread, notice_slack.root(notice, button=self._button), notice_slack.plain(notice))
        except SlackApiError as error:
            if error_name(error.response) not in ROOT_FIXED:
                raise

    def _update(self, client: WebClient, thread: Thread, message: SlackMessage, bare: SlackMessage) -> None:
        channel, ts = thread["channel"], thread["ts"]

        def call(each: SlackMessage) -> SlackResponse:
            blocks = list(each.blocks) or None
            return client.chat_update(channel=channel, ts=ts, text=each.text, blocks=blocks, metadata=each.metadata)

        _with_or_without_blocks(call, message, bare)

    def _post(
        self, client: WebClient, channel: str, message: SlackMessage, *, thread_ts: str = "", loud: bool = False
    ) -> SlackResponse:
        return client.chat_postMessage(
            channel=channel,
            text=message.text,
            blocks=list(message.blocks) or None,
            metadata=message.metadata,
            thread_ts=thread_ts or None,
            reply_broadcast=loud or None,
            unfurl_links=False,
            unfurl_media=False,
        )

    def _delivered(self, notice: Notice, channel: str, ts: str) -> Delivery:
        remembered = self._remembered(channel, ts) | {"severity": notice.severity.value}
        return Delivery(outcome=DeliveryOutcome.DELIVERED, thread=remembered)

    def _remembered(self, channel: str, ts: str) -> dict[str, str]:
        return {"to": self._channel, "channel": channel, "ts": ts}


class SlackWebhook:
    """An incoming webhook: plain messages, each with everything in it, since nothing can be rewritten or threaded."""

    def __init__(self, url: SecretSource, timeout: float) -> None:
        self._url = url
        self._timeout = timeout

    def send(self, notice: Letter, thread: Thread) -> Delivery:
        """Post it. The whole URL is a secret."""
        try:
            url = reveal(self._url)
            answer = self._post(url, _whole(notice))
            if answer.status == 400 and answer.text.strip() in BLOCKS_REFUSED:
                answer = self._post(url, _bare(notice))
        except UsageError as error:
            return retry(str(error), thread)
        except ValueError:
            return refused("the Slack webhook's URL cannot be posted to", thread)
        except NoAnswer as error:
            return retry(f"Slack: {error}", thread)
        return judge_webhook(answer, thread)

    def _post(self, url: str, message: SlackMessage) -> Answer:
        return post_json(url, json.dumps(message.payload()).encode(), {}, self._timeout)


def _with_or_without_blocks(call: Call, message: SlackMessage, bare: SlackMessage) -> SlackResponse:
    """A notice that looks plain is better than one that Slack refused for its looks."""
    try:
        return call(message)
    except SlackApiError as error:
        if error_name(error.response) not in BLOCKS_REFUSED:
            raise
        return call(bare)


def _whole(letter: Letter) -> SlackMessage:
    match letter:
        case Notice():
            return notice_slack.root(letter)
        case Digest():
            return digest_slack(letter)
        case Bundle():
            return bundle_slack(letter)


def _bare(letter: Letter) -> SlackMessage:
    match letter:
        case Notice():
            return notice_slack.plain(letter)
        case Digest():
            return digest_slack_plain(letter)
        case Bundle():
            return bundle_slack_plain(letter)


def _common(bundle: Bundle) -> tuple[str, str, str]:
    """`to`, channel and timestamp of the bundle that told of all members before; empty ones where there is none."""
    places = {
        tuple(member.thread.get(name, "") for name in ("to", "channel", "ts")) if BUNDLE in member.thread else ("", "", "")
        for member in bundle.members
    }
    to, channel, ts = places.pop() if len(places) == 1 else ("", "", "")
    return to, channel, ts


def _calls_the_channel(notice: Notice, thread: Thread) -> bool:
    """A reply is seen by those who follow the thread; a reminder and a worse severity are for everybody."""
    worse = notice.severity is Severity.CRITICAL and thread.get("severity") != Severity.CRITICAL.value
    return notice.event is NoticeEvent.REMINDER or (notice.event is NoticeEvent.UPDATED and worse)
