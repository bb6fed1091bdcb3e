"""A window is open from its first minute to its last, over midnight too, on its day."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.app.config_values import maintenance_window
from repwatch.health.maintenance import DAYS, maintenance

# 2026-11-22 is a Sunday.


@pytest.mark.parametrize(
    ("window", "at", "until"),
    [
        ("02:00-04:00", "2026-11-22T02:00:00", "2026-11-22T04:00:00"),
        ("02:00-04:00", "2026-11-22T03:59:59", "2026-11-22T04:00:00"),
        ("02:00-04:00", "2026-11-22T04:00:00", None),
        ("02:00-04:00", "2026-11-22T01:59:59", None),
        ("22:00-04:00", "2026-11-22T23:00:00", "2026-11-23T04:00:00"),
        ("22:00-04:00", "2026-11-23T03:00:00", "2026-11-23T04:00:00"),
        ("sun 22:00-04:00", "2026-11-22T23:00:00", "2026-11-23T04:00:00"),
        ("sun 22:00-04:00", "2026-11-23T03:00:00", "2026-11-23T04:00:00"),
        ("sun 22:00-04:00", "2026-11-23T23:00:00", None),
        ("sun 22:00-04:00", "2026-11-22T03:00:00", None),
        ("mon 02:00-04:00", "2026-11-22T03:00:00", None),
    ],
)
def test_windows(window: str, at: str, until: str | None) -> None:
    found = [silence.until.isoformat()[:19] for silence in maintenance("shop", [window], datetime.fromisoformat(at + "+00:00"))]
    assert found == ([until] if until else [])


MINUTES = st.integers(0, 1439).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")


@given(st.sampled_from(["", *DAYS]), MINUTES, MINUTES, st.integers(0, 4_000_000_000))
def test_what_is_open_holds_now_and_not_longer_than_a_day(day: str, start: str, end: str, at: int) -> None:
    now = datetime.fromtimestamp(at, UTC)
    window = maintenance_window(f"{day} {start}-{end}".strip())
    for silence in maintenance("shop", [window], now):
        assert silence.since <= now < silence.until <= silence.since + timedelta(days=1)
        assert not day or DAYS[silence.since.weekday()] == day


@pytest.mark.parametrize("value", ["", "sun", "sun 02:00", "noday 02:00-04:00", "02:00-25:00", 5, None, "sun  02:00"])
def test_what_is_no_window(value: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        maintenance_window(value)


def test_letter_case_does_not_matter() -> None:
    assert maintenance_window(" Sun 02:00-04:00 ") == "sun 02:00-04:00"
