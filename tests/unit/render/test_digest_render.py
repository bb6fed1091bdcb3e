"""A digest in every form: readable, within the receivers' limits whatever stands in it, and as its schema says."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.model.digest import Digest, DigestCluster, DigestIncident, DigestProofs, DigestSuspect, LagPeak
from repwatch.model.finding import FindingCode, Severity
from repwatch.model.view import State
from repwatch.render.digest import digest_email, digest_json, digest_slack, digest_slack_plain, digest_text
from repwatch.render.notice_slack import MAX_JSON
from repwatch.sandbox.standins_slack import checked_blocks

AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
SCHEMA = jsonschema.Draft202012Validator(
    json.loads((files("repwatch") / "schemas" / "digest.schema.json").read_text(encoding="utf-8")),
    format_checker=jsonschema.FormatChecker(),
)
OPEN = DigestIncident(
    key="shop/10.0.0.3:3306//applier-error", cluster="shop", server="db3", channel="", code=FindingCode.APPLIER_ERROR,
    severity=Severity.CRITICAL, since=AT - timedelta(hours=5, minutes=46), resolved=None, acknowledged_by="ann",
    silenced_until=AT + timedelta(hours=1), summary="db3: stopped on <!channel> & 1062\nDuplicate",
)  # fmt: skip
OVER = replace(OPEN, code=FindingCode.LAGGING, resolved=AT - timedelta(hours=5), acknowledged_by="", silenced_until=None)
CLUSTER = DigestCluster(
    name="shop", state=State.CRITICAL, servers=3, servers_ok=2, peak=LagPeak(server="db2", seconds=12.4, at=AT),
    proofs=(DigestProofs(server="db2", channel="", tables=120, fresh=118, soon=5, never=1, drifted=1, oldest=AT),),
    suspects=(DigestSuspect(server="db3", channel="ch", causes=("errant-transactions",), since=AT),),
)  # fmt: skip
DIGEST = Digest(
    id="digest-oncall-slack-20261122T0800", at=AT, since=AT - timedelta(days=1), state=State.CRITICAL, clusters=(CLUSTER,),
    incidents=(OPEN, OVER), opened=1, resolved=1,
)  # fmt: skip
QUIET = replace(DIGEST, state=State.OK, clusters=(), incidents=(), opened=0, resolved=0)


@pytest.mark.parametrize("form", ["text", "mail", "html", "slack", "json"])
def test_every_form_holds_what_a_person_wants_to_know(form: str) -> None:
    mail = digest_email(DIGEST)
    slack = json.dumps(digest_slack(DIGEST).payload(), ensure_ascii=False)
    shown = {
        "text": digest_text(DIGEST),
        "mail": mail.text,
        "html": mail.html,
        "slack": slack,
        "json": digest_json(DIGEST).decode(),
    }
    wanted = ["shop", "critical", "db2", "12", "applier-error", "lagging", "ann", "118", "120", "errant-transactions", DIGEST.id]
    if form != "json":
        wanted += ["5 h 46 min", "46 min", "2026-11-22 09:00:00 UTC"]
    for each in wanted:
        assert each in shown[form]


def test_nothing_in_it_calls_the_channel_or_is_markup() -> None:
    assert "<!channel>" not in json.dumps(digest_slack(DIGEST).payload())
    assert "<!channel>" not in digest_slack_plain(DIGEST).text
    assert "<!channel>" not in digest_email(DIGEST).html
    assert "\n" not in digest_email(DIGEST).subject


@pytest.mark.parametrize("digest", [DIGEST, QUIET])
def test_the_body_is_as_the_schema_says(digest: Digest) -> None:
    SCHEMA.validate(json.loads(digest_json(digest)))
    assert digest_json(digest) == digest_json(replace(digest))


TEXTS = st.text(st.characters(codec="utf-16-le", exclude_categories=["Cs"]), max_size=400) | st.sampled_from(
    ["&" * 3000, "😀" * 3000]
)


@given(st.integers(0, 100), st.integers(1, 60), TEXTS, TEXTS)
def test_slack_takes_any_digest(incidents: int, clusters: int, name: str, summary: str) -> None:
    digest = replace(
        DIGEST,
        clusters=(replace(CLUSTER, proofs=tuple(replace(CLUSTER.proofs[0], server=name) for _ in range(5))),) * clusters,
        incidents=tuple(replace(OPEN, summary=summary, server=name) for _ in range(incidents)),
        opened=incidents + 7,
    )
    for message in (digest_slack(digest), digest_slack_plain(digest)):
        assert message.size <= MAX_JSON
        checked_blocks(message.payload())
    assert SCHEMA.is_valid(json.loads(digest_json(digest)))
