"""Drift reports in all forms: the JSON keeps its published schema, and nothing out of a database becomes markup."""

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from jsonschema import Draft202012Validator

from repwatch.drift.proving import TableProof, with_last_proved
from repwatch.drift.report import (
    Cause,
    ChangedRow,
    CountedRow,
    DriftReport,
    Effect,
    Errant,
    ExtraRow,
    Guess,
    Hex,
    MissingRow,
    NotCompared,
    Pair,
    Proof,
    Reason,
    ReplicaReport,
    SchemaDifference,
    Side,
    TableExtra,
    TableMissing,
    TableReport,
    Verdict,
)
from repwatch.drift.summary import exit_status
from repwatch.render.drift_html import drift_html
from repwatch.render.drift_json import drift_json, drift_json_pieces
from repwatch.render.drift_markdown import drift_markdown
from repwatch.render.drift_text import drift_text
from repwatch.render.drift_words import CAUSES, REASONS, errant_command

NASTY = "<script>alert('x')</script> | `\n*"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DIFFERENCES = (
    ChangedRow({"id": "7"}, {NASTY: Pair("N", NASTY), "blob": Pair(Hex("00FF"), None)}),
    MissingRow({"id": "9"}, {"id": "9", "note": NASTY}),
    ExtraRow({"id": "10"}, {"id": "10", "note": ""}),
    CountedRow({"id": None, "note": "twice"}, 2, 1234),
    SchemaDifference("column", NASTY, "int", None, Effect.DATA),
    TableMissing(),
    TableExtra(),
)


def table(
    verdict: Verdict,
    *,
    reason: Reason | None = None,
    differences: bool = False,
    proof: Proof | None = None,
    name: str = "orders",
) -> TableReport:
    return TableReport(
        schema="shop",
        table=NASTY if differences else name,
        verdict=verdict,
        reason=reason,
        proof=proof,
        rows=10_000,
        rows_proved=9_000,
        difference_count=len(DIFFERENCES) + 3 if differences else 0,
        differences=DIFFERENCES if differences else (),
        there="there.orders" if differences else None,
    )


def report(*tables: TableReport, verdict: Verdict, reason: Reason | None = None) -> DriftReport:
    replica = ReplicaReport(
        server="127.0.0.1:3307",
        name=None,
        channel="",
        server_uuid="",
        verdict=verdict,
        as_of="0-1-4711",
        reason=reason,
        tables=tables,
        not_replicated=(NASTY,),
    )
    return DriftReport(
        verdict=verdict,
        started=NOW,
        finished=NOW + timedelta(seconds=3),
        source="127.0.0.1:3306",
        source_name=NASTY,
        replicas=(replica,),
        left_out=("percona.checksums",),
    )


DRIFTED = report(table(Verdict.DRIFTED, differences=True, proof=Proof.REREAD), verdict=Verdict.DRIFTED)
OBJECTS = replace(
    DRIFTED,
    strict=True,
    replicas=(
        replace(
            DRIFTED.replicas[0],
            objects=(
                SchemaDifference("view", "shop.v", NASTY, None, Effect.BEHAVIOUR),
                SchemaDifference("sequence-value", "shop.s", "5", NASTY, Effect.NONE),
            ),
            not_compared=(
                NotCompared(what="trigger", server="127.0.0.1:3307", reason=Reason.HIDDEN, grant=f"GRANT TRIGGER {NASTY}"),
                NotCompared(what="objects", server="127.0.0.1:3307", reason=Reason.UNREADABLE),
            ),
        ),
    ),
)
GUESSES = tuple(
    Guess(cause=cause, columns=("a", NASTY)[: 1 + n % 2], rows=3, listed=4, side=Side.REPLICA, value=NASTY)
    for n, cause in enumerate(Cause)
)
EXPLAINED = replace(
    DRIFTED,
    replicas=(
        replace(
            DRIFTED.replicas[0],
            tables=(replace(DRIFTED.replicas[0].tables[0], causes=GUESSES),),
            errant=Errant(gtids="0-2-17", tables=(NASTY,), log="binlog.000009"),
        ),
    ),
)
REPORTS = [
    DRIFTED,
    OBJECTS,
    report(table(Verdict.IDENTICAL, proof=Proof.SNAPSHOT), verdict=Verdict.IDENTICAL),
    *(report(table(Verdict.UNDECIDED, reason=reason), verdict=Verdict.UNDECIDED, reason=reason) for reason in Reason),
    report(verdict=Verdict.IDENTICAL),
]


@pytest.mark.parametrize("rendering", [drift_text, drift_markdown, drift_html])
def test_the_channels_of_a_replica_are_told_apart(rendering: Callable[[DriftReport], str]) -> None:
    found = report(table(Verdict.IDENTICAL, proof=Proof.SNAPSHOT), verdict=Verdict.IDENTICAL)
    named = replace(found, replicas=(replace(found.replicas[0], channel="billing"),))
    assert "billing" in rendering(named)
    assert "billing" not in rendering(found)


