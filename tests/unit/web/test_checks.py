"""The drift checks on the page: what is shown, what a person may say, and who may not."""

import json
import math
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.message import Message
from html.parser import HTMLParser

import pytest
from prometheus_client.parser import text_string_to_metric_families

from repwatch.drift.control import Word
from repwatch.drift.overview import DriftOverview, DriftRun, ProofSummary, RunningCheck, RunOutcome, RunSummary
from repwatch.drift.progress import Phase, Progress
from repwatch.drift.throttle import PAUSED, Hold, Strain
from repwatch.model.settings import PageSpec
from repwatch.model.view import ClusterView, Health, State, View
from repwatch.ports.checks import ReportForm
from repwatch.web import server as web

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
NASTY = "<script>alert('x')</script>"
PROGRESS = Progress(
    phase=Phase.SCANNING, tables_done=1, tables=3, table=NASTY, rows=1000, rows_expected=4000, seconds=10, piece_rows=70
)
BUSY = Hold(server="db1:3306", strain=Strain.THREADS_RUNNING, value=40, limit=25)
CHECK = RunningCheck(started=NOW - timedelta(minutes=1), tables=0, progress=PROGRESS)
OVERVIEW = DriftOverview(
    cluster="shop",
    as_of=NOW,
    prove_within=timedelta(days=7),
    replicas=(
        ProofSummary(
            server="db2:3306", name="db2", channel="", tables=4, fresh=4, never=0, drifted=0,
            oldest=NOW - timedelta(hours=2), oldest_table=NASTY,
        ),
        ProofSummary(
            server="db3:3306", name=None, channel="c", tables=4, fresh=2, never=1, drifted=1, oldest=None, oldest_table="d.t"
        ),
    ),
    running=CHECK,
    recent=(
        DriftRun(
            number=12, started=NOW, finished=NOW, outcome=RunOutcome.DRIFTED,
            summary=RunSummary(whole=True, tables=4, rows_proved=9, differences=3),
        ),
        DriftRun(number=3, started=NOW, finished=NOW, outcome=RunOutcome.FAILED, summary=RunSummary(whole=False, tables=2)),
    ),
    reports=frozenset({12}),
)  # fmt: skip


@dataclass
class Told:
    """Checks that write down what they are told."""

    overview: DriftOverview = OVERVIEW
    running: int = 1
    words: list[tuple[str, Word]] = field(default_factory=list)

    def overviews(self) -> tuple[DriftOverview, ...]:
        return (self.overview,)

    def tell(self, cluster: str, word: Word) -> int:
        self.words.append((cluster, word))
        return self.running

    def report(self, number: int, form: ReportForm) -> str | None:
        return f"{form} of {number}" if number == 12 else None


@pytest.fixture
def checks() -> Told:
    return Told()


@pytest.fixture
def url(checks: Told) -> Iterator[str]:
    cluster = ClusterView(name="shop", state=State.OK, findings=(), servers=())
    view = View(as_of=NOW, state=State.OK, clusters=(cluster,))
    server = web.start(PageSpec("127.0.0.1", 0), view=lambda: view, health=lambda: Health(started=NOW), checks=checks)
    yield server.url
    server.stop()


def ask(url: str, headers: Mapping[str, str] | None = None, *, post: bool = False) -> tuple[int, str, Message]:
    """Status, text and headers; redirections are not followed."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    request = urllib.request.Request(url, data=b"" if post else None, headers=dict(headers or {}))
    try:
        with urllib.request.build_opener(Stay).open(request, timeout=60) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


class Forms(HTMLParser):
    """Where the forms of a page lead to, and its links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.actions: list[str | None] = []
        self.links: list[str | None] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert not given.keys() & {"style", "onclick"}, "the content security policy forbids it"
        if tag == "form":
            assert given["method"] == "post"
            self.actions.append(given["action"])
        if tag == "a":
            self.links.append(given["href"])


def test_the_page_shows_what_runs_and_links_the_reports_that_are_kept(url: str, checks: Told) -> None:
    _, page, _ = ask(url)
    found = Forms(page)
    assert found.actions == ["/checks/shop/pause", "/checks/shop/stop"]
    assert [link for link in found.links if link and "reports" in link] == ["/reports/12.html"]
    assert NASTY not in page
    assert 'value="1000"' in page
    checks.overview = replace(OVERVIEW, running=replace(CHECK, progress=replace(PROGRESS, waits=PAUSED)))
    assert Forms(ask(url)[1]).actions == ["/checks/shop/resume", "/checks/shop/stop"]
    checks.overview = replace(OVERVIEW, running=replace(CHECK, progress=replace(PROGRESS, waits=BUSY)))
    assert "db1:3306" in ask(url)[1]
    checks.overview = replace(OVERVIEW, running=replace(CHECK, progress=None, tables=2))
    assert Forms(ask(url)[1]).actions == ["/checks/shop/pause", "/checks/shop/stop"]
    suspect = replace(CHECK, replica="db2", progress=replace(PROGRESS, waits=PAUSED))
    checks.overview = replace(OVERVIEW, suspect=suspect)
    assert Forms(ask(url)[1]).actions == ["/checks/shop/resume", "/checks/shop/stop"]
    checks.overview = DriftOverview(cluster="shop", as_of=NOW, prove_within=None)
    assert Forms(ask(url)[1]).actions == []


