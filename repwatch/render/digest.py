"""A digest as text, e-mail, Slack message and JSON. The words are made once, as titled lines; each form lays them out."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from html import escape as html

from repwatch.model.digest import Digest, DigestCluster, DigestIncident, DigestProofs
from repwatch.model.view import State
from repwatch.render.notice_email import FONT, Email
from repwatch.render.notice_slack import MAX_JSON, Block, SlackMessage, escape
from repwatch.render.notice_text import clean, cut, one_line, stamp
from repwatch.render.times import duration, rfc3339
from repwatch.render.words import count

SCHEMA_VERSION = 1
_LINE = 300
_SECTION = 2900
_MOST_LINES = 200
# Lines of each section to try in turn, until Slack takes the message.
_SHORTER = (25, 10, 4, 1)
_EMOJI = {State.OK: "✅", State.WARNING: "🟠", State.CRITICAL: "🔴", State.UNKNOWN: "⚪"}


@dataclass(frozen=True, slots=True)
class Section:
    """A title and its lines."""

    title: str
    lines: tuple[str, ...]

    def first(self, number: int) -> tuple[str, ...]:
        """At most so many lines, the last one saying how many are left out."""
        left = len(self.lines) - number
        return self.lines if left <= 0 else (*self.lines[:number], f"… and {left} more")


def headline(digest: Digest) -> str:
    """`[DIGEST] 3 clusters: warning; 2 incidents open, 5 ended`."""
    clusters = f"{digest.clusters[0].name}" if len(digest.clusters) == 1 else count(len(digest.clusters), "cluster")
    what = f"{clusters}: {digest.state.value}; {count(digest.opened, 'incident')} open, {digest.resolved} ended"
    return one_line(f"[DIGEST] {what}")


def sections(digest: Digest) -> tuple[Section, ...]:
    """All that a digest says, in the order in which a person reads."""
    still = tuple(_open_line(each, digest.at) for each in digest.incidents if each.resolved is None)
    over = tuple(_past_line(each, each.resolved) for each in digest.incidents if each.resolved is not None)
    return (
        Section("Clusters", tuple(_cluster_line(cluster) for cluster in digest.clusters) or ("none",)),
        Section(f"Open incidents: {digest.opened}", _with_rest(still, digest.opened)),
        Section(f"Ended since {stamp(digest.since)}: {digest.resolved}", _with_rest(over, digest.resolved)),
        Section("Data", tuple(line for cluster in digest.clusters for line in _data_lines(cluster)) or ("nothing was proved",)),
    )


def digest_text(digest: Digest) -> str:
    """For a mail's plain part, and where Slack refuses blocks."""
    lines = [headline(digest), _span(digest)]
    for section in sections(digest):
        lines += ["", section.title, *(f"  {line}" for line in section.first(_MOST_LINES))]
    return "\n".join([*lines, "", f"Digest: {digest.id}"]) + "\n"


def digest_email(digest: Digest) -> Email:
    """Plain text and HTML; nothing is fetched."""
    parts = [
        f'<h2 style="margin:18px 0 4px;font-size:15px">{html(section.title)}</h2>'
        + "".join(f'<div style="font-size:14px;line-height:1.5">{html(line)}</div>' for line in section.first(_MOST_LINES))
        for section in sections(digest)
    ]
    body = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        f'<title>{html(headline(digest))}</title></head>\n<body style="margin:12px;{FONT};overflow-wrap:anywhere">'
        f'<div style="font-size:18px;font-weight:700">{html(headline(digest))}</div><div>{html(_span(digest))}</div>\n'
        f'{chr(10).join(parts)}\n<div style="margin-top:18px;font-size:12px">Digest: {html(digest.id)}</div></body></html>\n'
    )
    return Email(subject=cut(headline(digest), 180), text=digest_text(digest), html=body)


def digest_slack(digest: Digest) -> SlackMessage:
    """One message, as long as Slack takes it."""
    message = _slack(digest, _SHORTER[0])
    for lines in _SHORTER[1:]:
        if message.size <= MAX_JSON:
            break
        message = _slack(digest, lines)
    return message


def digest_slack_plain(digest: Digest) -> SlackMessage:
    """Without blocks: for the day Slack refuses ours."""
    return SlackMessage(text=cut(digest_text(digest), 1500, escape), blocks=(), metadata=_metadata(digest))


def _slack(digest: Digest, lines: int) -> SlackMessage:
    title = cut(f"{_EMOJI[digest.state]} {headline(digest)}", 150)
    blocks: list[Block] = [{"type": "header", "text": {"type": "plain_text", "text": title, "emoji": False}}]
    for section in sections(digest):
        shown = "\n".join(escape(line) for line in section.first(lines))
        text = {"type": "mrkdwn", "text": cut(f"*{escape(section.title)}*\n{shown}", _SECTION)}
        blocks.append({"type": "section", "text": text, "expand": True})
    reference = f"{_span(digest)}  ·  digest {cut(digest.id, 200, escape)}"
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": reference}]})
    return SlackMessage(text=cut(headline(digest), 280, escape), blocks=tuple(blocks), metadata=_metadata(digest))


