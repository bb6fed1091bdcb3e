"""Any notice, whatever its texts, renders within its receiver's limits and is valid; a person reads the right things first."""

import json
import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repwatch.adapters.smtp import compose
from repwatch.health.links import links_to
from repwatch.model.finding import FindingCode, Severity, Subject
from repwatch.model.impact import Impact, Names
from repwatch.model.notice import Links, Notice, NoticeEvent
from repwatch.model.settings import EmailReceiver, LinkSpec
from repwatch.render import notice_slack
from repwatch.render.notice_email import email
from repwatch.render.notice_forms import alertmanager_body, pagerduty_body
from repwatch.render.notice_more import acknowledge_command, impact_facts
from repwatch.render.notice_plain import plain_text
from repwatch.render.notice_slack import MAX_JSON, SlackMessage
from repwatch.render.notice_text import clean, cut, facts, passages, units, what, where
from repwatch.render.notice_webhook import signature, webhook_body
from repwatch.render.times import duration
from repwatch.sandbox.standins_slack import SlackError, checked_blocks

SINCE = datetime(2026, 11, 22, 2, 14, 5, tzinfo=UTC)
COMMAND = "repwatch repair shop/db3"
ERROR = "Could not execute Write_rows_v1 event on table shop.orders; Duplicate entry '7001' for key 'PRIMARY', Error_code: 1062"
NOTICE = Notice(
    id="n-17",
    subject=Subject("shop", "10.0.0.3:3306", "", FindingCode.APPLIER_ERROR),
    event=NoticeEvent.OPENED,
    server_name="db3",
    severity=Severity.CRITICAL,
    since=SINCE,
    at=SINCE + timedelta(minutes=12, seconds=4),
    summary="The applier stopped at a duplicate key",
    meaning="A row on db3 is already there",
    remedy=f"Look first:\n\n    {COMMAND}",
    avoid="Do not skip the transaction",
    evidence={"transaction": "0-1-4711", "table": "shop.orders", "error_text": ERROR},
)
SCHEMA = jsonschema.Draft202012Validator(
    json.loads(files("repwatch").joinpath("schemas/webhook.schema.json").read_text(encoding="utf-8")),
    format_checker=jsonschema.FormatChecker(),
)
MESSAGES = [notice_slack.root, notice_slack.reply, notice_slack.plain]

# Every code point, lone surrogates and control characters included, and what is dear in JSON, HTML and mrkdwn.
text = st.one_of(
    st.text(st.characters(codec=None), max_size=60),
    st.sampled_from(["", "&<>" * 3000, "\U0001f600" * 4000, "中" * 8000, "`" * 5000, "\x00\x1b[31m\r\n", "\ud800", "a" * 9000]),
    st.text(max_size=5).map(lambda piece: f"  {piece}\nx\n" * 200),
)
number = st.none() | st.floats(0, 1e12)
names = st.builds(Names.of, st.lists(text, max_size=12))
impacts = st.builds(
    Impact,
    lag_seconds=number,
    lag_at_least=st.booleans(),
    transactions_missing=st.none() | st.integers(0, 2**64),
    purge_seconds_left=number,
    below=names,
    complete=st.none() | names,
    good=names,
    others=st.integers(0, 10_000),
)
spec = st.builds(
    LinkSpec,
    page=st.sampled_from(["", "https://repwatch.example.com/"]),
    runbook=st.sampled_from(["", "https://w/{code}?x={server}&y={cluster}", "https://w/?" + "&" * 900]),
)
notices = st.builds(
    Notice,
    id=text,
    subject=st.builds(Subject, text, text, text, st.sampled_from(FindingCode)),
    event=st.sampled_from(NoticeEvent),
    server_name=st.none() | text,
    severity=st.sampled_from(Severity),
    since=st.integers(-(2**31), 2**32).map(lambda seconds: SINCE + timedelta(seconds=seconds)),
    at=st.integers(-(2**31), 2**32).map(lambda seconds: SINCE + timedelta(seconds=seconds)),
    summary=text,
    meaning=text,
    remedy=text,
    avoid=text,
    evidence=st.dictionaries(text, text, max_size=20),
    impact=st.none() | impacts,
    links=st.builds(links_to, spec, st.builds(Subject, text, text, text, st.sampled_from(FindingCode)), st.none() | text),
)


