"""What is shown of proofs and of the last checks."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from repwatch.drift.overview import DriftRun, RunOutcome, RunSummary, summarise, worth_showing
from repwatch.drift.proving import TableProof, kept_for
from repwatch.drift.report import Verdict
from repwatch.drift.resume import KEPT_FOR

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WEEK = timedelta(days=7)
NAMES = {"b": "db2", "a": None}


def proof(server: str, table: str, days: float | None, verdict: Verdict = Verdict.IDENTICAL, channel: str = "") -> TableProof:
    proved = None if days is None else NOW - timedelta(days=days)
    return TableProof(server=server, channel=channel, table=table, since=NOW, checked=NOW, verdict=verdict, proved=proved)


def test_each_channel_of_the_servers_that_there_are_is_summed_up_in_their_order() -> None:
    proofs = [
        proof("a", "d.x", 8),
        proof("a", "d.y", 7),
        proof("gone", "d.x", 1),
        proof("b", "d.x", None, Verdict.DRIFTED, "one"),
        proof("b", "d.y", 30, channel="one"),
        proof("b", "d.x", 1, channel=""),
    ]
    found = summarise(proofs, NAMES, NOW, WEEK)
    assert [(s.server, s.name, s.channel) for s in found] == [("b", "db2", ""), ("b", "db2", "one"), ("a", None, "")]
    assert [(s.tables, s.fresh, s.never, s.drifted) for s in found] == [(1, 1, 0, 0), (2, 0, 1, 1), (2, 1, 0, 0)]
    assert [s.oldest_table for s in found] == ["d.x", "d.x", "d.x"]
    assert [s.oldest for s in found] == [NOW - timedelta(days=1), None, NOW - timedelta(days=8)]
    (without_limit,) = summarise([proof("a", "d.x", 8000), proof("a", "d.y", None)], NAMES, NOW, None)
    assert without_limit.fresh == 1


@given(st.lists(st.none() | st.floats(0, 40), min_size=1, max_size=9))
def test_never_proved_is_never_fresh(ages: list[float | None]) -> None:
    """Invariant: the oldest is unknown as soon as one never was proved, and what is fresh, old or never adds up."""
    (found,) = summarise([proof("a", f"d.t{n}", days) for n, days in enumerate(ages)], NAMES, NOW, WEEK)
    assert found.never == ages.count(None)
    assert (found.oldest is None) == (None in ages)
    assert found.fresh == sum(days is not None and days <= 7 for days in ages)


def run(number: int, outcome: RunOutcome, *, whole: bool = False) -> DriftRun:
    return DriftRun(number=number, started=NOW, finished=NOW, outcome=outcome, summary=RunSummary(whole=whole, tables=1))


def test_the_last_the_last_whole_and_the_last_that_found_drift_are_shown() -> None:
    runs = [
        run(9, RunOutcome.RUNNING, whole=True),
        run(8, RunOutcome.IDENTICAL),
        run(7, RunOutcome.UNDECIDED),
        run(6, RunOutcome.DRIFTED),
        run(5, RunOutcome.IDENTICAL, whole=True),
        run(4, RunOutcome.DRIFTED, whole=True),
    ]
    assert [each.number for each in worth_showing(runs)] == [8, 6, 5]
    assert [each.number for each in worth_showing(runs[5:])] == [4]
    assert worth_showing(runs[:1]) == ()


def test_what_was_read_counts_for_a_day_or_until_its_table_is_due_again() -> None:
    assert kept_for(None) == KEPT_FOR == timedelta(days=1)
    assert kept_for(WEEK) == WEEK / 2
