"""Which tables are proved next, what is overdue, and when checks may run."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.drift.proving import TableProof, after_check, due_tables, in_window, overdue
from repwatch.drift.report import DriftReport, ReplicaReport, TableReport, Verdict

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WEEK = timedelta(days=7)


def proof(table: str, *, proved: float | None, checked: float = 0, since: float = 30, server: str = "a") -> TableProof:
    """Days ago."""

    def ago(days: float) -> datetime:
        return NOW - timedelta(days=days)

    return TableProof(
        server=server, channel="", table=table, since=ago(since), checked=ago(checked), verdict=Verdict.IDENTICAL,
        proved=None if proved is None else ago(proved),
    )  # fmt: skip


def test_never_proved_first_then_the_oldest_and_the_fresh_not_at_all() -> None:
    proofs = [
        proof("d.fresh", proved=3),
        proof("d.old", proved=5),
        proof("d.older", proved=6),
        proof("d.tried", proved=None, checked=1),
        proof("d.tried_before", proved=None, checked=2),
    ]
    tables = ["d.fresh", "d.old", "d.older", "d.tried", "d.tried_before", "d.new"]
    assert due_tables(tables, proofs, NOW, WEEK) == ("d.new", "d.tried_before", "d.tried", "d.older", "d.old")


def report(verdict: Verdict) -> DriftReport:
    table = TableReport(
        schema="d", table="t", verdict=verdict, reason=None, proof=None, rows=1, rows_proved=0, difference_count=0, differences=()
    )
    replica = ReplicaReport(
        server="a", name=None, channel="", server_uuid="", verdict=verdict, as_of="", reason=None, tables=(table,)
    )
    return DriftReport(verdict=verdict, started=NOW, finished=NOW, source="s", source_name=None, replicas=(replica,))


def test_a_check_that_could_not_decide_forgets_no_drift() -> None:
    """Invariant: drift is known until the table was proved identical."""
    drifted = after_check((), report(Verdict.DRIFTED))
    undecided = after_check(drifted, report(Verdict.UNDECIDED))
    assert [proof.verdict for proof in undecided] == [Verdict.DRIFTED]
    (identical,) = after_check(undecided, report(Verdict.IDENTICAL))
    assert (identical.verdict, identical.proved) == (Verdict.IDENTICAL, NOW)
    assert [proof.verdict for proof in after_check((), report(Verdict.UNDECIDED))] == [Verdict.UNDECIDED]


def test_a_proof_is_as_old_as_the_oldest_rows_that_count_for_it() -> None:
    found = report(Verdict.IDENTICAL)
    (replica,) = found.replicas
    since = NOW - timedelta(hours=9)
    resumed = replace(found, replicas=(replace(replica, tables=(replace(replica.tables[0], since=since),)),))
    assert [each.proved for each in after_check((), resumed)] == [since]


def test_a_table_is_as_old_as_on_the_replica_where_it_is_oldest() -> None:
    proofs = [proof("d.t", proved=0, server="a"), proof("d.t", proved=5, server="b")]
    assert due_tables(["d.t"], proofs, NOW, WEEK) == ("d.t",)


@given(st.lists(st.tuples(st.none() | st.floats(0, 40), st.floats(0, 40), st.floats(0, 40)), max_size=12))
def test_what_is_overdue_is_due(known: list[tuple[float | None, float, float]]) -> None:
    """Invariant: a table of the source cannot be overdue without being the next to be proved."""
    proofs = [
        proof(f"d.t{number}", proved=proved, checked=checked, since=since)
        for number, (proved, checked, since) in enumerate(known)
    ]
    due = due_tables([each.table for each in proofs], proofs, NOW, WEEK)
    assert {late.table for late in overdue(proofs, NOW, WEEK)} <= set(due)


def test_a_table_is_overdue_a_while_after_it_was_first_seen() -> None:
    assert [late.table for late in overdue([proof("d.new", proved=None, since=6)], NOW, WEEK)] == []
    late = [proof("d.b", proved=8), proof("d.a", proved=None, since=8), proof("d.ok", proved=6)]
    assert [each.table for each in overdue(late, NOW, WEEK)] == ["d.a", "d.b"]


@pytest.mark.parametrize(
    ("windows", "open_now"),
    [
        ((), True),
        (("12:00-13:00",), True),
        (("11:00-12:00",), False),
        (("22:00-06:00",), False),
        (("22:00-12:01",), True),
        (("13:00-14:00", "11:59-12:30"), True),
        (("00:00-00:00",), True),
    ],
)
def test_windows(windows: tuple[str, ...], open_now: bool) -> None:
    assert in_window(windows, NOW) is open_now
