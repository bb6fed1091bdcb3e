"""A repair and its undo give back the exact former state, on random tables with keys, references and triggers between them."""

import random
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from repwatch.model.plan import Outcome
from repwatch.sandbox import Sandbox
from tests.server.random_schemas import random_schema
from tests.server.repairing import by_hand, healthy, identical, repair, request, undo
from tests.server.reseeding import contents

TABLES = 30  # to a repair: one round costs as much as one table


# A smaller seed is no simpler schema, so nothing is gained by shrinking.
@settings(
    max_examples=2,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32))
def test_undo_gives_back_the_exact_former_state(star: Sandbox, schema: str, tmp_path: Path, seed: int) -> None:
    made = random_schema(random.Random(seed), TABLES)
    replica = star.replicas[1]
    star.source.sql(f"DROP DATABASE {schema}", f"CREATE DATABASE {schema} CHARACTER SET utf8mb4", f"USE {schema}", *made.creation)
    star.wait_caught_up(120)
    by_hand(replica, f"USE {schema}", *made.drift)
    asked = request(star, replica, f"{schema}.*")
    before = contents(replica, schema)
    applied = repair(asked, tmp_path)
    assert applied.outcome is Outcome.DONE, applied.text
    identical(star, replica, schema)
    assert undo(asked, tmp_path, applied.undo_file).outcome is Outcome.DONE
    assert contents(replica, schema) == before
    healthy(star, replica)
