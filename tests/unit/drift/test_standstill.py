"""When waiting alone proves that rows differ."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.drift.report import Verdict
from repwatch.drift.verdict import (
    DRIFT_ROUNDS,
    STILL_MARGIN_DRIFT,
    Content,
    Events,
    Round,
    Stillness,
    judge,
    standstill_proves_at,
)

SOURCE, REPLICA = Content("a"), Content("b")


def round_at(started: float, *, second: Content | None = SOURCE, ahead: bool = False) -> Round:
    return Round(started=started, ended=started + 0.1, first=SOURCE, replica=REPLICA, second=second, ahead=ahead)


@given(starts=st.lists(st.floats(0, 10), min_size=1, max_size=DRIFT_ROUNDS - 1).map(sorted), since=st.floats(0, 10))
def test_it_is_the_moment_at_which_the_verdict_falls(starts: list[float], since: float) -> None:
    rounds = [round_at(start) for start in starts]
    at = standstill_proves_at(rounds, Stillness(since, since))
    if at is None:
        assert judge(rounds, Events.ROW_IMAGES, Stillness(since, 1e9)).verdict is Verdict.UNDECIDED
        return
    assert judge(rounds, Events.ROW_IMAGES, Stillness(since, at)).verdict is Verdict.DRIFTED
    assert judge(rounds, Events.ROW_IMAGES, Stillness(since, at - 0.01)).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    "round_",
    [round_at(5, second=None), round_at(5, second=Content("c")), round_at(5, ahead=True), round_at(STILL_MARGIN_DRIFT / 2)],
)
def test_some_rounds_have_to_be_repeated(round_: Round) -> None:
    assert standstill_proves_at([round_], Stillness(0, 6)) is None
    assert standstill_proves_at([round_], None) is None