@pytest.mark.parametrize("rendering", [drift_text, drift_markdown, drift_html])
def test_what_a_replica_was_compared_with_is_named(rendering: Callable[[DriftReport], str]) -> None:
    found = report(table(Verdict.IDENTICAL, proof=Proof.SNAPSHOT), verdict=Verdict.IDENTICAL)
    other = replace(found.replicas[0], source="10.9.9.9:3306", source_name="middle")
    assert "middle" in rendering(replace(found, replicas=(found.replicas[0], other)))
    assert "middle" not in rendering(found)
    assert "production" in rendering(replace(found, stands_for="production"))


@pytest.mark.parametrize("found", REPORTS)
def test_the_json_keeps_its_schema(found: DriftReport) -> None:
    schema = json.loads((files("repwatch") / "schemas" / "drift.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(json.loads(drift_json(found)))


def test_the_json_says_what_the_contract_says() -> None:
    document = json.loads(drift_json(DRIFTED))
    (found,) = document["replicas"][0]["tables"]
    assert (document["started"], document["source"]) == ("2026-01-02T03:04:05.000Z", {"server": "127.0.0.1:3306", "name": NASTY})
    assert found["difference_count"] == 10
    assert [difference["kind"] for difference in found["differences"]] == [
        "changed",
        "missing",
        "extra",
        "extra",
        "schema",
        "table-missing",
        "table-extra",
    ]
    assert found["differences"][0]["columns"]["blob"] == {"source": {"hex": "00FF"}, "replica": None}


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "onerror", "onclick"}]


@pytest.mark.parametrize("found", REPORTS)
def test_the_page_stands_alone_and_runs_nothing(found: DriftReport) -> None:
    tags = Tags()
    tags.feed(drift_html(found))
    assert "script" not in tags.seen
    assert not tags.links


@pytest.mark.parametrize("found", REPORTS)
def test_markdown_keeps_its_tables(found: DriftReport) -> None:
    """A value with a bar or a line end stays in its cell."""
    for line in drift_markdown(found).splitlines():
        if line.startswith("| "):
            assert line.replace("\\|", "").count("|") == 6
        assert "<script>" not in line


@pytest.mark.parametrize("found", REPORTS)
def test_text_is_a_line_for_each_thing(found: DriftReport) -> None:
    text = drift_text(found)
    assert str(found.verdict).upper() in text
    assert len(text.splitlines()) < 40


def test_every_reason_and_cause_has_words() -> None:
    assert set(REASONS) == set(Reason)
    assert set(CAUSES) == set(Cause)


@pytest.mark.parametrize("rendering", [drift_text, drift_html, drift_markdown, drift_json])
def test_causes_and_errant_transactions_are_in_each_form(rendering: Callable[[DriftReport], str]) -> None:
    shown = rendering(EXPLAINED)
    assert "0-2-17" in shown
    assert "0-2-17" not in rendering(DRIFTED)
    assert len(shown) > len(rendering(DRIFTED)) + len(GUESSES) * 20
    test_the_json_keeps_its_schema(EXPLAINED)
    test_the_page_stands_alone_and_runs_nothing(EXPLAINED)
    test_markdown_keeps_its_tables(EXPLAINED)


def test_the_command_that_shows_errant_transactions_fits_the_flavour() -> None:
    uuid = "9c820bb3-e926-11f1-b0a9-02fc00000001"
    assert f"--include-gtids='{uuid}:1-2'" in errant_command(Errant(gtids=f"{uuid}:1-2"))
    assert "--server-id=2 " in errant_command(Errant(gtids="0-2-17,7-2-1", log="binlog.000009"))
    assert errant_command(Errant(gtids="0-2-17", log="binlog.000009")).endswith(" binlog.000009")


def test_a_long_list_is_folded_and_whole() -> None:
    rows = tuple(ChangedRow({"id": f"row{number}"}, {"v": Pair("a", "b")}) for number in range(50))
    found = report(replace(table(Verdict.DRIFTED), differences=rows, difference_count=50), verdict=Verdict.DRIFTED)
    page = drift_html(found)
    assert all(page.count(f">row{number}<") == 1 for number in range(50))
    assert page.index(">row49<") > page.rindex("<details>") > page.index(">row0<")


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (DRIFTED, 1),
        (report(table(Verdict.IDENTICAL, proof=Proof.REREAD), verdict=Verdict.IDENTICAL), 0),
        (report(table(Verdict.UNDECIDED, reason=Reason.UNREACHABLE), verdict=Verdict.UNDECIDED, reason=Reason.UNREACHABLE), 2),
        (report(table(Verdict.UNDECIDED, reason=Reason.NO_PRIMARY_KEY), verdict=Verdict.UNDECIDED), 3),
        (
            report(
                table(Verdict.IDENTICAL, proof=Proof.REREAD),
                table(Verdict.UNDECIDED, reason=Reason.UNREACHABLE),
                verdict=Verdict.UNDECIDED,
                reason=Reason.UNREACHABLE,
            ),
            3,
        ),
    ],
)
def test_exit_status(found: DriftReport, status: int) -> None:
    assert exit_status(found) == status