@pytest.mark.parametrize("word", Word)
def test_a_word_is_said_with_and_without_scripts(url: str, checks: Told, word: Word) -> None:
    own = {"Origin": url.rstrip("/")}
    status, _, headers = ask(f"{url}checks/shop/{word}", own, post=True)
    assert (status, headers["location"], checks.words) == (303, "/", [("shop", word)])
    status, text, _ = ask(f"{url}checks/shop/{word}", own | {"HX-Request": "true"}, post=True)
    assert (status, text) == (204, "")
    assert ask(f"{url}checks/shop/{word}", {"Sec-Fetch-Site": "same-origin"}, post=True)[0] == 303


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "OWN", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "OWN", "Sec-Fetch-Site": "same-site"},
        {"Origin": "OWN", "Sec-Fetch-Site": "none"},
        {"Referer": "OWN"},
    ],
)
def test_another_site_may_say_nothing(url: str, checks: Told, headers: dict[str, str]) -> None:
    given = {name: value.replace("OWN", url.rstrip("/")) for name, value in headers.items()}
    assert ask(f"{url}checks/shop/stop", given, post=True)[0] == 403
    assert checks.words == []


def test_nothing_is_said_by_looking_or_by_another_word_or_to_nobody(url: str, checks: Told) -> None:
    own = {"Origin": url.rstrip("/")}
    assert ask(f"{url}checks/shop/stop", own)[0] == 405
    assert ask(f"{url}checks/shop/explode", own, post=True)[0] == 404
    assert checks.words == []
    checks.running = 0
    assert ask(f"{url}checks/shop/stop", own, post=True)[0] == 409


def test_reports_may_style_themselves_and_load_nothing(url: str) -> None:
    status, text, headers = ask(f"{url}reports/12.html")
    assert (status, text, headers["content-type"].partition(";")[0]) == (200, "html of 12", "text/html")
    assert headers.get_all("content-security-policy") == [
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ]
    assert ask(f"{url}reports/12.json")[1] == "json of 12"
    for missing in ("13.html", "12.exe", "x.html", "../12.html"):
        assert ask(f"{url}reports/{missing}")[0] == 404


def test_the_api_says_the_same(url: str, checks: Told) -> None:
    (cluster,) = json.loads(ask(f"{url}api/checks")[1])["clusters"]
    assert cluster["name"] == "shop"
    assert [(each["server"], each["channel"], each["tables_never_proved"]) for each in cluster["replicas"]] == [
        ("db2:3306", "", 0),
        ("db3:3306", "c", 1),
    ]
    running = cluster["running"]
    assert (running["rows"], running["rows_per_piece"], running["waits"], running["paused"]) == (1000, 70, None, False)
    assert [(each["outcome"], each["report"]) for each in cluster["checks"]] == [
        ("drifted", "/reports/12.json"),
        ("failed", None),
    ]
    checks.overview = replace(OVERVIEW, running=None)
    assert json.loads(ask(f"{url}api/checks")[1])["clusters"][0]["running"] is None


def test_metrics_say_the_same(url: str, checks: Told) -> None:
    def samples() -> dict[tuple[str, str], float]:
        families = text_string_to_metric_families(ask(f"{url}metrics")[1])
        return {
            (sample.name, sample.labels.get("server") or sample.labels.get("repwatch_check_outcome", "")): sample.value
            for family in families
            for sample in family.samples
        }

    found = samples()
    assert found["repwatch_last_proved_seconds", "db2:3306"] == 7200
    assert math.isnan(found["repwatch_last_proved_seconds", "db3:3306"])
    assert [found[f"repwatch_tables{name}", "db3:3306"] for name in ("", "_proved", "_never_proved", "_drifted")] == [4, 2, 1, 1]
    assert (found["repwatch_check_running", ""], found["repwatch_check_rows", ""]) == (1, 1000)
    assert (found["repwatch_check_outcome", "drifted"], found["repwatch_check_outcome", "identical"]) == (1, 0)
    checks.overview = replace(OVERVIEW, running=None)
    found = samples()
    assert found["repwatch_check_running", ""] == 0
    assert math.isnan(found["repwatch_check_rows", ""])


def test_an_open_page_is_told_how_a_check_goes_on(url: str, checks: Told) -> None:
    with urllib.request.urlopen(f"{url}events", timeout=60) as stream:
        assert 'value="1000"' in _until(stream, "progress")
        checks.overview = replace(OVERVIEW, running=replace(CHECK, progress=replace(PROGRESS, rows=2000)))
        assert 'value="2000"' in _until(stream, "progress")


def _until(stream: Iterator[bytes], word: str) -> str:
    for line in stream:
        if f"<{word}" in line.decode():
            return line.decode()
    raise AssertionError("the stream ended")
