"""What Slack's answers mean for a delivery: come back later, or call a person."""

import re

from slack_sdk.web import SlackResponse

from repwatch.adapters.attempt import refused, retry, retry_after
from repwatch.adapters.http_post import Answer
from repwatch.adapters.webhook import judge
from repwatch.ports.notifier import Delivery, Thread

# Troubles of Slack's own or of the moment; every other error needs a person.
_TRANSIENT = frozenset(
    {"ratelimited", "rate_limited", "message_limit_exceeded", "internal_error", "fatal_error", "service_unavailable"}
    | {"request_timeout", "team_added_to_org", "org_login_required"}
)
BLOCKS_REFUSED = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long", "invalid_payload"})
ROOT_GONE = frozenset({"message_not_found", "thread_not_found", "channel_not_found", "is_archived"})
ROOT_FIXED = frozenset({"cant_update_message", "edit_window_closed", "update_failed"})  # the workspace forbids edits
_HINTS = {
    "channel_not_found": "check the channel's name; a private one must have the app as a member",
    "not_in_channel": "invite the app to the channel",
    "is_archived": "the channel is archived",
    "missing_scope": "the app needs the scope chat:write, and chat:write.public to post uninvited",
    "invalid_auth": "check the bot token",
    "not_authed": "the bot token is empty",
    "token_expired": "configure a new bot token",
    "token_revoked": "install the app again and configure its new token",
    "account_inactive": "install the app again and configure its new token",
    "no_service": "the incoming webhook was removed; make a new one",
    "no_team": "the incoming webhook was removed; make a new one",
    "invalid_token": "the incoming webhook was removed; make a new one",
}
_NAME = re.compile(r"[a-z][a-z_]{0,60}")  # an error's name; anything else in its place comes from a proxy in between


def error_name(response: SlackResponse) -> str:
    """Slack's name for the error, "" if the answer is not Slack's."""
    data = response.data
    name = data.get("error") if isinstance(data, dict) else None
    return name if isinstance(name, str) and _NAME.fullmatch(name) else ""


def judge_api(response: SlackResponse, thread: Thread) -> Delivery:
    """An answer of the Web API that is no success. Slack answers 200 with `ok: false` to most failures."""
    name, wait = error_name(response), retry_after(response.headers)
    if response.status_code == 429 or name in _TRANSIENT:
        return retry(f"Slack answered {name or response.status_code}", thread, wait)
    if name:
        return refused(f"Slack answered {_explained(name)}", thread)
    if 400 <= response.status_code < 500:
        return refused(f"Slack's address answered {response.status_code}", thread)
    return retry(f"Slack's address answered {response.status_code}, and not as Slack does", thread, wait)


def judge_webhook(answer: Answer, thread: Thread) -> Delivery:
    """An answer of an incoming webhook: its status decides, its body names the error."""
    name = answer.text.strip()
    said = f" ({_explained(name)})" if _NAME.fullmatch(name) else ""
    return judge(answer, f"Slack's incoming webhook{said}", thread)


def _explained(name: str) -> str:
    return f"{name}: {_HINTS[name]}" if name in _HINTS else name