@pytest.mark.parametrize("rendering", [drift_text, drift_html, drift_markdown, drift_json])
def test_a_narrowed_check_says_so(rendering: Callable[[DriftReport], str]) -> None:
    narrowed = replace(DRIFTED, where="id > 424242")
    assert "424242" in rendering(narrowed)
    assert "424242" not in rendering(DRIFTED)
    test_the_json_keeps_its_schema(narrowed)


def test_a_row_without_a_key_comes_with_its_counts() -> None:
    document = json.loads(drift_json(DRIFTED))
    found = document["replicas"][0]["tables"][0]["differences"][3]
    row = {"id": None, "note": "twice"}
    assert found == {"kind": "extra", "key": None, "row": row, "source_count": 2, "replica_count": 1234}


@pytest.mark.parametrize("rendering", [drift_text, drift_html, drift_markdown, drift_json])
def test_what_stands_beside_tables_is_told(rendering: Callable[[DriftReport], str]) -> None:
    told = rendering(OBJECTS)
    assert all(word in told for word in ("shop.v", "shop.s", "GRANT TRIGGER"))
    assert not any(word in rendering(DRIFTED) for word in ("shop.v", "shop.s", "GRANT TRIGGER"))


@pytest.mark.parametrize("rendering", [drift_text, drift_html, drift_markdown, drift_json])
def test_when_a_drifted_table_was_last_proved_is_told(rendering: Callable[[DriftReport], str]) -> None:
    """Of a table that is identical the report itself is the last proof."""
    proofs = [
        TableProof(
            server="127.0.0.1:3307", channel="", table=f"shop.{name}", since=NOW, checked=NOW, verdict=verdict, proved=proved
        )
        for name, verdict, proved in (
            (NASTY, Verdict.DRIFTED, datetime(2025, 7, 6, 5, 4, tzinfo=UTC)),
            ("orders", Verdict.IDENTICAL, datetime(2024, 7, 6, 5, 4, tzinfo=UTC)),
        )
    ]
    both = report(table(Verdict.DRIFTED, differences=True), table(Verdict.IDENTICAL), verdict=Verdict.DRIFTED)
    told = with_last_proved(both, proofs)
    assert "2025-07-06" in rendering(told)
    assert "2024-07-06" not in rendering(told)
    assert rendering(with_last_proved(both, ())) == rendering(both)
    assert with_last_proved(both, [replace(proof, server="other") for proof in proofs]) == both
    test_the_json_keeps_its_schema(told)


@pytest.mark.parametrize("rendering", [drift_text, drift_html, drift_markdown, drift_json])
def test_a_check_that_has_gone_on_says_since_when_rows_count(rendering: Callable[[DriftReport], str]) -> None:
    since = datetime(2025, 7, 6, 5, 4, tzinfo=UTC)
    resumed = replace(table(Verdict.IDENTICAL, proof=Proof.REREAD), since=since)
    found = report(resumed, table(Verdict.IDENTICAL, proof=Proof.REREAD), verdict=Verdict.IDENTICAL)
    assert "2025-07-06" in rendering(found)
    test_the_json_keeps_its_schema(found)
    test_markdown_keeps_its_tables(found)


def test_json_is_made_table_by_table() -> None:
    """Of 20,000 tables the document alone has 4 MB and more; it never lies in memory as a whole."""
    found = report(*(table(Verdict.IDENTICAL, proof=Proof.SNAPSHOT) for _ in range(20_000)), verdict=Verdict.IDENTICAL)
    tracemalloc.start()
    try:
        length = sum(map(len, drift_json_pieces(found)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (length > 4_000_000, peak < 500_000) == (True, True)


def test_of_thousands_of_tables_only_those_are_listed_that_say_something() -> None:
    tables = [table(Verdict.IDENTICAL, proof=Proof.SNAPSHOT, name=f"t{number}") for number in range(3000)]
    tables[1500] = table(Verdict.UNDECIDED, reason=Reason.HOT_ROWS, name="hot")
    found = report(*tables, verdict=Verdict.UNDECIDED)
    assert (len(drift_text(found).splitlines()) < 20, "shop.hot" in drift_text(found)) == (True, True)
    assert len(drift_markdown(found).splitlines()) < 200
    assert [each["table"] for each in json.loads(drift_json(found))["replicas"][0]["tables"]] == [each.table for each in tables]
