"""Maintenance windows of the configuration, as silences for as long as one is open."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta

from repwatch.model.silence import Silence

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)


def maintenance(cluster: str, windows: Iterable[str], now: datetime) -> Iterator[Silence]:
    """A silence of the cluster for each window that is open. Windows are `[sun ]22:00-04:00` in UTC; without a day: each day."""
    for window in windows:
        day, _, span = window.rpartition(" ")
        start, end = (time.fromisoformat(text) for text in span.split("-"))
        for begun in (now.astimezone(UTC).date(), now.astimezone(UTC).date() - _DAY):  # it may have begun yesterday
            if day and DAYS[begun.weekday()] != day:
                continue
            since = datetime.combine(begun, start, UTC)
            until = datetime.combine(begun if end > start else begun + _DAY, end, UTC)
            if since <= now < until:
                yield Silence(target=cluster, author="maintenance", reason=window, since=since, until=until)
