"""Links of notices: only what is configured, and nothing from outside changes where they lead."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.health.links import links_to
from repwatch.model.finding import FindingCode, Subject
from repwatch.model.notice import Links
from repwatch.model.settings import NO_LINKS, LinkSpec

SPEC = LinkSpec(
    page="https://repwatch.example.com/", runbook="https://wiki.example.com/db/{code}?cluster={cluster}&server={server}"
)
SUBJECT = Subject("shop", "10.0.0.3:3306", "", FindingCode.APPLIER_ERROR)


@pytest.mark.parametrize(
    ("spec", "subject", "name", "page", "runbook"),
    [
        (NO_LINKS, SUBJECT, "db3", "", ""),
        (SPEC, SUBJECT, "db3", "#shop/10.0.0.3:3306//applier-error", "applier-error?cluster=shop&server=db3"),
        (SPEC, SUBJECT, None, "#shop/10.0.0.3:3306//applier-error", "applier-error?cluster=shop&server=10.0.0.3%3A3306"),
        (
            SPEC,
            Subject("", "", "oncall/slack", FindingCode.RECEIVER_UNDELIVERABLE),
            None,
            "#//oncall/slack/receiver-undeliverable",
            "receiver-undeliverable?cluster=&server=",
        ),
        (
            SPEC,
            Subject("a", "/run/x y.sock", "c&d", FindingCode.LAGGING),
            None,
            "#a//run/x%20y.sock/c%26d/lagging",
            "lagging?cluster=a&server=%2Frun%2Fx%20y.sock",
        ),
    ],
)
def test_where_they_lead(spec: LinkSpec, subject: Subject, name: str | None, page: str, runbook: str) -> None:
    found = links_to(spec, subject, name)
    assert (found.page.removeprefix(SPEC.page), found.runbook.removeprefix("https://wiki.example.com/db/")) == (page, runbook)


text = st.text(st.characters(codec=None), max_size=20)


@given(st.builds(Subject, text, text, text, st.sampled_from(FindingCode)), st.none() | text)
def test_nothing_from_outside_leads_elsewhere(subject: Subject, name: str | None) -> None:
    """Invariant: host and path are the configured ones, no character ends a link early, and the fragment is the key again."""
    found = links_to(SPEC, subject, name)
    for url in (found.page, found.runbook):
        assert url.isascii()
        assert not set(url) & set('<>|"\\ `\n')
    assert found.page.startswith(SPEC.page)
    assert unquote(urlsplit(found.page).fragment) == subject.key.encode("utf-8", "replace").decode()
    assert urlsplit(found.runbook)[:3] == ("https", "wiki.example.com", f"/db/{subject.code}")
    assert urlsplit(found.runbook).query.count("&") == 1


def test_what_is_too_long_is_left_out() -> None:
    """The status page itself is still of use."""
    found = links_to(SPEC, Subject("x" * 2000, "", "", FindingCode.LAGGING), None)
    assert found == Links(page=SPEC.page)


def test_a_place_within_a_name_is_not_filled_again() -> None:
    assert links_to(LinkSpec(runbook="https://w/{cluster}"), Subject("{code}", "", "", FindingCode.LAGGING), None) == Links(
        runbook="https://w/%7Bcode%7D"
    )
