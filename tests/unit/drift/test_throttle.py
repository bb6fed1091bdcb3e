"""When a check holds back."""

import pytest

from repwatch.drift.throttle import Hold, Limits, Pressure, Strain, hold
from repwatch.model.server import ServerVersion
from repwatch.sql.pressure import busy, parse_busy

LIMITS = Limits(threads_running=10, history_length=100)


@pytest.mark.parametrize(
    ("pressures", "expected"),
    [
        ({}, None),
        ({"a": Pressure()}, None),
        ({"a": Pressure(threads_running=10, history_length=100)}, None),
        ({"a": Pressure(threads_running=11)}, ("a", Strain.THREADS_RUNNING, 11, 10)),
        ({"a": Pressure(), "b": Pressure(history_length=101)}, ("b", Strain.HISTORY_LENGTH, 101, 100)),
        ({"a": Pressure(history_length=101), "b": Pressure(threads_running=99)}, ("a", Strain.HISTORY_LENGTH, 101, 100)),
    ],
)
def test_the_first_strain_beyond_its_limit_counts(
    pressures: dict[str, Pressure], expected: tuple[str, Strain, int, int] | None
) -> None:
    found = hold(pressures, LIMITS)
    wanted = None if expected is None else Hold(server=expected[0], strain=expected[1], value=expected[2], limit=expected[3])
    assert found == wanted


@pytest.mark.parametrize(("load", "pause"), [(100, 0.0), (50, 2.0), (25, 6.0), (1, 198.0)])
def test_the_pause_leaves_the_share(load: int, pause: float) -> None:
    assert Limits(load=load).pause_after(2.0) == pytest.approx(pause)


def test_the_asking_thread_does_not_count() -> None:
    assert parse_busy([{"Variable_name": "Threads_running", "Value": "3"}]) == (2, None)
    both = [{"Variable_name": "Threads_running", "Value": "1"}, {"Variable_name": "Innodb_history_list_length", "Value": "7"}]
    assert parse_busy(both) == (0, 7)
    assert parse_busy([]) == (None, None)
    assert busy(ServerVersion.parse("10.11.6-MariaDB")) != busy(ServerVersion.parse("9.7.0"))