def shown(message: SlackMessage) -> str:
    return json.dumps(message.payload(), ensure_ascii=False)


@given(notices)
@settings(max_examples=120, deadline=None)
def test_slack_takes_any_notice(notice: Notice) -> None:
    """Invariant: Slack's limits hold, and the size stays below the limit that its reference does not mention."""
    for render in MESSAGES:
        message = render(notice)
        checked_blocks(message.payload())
        assert message.text
        assert message.size <= MAX_JSON < 13_000
        json.dumps(message.payload(), ensure_ascii=False).encode()


@pytest.mark.parametrize("filler", ["&", "<", "中", "\U0001f600", '"', "\\", "\t", "a", "`", "x\n  y\n"], ids=repr)
@pytest.mark.parametrize("event", list(NoticeEvent))
def test_slack_takes_the_worst_texts(filler: str, event: NoticeEvent) -> None:
    long = filler * 7000
    notice = replace(NOTICE, event=event, id=long, server_name=long, summary=long, meaning=long, remedy=long, avoid=long)
    subject = Subject(long, long, long, FindingCode.LAGGING)
    many = Names.of([long] * 9)
    links = Links(page="https://p/#" + "a" * 980, runbook="https://r/" + "%41" * 320)
    impact = Impact(lag_seconds=9e9, purge_seconds_left=9e9, below=many, complete=many, good=many, others=9)
    notice = replace(
        notice,
        subject=subject,
        impact=impact,
        links=links,
        evidence={f"{number}{long}": long if number % 2 else filler for number in range(40)},
    )
    for render in MESSAGES:
        checked_blocks(render(notice).payload())
        assert render(notice).size <= MAX_JSON


@given(notices)
@settings(max_examples=100, deadline=None)
def test_a_mail_takes_any_notice(notice: Notice) -> None:
    """Invariant: the message can be sent, its subject is one line, its HTML is closed and holds nothing to fetch or run."""
    receiver = EmailReceiver(to=("dba@example.com",), sender="repwatch@example.com", host="localhost", port=25)
    sent = compose(notice, receiver, "<first@example.com>")
    raw = bytes(sent)
    assert len(raw) < 1_000_000
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert isinstance(sent, EmailMessage)
    content = email(notice)
    assert "\n" not in content.subject
    assert len(content.subject) <= 180
    assert len(content.html) < 500_000
    page = Page()
    page.feed(content.html)
    page.close()
    assert page.open == []
    assert page.tags <= {
        *("html", "head", "meta", "title", "style", "body", "div", "br", "table", "tr", "td", "pre", "code", "a"),
    }


@given(notices)
@settings(max_examples=100, deadline=None)
def test_a_webhook_takes_any_notice(notice: Notice) -> None:
    """Invariant: UTF-8 JSON with exactly the keys of the contract, the same bytes each time."""
    body = json.loads(webhook_body(notice).decode())
    SCHEMA.validate(body)
    assert list(body) == [
        *("schema_version", "id", "key", "event", "cluster", "server", "name", "channel", "code"),
        *("severity", "since", "at", "summary", "remedy", "evidence"),
    ]
    assert webhook_body(notice) == webhook_body(notice)


