"""The estimate of what is left."""

import pytest

from repwatch.render.reseed_progress import duration, progress_line
from repwatch.reseed.progress import Phase, Progress


@pytest.mark.parametrize(
    ("done", "total", "seconds", "eta"),
    [(50, 100, 10.0, 10.0), (0, 100, 10.0, None), (50, 0, 10.0, None), (50, 100, 0.0, None), (200, 100, 10.0, 0.0)],
)
def test_eta(done: int, total: int, seconds: float, eta: float | None) -> None:
    assert Progress(phase=Phase.DATA, done=done, total=total, seconds=seconds).eta == eta


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (42, "42 s"), (180, "3 min"), (7500, "2 h 5 min")])
def test_a_duration_reads_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("phase", list(Phase))
def test_each_phase_has_its_line(phase: Phase) -> None:
    assert progress_line(Progress(phase=phase))


@pytest.mark.parametrize(("phase", "unit"), [(Phase.STREAM, "MiB"), (Phase.CLONE, "bytes"), (Phase.DATA, "rows")])
def test_each_phase_counts_in_its_own_unit(phase: Phase, unit: str) -> None:
    assert unit in progress_line(Progress(phase=phase, done=3, total=7))
