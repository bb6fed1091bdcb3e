"""The beats that are known of, and where they leave gaps."""

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from repwatch.health.beating import LATE, MOST_GAPS, Beating
from tests.unit.health.worlds import NOW

SECOND = timedelta(seconds=1)
STEPS = st.lists(st.floats(0.001, 10.0), max_size=40)


def beaten(*steps: float) -> tuple[Beating, list[datetime]]:
    """Beats that are so many seconds apart, and when they were."""
    times = [NOW]
    known = Beating.begun(NOW)
    for step in steps:
        times.append(times[-1] + step * SECOND)
        known = known.then(times[-1])
    return known, times


@given(STEPS)
def test_each_beat_tells_unless_the_next_was_late(steps: list[float]) -> None:
    known, times = beaten(*steps)
    assert (known.since, known.last) == (times[0], times[-1])
    for one, two in pairwise(times):
        assert known.tells(one, times[-1]) == (two - one <= LATE)
    assert not known.tells(times[0] - SECOND, times[-1])


@given(STEPS, st.floats(0.001, 10.0))
def test_a_beat_that_was_only_seen_counts(steps: list[float], step: float) -> None:
    known, times = beaten(*steps)
    newest = known.last + step * SECOND
    for moment in times:
        assert known.tells(moment, newest) == known.then(newest).tells(moment, newest)


def test_a_clock_that_was_set_back_begins_anew() -> None:
    known, _ = beaten(1, 5, 1)
    assert known.then(NOW) == Beating.begun(NOW)


def test_gaps_are_not_kept_for_ever() -> None:
    known, times = beaten(*[5.0, 1.0] * (MOST_GAPS + 2))
    assert len(known.gaps) == MOST_GAPS
    assert not any(known.tells(moment, times[-1]) for moment in times[:3])
    assert known.since == times[3]
    assert known.tells(times[5], times[-1])
