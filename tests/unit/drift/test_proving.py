"""Which tables are proved next, what is overdue, and when checks may run."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.drift.proving import TableProof, after_check, due_tables, in_window, overdue
from repwatch.drift.report import DriftReport, Reason, ReplicaReport, TableReport, Verdict

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


def test_the_longest_untried_first_and_the_fresh_not_at_all() -> None:
    proofs = [
        proof("d.fresh", proved=3),
        proof("d.old", proved=5, checked=5),
        proof("d.older", proved=6, checked=6),
        proof("d.tried", proved=None, checked=1),
        proof("d.tried_before", proved=None, checked=2),
    ]
    tables = ["d.fresh", "d.old", "d.older", "d.tried", "d.tried_before", "d.new"]
    assert due_tables(tables, proofs, NOW, WEEK) == ("d.new", "d.older", "d.old", "d.tried_before", "d.tried")


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
    proofs = [proof("d.t", proved=1, checked=1, server="a"), proof("d.t", proved=5, checked=1, server="b")]
    assert due_tables(["d.t"], proofs, NOW, WEEK) == ("d.t",)


@given(st.lists(st.tuples(st.none() | st.floats(0, 40), st.floats(0, 40), st.floats(0, 40)), max_size=12))
def test_what_is_overdue_is_due(known: list[tuple[float | None, float, float]]) -> None:
    """Invariant: a table of the source cannot be overdue without being the next to be proved, unless it was just tried."""
    proofs = [
        proof(f"d.t{number}", proved=proved, checked=checked, since=since)
        for number, (proved, checked, since) in enumerate(known)
    ]
    due = due_tables([each.table for each in proofs], proofs, NOW, WEEK)
    assert {late.table for late in overdue(proofs, NOW, WEEK) if late.checked <= NOW - WEEK / 10} <= set(due)


@pytest.mark.parametrize(
    ("within", "checked", "due"),
    [  # hours
        (168, 0.02, False),
        (168, 16.7, False),
        (168, 16.8, True),
        (6, 0.9, False),
        (6, 1, True),  # an hour at least
        (1, 0.4, False),
        (1, 0.5, True),  # but never longer than until it would be due anyway
    ],
)
@pytest.mark.parametrize("proved", [None, 20])
def test_an_attempt_that_did_not_prove_is_not_made_again_at_once(
    within: float, checked: float, due: bool, proved: float | None
) -> None:
    """One replica is down: the table is proved on the other each time."""
    proofs = [
        proof("d.t", proved=checked / 24, checked=checked / 24, server="a"),
        proof("d.t", proved=proved, checked=checked / 24, server="b"),
    ]
    assert due_tables(["d.t"], proofs, NOW, timedelta(hours=within)) == (("d.t",) if due else ())


def test_a_check_that_was_cut_off_is_no_attempt() -> None:
    """It goes on when the window opens, or the service starts again."""
    found = report(Verdict.UNDECIDED)
    (replica,) = found.replicas
    cut = replace(found, replicas=(replace(replica, tables=(replace(replica.tables[0], reason=Reason.STOPPED),)),))
    assert due_tables(["d.t"], after_check((), cut), NOW, WEEK) == ("d.t",)
    assert due_tables(["d.t"], after_check([proof("d.t", proved=5, checked=2)], cut), NOW, WEEK) == ("d.t",)
    assert due_tables(["d.t"], after_check((), found), NOW, WEEK) == ()


@given(st.lists(st.booleans(), min_size=2, max_size=6), st.integers(1, 3))
def test_no_table_waits_for_those_that_cannot_be_proved(provable: list[bool], at_once: int) -> None:
    """Invariant: however many stay unproved, each is tried in its turn, and none twice within a tenth of the time."""
    names = [f"d.t{number}" for number in range(len(provable))]
    known: dict[str, TableProof] = {}
    tried: dict[str, list[datetime]] = {table: [] for table in names}
    for minutes in range(0, 14 * 24 * 60, 120):
        now = NOW + timedelta(minutes=minutes)
        for table in due_tables(names, known.values(), now, WEEK)[:at_once]:
            tried[table].append(now)
            good = provable[names.index(table)]
            known[table] = replace(proof(table, proved=None), checked=now, proved=now if good else None)
    for moments in tried.values():
        assert len(moments) >= 3
        assert all(later - earlier >= WEEK / 10 for earlier, later in pairwise(moments))


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
