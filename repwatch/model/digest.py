"""A digest: how everything stands and what happened since the last one, told to one receiver at a time of its choice."""

from dataclasses import dataclass
from datetime import datetime

from repwatch.model.finding import FindingCode, Severity
from repwatch.model.view import State


@dataclass(frozen=True, slots=True, kw_only=True)
class LagPeak:
    """The highest lag of a cluster that repwatch has seen in the time of the digest, since its own start at most."""

    server: str  # its name, else its address
    seconds: float
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestIncident:
    """One incident that was open at some time of the digest. `resolved` None: it is open."""

    key: str
    cluster: str  # "": repwatch itself
    server: str  # its name, else its address; "": the cluster as a whole
    channel: str
    code: FindingCode
    severity: Severity
    since: datetime
    resolved: datetime | None
    acknowledged_by: str
    silenced_until: datetime | None
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestProofs:
    """The tables of one replica's channel by when they were last proved; `fresh`: within the time allowed, or at all."""

    server: str  # its name, else its address
    channel: str
    tables: int
    fresh: int
    soon: int  # will be overdue within a day, unless they are proved before
    never: int
    drifted: int
    oldest: datetime | None  # None: one was never proved


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestSuspect:
    """A replica whose data may differ, and why."""

    server: str  # its name, else its address
    channel: str
    causes: tuple[str, ...]
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestCluster:
    """One cluster as it stands."""

    name: str
    state: State
    servers: int
    servers_ok: int
    peak: LagPeak | None
    proofs: tuple[DigestProofs, ...] = ()
    suspects: tuple[DigestSuspect, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What one receiver is told. `id` stays the same over retries. The incidents are cut; the counts are those of all."""

    id: str
    at: datetime
    since: datetime
    state: State
    clusters: tuple[DigestCluster, ...]
    incidents: tuple[DigestIncident, ...]
    opened: int  # incidents that are open
    resolved: int  # … and that ended in the time of the digest
