"""Random tables with random drift, hundreds to a check: every difference is found, and nothing else."""

import os
import random
import secrets

import pytest

from repwatch.drift.report import Verdict
from repwatch.flows import drift_sight, drift_table, ranges
from repwatch.sandbox import Sandbox
from tests.server.drifting import drift_on, found_in, of_table, run_check
from tests.server.random_tables import RandomTable, random_table

TABLES = 260  # to a check


@pytest.mark.long
@pytest.mark.parametrize("attempt", range(2))
def test_random_drift_is_found_and_nothing_else(
    star: Sandbox, schema: str, monkeypatch: pytest.MonkeyPatch, attempt: int
) -> None:
    """With two checks on two flavours, over a thousand tables. The seed of a failure repeats it: REPWATCH_SEED.

    The second check reads parts of a few rows, so that a table has many.
    """
    if attempt:
        monkeypatch.setattr(ranges, "PART_ROWS", 2)
        monkeypatch.setattr(drift_table, "LEAF_ROWS", 3)
        monkeypatch.setattr(drift_sight, "LEAF_ROWS", 3)
    seed = os.environ.get("REPWATCH_SEED") or secrets.token_hex(8)
    chance = random.Random(f"{seed} {attempt}")
    tables = [random_table(chance, f"t{number}") for number in range(TABLES)]
    assert sum(bool(table.expected) for table in tables) > TABLES // 2
    star.source.sql(f"USE {schema}", *(statement for table in tables for statement in table.creation))
    star.wait_caught_up(120)
    drift_on(star.replicas[1], f"USE {schema}", *(statement for table in tables for statement in table.drift))
    report = run_check(star, f"{schema}.*")
    for table in tables:
        said, clean = (of_table(report, server, table.name) for server in (star.replicas[1], star.replicas[0]))
        told = f"REPWATCH_SEED={seed}\n{said}\n{_sql(table)}"
        assert found_in(said) == table.expected, told
        verdict = Verdict.DRIFTED if table.expected else Verdict.IDENTICAL
        assert (said.verdict, said.reason, said.difference_count - len(said.differences)) == (verdict, None, 0), told
        assert (clean.verdict, clean.rows_proved, clean.differences) == (Verdict.IDENTICAL, len(table.source), ()), told


def _sql(table: RandomTable) -> str:
    return "\n".join((*(f"{line};" for line in table.creation), "-- replica", *(f"{line};" for line in table.drift)))
