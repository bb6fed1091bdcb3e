"""When a check holds back."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.drift.throttle import Hold, Limits, Patience, Pressure, Strain, hold
from repwatch.model.server import ServerVersion
from repwatch.sql.pressure import busy, parse_busy

LIMITS = {"a": Limits(threads_running=10, history_length=100, lag=5), "b": Limits(history_length=100, lag=7)}


@pytest.mark.parametrize(
    ("pressures", "expected"),
    [
        ({}, None),
        ({"a": Pressure()}, None),
        ({"a": Pressure(threads_running=10, history_length=100)}, None),
        ({"a": Pressure(threads_running=11)}, ("a", Strain.THREADS_RUNNING, 11, 10)),
        ({"a": Pressure(), "b": Pressure(history_length=101)}, ("b", Strain.HISTORY_LENGTH, 101, 100)),
        ({"a": Pressure(history_length=101), "b": Pressure(threads_running=99)}, ("a", Strain.HISTORY_LENGTH, 101, 100)),
        ({"a": Pressure(lag=5.0), "b": Pressure(lag=7.0)}, None),
        ({"a": Pressure(lag=5.0), "b": Pressure(lag=8.0)}, ("b", Strain.LAG, 8, 7)),
    ],
)
def test_the_first_strain_beyond_its_limit_counts(
    pressures: dict[str, Pressure], expected: tuple[str, Strain, int, int] | None
) -> None:
    found = hold(pressures, LIMITS)
    wanted = None if expected is None else Hold(server=expected[0], strain=expected[1], value=expected[2], limit=expected[3])
    assert found == wanted


@pytest.mark.parametrize(("load", "pause"), [(100, 0.0), (50, 2.0), (25, 6.0), (1, 198.0)])
@pytest.mark.parametrize("written_to", [False, True])
def test_the_pause_leaves_the_share(load: int, pause: float, *, written_to: bool) -> None:
    assert Limits(load=load).rested_at(0.0, 2.0, 9.0, written_to=written_to) == pytest.approx(9.0 + pause)


def test_without_a_share_the_source_is_spared_while_it_is_written_to() -> None:
    assert Limits().rested_at(0.0, 2.0, 9.0, written_to=False) == 9.0
    assert Limits().rested_at(0.0, 2.0, 9.0, written_to=True) == pytest.approx(11.0)


@given(
    load=st.integers(1, 100),
    readings=st.lists(st.tuples(st.booleans(), st.floats(0, 10), st.floats(0, 100)), min_size=1),
)
def test_all_readings_together_keep_to_the_share(load: int, readings: list[tuple[bool, float, float]]) -> None:
    """Whether each begins when the source has rested or before (as a second reading of a piece does), some time later."""
    now = rested = spent = 0.0
    for waits, later, seconds in readings:
        now = (max(now, rested) if waits else now) + later + seconds
        spent += seconds
        rested = Limits(load=load).rested_at(rested, seconds, now, written_to=False)
    assert spent <= load / 100 * max(rested, now) + 1e-6


def test_the_asking_thread_does_not_count() -> None:
    assert parse_busy([{"Variable_name": "Threads_running", "Value": "3"}]) == (2, None)
    both = [{"Variable_name": "Threads_running", "Value": "1"}, {"Variable_name": "Innodb_history_list_length", "Value": "7"}]
    assert parse_busy(both) == (0, 7)
    assert parse_busy([]) == (None, None)
    assert busy(ServerVersion.parse("10.11.6-MariaDB")) != busy(ServerVersion.parse("9.7.0"))


@given(lag=st.floats(0, 10_000), falls=st.lists(st.none() | st.floats(-1, 5), min_size=1), seconds=st.floats(1, 100))
def test_patience_ends(lag: float, falls: list[float | None], seconds: float) -> None:
    """Whatever a replica says of its lag, it is waited for no longer than for `seconds` and twice its lag at the start."""
    patience, now, told = Patience(seconds=seconds, since=0.0), 0.0, lag
    for fall in itertools.cycle(falls):
        left = patience.after(now, None if fall is None else told)
        if left is None:
            break
        patience, now, told = left, now + 1.0, max(0.0, told - (fall or 0.0))
    assert seconds <= now <= seconds + 2 * lag + 2 * (2 + lag / seconds)


@pytest.mark.parametrize(("per_second", "waited"), [(2.0, 150), (0.6, 500), (0.4, 60), (0.0, 60), (-1.0, 60), (None, 60)])
def test_one_that_catches_up_is_waited_for(per_second: float | None, waited: int) -> None:
    """300 s behind at first, and nearer by so much each second."""
    patience, now = Patience(seconds=60, since=0.0), 0
    lag = None if per_second is None else 300.0
    while lag is None or lag > 0:
        left = patience.after(now, lag)
        if left is None:
            break
        patience, now = left, now + 1
        lag = None if per_second is None else 300 - per_second * now
    assert now == waited
