"""Incidents and silences, as text and as JSON (repwatch/schemas/incidents.schema.json)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from repwatch.health.incident import Incident
from repwatch.model.silence import Silence
from repwatch.render.notice_text import clean, one_line
from repwatch.render.times import duration, rfc3339

SCHEMA_VERSION: Final = 1


def incidents_text(incidents: Sequence[Incident], names: Mapping[str, str], now: datetime) -> str:
    """Three lines for each: how it is, what happened, its key."""
    if not incidents:
        return "No incident is open."
    return "\n\n".join("\n".join(_lines(incident, names, now)) for incident in incidents)


def _lines(incident: Incident, names: Mapping[str, str], now: datetime) -> Iterable[str]:
    subject = incident.subject
    if incident.resolved:
        span = f"{rfc3339(incident.since)} to {rfc3339(incident.resolved)} ({duration(incident.resolved - incident.since)})"
        yield f"RESOLVED {incident.finding.severity} {subject.code}, {span}"
    else:
        span = f"since {rfc3339(incident.since)} ({duration(now - incident.since)})"
        yield f"{incident.finding.severity.upper()} {subject.code}, {span}"
    yield f"  {one_line(incident.finding.summary)}"
    yield f"  {clean(subject.key)}" + (f" = {names[subject.server]}" if subject.server in names else "")
    if incident.acknowledged:
        yield f"  acknowledged by {clean(incident.acknowledged_by) or 'somebody'}"
    if incident.silenced_until and not incident.resolved:
        yield f"  silenced until {rfc3339(incident.silenced_until)} by {clean(incident.silenced_by)}"
    if incident.cause:
        yield f"  because of {clean(incident.cause)}"


def incidents_json(incidents: Sequence[Incident], names: Mapping[str, str], acknowledged: Mapping[str, datetime]) -> str:
    """The JSON object; `acknowledged` tells by id when somebody did."""
    body = [_incident(incident, names, acknowledged.get(incident.id)) for incident in incidents]
    return json.dumps({"schema_version": SCHEMA_VERSION, "incidents": body}, indent=2, ensure_ascii=False)


def _incident(incident: Incident, names: Mapping[str, str], acknowledged: datetime | None) -> dict[str, object]:
    subject = incident.subject
    return {
        "id": incident.id,
        "key": clean(subject.key),
        "cluster": subject.cluster,
        "server": subject.server,
        "name": names.get(subject.server),
        "channel": clean(subject.channel),
        "code": subject.code,
        "severity": incident.finding.severity,
        "since": rfc3339(incident.since),
        "resolved": _time(incident.resolved),
        "acknowledged": _time(acknowledged),
        "acknowledged_by": clean(incident.acknowledged_by) or None,
        "silenced_until": _time(incident.silenced_until),
        "cause": clean(incident.cause) or None,
        "summary": clean(incident.finding.summary),
        "remedy": clean(incident.finding.remedy),
        "evidence": {name: clean(value) for name, value in incident.finding.evidence.items()},
    }


def silences_text(silences: Sequence[Silence], now: datetime) -> str:
    """One line for each."""
    if not silences:
        return "Nothing is silenced."
    return "\n".join(
        f"{silence.id}  {silence.target}  until {rfc3339(silence.until)} ({duration(silence.until - now)} left)"
        f"  {silence.author}: {silence.reason}"
        for silence in silences
    )


def silences_json(silences: Sequence[Silence]) -> str:
    """The JSON object."""
    body = [
        {
            "id": silence.id,
            "target": silence.target,
            "author": silence.author,
            "reason": silence.reason,
            "since": rfc3339(silence.since),
            "until": rfc3339(silence.until),
        }
        for silence in silences
    ]
    return json.dumps({"schema_version": SCHEMA_VERSION, "silences": body}, indent=2, ensure_ascii=False)


def _time(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None
