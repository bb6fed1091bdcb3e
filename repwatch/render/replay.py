"""What a recording comes to, as text and as JSON: each change of the findings, each notice."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from repwatch.model.finding import Finding, Subject
from repwatch.model.notice import Notice
from repwatch.render.notice_text import clean, headline, one_line
from repwatch.render.notice_webhook import webhook_body
from repwatch.render.times import rfc3339

SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What a tick changed: findings that are new or gone, and what is told."""

    at: datetime
    appeared: tuple[Finding, ...]
    gone: tuple[Finding, ...]
    notices: tuple[Notice, ...]


def moves(ticks: Iterable[tuple[datetime, Iterable[Finding], tuple[Notice, ...]]]) -> Iterator[Moved]:
    """The ticks that changed anything. A finding is told apart by its subject: its texts change with every position."""
    before: Mapping[Subject, Finding] = {}
    for at, findings, notices in ticks:
        now = {finding.subject: finding for finding in findings}
        appeared = tuple(finding for subject, finding in now.items() if subject not in before)
        gone = tuple(finding for subject, finding in before.items() if subject not in now)
        if appeared or gone or notices:
            yield Moved(at=at, appeared=appeared, gone=gone, notices=notices)
        before = now


def replay_text(changes: Iterable[Moved]) -> str:
    """A line for each finding that comes or goes, and for each notice."""
    return "\n".join(line for change in changes for line in _lines(change))


def _lines(change: Moved) -> Iterator[str]:
    at = rfc3339(change.at)
    for finding in change.appeared:
        yield f"{at}  + {finding.severity.upper():8} {finding.subject.code}  {one_line(finding.summary)}"
    for finding in change.gone:
        yield f"{at}  - {'':8} {finding.subject.code}  {clean(finding.subject.key)}"
    for notice in change.notices:
        yield f"{at}  NOTICE {notice.event}  {headline(notice)}"


def replay_json(cluster: str, changes: Iterable[Moved]) -> str:
    """The JSON object."""
    body = [
        {
            "at": rfc3339(change.at),
            "appeared": [_finding(finding) for finding in change.appeared],
            "gone": [clean(finding.subject.key) for finding in change.gone],
            "notices": [json.loads(webhook_body(notice)) for notice in change.notices],
        }
        for change in changes
    ]
    return json.dumps({"schema_version": SCHEMA_VERSION, "cluster": cluster, "changes": body}, indent=2, ensure_ascii=False)


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "key": clean(finding.subject.key),
        "code": finding.subject.code,
        "severity": finding.severity,
        "summary": clean(finding.summary),
        "evidence": {name: clean(value) for name, value in finding.evidence.items()},
    }