@given(notices)
@settings(max_examples=100, deadline=None)
def test_pagerduty_and_alertmanager_take_any_notice(notice: Notice) -> None:
    """Invariant: within PagerDuty's limits, one key over the incident's life; in Alertmanager one alert of a severity fires."""
    raw = pagerduty_body(notice, "k" * 32)
    event = json.loads(raw.decode())
    assert len(raw) < 512_000
    assert 0 < len(event["dedup_key"]) <= 255
    assert 0 < len(event["payload"]["summary"]) <= 1024
    assert event["payload"]["source"]
    over = notice.event is NoticeEvent.RESOLVED
    assert event["event_action"] == {"resolved": "resolve", "acknowledged": "acknowledge"}.get(notice.event, "trigger")
    later = replace(notice, event=NoticeEvent.RESOLVED, id="other", severity=Severity.WARNING, evidence={})
    assert json.loads(pagerduty_body(later, "k" * 32))["dedup_key"] == event["dedup_key"]
    alerts = json.loads(alertmanager_body(notice).decode())
    firing = {a["labels"]["severity"] for a in alerts if datetime.fromisoformat(a["endsAt"]) > notice.at}
    assert firing == (set() if over else {notice.severity.value})
    assert all(text for alert in alerts for text in alert["labels"].values())
    names = [name for alert in alerts for name in (*alert["labels"], *alert["annotations"])]
    assert all(re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", name) for name in names)


def test_what_pagerduty_and_alertmanager_are_told() -> None:
    event = json.loads(pagerduty_body(NOTICE, "key"))
    assert (event["routing_key"], event["dedup_key"]) == ("key", "shop/10.0.0.3:3306//applier-error")
    assert event["payload"]["custom_details"]["table"] == "shop.orders"
    alert = next(each for each in json.loads(alertmanager_body(NOTICE)) if each["labels"]["severity"] == "critical")
    assert alert["labels"] == {
        "alertname": "applier-error",
        "severity": "critical",
        "cluster": "shop",
        "instance": "10.0.0.3:3306",
        "server": "db3",
        "job": "repwatch",
    }
    assert COMMAND in alert["annotations"]["remedy"]


@given(st.text(st.characters(codec=None)), st.integers(0, 50))
def test_cut_keeps_the_limit_and_no_half_escape(whole: str, limit: int) -> None:
    """Invariant: at most `limit` units after escaping, and an escape is there whole or not at all."""
    kept = cut(whole, limit, notice_slack.escape)
    assert units(kept) <= limit
    for escaped in ("&amp;", "&lt;", "&gt;"):
        kept = kept.replace(escaped, "")
    assert not set("&<>") & set(kept)


@given(st.text(st.characters(codec=None)))
def test_clean_leaves_what_is_printed(whole: str) -> None:
    """Invariant: encodable, no control characters, nothing that reorders what is read; cleaning twice changes nothing."""
    cleaned = clean(whole)
    cleaned.encode()
    assert not any(character < " " and character not in "\n\t" for character in cleaned)
    assert "\u202e" not in cleaned
    assert clean(cleaned) == cleaned


class Page(HTMLParser):
    """Collects the tags of a page and those left open."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not {name for name, _ in attrs} & {"src", "background", "onclick", "onload"}
        assert tag == "a" or "href" not in dict(attrs)
        assert re.fullmatch(r"https://[^\s<>\"]+", dict(attrs)["href"] or "") if tag == "a" else True
        assert not any("url(" in (value or "") for _, value in attrs)
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("event", [NoticeEvent.OPENED, NoticeEvent.UPDATED, NoticeEvent.REMINDER, NoticeEvent.ACKNOWLEDGED])
def test_an_open_incident_is_told_in_the_order_of_a_person_on_call(event: NoticeEvent) -> None:
    notice = replace(NOTICE, event=event)
    expected = [
        *(notice.server_name or "", notice.summary, "2026-11-22 02:14:05 UTC", "12 min 4 s", notice.meaning, COMMAND),
        *(notice.avoid, "0-1-4711", "shop.orders", notice.subject.key),
    ]
    content = email(notice)
    for whole in (plain_text(notice), content.html, shown(notice_slack.root(notice))):
        position = 0
        for piece in expected:
            position = whole.index(piece, position)
    assert notice.summary in content.subject
    assert "CRITICAL" in content.subject


IMPACT = Impact(
    lag_seconds=93.2,
    lag_at_least=True,
    transactions_missing=4711,
    purge_seconds_left=12_000.0,
    below=Names.of(["db7"]),
    good=Names.of(["db4", "db5", "db6", "db8", "db9"]),
    others=7,
)


def forms(notice: Notice) -> dict[str, str]:
    """The notice as each receiver gets it."""
    return {
        "text": plain_text(notice),
        "html": email(notice).html,
        "slack": shown(notice_slack.root(notice)),
        "slack, plain": shown(notice_slack.plain(notice)),
    }


def test_the_impact_stands_in_each_form() -> None:
    for form, whole in forms(replace(NOTICE, impact=IMPACT)).items():
        position = whole.index("Impact")
        for piece in ("1 min 33 s", "2026-11-22 02:24:35 UTC", "4711", "3 h 20 min", "2026-11-22 05:46:09 UTC", "db7", "db4"):
            assert whole.find(piece, position) > 0, (form, piece)
        assert "db9" not in whole, form  # few are named, and the rest is counted
    evidence = json.loads(webhook_body(replace(NOTICE, impact=IMPACT)))["evidence"]
    assert {name: value for name, value in evidence.items() if name.startswith("impact_")} == {
        "impact_lag_seconds": "93.2",
        "impact_lag_at_least": "yes",
        "impact_transactions_missing": "4711",
        "impact_purge_seconds_left": "12000",
        "impact_others": "7",
        "impact_below_count": "1",
        "impact_below": "db7",
        "impact_good_count": "5",
        "impact_good": "db4, db5, db6, db8, db9",
    }
    details = json.loads(pagerduty_body(replace(NOTICE, impact=IMPACT), "k"))["payload"]["custom_details"]
    assert evidence.items() <= details.items()


def test_of_what_is_not_known_nothing_is_said() -> None:
    assert len(impact_facts(replace(NOTICE, impact=Impact()))) == 1  # that there is no other replica
    assert len(impact_facts(replace(NOTICE, impact=Impact(lag_seconds=0.4, lag_at_least=True)))) == 1
    assert len(impact_facts(replace(NOTICE, impact=Impact(lag_seconds=0.4)))) == 2
    assert impact_facts(NOTICE) == []
    lost = Impact(complete=Names(), others=2)
    assert len(impact_facts(replace(NOTICE, impact=lost))) == 1  # that none has all; that none is well goes without saying


LINKS = Links(
    page="https://repwatch.example.com/#shop/10.0.0.3:3306//applier-error", runbook="https://wiki.example.com/db?a=1&b=2"
)


def test_links_stand_in_each_form() -> None:
    notice = replace(NOTICE, links=LINKS)
    for form, whole in forms(notice).items():
        assert LINKS.page in whole, form
        assert LINKS.runbook in whole.replace("&amp;", "&"), form
        assert "repwatch explain" not in whole, form
    data = {"link_status_page": LINKS.page, "link_runbook": LINKS.runbook}
    assert data.items() <= json.loads(webhook_body(notice))["evidence"].items()
    event = json.loads(pagerduty_body(notice, "k"))
    assert (event["client_url"], [link["href"] for link in event["links"]]) == (LINKS.page, [LINKS.page, LINKS.runbook])
    for alert in json.loads(alertmanager_body(notice)):
        assert (alert["generatorURL"], alert["annotations"]["runbook_url"]) == (LINKS.page, LINKS.runbook)


def test_where_there_is_no_runbook_the_page_of_the_finding_can_be_asked_for() -> None:
    for form, whole in forms(NOTICE).items():
        assert "repwatch explain applier-error" in whole, form
        assert "http" not in re.sub("www.w3.org|http-equiv", "", whole), form


def test_of_what_is_over_the_status_page_shows_nothing() -> None:
    for form, whole in forms(replace(NOTICE, links=LINKS, event=NoticeEvent.RESOLVED)).items():
        assert LINKS.page not in whole, form
        assert "repwatch explain" not in whole, form


@pytest.mark.parametrize(
    ("changes", "offered"),
    [
        ({}, True),
        ({"event": NoticeEvent.UPDATED}, True),
        ({"event": NoticeEvent.REMINDER}, True),
        ({"event": NoticeEvent.ACKNOWLEDGED}, False),
        ({"event": NoticeEvent.RESOLVED}, False),
        ({"event": NoticeEvent.UPDATED, "evidence": {"acknowledged_by": "ann"}}, False),
    ],
)
def test_the_command_that_acknowledges_can_be_pasted(changes: dict[str, Any], offered: bool) -> None:
    notice = replace(NOTICE, **changes)
    for form, whole in forms(notice).items():
        assert (f"repwatch ack {notice.subject.key}" in whole) is offered, form
    assert ("repwatch ack" in shown(notice_slack.root(notice, button=True))) is False  # there the button does it


def test_a_key_with_blanks_is_quoted() -> None:
    odd = replace(NOTICE, subject=replace(NOTICE.subject, channel="from $(hostname)"))
    assert shlex.split(acknowledge_command(odd))[2:] == [odd.subject.key]


def test_a_resolved_incident_says_how_long_it_lasted_and_no_longer_what_to_do() -> None:
    notice = replace(NOTICE, event=NoticeEvent.RESOLVED)
    content = email(notice)
    assert "RESOLVED" in content.subject
    for whole in (content.text, content.html, shown(notice_slack.root(notice)), shown(notice_slack.plain(notice))):
        assert "12 min 4 s" in whole
        assert notice.summary in whole
        assert COMMAND not in whole
        assert notice.avoid not in whole


def test_an_error_text_cannot_call_the_channel_or_link_away() -> None:
    nasty = "<!channel> <https://evil.example|click> & <@U123>"
    notice = replace(NOTICE, summary=nasty, meaning=nasty, avoid=nasty, remedy=nasty, evidence={nasty: nasty}, server_name=nasty)
    for render in MESSAGES:
        message = render(notice)
        markup = [message.text, *(found for block in message.blocks for found in mrkdwn(block))]
        for piece in markup:
            assert "<!channel" not in piece
            assert "<http" not in piece
            assert "<@" not in piece


def mrkdwn(value: object) -> list[str]:
    """The texts in which Slack looks for markup."""
    if isinstance(value, dict):
        if value.get("type") == "mrkdwn":
            return [str(value["text"])]
        return [found for part in value.values() for found in mrkdwn(part)]
    return [found for part in value for found in mrkdwn(part)] if isinstance(value, list) else []


def test_html_in_a_notice_is_text() -> None:
    notice = replace(NOTICE, summary="<script>alert(1)</script>", evidence={"<img src=x>": "<b>"}, remedy="`<i>`")
    page = email(notice).html
    assert "<script" not in page
    assert "<img" not in page
    assert "<i>" not in page


def test_commands_are_told_from_prose() -> None:
    remedy = (
        "Look first:\n\n    repwatch drift shop\n\nthen\nrepwatch repair shop/db3 --apply\nrepwatch needs a grant.\n"
        "GRANT REPLICATION CLIENT ON *.* TO `repwatch`@`%`;\n`STOP SLAVE`\nDone"
    )
    assert [passage.text for passage in passages(remedy) if passage.is_command] == [
        "repwatch drift shop",
        "repwatch repair shop/db3 --apply",
        "GRANT REPLICATION CLIENT ON *.* TO `repwatch`@`%`;\nSTOP SLAVE;",
    ]


def test_a_command_in_a_sentence_gets_a_line_of_its_own_where_it_ends_a_clause() -> None:
    remedy = (
        "Find what differs: `repwatch drift shop --tables 'shop.orders'`. Put the rows right: `repwatch repair shop/db3`, then "
        "`START SLAVE SQL_THREAD`. `repwatch doctor` prints all (see `SHOW GRANTS FOR x`); set `sql_log_bin`."
    )
    assert [(passage.text, passage.is_command) for passage in passages(remedy)] == [
        ("Find what differs:", False),
        ("repwatch drift shop --tables 'shop.orders'", True),
        ("Put the rows right:", False),
        ("repwatch repair shop/db3", True),
        ("then", False),
        ("START SLAVE SQL_THREAD;", True),
        ("`repwatch doctor` prints all (see `SHOW GRANTS FOR x`); set `sql_log_bin`.", False),
    ]


@pytest.mark.parametrize(
    "remedy", ["", " ", "`", "``", "`START SLAVE`.", "`START SLAVE`", "a `START SLAVE`; b `STOP SLAVE`", "(`A B`"]
)
def test_nothing_of_a_remedy_is_lost(remedy: str) -> None:
    shown = "".join(passage.text for passage in passages(remedy))
    assert set(re.findall(r"\w", remedy)) == set(re.findall(r"\w", shown))


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ("db3: the applier stopped", "the applier stopped"),
        ("db3 (channel a): the applier stopped", "the applier stopped"),
        ("db3 cannot connect", "cannot connect"),
        ("db31: stopped", "db31: stopped"),
        ("10.0.0.3:3306: stopped", "stopped"),
        ("no source", "no source"),
    ],
)
def test_a_servers_name_is_not_said_twice(summary: str, expected: str) -> None:
    assert what(replace(NOTICE, summary=summary, subject=replace(NOTICE.subject, channel="a"))) == expected


def test_a_notice_about_repwatch_itself_names_it() -> None:
    notice = replace(NOTICE, subject=Subject("", "", "oncall/slack", FindingCode.RECEIVER_UNDELIVERABLE), server_name=None)
    assert where(notice) == "repwatch"


def test_a_command_reaches_slack_as_it_is_pasted() -> None:
    command = "SELECT * FROM `a``b` WHERE x < 1 AND y > 2 & 3;"
    block = next(block for block in notice_slack.root(replace(NOTICE, remedy=command)).blocks if block["type"] == "rich_text")
    assert command in json.dumps(block)


def test_a_long_error_is_cut_and_the_short_facts_are_kept() -> None:
    notice = replace(NOTICE, evidence={"error": "x" * 50_000, "transaction": "0-1-4711"})
    whole = shown(notice_slack.root(notice))
    assert "0-1-4711" in whole
    assert "x" * 500 in whole


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (-5, "0 s"),
        (5, "5 s"),
        (60, "1 min"),
        (724, "12 min 4 s"),
        (3600, "1 h"),
        (11_520, "3 h 12 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_durations(seconds: int, expected: str) -> None:
    assert duration(timedelta(seconds=seconds)) == expected


def test_empty_evidence_is_left_out() -> None:
    assert [fact.label for fact in facts(replace(NOTICE, evidence={"a": "", "failed_gtid": "1", "b": " "}))] == ["Failed GTID"]


def test_the_stand_in_refuses_what_slack_refuses() -> None:
    """Otherwise the limits above would prove nothing."""
    head = {"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "x"}}
    field = {"type": "mrkdwn", "text": "x"}
    broken: list[object] = [
        [head],
        [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}],
        [{"type": "section", "text": {"type": "mrkdwn", "text": ""}}],
        [{"type": "section", "fields": [field] * 11}],
        [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}],
        [{"type": "section"}],
        [section] * 51,
        [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2990}}] * 5,
        [{"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [{"type": "text", "text": ""}]}]}],
        [{"type": "unknown"}],
        "text",
    ]
    for blocks in broken:
        with pytest.raises(SlackError):
            checked_blocks({"text": "x", "blocks": blocks})
    checked_blocks({"text": "x", "blocks": [section] * 50})


def documented(language: str) -> str:
    """The first example in that language in the page about notices."""
    page = (Path(__file__).parents[3] / "docs" / "notices.md").read_text(encoding="utf-8")
    return page.partition(f"```{language}\n")[2].partition("```")[0]


def test_the_signature_is_what_the_documentation_verifies() -> None:
    """The documented lines are run as they stand."""
    body = webhook_body(NOTICE)
    for secret, genuine in (("s3cret", True), ("another", False)):
        names: dict[str, object] = {"secret": secret, "body": body, "header": signature(body, "s3cret")}
        exec(documented("python"), names)
        assert names["genuine"] is genuine


def test_the_documented_body_is_valid() -> None:
    SCHEMA.validate(json.loads(documented("json")))
