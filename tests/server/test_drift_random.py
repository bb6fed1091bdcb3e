"""Random tables with random drift, hundreds to a check: every difference is found, and nothing else."""

from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from repwatch.drift.report import DriftReport, Verdict
from repwatch.flows import drift_sight, drift_table, ranges
from repwatch.sandbox import Sandbox
from tests.server.drifting import drift_on, found_in, of_table, run_check
from tests.server.random_tables import RandomTable, odd_table

MOST_TOLD = 3


def random_tables(count: int) -> list[RandomTable]:
    """That many examples of hypothesis. They are gathered, as a check of many tables takes little longer than that of one."""
    tables: list[RandomTable] = []

    @settings(max_examples=count, phases=(Phase.generate,), database=None, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def gather(chance: Random) -> None:
        tables.append(odd_table(chance, f"t{len(tables)}"))

    gather()
    return tables


@pytest.mark.long
@pytest.mark.parametrize(("small", "count"), [(False, 600), (True, 400)], ids=["usual", "small"])
def test_random_drift_is_found_and_nothing_else(
    star: Sandbox, schema: str, monkeypatch: pytest.MonkeyPatch, small: bool, count: int
) -> None:
    """A thousand tables on each flavour. A failure prints the statements that repeat it.

    The second check reads parts of a few rows, so that a table has many.
    """
    if small:
        monkeypatch.setattr(ranges, "PART_ROWS", 2)
        monkeypatch.setattr(drift_table, "LEAF_ROWS", 3)
        monkeypatch.setattr(drift_sight, "LEAF_ROWS", 3)
    tables = random_tables(count)
    assert len(tables) == count
    assert count // 3 < sum(bool(table.expected) for table in tables) < count * 9 // 10, "drift and none, each often enough"
    star.source.sql(f"USE {schema}", *(statement for table in tables for statement in table.creation))
    star.wait_caught_up(120)
    drift_on(star.replicas[1], f"USE {schema}", *(statement for table in tables for statement in table.drift))
    report = run_check(star, f"{schema}.*")
    wrong = [f"{said}\n{_sql(table)}" for table in tables if (said := _differs(table, report, star))]
    assert not wrong, f"{len(wrong)} tables:\n" + "\n\n".join(wrong[:MOST_TOLD])


def _differs(table: RandomTable, report: DriftReport, star: Sandbox) -> str:
    """How a report differs from what it has to be, or nothing."""
    clean, said = (of_table(report, server, table.name) for server in star.replicas)
    found, expected = found_in(said), table.expected
    if found != expected:
        return f"{table.name}: not found: {expected - found}, found: {found - expected}; {said}"
    verdict = Verdict.DRIFTED if expected else Verdict.IDENTICAL
    if (said.verdict, said.reason, said.difference_count) != (verdict, None, len(said.differences)):
        return f"{table.name}: {said}"
    if (clean.verdict, clean.rows_proved, clean.differences) != (Verdict.IDENTICAL, len(table.source), ()):
        return f"{table.name}, where nothing was done: {clean}"
    return ""


def _sql(table: RandomTable) -> str:
    return "\n".join((*(f"{line};" for line in table.creation), "-- replica", *(f"{line};" for line in table.drift)))
