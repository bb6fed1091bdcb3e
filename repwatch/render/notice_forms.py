"""A notice in the forms that others take: PagerDuty's Events API v2 and Alertmanager's API v2.

Sources: developer.pagerduty.com "Send an Alert Event" (dedup_key at most 255 characters, summary 1024, an event 512 KB);
prometheus.io "Alerts API" (labels are an alert's identity; without endsAt it is over after resolve_timeout).
"""

import hashlib
import json
import re
from datetime import timedelta
from typing import Final

from repwatch.model.finding import Severity
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.render.notice_more import impact_data, reading
from repwatch.render.notice_text import bounded, clean, cut, headline, where
from repwatch.render.times import rfc3339

_ACTIONS: Final = {NoticeEvent.ACKNOWLEDGED: "acknowledge", NoticeEvent.RESOLVED: "resolve"}
_KEY_LIMIT: Final = 255
_SUMMARY_LIMIT: Final = 1024
_TEXT_LIMIT: Final = 2000
STANDS_FOR: Final = timedelta(days=30)
"""How long an alert stands in Alertmanager: it is told of its end, and would else take it for over after five minutes."""


def pagerduty_body(notice: Notice, routing_key: str) -> bytes:
    """An event; opening, change and reminder trigger it, and its key is the same over the incident's life."""
    notice = bounded(notice)
    key = clean(notice.subject.key)
    body = {
        "routing_key": routing_key,
        "event_action": _ACTIONS.get(notice.event, "trigger"),
        "dedup_key": key if len(key) <= _KEY_LIMIT else hashlib.sha256(key.encode()).hexdigest(),
        "client": "repwatch",
        **({"client_url": notice.links.page} if notice.links.page else {}),
        "links": [{"href": link.url, "text": link.label} for link in reading(notice)],
        "payload": {
            "summary": _summary(notice),
            "source": where(notice),
            "severity": notice.severity.value,
            "timestamp": rfc3339(notice.since),
            "group": clean(notice.subject.cluster) or "repwatch",
            "class": notice.subject.code.value,
            "custom_details": _details(notice),
        },
    }
    return json.dumps(body, ensure_ascii=False).encode()


def alertmanager_body(notice: Notice) -> bytes:
    """A list of alerts. The severity is a label, for routing, and so part of the identity: the alert of the other one is over."""
    notice = bounded(notice)
    return json.dumps([_alert(notice, severity) for severity in Severity], ensure_ascii=False).encode()


def _alert(notice: Notice, severity: Severity) -> dict[str, object]:
    subject = notice.subject
    over = notice.event is NoticeEvent.RESOLVED or severity is not notice.severity
    labels = {
        "alertname": subject.code.value,
        "severity": severity.value,
        "cluster": clean(subject.cluster),
        "instance": clean(subject.server),
        "server": clean(notice.server_name or subject.server),
        "channel": clean(subject.channel),
        "job": "repwatch",
    }
    return {
        "labels": {name: text for name, text in labels.items() if text},
        "annotations": {_name(name): text for name, text in _details(notice).items()}
        | {"summary": _summary(notice)}
        | ({"runbook_url": notice.links.runbook} if notice.links.runbook else {}),
        **({"generatorURL": notice.links.page} if notice.links.page else {}),
        "startsAt": rfc3339(notice.since),
        "endsAt": rfc3339(notice.at if over else notice.at + STANDS_FOR),
    }


def _summary(notice: Notice) -> str:
    return cut(headline(notice), _SUMMARY_LIMIT)


def _name(text: str) -> str:
    """A name as Prometheus wants it: one with another character makes Alertmanager refuse the whole list (400, seen on 0.25)."""
    name = re.sub(r"[^a-zA-Z0-9_]", "_", text)
    return name if name and not name[0].isdigit() else f"_{name}"


def _details(notice: Notice) -> dict[str, str]:
    texts = {"meaning": notice.meaning, "remedy": notice.remedy, "avoid": notice.avoid, **notice.evidence, **impact_data(notice)}
    texts["notice"] = notice.id
    return {clean(name): cut(clean(text), _TEXT_LIMIT) for name, text in texts.items() if text}
