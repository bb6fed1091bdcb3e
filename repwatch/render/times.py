"""Moments and spans as text."""

from datetime import UTC, datetime, timedelta


def rfc3339(moment: datetime) -> str:
    """For machines, in UTC: `2026-11-22T02:14:05.123Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def duration(span: timedelta) -> str:
    """Two units at most: `5 s`, `12 min 4 s`, `3 h 12 min`, `2 d 4 h`."""
    seconds = max(0, int(span.total_seconds()))
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    first = next((index for index, (number, _) in enumerate(parts) if number), 3)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number) or "0 s"
