"""What is remembered of earlier looks at one server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from repwatch.model.observation import Observation
from repwatch.model.restart import ChannelThread


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """A source that was to wait for acknowledgements went on without them, `times` between two looks."""

    at: datetime
    times: int
    unacknowledged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The good looks so far. `skipped` says what the latest shows to have been left out, "" if nothing."""

    latest: Observation | None = None
    before: Observation | None = None
    anchor: Observation | None = None  # the last at which the position and the count of transactions belonged together
    skipped: str = ""
    fallback: Fallback | None = None
    # How many STOPs the server had counted when a thread (channel, which) was first seen to run since the latest START.
    ran: Mapping[tuple[str, ChannelThread], int] = field(default_factory=dict)
