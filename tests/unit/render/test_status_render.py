"""The status as JSON (the contract's keys and nothing else) and as text (a first line for Nagios)."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import jsonschema

from repwatch.model.finding import FindingCode, Severity
from repwatch.model.observation import LagBasis, LagQuality
from repwatch.model.view import ChannelView, ClusterView, FindingView, Role, ServerView, State, View
from repwatch.render.status import WIDTH, headline, status_json, status_text

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
FINDING = FindingView(
    code=FindingCode.APPLIER_ERROR, severity=Severity.CRITICAL, channel="ch", since=NOW - timedelta(minutes=3, seconds=5),
    summary="db2: stopped | on\nerror 1062", meaning="It differs. " * 20, remedy="Compare.", avoid="Do not skip.",
    evidence={"errno": "1062"},
)  # fmt: skip
SERVER = ServerView(
    server="10.0.0.2:3306", name="db2", role=Role.REPLICA, state=State.CRITICAL, lag_seconds=None, findings=(FINDING,),
    channels=(
        ChannelView(name="ch", source="10.0.0.1:3306", receiver="running", applier="stopped", lag_seconds=None,
                    delay_seconds=0, gtid_executed=""),
    ),
    observed=NOW - timedelta(seconds=2), read_only=True, lag_quality=LagQuality.UNKNOWN,
)  # fmt: skip
VIEW = View(
    as_of=NOW,
    state=State.CRITICAL,
    clusters=(ClusterView(name="shop", state=State.CRITICAL, findings=(), servers=(SERVER,)),),
)
HEALTHY = replace(
    VIEW,
    state=State.OK,
    clusters=(replace(VIEW.clusters[0], state=State.OK, servers=(replace(SERVER, state=State.OK, findings=()),)),),
)


def test_the_contract_s_json() -> None:
    assert json.loads(status_json(VIEW)) == {
        "schema_version": 1,
        "state": "critical",
        "as_of": "2026-11-22T10:00:00.000Z",
        "findings": [],
        "clusters": [
            {
                "name": "shop",
                "state": "critical",
                "findings": [],
                "servers": [
                    {
                        "server": "10.0.0.2:3306",
                        "name": "db2",
                        "role": "replica",
                        "state": "critical",
                        "lag_seconds": None,
                        "lag_quality": "unknown",
                        "lag_source": None,
                        "findings": [
                            {
                                "code": "applier-error",
                                "severity": "critical",
                                "channel": "ch",
                                "since": "2026-11-22T09:56:55.000Z",
                                "summary": "db2: stopped | on\nerror 1062",
                                "remedy": "Compare.",
                                "evidence": {"errno": "1062"},
                            }
                        ],
                    }
                ],
            }
        ],
    }


def test_every_view_is_as_the_schema_says() -> None:
    schema = json.loads((files("repwatch") / "schemas" / "status.schema.json").read_text(encoding="utf-8"))
    check = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    said = replace(FINDING, acknowledged=True, acknowledged_by="ann", silenced_until=NOW, silenced_by="bob")
    for quality, seconds in ((None, None), (LagQuality.UNKNOWN, None), (LagQuality.EXACT, 0.0), (LagQuality.LOWER_BOUND, 3.5)):
        for source in (None, *LagBasis):
            server = replace(SERVER, lag_seconds=seconds, lag_quality=quality, lag_source=source, findings=(said, FINDING))
            cluster = replace(VIEW.clusters[0], servers=(server,), findings=(FINDING,))
            check.validate(json.loads(status_json(replace(VIEW, clusters=(cluster,), findings=(FINDING,)))))


def test_what_people_said_is_shown_where_they_said_something() -> None:
    handled = replace(
        FINDING, acknowledged=True, acknowledged_by="ann", silenced_until=NOW + timedelta(hours=1), silenced_by="bob: new disks"
    )
    cluster = replace(VIEW.clusters[0], servers=(replace(SERVER, findings=(handled,)),))
    shown = replace(VIEW, clusters=(cluster,))
    finding = json.loads(status_json(shown))["clusters"][0]["servers"][0]["findings"][0]
    assert (finding["acknowledged_by"], finding["silenced_until"]) == ("ann", "2026-11-22T11:00:00.000Z")
    assert "by ann" in status_text(shown, NOW)
    assert "2026-11-22T11:00:00.000Z by bob: new disks" in status_text(shown, NOW)
    assert "silent" not in status_text(VIEW, NOW)


def test_the_first_line_is_one_line_and_no_performance_data() -> None:
    for view in (VIEW, HEALTHY, replace(VIEW, clusters=(), state=State.UNKNOWN)):
        line = headline(view)
        assert line.startswith(f"REPWATCH {view.state.upper()} - ")
        assert "|" not in line
        assert "\n" not in line
        assert status_text(view, NOW).splitlines()[0] == line


def test_the_text_holds_what_a_person_needs() -> None:
    text = status_text(VIEW, NOW)
    for needed in (
        "db2",
        "10.0.0.2:3306",
        "applier-error",
        "3 min 5 s",
        "Compare.",
        "Do not skip.",
        "1062",
        "unknown",
        "2 s ago",
    ):
        assert needed in text
    assert max(map(len, text.splitlines()[1:])) <= WIDTH


def test_what_is_healthy_is_short() -> None:
    assert len(status_text(HEALTHY, NOW).splitlines()) == 5
