"""How long a check stays with rows that never come to rest."""

from hypothesis import given
from hypothesis import strategies as st

from repwatch.drift.settling import Trying
from repwatch.drift.verdict import DRIFT_ROUNDS

SPANS = st.floats(0, 500)
ROUNDING = 1e-6


def spent_on(trying: Trying, round_seconds: float) -> tuple[float, int]:
    """Seconds and rounds, where no round settles anything."""
    spent, rounds = 0.0, 0
    while not trying.is_over(spent, rounds):
        spent, rounds = spent + round_seconds, rounds + 1
    return spent, rounds


@given(seconds=SPANS, reach=SPANS, round_seconds=st.floats(0.5, 100), parts=st.integers(1, 50))
def test_a_table_of_hot_rows_is_tried_once_and_each_further_part_of_it_for_one_round(
    seconds: float, reach: float, round_seconds: float, parts: int
) -> None:
    trying, total = Trying(seconds=seconds, reach=reach), 0.0
    for part in range(parts):
        spent, rounds = spent_on(trying, round_seconds)
        assert rounds == 1 if part else rounds >= 1
        total += spent
        trying = trying.after(given_up=True)
    most = seconds + (DRIFT_ROUNDS + 1) * reach
    assert total <= most + parts * round_seconds + ROUNDING


@given(seconds=SPANS, reach=SPANS, round_seconds=st.floats(0.5, 100))
def test_drift_can_be_proved_though_each_round_waits(seconds: float, reach: float, round_seconds: float) -> None:
    """As many rounds as drift takes, unless rounds take longer than a replica is waited for."""
    _, rounds = spent_on(Trying(seconds=seconds, reach=reach), round_seconds)
    assert rounds > DRIFT_ROUNDS or round_seconds > reach


def test_rows_that_were_settled_cost_the_next_ones_nothing() -> None:
    trying = Trying(seconds=60, reach=60)
    assert trying.after(given_up=False) == trying
