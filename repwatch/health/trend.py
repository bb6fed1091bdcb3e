"""Where a figure is heading: what it was over some minutes, thinned out."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

from repwatch.model.observation import Lag

SOON, LATER = timedelta(seconds=5), timedelta(minutes=1)
"""Between two figures: of the trend that tells how fast lag changes now, and of the one that tells that it only grows."""

MOST = 13
"""Figures that are kept: of a minute, and of twelve."""

FEWEST = 4
"""Figures from which on a trend is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Figures at least `step` apart, the oldest first."""

    step: timedelta
    figures: tuple[tuple[datetime, float], ...] = ()

    def then(self, at: datetime, figure: float) -> "Trend":
        """With one more, unless it comes too soon. What is nothing for the second time in a row is no trend."""
        if not self.figures:
            return replace(self, figures=((at, figure),))
        last = self.figures[-1]
        if figure <= 0 and last[1] <= 0:
            return replace(self, figures=((at, figure),))
        return self if at - last[0] < self.step else replace(self, figures=(*self.figures, (at, figure))[-MOST:])

    @property
    def rate(self) -> float | None:
        """By how much it changes in a second; None: not known yet."""
        if len(self.figures) < FEWEST:
            return None
        (began, first), (ended, last) = self.figures[0], self.figures[-1]
        return (last - first) / (ended - began).total_seconds()

    @property
    def only_grows(self) -> bool:
        """True if it has grown from each figure to the next, over all that is kept."""
        return len(self.figures) == MOST and all(one < two for (_, one), (_, two) in pairwise(self.figures))


@dataclass(frozen=True, slots=True, kw_only=True)
class LagTrend:
    """That of a channel's lag, in seconds."""

    looked: datetime | None = None  # the latest look
    lag: Lag | None = None  # … and what it found; None: there was none yet
    soon: Trend = field(default_factory=lambda: Trend(step=SOON))
    later: Trend = field(default_factory=lambda: Trend(step=LATER))

    def then(self, at: datetime, lag: Lag, most: timedelta) -> "LagTrend":
        """With one more look. Looks further apart than `most`, a clock that was set and lag that is not known begin it anew."""
        goes_on = self.looked is not None and timedelta(0) < at - self.looked <= most
        known = self if goes_on and lag.seconds is not None else LagTrend()
        if lag.seconds is None:
            return replace(known, looked=at, lag=lag)
        soon, later = known.soon.then(at, lag.seconds), known.later.then(at, lag.seconds)
        return LagTrend(looked=at, lag=lag, soon=soon, later=later)
