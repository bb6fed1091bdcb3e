"""The diagnosis of pasted text, as text and as JSON (repwatch/schemas/explain.schema.json)."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from repwatch.health.explain import Explanation
from repwatch.model.finding import Finding, FindingCode
from repwatch.render.notice_text import clean
from repwatch.render.status import paragraph, wrapped
from repwatch.sql.paste import PasteKind

SCHEMA_VERSION: Final = 1
_FAMILIES: Final = {"mysql": "MySQL", "mariadb": "MariaDB"}
_UNSAID: Final = (
    "Nothing is wrong in what this shows. It cannot show whether the data are the same (`repwatch drift`), whether the "
    "replica has transactions of its own, takes writes, or still gets anything from its source."
)


def explain_text(kind: PasteKind, explanations: Sequence[Explanation]) -> str:
    """Each channel or error with all that is found."""
    lines: list[str] = []
    for explanation in explanations:
        lines += ["", _title(explanation), *_body(explanation)]
    if kind is not PasteKind.STATUS and any(explanation.flavour is None for explanation in explanations):
        lines += ["", *wrapped("", "The text does not tell the family of the server; the commands are in MySQL's words.")]
    return "\n".join(lines).lstrip("\n")


def _title(explanation: Explanation) -> str:
    channel = explanation.channel
    if channel is None:
        return "The server"
    name = f"Channel {clean(channel.name)!r}" if channel.name else "The default channel"
    if not explanation.whole:
        return name
    lag = "unknown" if channel.lag.seconds is None else f"{channel.lag.seconds:.0f} s"
    family = _FAMILIES.get(explanation.flavour or "", "")
    return (
        f"{name} from {clean(str(channel.source))} ({family}): receiver {channel.receiver}, applier {channel.applier}, lag {lag}"
    )


def _body(explanation: Explanation) -> Iterator[str]:
    if not explanation.findings:
        yield from wrapped("  ", _UNSAID)
    for finding in explanation.findings:
        yield ""
        yield f"{finding.severity.upper()} {finding.subject.code}"
        yield from paragraph("what", clean(finding.summary))
        yield from paragraph("means", clean(finding.meaning))
        yield from paragraph("do", clean(finding.remedy))
        yield from paragraph("do not", clean(finding.avoid))
        width = max(map(len, finding.evidence), default=0)
        for key, value in finding.evidence.items():
            yield from wrapped(f"    {key.ljust(width)}  ", clean(value))


def explain_json(kind: PasteKind, explanations: Sequence[Explanation]) -> str:
    """The JSON object."""
    channels = [_channel(explanation) for explanation in explanations]
    return json.dumps({"schema_version": SCHEMA_VERSION, "kind": kind, "channels": channels}, indent=2, ensure_ascii=False)


def finding_json(code: FindingCode, page: str) -> str:
    """The page of a finding as the JSON object."""
    body = {"schema_version": SCHEMA_VERSION, "kind": "finding", "channels": [], "code": code.value, "page": page}
    return json.dumps(body, indent=2, ensure_ascii=False)


def _channel(explanation: Explanation) -> dict[str, object]:
    channel = explanation.channel
    shown = channel if explanation.whole else None
    return {
        "channel": clean(channel.name) if channel else "",
        "flavour": explanation.flavour,
        "source": clean(str(shown.source)) if shown else None,
        "receiver": shown.receiver if shown else None,
        "applier": shown.applier if shown else None,
        "lag_seconds": shown.lag.seconds if shown else None,
        "findings": [_finding(finding) for finding in explanation.findings],
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "code": finding.subject.code,
        "severity": finding.severity,
        "channel": clean(finding.subject.channel),
        "summary": clean(finding.summary),
        "meaning": clean(finding.meaning),
        "remedy": clean(finding.remedy),
        "avoid": clean(finding.avoid),
        "evidence": {name: clean(value) for name, value in finding.evidence.items()},
    }