def _metadata(digest: Digest) -> Block:
    return {"event_type": "repwatch_digest", "event_payload": {"id": cut(digest.id, 200), "event": "digest"}}


def digest_json(digest: Digest) -> bytes:
    """A webhook's body (repwatch/schemas/digest.schema.json); the same digest always gives the same bytes."""
    body = {
        "schema_version": SCHEMA_VERSION,
        "id": clean(digest.id),
        "event": "digest",
        "at": rfc3339(digest.at),
        "since": rfc3339(digest.since),
        "state": digest.state,
        "incidents_open": digest.opened,
        "incidents_ended": digest.resolved,
        "clusters": [_cluster_json(cluster) for cluster in digest.clusters],
        "incidents": [_incident_json(incident) for incident in digest.incidents],
    }
    return json.dumps(body, ensure_ascii=False).encode()


def _cluster_json(cluster: DigestCluster) -> dict[str, object]:
    peak = cluster.peak
    return {
        "name": cluster.name,
        "state": cluster.state,
        "servers": cluster.servers,
        "servers_ok": cluster.servers_ok,
        "highest_lag": {"server": peak.server, "seconds": peak.seconds, "at": rfc3339(peak.at)} if peak else None,
        "proofs": [
            {
                "server": each.server,
                "channel": clean(each.channel),
                "tables": each.tables,
                "fresh": each.fresh,
                "overdue_soon": each.soon,
                "never": each.never,
                "drifted": each.drifted,
                "oldest": rfc3339(each.oldest) if each.oldest else None,
            }
            for each in cluster.proofs
        ],
        "suspects": [
            {"server": each.server, "channel": clean(each.channel), "causes": each.causes, "since": rfc3339(each.since)}
            for each in cluster.suspects
        ],
    }


def _incident_json(incident: DigestIncident) -> dict[str, object]:
    return {
        "key": clean(incident.key),
        "cluster": incident.cluster,
        "server": incident.server,
        "channel": clean(incident.channel),
        "code": incident.code,
        "severity": incident.severity,
        "since": rfc3339(incident.since),
        "resolved": rfc3339(incident.resolved) if incident.resolved else None,
        "acknowledged_by": clean(incident.acknowledged_by) or None,
        "silenced_until": rfc3339(incident.silenced_until) if incident.silenced_until else None,
        "summary": cut(clean(incident.summary), 2000),
    }


def _cluster_line(cluster: DigestCluster) -> str:
    peak = cluster.peak
    lag = f"highest lag {peak.seconds:.0f} s ({one_line(peak.server)} at {stamp(peak.at)})" if peak else "lag unknown"
    return cut(f"{cluster.name}: {cluster.state}, {cluster.servers_ok} of {count(cluster.servers, 'server')} ok, {lag}", _LINE)


def _open_line(incident: DigestIncident, now: datetime) -> str:
    said = [f"acknowledged by {incident.acknowledged_by}"] if incident.acknowledged_by else []
    said += [f"silenced until {stamp(incident.silenced_until)}"] if incident.silenced_until else []
    handled = f" [{', '.join(said)}]" if said else ""
    text = f"{_what(incident)} since {stamp(incident.since)} ({duration(now - incident.since)}){handled}: {incident.summary}"
    return cut(one_line(text), _LINE)


def _past_line(incident: DigestIncident, resolved: datetime) -> str:
    lasted = duration(resolved - incident.since)
    return cut(one_line(f"{_what(incident)} from {stamp(incident.since)} for {lasted}: {incident.summary}"), _LINE)


def _what(incident: DigestIncident) -> str:
    return f"{incident.severity.upper()} {incident.code} {_place(incident.cluster, incident.server, incident.channel)}"


def _place(cluster: str, server: str, channel: str) -> str:
    place = "/".join(part for part in (cluster, server) if part) or "repwatch"
    return f"{place} (channel {channel})" if channel else place


def _data_lines(cluster: DigestCluster) -> Iterator[str]:
    for suspect in cluster.suspects:
        place = _place(cluster.name, suspect.server, suspect.channel)
        yield cut(one_line(f"{place}: suspect since {stamp(suspect.since)} ({', '.join(suspect.causes)})"), _LINE)
    for proofs in cluster.proofs:
        facts = ", ".join(_proof_facts(proofs))
        yield cut(one_line(f"{_place(cluster.name, proofs.server, proofs.channel)}: {facts}"), _LINE)


def _proof_facts(proofs: DigestProofs) -> Iterator[str]:
    yield f"{proofs.fresh} of {count(proofs.tables, 'table')} proved"
    if proofs.drifted:
        yield f"{proofs.drifted} drifted"
    if proofs.never:
        yield f"{proofs.never} never proved"
    if proofs.soon:
        yield f"{proofs.soon} overdue within a day"
    if proofs.oldest:
        yield f"the oldest proof is of {stamp(proofs.oldest)}"


def _span(digest: Digest) -> str:
    return f"{stamp(digest.since)} to {stamp(digest.at)}"


def _with_rest(lines: Iterable[str], number: int) -> tuple[str, ...]:
    shown = tuple(lines)
    left = number - len(shown)
    return (*shown, f"… and {left} more") if left else shown or ("none",)
