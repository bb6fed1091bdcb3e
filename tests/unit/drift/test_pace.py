"""How large pieces are, and when the source counts as written to."""

import pytest

from repwatch.drift.pace import GENTLE_PART, GENTLE_SECONDS, LEAST_ROWS, TARGET_SECONDS, Pace
from repwatch.flows.drift_world import Watermark


@pytest.mark.parametrize(("gentle", "target"), [(False, TARGET_SECONDS), (True, GENTLE_SECONDS)])
@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.4, 3.0])
def test_the_next_piece_takes_its_time(seconds: float, target: float, *, gentle: bool) -> None:
    pace = Pace(1_000, 100_000).after(rows=1_000, seconds=seconds, void=False, gentle=gentle)
    assert pace.rows == pytest.approx(min(10_000, 1_000 * target / seconds), abs=1)


def test_it_never_grows_tenfold_at_once_nor_shrinks_to_nothing() -> None:
    assert Pace(1_000, 100_000).after(rows=1_000, seconds=0.0001, void=False, gentle=False).rows == 10_000
    assert Pace(1_000, 100_000).after(rows=1_000, seconds=1e6, void=False, gentle=True).rows == LEAST_ROWS


def test_pieces_are_small_only_while_the_source_is_written_to() -> None:
    large = Pace(20_000, 20_000)
    small = large.after(rows=20_000, seconds=0.01, void=False, gentle=True)
    assert small.rows == 20_000 // GENTLE_PART
    assert small.after(rows=small.rows, seconds=0.003, void=False, gentle=True) == small
    assert small.after(rows=small.rows, seconds=0.003, void=False, gentle=False) == large


BUSY = [number * 0.01 for number in range(1000)]  # when transactions are committed
HEARTBEAT = [float(number) for number in range(20)]


@pytest.mark.parametrize("every", [0.01, 0.2, 0.45])
@pytest.mark.parametrize(
    ("commits", "busy"),
    [([], False), (BUSY, True), (HEARTBEAT, False), ([*BUSY[:500]], False), ([t for t in BUSY if t % 1 < 0.5], True)],
)
def test_a_source_is_written_to_while_it_goes_on_moving(commits: list[float], every: float, *, busy: bool) -> None:
    """After ten seconds, as looks see it that come so often. One that rested since, or beats once a second, is not."""
    watermark = Watermark()
    for look in range(int(10 / every)):
        now = look * every
        watermark.record(f"0-1-{sum(at <= now for at in commits)}", now, now)
    assert watermark.written_to == busy
