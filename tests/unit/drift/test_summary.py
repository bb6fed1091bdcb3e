"""Several reports as one: what a replica of several sources has by another channel is no drift."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from repwatch.drift.report import DriftReport, Proof, Reason, ReplicaReport, TableExtra, TableReport, Verdict
from repwatch.drift.summary import exit_status, merged, overall, pt_exit_status

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


def report(channel: str, *tables: TableReport, server: str = "c:1") -> DriftReport:
    verdict = overall(table.verdict for table in tables)
    replica = ReplicaReport(
        server=server, name=None, channel=channel, server_uuid="", verdict=verdict, as_of="1", reason=None, tables=tables
    )
    return DriftReport(
        verdict=verdict, started=NOW, finished=NOW, source=f"{channel}:1", source_name=None, replicas=(replica,), left_out=()
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
    found = merged([report("a", table("x", extra=True)), report("b", table("x", extra=False), server="d:1")])
    assert found.verdict is Verdict.DRIFTED


@pytest.mark.parametrize("names", [("x",), ("x", "y")])
def test_a_channel_without_a_table_of_its_own_is_not_identical(names: tuple[str, ...]) -> None:
    first = report("a", *(table(name, extra=False) for name in names))
    second = report("b", *(table(name, extra=True) for name in names))
    found = merged([first, second])
    assert [(replica.verdict, replica.reason) for replica in found.replicas] == [
        (Verdict.IDENTICAL, None),
        (Verdict.UNDECIDED, Reason.NOTHING_REPLICATED),
    ]


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
    parts = [report("a", *(tables or ()), server=f"{number}:1") for number, tables in enumerate(replicas)]
    found = merged(
        [
            part
            if tables
            else replace(part, replicas=(replace(part.replicas[0], verdict=Verdict.UNDECIDED, reason=Reason.UNREACHABLE),))
            for part, tables in zip(parts, replicas, strict=True)
        ]
    )
    assert (exit_status(found), pt_exit_status(found)) == (status, bits)
