"""A bundle in every form: what a person needs first, complete where there is room, within the receivers' limits."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from repwatch.model.finding import FindingCode, Severity, Subject
from repwatch.model.notice import Bundle, Member, Notice, NoticeEvent
from repwatch.render.bundle import bundle_email, bundle_slack, bundle_slack_plain, bundle_text, groups, headline
from repwatch.render.notice_slack import MAX_JSON
from repwatch.sandbox.standins_slack import checked_blocks
from tests.unit.adapters.benches import notice


def member(number: int, code: FindingCode = FindingCode.APPLIER_ERROR, **changes: object) -> Notice:
    subject = Subject(f"shop{number}", f"10.0.{number % 250}.3:3306", "", code)
    made = replace(notice(number=number), subject=subject, server_name=f"db{number}", **changes)  # type: ignore[arg-type]
    return replace(made, at=made.since + timedelta(minutes=2))


def bundle(notices: Sequence[Notice]) -> Bundle:
    return Bundle(id="bundle-17", members=tuple(Member(notice=each, thread={}) for each in notices))


FEW = bundle(
    [
        member(1, FindingCode.LAGGING, severity=Severity.WARNING),
        member(2, FindingCode.SERVER_UNREACHABLE, event=NoticeEvent.RESOLVED),
        member(3),
        member(4, event=NoticeEvent.ACKNOWLEDGED, evidence={"acknowledged_by": "ann"}),
        member(5, FindingCode.DISK_FULL, event=NoticeEvent.REMINDER, since=notice().since - timedelta(days=2)),
        member(6),
    ]
)
MANY = bundle([member(number) for number in range(250)])


@pytest.mark.parametrize("form", ["text", "mail", "html", "slack"])
def test_every_form_says_who_what_and_since_when_with_the_key_of_each(form: str) -> None:
    mail = bundle_email(FEW)
    slack = json.dumps(bundle_slack(FEW).payload(), ensure_ascii=False)
    shown = {"text": bundle_text(FEW), "mail": mail.text, "html": mail.html, "slack": slack}[form]
    for each in FEW.members:
        assert each.notice.subject.key in shown
        assert f"shop{each.notice.id[2:]}/db{each.notice.id[2:]}" in shown
    for wanted in (
        "6 incidents",
        "3 critical",
        "02:14:05",
        "2026-11-20 02:14:05",
        "ann",
        "over after 2 min",
        "repwatch incidents",
    ):
        assert wanted in shown
    assert "bundle-17" in shown


def test_the_worst_comes_first_and_the_larger_kind_before_the_smaller() -> None:
    assert [(group.title.partition(",")[0], len(group.lines)) for group in groups(FEW)] == [
        ("Critical: applier-error", 2),
        ("Critical: disk-full", 1),
        ("Warning: lagging", 1),
        ("Acknowledged: applier-error", 1),
        ("Over: server-unreachable", 1),
    ]
    assert headline(FEW).startswith("[CRITICAL] 6 incidents: 3 critical, 1 warning, 1 acknowledged, 1 over")
    assert headline(bundle([member(1, event=NoticeEvent.RESOLVED)] * 2)).startswith("[RESOLVED] 2 incidents: 2 over")


def test_what_to_do_first_stands_there_where_all_is_of_one_kind() -> None:
    for shown in (bundle_text(MANY), bundle_email(MANY).html, json.dumps(bundle_slack(MANY).payload())):
        assert "repwatch repair shop/db3" in shown
        assert "Do not skip it." in shown
    for shown in (bundle_text(FEW), bundle_email(FEW).html, json.dumps(bundle_slack(FEW).payload())):
        assert "repwatch repair shop/db3" not in shown


def test_one_critical_incident_is_named_beside_a_thousand_warnings() -> None:
    noise = [member(number, FindingCode.LAGGING, severity=Severity.WARNING) for number in range(1000)]
    message = bundle_slack(bundle([*noise, member(2000, FindingCode.DISK_FULL)]))
    shown = json.dumps(message.payload(), ensure_ascii=False)
    assert shown.index("shop2000/db2000") < shown.index("lagging, 1000 incidents")
    assert "1 critical, 1000 warning" in message.text


def test_a_storm_of_250_fits_one_message_and_says_how_many_it_leaves_out() -> None:
    message = bundle_slack(MANY)
    checked_blocks(message.payload())
    assert message.size <= MAX_JSON
    shown = json.dumps(message.payload(), ensure_ascii=False)
    named = sum(f"shop{number}/db{number}:" in shown for number in range(250))
    assert named >= 60
    assert f"… and {250 - named} more" in shown
    assert all(each.notice.subject.key in bundle_email(MANY).text for each in MANY.members)


@given(
    text=st.text(max_size=400),
    number=st.integers(2, 40),
    times=st.integers(1, 60),
    event=st.sampled_from(NoticeEvent),
    codes=st.lists(st.sampled_from(FindingCode), min_size=1, max_size=40, unique=True),
)
@example("\U0001f600" * 400, 40, 60, NoticeEvent.OPENED, list(FindingCode))
@example("\x7f<&" * 400, 40, 60, NoticeEvent.REMINDER, [FindingCode.LAGGING])
@example("000\U00010000\U00010000", 15, 14, NoticeEvent.OPENED, [FindingCode.SERVER_UNREACHABLE])
@settings(max_examples=25, deadline=None)
def test_whatever_stands_in_it_slack_takes_it(
    text: str, number: int, times: int, event: NoticeEvent, codes: list[FindingCode]
) -> None:
    notices = [
        replace(
            member(place, codes[place % len(codes)], event=event, summary=text * times, remedy=text * times, avoid=text * times),
            subject=Subject(text, text, text, codes[place % len(codes)]),
        )
        for place in range(number)
    ]
    made = bundle(notices)
    for message in (bundle_slack(made), bundle_slack_plain(made)):
        assert message.size <= MAX_JSON
        checked_blocks(message.payload())
    mail = bundle_email(made)
    assert len(mail.html) + len(mail.text) < 1_000_000
    assert "\n" not in mail.subject
    assert len(mail.subject) <= 180


def test_nothing_in_a_text_of_a_server_calls_the_channel() -> None:
    shown = json.dumps(bundle_slack(bundle([member(1, summary="<!channel> & `x`"), member(2, summary="\nx")])).payload())
    assert "<!channel>" not in shown
    assert "<script" not in bundle_email(bundle([member(n, summary="<script>") for n in range(2)])).html
