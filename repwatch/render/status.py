"""The status as text for people and Nagios, and as the contract's JSON."""

import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from repwatch.model.finding import Severity
from repwatch.model.view import ChannelView, ClusterView, FindingView, ServerView, State, View
from repwatch.render.times import duration, rfc3339
from repwatch.render.words import count

WIDTH = 100


def status_json(view: View) -> str:
    """The contract's JSON, schema_version 1."""
    body = {
        "schema_version": 1,
        "state": view.state,
        "as_of": rfc3339(view.as_of),
        "findings": [_finding_json(finding) for finding in view.findings],
        "clusters": [_cluster_json(cluster) for cluster in view.clusters],
    }
    return json.dumps(body, indent=2, ensure_ascii=False)


def status_text(view: View, now: datetime) -> str:
    """A first line that a Nagios plugin may print, a table of each cluster, then each finding in full."""
    lines = [headline(view)]
    for cluster in view.clusters:
        lines += ["", f"Cluster {cluster.name}: {cluster.state.upper()}", *_table(cluster, now)]
    for title, finding in _all_findings(view):
        lines += ["", *_finding_lines(title, finding, now)]
    return "\n".join(lines)


def headline(view: View) -> str:
    """One line: the state, and the worst of it. A bar would start Nagios' performance data, so there is none."""
    findings = [(title.partition("/")[0], finding) for title, finding in _all_findings(view)]
    if findings:
        cluster, finding = min(findings, key=lambda each: each[1].severity is not Severity.CRITICAL)
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        text = f"{cluster}: {finding.summary}{more}"
    elif view.state is State.OK:
        servers = count(sum(len(cluster.servers) for cluster in view.clusters), "server")
        text = f"{servers} in {count(len(view.clusters), 'cluster')}, no findings"
    else:
        text = "not every server has been seen"
    return f"REPWATCH {view.state.upper()} - {text}".replace("|", "/").replace("\n", " ")


def _all_findings(view: View) -> Iterator[tuple[str, FindingView]]:
    yield from (("repwatch", finding) for finding in view.findings)
    for cluster in view.clusters:
        yield from ((cluster.name, finding) for finding in cluster.findings)
        for server in cluster.servers:
            yield from ((f"{cluster.name}/{_label(server)}", finding) for finding in server.findings)


def _label(server: ServerView) -> str:
    return f"{server.name} ({server.server})" if server.name else server.server


def _table(cluster: ClusterView, now: datetime) -> list[str]:
    rows: list[Sequence[str]] = [("SERVER", "ROLE", "STATE", "RECEIVER", "APPLIER", "LAG", "READ ONLY", "SEEN")]
    for server in cluster.servers:
        for number, channel in enumerate(server.channels or (None,)):
            first = number == 0
            rows.append(
                (
                    _label(server) if first else "",
                    server.role if first else "",
                    server.state if first else "",
                    *_channel_cells(channel),
                    {True: "yes", False: "no", None: "unknown"}[server.read_only] if first else "",
                    (_ago(now - server.observed) if server.observed else "never") if first else "",
                )
            )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _channel_cells(channel: ChannelView | None) -> tuple[str, str, str]:
    if channel is None:
        return ("-", "-", "-")
    least = "at least " if channel.lag_at_least else ""
    lag = "unknown" if channel.lag_seconds is None else f"{least}{channel.lag_seconds:.0f} s"
    if channel.caught_up_in is not None:
        lag += f", caught up in {duration(timedelta(seconds=channel.caught_up_in))}"
    name = f" [{channel.name}]" if channel.name else ""
    return (channel.receiver + name, channel.applier, lag)


def _finding_lines(title: str, finding: FindingView, now: datetime) -> Iterator[str]:
    channel = f" channel {finding.channel!r}" if finding.channel else ""
    yield f"{title}{channel}: {finding.severity.upper()} {finding.code}"
    yield from paragraph("ack", f"by {finding.acknowledged_by or 'somebody'}" if finding.acknowledged else "")
    silence = finding.silenced_until and f"until {rfc3339(finding.silenced_until)} by {finding.silenced_by}"
    yield from paragraph("silent", silence or "")
    yield from paragraph("what", finding.summary)
    yield from paragraph("since", f"{rfc3339(finding.since)} ({duration(now - finding.since)})")
    yield from paragraph("means", finding.meaning)
    yield from paragraph("do", finding.remedy)
    yield from paragraph("do not", finding.avoid)
    if finding.evidence:
        width = max(map(len, finding.evidence))
        for key, value in finding.evidence.items():
            yield from wrapped(f"    {key.ljust(width)}  ", value)


def paragraph(label: str, text: str) -> Iterator[str]:
    """`  label   text`, wrapped under itself; nothing where there is no text."""
    if text:
        yield from wrapped(f"  {label.ljust(8)}", text)


def wrapped(prefix: str, text: str) -> Iterator[str]:
    """The text behind the prefix, wrapped under itself."""
    for number, line in enumerate(text.splitlines() or [""]):
        start = prefix if number == 0 else " " * len(prefix)
        yield from textwrap.wrap(
            line, WIDTH, initial_indent=start, subsequent_indent=" " * len(prefix), break_long_words=False, break_on_hyphens=False
        ) or [start.rstrip()]


def _ago(age: timedelta) -> str:
    return f"{duration(age)} ago"


def _cluster_json(cluster: ClusterView) -> dict[str, object]:
    return {
        "name": cluster.name,
        "state": cluster.state,
        "findings": _findings_json(cluster.findings),
        "servers": [_server_json(server) for server in cluster.servers],
    }


def _server_json(server: ServerView) -> dict[str, object]:
    return {
        "server": server.server,
        "name": server.name,
        "role": server.role,
        "state": server.state,
        "lag_seconds": server.lag_seconds,
        "lag_quality": server.lag_quality,
        "lag_source": server.lag_source,
        "findings": _findings_json(server.findings),
    }


def _findings_json(findings: Iterable[FindingView]) -> list[dict[str, object]]:
    return [_finding_json(finding) for finding in findings]


def _finding_json(finding: FindingView) -> dict[str, object]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "channel": finding.channel,
        "since": rfc3339(finding.since),
        "summary": finding.summary,
        "remedy": finding.remedy,
        "evidence": dict(finding.evidence),
    } | _handled_json(finding)


def _handled_json(finding: FindingView) -> dict[str, object]:
    """What people have said of it; nothing where nobody has."""
    said: dict[str, object] = {}
    if finding.acknowledged:
        said["acknowledged_by"] = finding.acknowledged_by
    if finding.silenced_until:
        said["silenced_until"] = rfc3339(finding.silenced_until)
    return said
