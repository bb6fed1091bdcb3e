"""What is shown of everything: one frozen value, many renderings (text, JSON, page, metrics)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from repwatch.model.finding import FindingCode, Severity
from repwatch.model.observation import LagBasis, LagQuality
from repwatch.model.restart import ChannelThread


class State(StrEnum):
    """State of a server, a cluster or everything. Unknown is not healthy."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"

    @property
    def exit_status(self) -> int:
        """As a Nagios plugin returns it."""
        return {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}[self.value]


class Role(StrEnum):
    """What a server is in its cluster."""

    SOURCE = "source"
    REPLICA = "replica"
    INTERMEDIATE = "intermediate"


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingView:
    """A finding with its age."""

    code: FindingCode
    severity: Severity
    channel: str
    since: datetime
    summary: str
    meaning: str
    remedy: str
    avoid: str
    evidence: Mapping[str, str]
    acknowledged: bool = False
    acknowledged_by: str = ""
    silenced_until: datetime | None = None  # nobody is told of it until then
    silenced_by: str = ""  # who and why


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelView:
    """One channel of a server, as shown."""

    name: str
    source: str
    receiver: str  # a ThreadState
    applier: str
    lag_seconds: float | None
    delay_seconds: float
    gtid_executed: str
    lag_quality: LagQuality = LagQuality.UNKNOWN
    lag_source: LagBasis | None = None  # None: unknown
    caught_up_in: float | None = None  # seconds, as lag falls now; None: it does not fall, or not known
    purge_seconds_left: float | None = None  # until its source may delete what it lacks; None: nothing, or not known

    @property
    def lag_at_least(self) -> bool:
        """True if it may be further behind."""
        return self.lag_quality is LagQuality.LOWER_BOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerView:
    """One server. `observed` is the time of the last good observation, None if there never was one."""

    server: str
    name: str | None
    role: Role
    state: State
    lag_seconds: float | None
    findings: tuple[FindingView, ...]
    channels: tuple[ChannelView, ...] = ()
    observed: datetime | None = None
    version: str = ""
    read_only: bool | None = None
    probe_seconds: float | None = None
    lag_quality: LagQuality | None = None  # None: it replicates from nowhere, so there is no lag
    lag_source: LagBasis | None = None  # None: there is no lag, or it is unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterView:
    """One cluster. `findings` are those of the cluster as a whole."""

    name: str
    state: State
    findings: tuple[FindingView, ...]
    servers: tuple[ServerView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything, as of one moment."""

    as_of: datetime
    state: State
    findings: tuple[FindingView, ...] = field(default=())
    clusters: tuple[ClusterView, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """repwatch's own health, as `/healthz` tells it. No problems means healthy; each problem is one line without secrets."""

    problems: tuple[str, ...] = ()
    started: datetime
    last_tick: datetime | None = None  # of the cluster that was looked at longest ago
    undelivered: int = 0  # notices waiting in the outbox
    delivered: int = 0  # notices delivered since the start
    # Since the start too, by cluster where that is allowed: how often a thread of a server's channel was started again.
    restarts: Mapping[str, Mapping[tuple[str, str, ChannelThread], int]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """True if there is no problem."""
        return not self.problems
