"""A notice as the webhook's JSON body, and its signature."""

import hashlib
import hmac
import json

from repwatch.model.notice import Notice
from repwatch.render.notice_more import impact_data, link_data
from repwatch.render.notice_text import clean, cut
from repwatch.render.times import rfc3339

SCHEMA_VERSION = 1
_TEXT_LIMIT = 10_000  # UTF-16 units of any one text; a server's error message is far shorter


def webhook_body(notice: Notice) -> bytes:
    """The body, UTF-8; the same notice always gives the same bytes, so that a retry can be recognised by them too."""
    subject = notice.subject
    body = {
        "schema_version": SCHEMA_VERSION,
        "id": _text(notice.id),
        "key": _text(subject.key),
        "event": notice.event.value,
        "cluster": _text(subject.cluster),
        "server": _text(subject.server),
        "name": None if notice.server_name is None else _text(notice.server_name),
        "channel": _text(subject.channel),
        "code": subject.code.value,
        "severity": notice.severity.value,
        "since": rfc3339(notice.since),
        "at": rfc3339(notice.at),
        "summary": _text(notice.summary),
        "remedy": _text(notice.remedy),
        "evidence": {
            _text(name): _text(value) for name, value in {**notice.evidence, **impact_data(notice), **link_data(notice)}.items()
        },
    }
    return json.dumps(body, ensure_ascii=False).encode()


def signature(body: bytes, secret: str) -> str:
    """The value of `X-Repwatch-Signature`: `sha256=` and the HMAC of the body in hexadecimal digits."""
    return "sha256=" + hmac.new(secret.encode("utf-8", "surrogateescape"), body, hashlib.sha256).hexdigest()


def _text(text: str) -> str:
    return cut(clean(text[: _TEXT_LIMIT + 1]), _TEXT_LIMIT)
