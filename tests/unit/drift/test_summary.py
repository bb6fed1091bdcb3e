"""Several reports as one: what a replica of several sources has by another channel is no drift."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from repwatch.drift.report import (
    CountedRow,
    Difference,
    DriftReport,
    Effect,
    ExtraRow,
    MissingRow,
    NotCompared,
    Proof,
    Reason,
    ReplicaReport,
    SchemaDifference,
    TableExtra,
    TableReport,
    Verdict,
)
from repwatch.drift.summary import exit_status, full_name, is_extra, judged, merged, pt_exit_status

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def table(name: str, *, extra: bool) -> TableReport:
    return TableReport(
        schema="shop",
        table=name,
        verdict=Verdict.DRIFTED if extra else Verdict.IDENTICAL,
        reason=None,
        proof=Proof.REREAD,
        rows=0,
        rows_proved=0,
        difference_count=int(extra),
        differences=(TableExtra(),) if extra else (),
    )


def report(channel: str, *tables: TableReport, server: str = "c:1", channels: int = 2) -> DriftReport:
    replica = ReplicaReport(
        server=server,
        name=None,
        channel=channel,
        server_uuid="",
        verdict=Verdict.UNDECIDED,
        as_of="1",
        reason=None,
        tables=tuple(table for table in tables if not is_extra(table) or channels == 1),
        not_replicated=tuple(full_name(table) for table in tables if is_extra(table) and channels > 1),
        source=f"{channel}:1",
        channels=channels,
        unclaimed=tuple(table for table in tables if is_extra(table) and channels > 1),
    )
    replica = judged(replica, strict=False)
    return DriftReport(
        verdict=replica.verdict,
        started=NOW,
        finished=NOW,
        source=f"{channel}:1",
        source_name=None,
        replicas=(replica,),
        left_out=(),
    )


def test_each_channels_own_tables_count_there_and_nowhere_else() -> None:
    first = report("a", table("x", extra=False), table("y", extra=True))
    second = report("b", table("x", extra=True), table("y", extra=False))
    found = merged([first, second])
    assert found.verdict is Verdict.IDENTICAL
    assert [[name.table for name in replica.tables] for replica in found.replicas] == [["x"], ["y"]]
    assert [replica.not_replicated for replica in found.replicas] == [("shop.y",), ("shop.x",)]


def test_a_table_that_no_source_has_is_extra() -> None:
    found = merged([report("a", table("x", extra=True)), report("b", table("x", extra=True))])
    assert (found.verdict, exit_status(found)) == (Verdict.DRIFTED, 1)


def test_another_replicas_table_explains_nothing() -> None:
    alone = report("a", table("x", extra=True), channels=1)
    found = merged([alone, report("b", table("x", extra=False), server="d:1", channels=1)])
    assert found.verdict is Verdict.DRIFTED


def test_what_a_source_that_was_not_checked_may_have_is_not_extra() -> None:
    found = merged([report("a", table("x", extra=True), table("y", extra=False))])
    assert (found.verdict, found.replicas[0].not_replicated) == (Verdict.IDENTICAL, ("shop.x",))


EXTRA = ExtraRow(key={"id": "2"}, row={"id": "2"})
MISSING = MissingRow(key={"id": "1"}, row={"id": "1"})
MORE, FEWER = CountedRow({"n": "1"}, 1, 2), CountedRow({"n": "2"}, 2, 1)
COLUMN = SchemaDifference("column", "v", "int", "text", Effect.DATA)
INDEX = SchemaDifference("index", "v", None, "v", Effect.NONE)


def with_rows(name: str, *differences: Difference, surplus: int, cut: int = 0) -> TableReport:
    """`cut`: so many more differences are not listed."""
    count = len(differences) + cut
    found = replace(table(name, extra=False), verdict=Verdict.DRIFTED, difference_count=count)
    return replace(found, surplus=surplus, differences=differences)


@pytest.mark.parametrize(
    ("found", "verdict", "count"),
    [
        (with_rows("x", EXTRA, surplus=1), Verdict.UNDECIDED, 0),
        (with_rows("x", INDEX, EXTRA, surplus=1), Verdict.UNDECIDED, 1),
        (with_rows("x", MORE, surplus=1), Verdict.UNDECIDED, 0),
        (with_rows("x", EXTRA, surplus=9, cut=8), Verdict.UNDECIDED, 0),
        (with_rows("x", EXTRA, surplus=8, cut=8), Verdict.DRIFTED, 1),
        (with_rows("x", EXTRA, MISSING, surplus=1), Verdict.DRIFTED, 1),
        (with_rows("x", COLUMN, EXTRA, surplus=1), Verdict.DRIFTED, 1),
        (with_rows("x", MORE, FEWER, surplus=1), Verdict.DRIFTED, 1),
    ],
)
def test_rows_that_another_source_may_have_are_no_drift(found: TableReport, verdict: Verdict, count: int) -> None:
    one = merged([report("a", found), report("b", table("x", extra=False))]).replicas[0]
    (shared,) = one.tables
    assert (one.verdict, shared.verdict, shared.reason) == (verdict, verdict, Reason.SEVERAL_SOURCES)
    assert (shared.difference_count, EXTRA in shared.differences, MORE in shared.differences) == (count, False, False)
    assert bool(shared.proof) is (verdict is Verdict.DRIFTED)


@pytest.mark.parametrize(
    "second",
    [
        report("b", table("x", extra=True)),  # its source has no such table, or filters keep it away
        report("b", replace(table("y", extra=False), there="shop.z")),
        report("b", table("x", extra=False), server="d:1"),
    ],
)
def test_rows_that_no_other_source_has_are_drift(second: DriftReport) -> None:
    found = merged([report("a", with_rows("x", EXTRA, surplus=1)), second])
    assert found.replicas[0].tables[0] == with_rows("x", EXTRA, surplus=1)


def test_a_table_is_known_by_its_name_on_the_replica() -> None:
    renamed = replace(table("y", extra=False), there="shop.x")
    found = merged([report("a", with_rows("x", EXTRA, surplus=1)), report("b", renamed)])
    assert found.replicas[0].tables[0].verdict is Verdict.UNDECIDED


@pytest.mark.parametrize("names", [("x",), ("x", "y")])
def test_a_channel_without_a_table_of_its_own_is_not_identical(names: tuple[str, ...]) -> None:
    first = report("a", *(table(name, extra=False) for name in names))
    second = report("b", *(table(name, extra=True) for name in names))
    found = merged([first, second])
    assert [(replica.verdict, replica.reason) for replica in found.replicas] == [
        (Verdict.IDENTICAL, None),
        (Verdict.UNDECIDED, Reason.NOTHING_REPLICATED),
    ]


@pytest.mark.parametrize(("second_lacks_it", "verdict"), [(True, Verdict.DRIFTED), (False, Verdict.IDENTICAL)])
def test_an_object_is_extra_if_no_source_has_it(second_lacks_it: bool, verdict: Verdict) -> None:
    view = SchemaDifference("view", "shop.v", None, "select 1", Effect.BEHAVIOUR)

    def with_objects(found: DriftReport, *objects: SchemaDifference) -> DriftReport:
        return replace(found, replicas=(replace(found.replicas[0], unclaimed_objects=objects),), strict=True)

    first = with_objects(report("a", table("x", extra=False)), view)
    second = with_objects(report("b", table("x", extra=False)), *([view] if second_lacks_it else []))
    found = merged([first, second])
    assert (found.verdict, found.strict) == (verdict, True)
    assert [bool(replica.objects) for replica in found.replicas] == [second_lacks_it] * 2
    assert not merged([first]).replicas[0].objects  # the other source may have it


def test_strict_leaves_open_what_may_not_be_seen() -> None:
    whole = report("a", table("x", extra=False), channels=1).replicas[0]
    part = replace(whole, not_compared=(NotCompared(what="trigger", server="c:1", reason=Reason.HIDDEN),))
    loose, strict = judged(part, strict=False), judged(part, strict=True)
    assert (loose.verdict, strict.verdict, strict.reason) == (Verdict.IDENTICAL, Verdict.UNDECIDED, Reason.HIDDEN)
    whole_report = DriftReport(
        verdict=strict.verdict, started=NOW, finished=NOW, source="a:1", source_name=None, replicas=(strict,), strict=True
    )
    assert (exit_status(whole_report), pt_exit_status(whole_report)) == (3, 64)


CLEAN, DIFFERENT = table("x", extra=False), table("x", extra=True)
OPEN = replace(table("y", extra=False), verdict=Verdict.UNDECIDED, reason=Reason.HOT_ROWS, proof=None)


@pytest.mark.parametrize(
    ("replicas", "status", "bits"),
    [
        ([(CLEAN,)], 0, 0),
        ([(DIFFERENT,), (CLEAN,)], 1, 16),
        ([(CLEAN, OPEN)], 3, 64),
        ([(DIFFERENT, OPEN)], 1, 16 | 64),
        ([(CLEAN,), None], 2, 64),
        ([(DIFFERENT,), None], 1, 16 | 64),
        ([None, None], 2, 8 | 64),
    ],
)
def test_exit_status(replicas: list[tuple[TableReport, ...] | None], status: int, bits: int) -> None:
    """None is a replica that could not be checked at all."""
    parts = [report("a", *(tables or ()), server=f"{number}:1", channels=1) for number, tables in enumerate(replicas)]
    found = merged(
        [
            part
            if tables
            else replace(part, replicas=(replace(part.replicas[0], verdict=Verdict.UNDECIDED, reason=Reason.UNREACHABLE),))
            for part, tables in zip(parts, replicas, strict=True)
        ]
    )
    assert (exit_status(found), pt_exit_status(found)) == (status, bits)
