"""The world as rules see it: the inventory and the latest look at each server. One value, rebuilt at each tick."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from repwatch.health.beating import Beating
from repwatch.health.movement import Progress
from repwatch.health.trend import LagTrend
from repwatch.model.observation import Observation, ProbeResult
from repwatch.model.past import Past
from repwatch.model.restart import Restart
from repwatch.model.risks import Suspicion
from repwatch.model.silence import Silence
from repwatch.model.topology import ClusterSpec, ServerSpec


@cache  # asked hundreds of times in a judgement
def stale_after(poll_interval: timedelta) -> timedelta:
    """The age from which a look says nothing about now: two polls, and ten seconds at least."""
    return max(2 * poll_interval, timedelta(seconds=10))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerNow:
    """One server: what is wanted, the latest probe, and the last one that saw something."""

    spec: ServerSpec
    result: ProbeResult
    last_good: Observation | None

    @property
    def address(self) -> str:
        """`host:port`, the server's name in findings."""
        return str(self.spec.endpoint.address)

    @property
    def observation(self) -> Observation | None:
        """The latest look, if it saw anything."""
        return self.result if isinstance(self.result, Observation) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChange:
    """The source that AUTO settled on has become another one. Labels."""

    before: str
    after: str
    at: datetime  # when it was first seen
    last_known: datetime  # when the replicas were last seen to agree on the old one


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledSource:
    """The source that AUTO has settled on, as it survives a restart; not yet one whose announcement is still to be confirmed."""

    cluster: str
    label: str
    seen: datetime  # when the replicas were last noted to agree on it
    change: SourceChange | None = None  # the one that made it the source, None if it is the first that is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Heart:
    """How repwatch's writing of a heartbeat goes."""

    since: datetime | None = None  # when it first tried
    problems: Mapping[str, str] = field(default_factory=dict)  # by label of the source
    beats: Mapping[str, Beating] = field(default_factory=dict)  # by label of the source


@dataclass(frozen=True, slots=True)
class Done:
    """A restart that was intended, and how long ago: by the clock on the wall or the steady one, whichever says less."""

    restart: Restart
    age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarts:
    """What repwatch has done about stopped threads, and where it did not come to it."""

    done: tuple[Done, ...] = ()
    problems: Mapping[tuple[str, str], str] = field(default_factory=dict)  # by server's address and channel


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One cluster at one moment. `source` is the label of the source in force, None while AUTO is not settled."""

    cluster: ClusterSpec
    source: str | None
    servers: tuple[ServerNow, ...]
    now: datetime
    progress: Progress = field(default_factory=Progress)  # empty at the first look: nothing is known to stand still
    lags: Mapping[tuple[str, str], LagTrend] = field(default_factory=dict)  # by (server's label, channel)
    past: Mapping[str, Past] = field(default_factory=dict)  # by label
    suspicions: tuple[Suspicion, ...] = ()
    source_change: SourceChange | None = None  # the latest
    heart: Heart | None = None  # None: nobody here writes one
    restarts: Restarts | None = None  # None: nobody here starts threads, or what was done before could not be read
    silences: tuple[Silence, ...] = ()  # those in force, maintenance among them
