"""What is shown of everything, built from the worlds, their findings and the incidents that know since when.

Invariant: nothing that was not seen by the latest look is shown as if it had been; what is unknown is shown as unknown.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from repwatch.health.horizon import horizon
from repwatch.health.incident import Incident
from repwatch.health.inventory import role_of
from repwatch.health.lag import caught_up_in, whole_lag
from repwatch.health.world import ServerNow, World, stale_after
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.observation import ChannelObservation, Lag, LagQuality, ThreadState
from repwatch.model.topology import ClusterSpec
from repwatch.model.view import ChannelView, ClusterView, FindingView, ServerView, State, View

# Unknown ranks above a warning, because it may hide anything, and below what is known to be bad.
_RANK = {State.OK: 0, State.WARNING: 1, State.UNKNOWN: 2, State.CRITICAL: 3}
_STATE_OF = {Severity.WARNING: State.WARNING, Severity.CRITICAL: State.CRITICAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedView:
    """One cluster as it was shown at a moment, with the interval at which it should be renewed."""

    cluster: ClusterView
    as_of: datetime
    poll_interval: timedelta

    def is_stale(self, now: datetime) -> bool:
        """Too old to say anything about now; or from a time to come, for the clock was set back since."""
        return abs(now - self.as_of) > stale_after(self.poll_interval)


def build_view(worlds: Sequence[World], findings: Iterable[Finding], incidents: Iterable[Incident], now: datetime) -> View:
    """Everything, from fresh worlds. Findings without a cluster are those of repwatch itself."""
    findings, incidents = tuple(findings), tuple(incidents)
    own = service_findings(findings, incidents, now)
    return combine([date_view(world, build_cluster_view(world, findings, incidents)) for world in worlds], own, now)


def date_view(world: World, cluster: ClusterView) -> DatedView:
    """A cluster's view with the moment and the interval of its world."""
    return DatedView(cluster=cluster, as_of=world.now, poll_interval=world.cluster.poll_interval)


def build_cluster_view(world: World, findings: Iterable[Finding], incidents: Iterable[Incident]) -> ClusterView:
    """One cluster. A finding's age is that of its incident, or none if this look is the first to see it."""
    shown: dict[str, list[FindingView]] = {}
    by_subject = {incident.subject: incident for incident in incidents}
    for finding in findings:
        if finding.subject.cluster == world.cluster.name:
            shown.setdefault(finding.subject.server, []).append(_finding(finding, by_subject, world.now))
    servers = tuple(_server(server, world, _sorted(shown.pop(server.address, []))) for server in world.servers)
    own = _sorted([view for views in shown.values() for view in views])
    state = worst_state([_state(own), *(server.state for server in servers)]) if servers else State.UNKNOWN
    return ClusterView(name=world.cluster.name, state=state, findings=own, servers=servers)


def service_findings(findings: Iterable[Finding], incidents: Iterable[Incident], now: datetime) -> tuple[FindingView, ...]:
    """Those of repwatch itself: they belong to no cluster."""
    by_subject = {incident.subject: incident for incident in incidents}
    return _sorted([_finding(finding, by_subject, now) for finding in findings if not finding.subject.cluster])


def build_service_view(findings: Iterable[Finding], incidents: Iterable[Incident], now: datetime) -> DatedView:
    """repwatch itself as a cluster without name and servers: the form in which the store keeps it."""
    own = service_findings(findings, incidents, now)
    return DatedView(
        cluster=ClusterView(name="", state=_state(own), findings=own, servers=()), as_of=now, poll_interval=timedelta(0)
    )


def unseen_view(cluster: ClusterSpec, since: datetime) -> DatedView:
    """A cluster that nobody has got to look at since then."""
    nothing = ClusterView(name=cluster.name, state=State.UNKNOWN, findings=(), servers=())
    return DatedView(cluster=nothing, as_of=since, poll_interval=cluster.poll_interval)


def combine(parts: Sequence[DatedView], own: tuple[FindingView, ...], now: datetime) -> View:
    """One view of several clusters, each as old as it is: a stale one keeps its findings, and its state is unknown."""
    clusters = tuple(_aged(part, now) for part in parts)
    state = worst_state([_state(own), *(cluster.state for cluster in clusters)]) if clusters else State.UNKNOWN
    return View(as_of=min((part.as_of for part in parts), default=now), state=state, findings=own, clusters=clusters)


