"""The estimate of what is left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.model.schema import Table, TableName
from repwatch.render.reseed_progress import duration, progress_line
from repwatch.reseed.progress import Ahead, Phase, Progress, Written, look_ahead
from repwatch.reseed.sizes import CopyEstimate, size_text

HOUR = 3600.0


@pytest.mark.parametrize(
    ("done", "total", "seconds", "eta"),
    [(50, 100, 10.0, 10.0), (0, 100, 10.0, None), (50, 0, 10.0, None), (50, 100, 0.0, None), (200, 100, 10.0, 0.0)],
)
def test_eta(done: int, total: int, seconds: float, eta: float | None) -> None:
    assert Progress(phase=Phase.DATA, done=done, total=total, seconds=seconds).eta == eta


def test_many_small_rows_are_no_measure_for_few_large_ones() -> None:
    assert Progress(phase=Phase.DATA, done=90, total=100, data=10, data_total=100, seconds=10).eta == 90.0


@pytest.mark.parametrize(
    ("written", "left", "catch_up"),
    [
        (None, HOUR, None),  # the source has not answered yet
        (Written(transactions=1000, seconds=10), None, None),
        (Written(transactions=0, seconds=10), HOUR, 0.0),
        (Written(transactions=10, seconds=10), HOUR, 72.0),  # 7,200 in all
        (Written(transactions=100_000, seconds=10), HOUR, 2 * HOUR),  # no faster than the source wrote them
        (Written(transactions=0, seconds=0), HOUR, None),
    ],
)
def test_what_is_written_meanwhile_has_to_be_applied(written: Written | None, left: float | None, catch_up: float | None) -> None:
    assert look_ahead(written, since=HOUR, left=left, keeps=0).catch_up == catch_up


@pytest.mark.parametrize(("keeps", "purge"), [(0, None), (7200, HOUR), (3600, 0.0), (60, 0.0)])
def test_the_time_left_until_the_source_purges(keeps: int, purge: float | None) -> None:
    assert look_ahead(None, since=HOUR, left=None, keeps=keeps).purge == purge


@given(
    transactions=st.integers(0, 10**9),
    asked=st.just(0.0) | st.floats(0.001, 10**6),
    since=st.floats(0, 10**6),
    left=st.none() | st.floats(0, 10**6),
    keeps=st.integers(0, 10**7),
)
def test_no_estimate_is_negative_or_beyond_the_time_in_which_it_was_written(
    transactions: int, asked: float, since: float, left: float | None, keeps: int
) -> None:
    ahead = look_ahead(Written(transactions=transactions, seconds=asked), since=since, left=left, keeps=keeps)
    assert ahead.transactions == transactions
    assert ahead.catch_up is None or 0 <= ahead.catch_up <= (since + (left or 0)) * 1.001
    assert ahead.purge is None or 0 <= ahead.purge <= keeps


def table(number: int, rows: int, size: int) -> Table:
    name = TableName("s", str(number))
    return Table(name=name, engine="InnoDB", columns=(), primary_key=(), estimated_rows=rows, estimated_row_bytes=size)


TABLES = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 100), st.lists(st.integers(0, 500))), max_size=5)


@given(TABLES)
def test_at_the_end_all_is_done_however_wrong_the_estimate_was(drawn: list[tuple[int, int, list[int]]]) -> None:
    estimate = CopyEstimate(table(number, rows, size) for number, (rows, size, _) in enumerate(drawn))
    for number, (_, _, chunks) in enumerate(drawn):
        for rows in chunks:
            estimate.add(TableName("s", str(number)), rows)
            assert estimate.rows <= estimate.rows_total
            assert estimate.data <= estimate.data_total
        estimate.finish(TableName("s", str(number)))
    assert estimate.rows == estimate.rows_total == sum(sum(chunks) for _, _, chunks in drawn)
    assert estimate.data == estimate.data_total


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (42, "42 s"), (180, "3 min"), (7500, "2 h 5 min"), (76 * HOUR, "3 d 4 h")]
)
def test_a_duration_reads_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (1_440_000, "1.4 MB"),
        (9_960_000, "10 MB"),
        (999_600, "1 MB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_a_size_has_a_unit_of_its_own(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize("phase", list(Phase))
def test_each_phase_has_its_line(phase: Phase) -> None:
    assert progress_line(Progress(phase=phase))


@pytest.mark.parametrize(("phase", "unit"), [(Phase.STREAM, "MB"), (Phase.CLONE, "MB"), (Phase.DATA, "rows")])
def test_each_phase_counts_in_its_own_unit(phase: Phase, unit: str) -> None:
    assert unit in progress_line(Progress(phase=phase, done=3_000_000, total=7_000_000))


@pytest.mark.parametrize("received", [True, False])
def test_what_the_replica_has_received_cannot_be_purged_any_more(received: bool) -> None:
    ahead = Ahead(transactions=7, catch_up=None, purge=7500)
    line = progress_line(Progress(phase=Phase.CATCH_UP, done=1, total=8, seconds=1, received=received, ahead=ahead))
    assert (duration(7500) in line) is not received
