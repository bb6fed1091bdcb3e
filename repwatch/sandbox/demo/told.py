"""What people were told: the notices that the stand-ins caught, by incident."""

from collections.abc import Mapping

from repwatch.sandbox.demo.stage import Stage
from repwatch.sandbox.standins_mail import CaughtMail
from repwatch.sandbox.standins_slack import SlackPost

RESOLVED = "resolved"


def slack_roots(stage: Stage, code: str) -> list[SlackPost]:
    """The messages in the channel about incidents of that code."""
    return [post for post in stage.slack.roots if _payload(post).get("key", "").endswith(f"/{code}")]


def mails(stage: Stage, code: str) -> list[CaughtMail]:
    """The mails about incidents of that code."""
    return [mail for mail in stage.mail.mails if mail.message["X-Repwatch-Incident"].endswith(f"/{code}")]


def codes(stage: Stage) -> set[str]:
    """The codes of all incidents that anybody was told of."""
    keys = [_payload(root).get("key", "") for root in stage.slack.roots]
    return {key.rpartition("/")[2] for key in [*keys, *(mail.message["X-Repwatch-Incident"] for mail in stage.mail.mails)]}


def unresolved(stage: Stage) -> set[str]:
    """Incidents that somebody was told of and not yet told the end of, as `receiver: key`."""
    slack = {(root.ts, _payload(root).get("key", "")) for root in stage.slack.roots}
    over = {post.thread_ts or post.ts for post in stage.slack.posts if _payload(post).get("event") == RESOLVED}
    told: dict[str, str] = {}
    for mail in stage.mail.mails:
        told[mail.message["X-Repwatch-Incident"]] = mail.message["X-Repwatch-Event"]
    return {f"slack: {key}" for ts, key in slack if ts not in over} | {
        f"email: {key}" for key, event in told.items() if event != RESOLVED
    }


def _payload(post: SlackPost) -> dict[str, str]:
    payload = post.metadata.get("event_payload")
    return {str(key): str(value) for key, value in payload.items()} if isinstance(payload, Mapping) else {}