def _aged(part: DatedView, now: datetime) -> ClusterView:
    if not part.is_stale(now):
        return part.cluster
    seconds = round((now - part.as_of).total_seconds())
    stale = FindingView(
        code=FindingCode.OBSERVATION_STALE,
        severity=Severity.CRITICAL,
        channel="",
        since=part.as_of,
        summary=f"repwatch last looked at this cluster {seconds} s ago",
        meaning="The service is stopped, stuck or cannot write its store; what is shown below may no longer be true.",
        remedy="Look whether `repwatch run` is running, and at its log.",
        avoid="",
        evidence={"last_look": part.as_of.isoformat(), "poll_interval": f"{part.poll_interval.total_seconds():g} s"},
    )
    servers = tuple(replace(server, state=State.UNKNOWN) for server in part.cluster.servers)
    return replace(part.cluster, state=State.UNKNOWN, findings=(stale, *part.cluster.findings), servers=servers)


def _finding(finding: Finding, incidents: Mapping[Subject, Incident], now: datetime) -> FindingView:
    incident = incidents.get(finding.subject)
    return FindingView(
        code=finding.subject.code,
        severity=finding.severity,
        channel=finding.subject.channel,
        since=incident.since if incident else now,
        summary=finding.summary,
        meaning=finding.meaning,
        remedy=finding.remedy,
        avoid=finding.avoid,
        evidence=dict(finding.evidence),
        acknowledged=incident.acknowledged if incident else False,
        acknowledged_by=incident.acknowledged_by if incident else "",
        silenced_until=incident.silenced_until if incident else None,
        silenced_by=incident.silenced_by if incident else "",
    )


def _sorted(findings: list[FindingView]) -> tuple[FindingView, ...]:
    return tuple(sorted(findings, key=lambda f: (-_RANK[_STATE_OF[f.severity]], f.since, f.code, f.channel)))


def _server(server: ServerNow, world: World, findings: tuple[FindingView, ...]) -> ServerView:
    seen = server.observation
    known = server.last_good.channels if server.last_good else ()
    channels = tuple(_channel(world, server, channel, whole_lag(world, server, channel) if seen else None) for channel in known)
    worst = _worst_lag(channels)
    return ServerView(
        server=server.address,
        name=server.spec.name,
        role=role_of(world.cluster, server.spec, world.source),
        state=worst_state([_state(findings), State.OK if seen else State.UNKNOWN]),
        lag_seconds=worst.lag_seconds if worst else None,
        lag_quality=worst.lag_quality if worst else None,
        lag_source=worst.lag_source if worst else None,
        findings=findings,
        channels=channels,
        observed=server.last_good.at if server.last_good else None,
        version=server.last_good.version.text if server.last_good else "",
        read_only=seen.read_only if seen else None,
        probe_seconds=server.result.took.total_seconds() if seen else None,
    )


def _channel(world: World, server: ServerNow, channel: ChannelObservation, lag: Lag | None) -> ChannelView:
    """A channel as shown; without a lag it is not seen now."""
    purge = horizon(world, server, channel) if lag else None
    return ChannelView(
        name=channel.name,
        source=str(channel.source),
        receiver=channel.receiver if lag else ThreadState.UNKNOWN,
        applier=channel.applier if lag else ThreadState.UNKNOWN,
        lag_seconds=lag.seconds if lag else None,
        lag_quality=lag.quality if lag else LagQuality.UNKNOWN,
        lag_source=lag.basis if lag and lag.seconds is not None else None,
        delay_seconds=channel.delay.total_seconds(),
        gtid_executed=channel.gtid_executed,
        caught_up_in=caught_up_in(world, server, channel, lag) if lag else None,
        purge_seconds_left=max(0.0, purge.left.total_seconds()) if purge else None,
    )


def _worst_lag(channels: Sequence[ChannelView]) -> ChannelView | None:
    """The channel whose lag is the server's: one of which it is unknown, else the one that is furthest behind."""
    return max(channels, key=lambda each: math.inf if each.lag_seconds is None else each.lag_seconds, default=None)


def _state(findings: Iterable[FindingView]) -> State:
    return worst_state([_STATE_OF[finding.severity] for finding in findings])


def worst_state(states: Iterable[State]) -> State:
    """The worst of them; ok where there are none."""
    return max(states, key=_RANK.__getitem__, default=State.OK)
