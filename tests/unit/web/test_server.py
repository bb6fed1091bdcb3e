"""The web server over real sockets: page, live updates, metrics and health."""

import json
import math
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import unquote, urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from repwatch.errors import UsageError
from repwatch.health.links import links_to
from repwatch.model.finding import FindingCode, Severity, Subject
from repwatch.model.settings import LinkSpec, PageSpec
from repwatch.model.view import ChannelView, ClusterView, FindingView, Health, Role, ServerView, State, View
from repwatch.web import server as web

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
NASTY = "<script>alert('x')</script> & \"quotes\""


def view(lag: float | None, as_of: datetime = NOW) -> View:
    finding = FindingView(
        code=FindingCode.APPLIER_ERROR,
        severity=Severity.CRITICAL,
        channel="",
        since=NOW - timedelta(minutes=4),
        summary=NASTY,
        meaning=NASTY,
        remedy=NASTY,
        avoid=NASTY,
        evidence={NASTY: NASTY},
        acknowledged=True,
        acknowledged_by=f"ann {NASTY}",
        silenced_until=NOW + timedelta(hours=2),
        silenced_by=f"bob: {NASTY}",
    )
    channel = ChannelView(
        name="", source="db1:3306", receiver="running", applier="stopped", lag_seconds=lag, delay_seconds=0,
        gtid_executed="0-1-7", purge_seconds_left=90.0,
    )  # fmt: skip
    source = ServerView(
        server="db1:3306", name="db1", role=Role.SOURCE, state=State.OK, lag_seconds=None, findings=(), observed=as_of
    )
    replica = ServerView(
        server="db2:3306",
        name=None,
        role=Role.REPLICA,
        state=State.CRITICAL,
        lag_seconds=lag,
        findings=(finding,),
        channels=(channel,),
        observed=as_of,
    )
    cluster = ClusterView(name="shop", state=State.CRITICAL, findings=(), servers=(source, replica))
    return View(as_of=as_of, state=State.CRITICAL, clusters=(cluster,))


class Shown:
    """What the server is given to show; tests change it."""

    view: View | None = None
    health = Health(started=NOW, last_tick=NOW)


@pytest.fixture
def shown() -> Shown:
    return Shown()


@pytest.fixture
def url(shown: Shown) -> Iterator[str]:
    server = web.start(PageSpec("127.0.0.1", 0), view=lambda: shown.view, health=lambda: shown.health)
    yield server.url
    server.stop()


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return str(answer.read().decode())


def test_the_page_is_served_before_and_after_the_first_look(url: str, shown: Shown) -> None:
    assert "looking" in get(url)
    shown.view = view(1.5)
    page = get(url)
    assert 'data-state="critical"' in page
    assert "<script>alert" not in page
    assert "acknowledged by ann" in page
    assert "silenced until 2026-11-22 05:00:00 UTC (bob" in page


def test_an_open_page_receives_each_new_view(url: str, shown: Shown) -> None:
    shown.view = view(1.5)
    with urllib.request.urlopen(f"{url}events", timeout=60) as stream:
        seen = _next_event(stream)
        assert "1.5 s" in seen
        shown.view = view(None, NOW + timedelta(seconds=5))
        assert "unknown" in _next_event(stream)


def _next_event(stream: Iterator[bytes]) -> str:
    lines: list[str] = []
    for raw in stream:
        line = raw.decode()
        lines.append(line)
        if line == "\n" and any(each.startswith("event: view") for each in lines):
            return "".join(lines)
    raise AssertionError("the stream ended")


def test_unknown_lag_is_nan_and_the_series_stays(url: str, shown: Shown) -> None:
    shown.view = view(None)
    samples = [sample for family in text_string_to_metric_families(get(f"{url}metrics")) for sample in family.samples]
    lag = [sample.value for sample in samples if sample.name == "repwatch_lag_seconds"]
    known = [sample.value for sample in samples if sample.name == "repwatch_lag_known"]
    assert len(lag) == 1
    assert math.isnan(lag[0])
    assert known == [0.0]
    assert [sample.value for sample in samples if sample.name == "repwatch_lag_lower_bound"] == [0.0]
    assert [sample.value for sample in samples if sample.name == "repwatch_purge_seconds_left"] == [90.0]
    findings = [sample.labels for sample in samples if sample.name == "repwatch_finding"]
    assert [(each["server"], each["code"], each["severity"]) for each in findings] == [("db2:3306", "applier-error", "critical")]


def test_what_is_wrong_with_repwatch_itself_is_shown_and_counted(url: str, shown: Shown) -> None:
    seen = view(None)
    own = replace(seen.clusters[0].servers[1].findings[0], code=FindingCode.RECEIVER_UNDELIVERABLE, channel="oncall/email")
    healthy = tuple(replace(server, state=State.OK, findings=()) for server in seen.clusters[0].servers)
    shown.view = replace(seen, findings=(own,), clusters=(replace(seen.clusters[0], state=State.OK, servers=healthy),))
    page = get(url)
    assert "receiver-undeliverable" in page
    assert "<script>alert" not in page
    samples = [sample for family in text_string_to_metric_families(get(f"{url}metrics")) for sample in family.samples]
    (labels,) = [sample.labels for sample in samples if sample.name == "repwatch_finding"]
    assert (labels["cluster"], labels["channel"], labels["code"]) == ("", "oncall/email", "receiver-undeliverable")


def test_health_is_503_with_the_problems(url: str, shown: Shown) -> None:
    assert json.loads(get(f"{url}healthz"))["ok"] is True
    shown.health = replace(shown.health, problems=("the store is full",))
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(f"{url}healthz")
    assert refused.value.code == 503
    assert json.loads(refused.value.read())["problems"] == ["the store is full"]
    refused.value.close()


def test_every_answer_carries_the_security_headers(url: str) -> None:
    for path in ("", "metrics", "static/style.css", "healthz"):
        with urllib.request.urlopen(url + path, timeout=60) as answer:
            assert answer.headers["content-security-policy"].startswith("default-src 'self'")
            assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_taken_address_is_refused(url: str) -> None:
    port = int(url.rstrip("/").rpartition(":")[2])
    with pytest.raises(UsageError):
        web.start(PageSpec("127.0.0.1", port), view=lambda: None, health=lambda: Health(started=NOW))


def test_stopping_does_not_wait_for_open_pages(shown: Shown) -> None:
    shown.view = view(1.0)
    server = web.start(PageSpec("127.0.0.1", 0), view=lambda: shown.view, health=lambda: shown.health)
    with urllib.request.urlopen(f"{server.url}events", timeout=60) as stream:
        stream.readline()
        server.stop(seconds=60)
        assert not server._thread.is_alive()


def test_a_link_in_a_notice_leads_to_its_finding(url: str, shown: Shown) -> None:
    """Invariant: each finding has its incident's key as id, once; that of repwatch itself too."""
    made = view(1.5)
    (cluster,) = made.clusters
    server = next(each for each in cluster.servers if each.findings)
    shown.view = replace(made, findings=server.findings, clusters=(replace(cluster, findings=server.findings),))
    ids = re.findall(r'<article class="finding [^>]*id="([^"]*)"', get(url))
    assert len(ids) == len(set(ids)) == 3 * len(server.findings)
    for finding in server.findings:
        for name, address in (("", ""), (cluster.name, ""), (cluster.name, server.server)):
            link = links_to(LinkSpec(page=url), Subject(name, address, finding.channel, finding.code), None).page
            assert unquote(urlsplit(link).fragment) in [unescape(each) for each in ids]
