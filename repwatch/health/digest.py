"""What a digest says, and when it is due. Built from what is shown, what is kept of incidents and what is known of the data."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from fnmatch import fnmatchcase

from repwatch.drift.overview import summarise
from repwatch.drift.proving import TableProof
from repwatch.health.incident import Incident
from repwatch.health.maintenance import DAYS
from repwatch.health.notice import wants
from repwatch.health.view import worst_state
from repwatch.model.digest import Digest, DigestCluster, DigestIncident, DigestProofs, DigestSuspect, LagPeak
from repwatch.model.finding import Severity
from repwatch.model.risks import Suspicion
from repwatch.model.settings import Receiver
from repwatch.model.topology import ClusterSpec
from repwatch.model.view import ClusterView, State, View

MOST = 100  # incidents in a digest; of a storm the number says enough
SOON = timedelta(days=1)
_DAY = timedelta(days=1)


def slot(when: str, now: datetime) -> datetime:
    """The latest time at or before `now` for which `when` stands: `08:00` or `mon 08:00`, in UTC."""
    day, _, clock = when.rpartition(" ")
    today = now.astimezone(UTC).date()
    candidates = (datetime.combine(today - number * _DAY, time.fromisoformat(clock), UTC) for number in range(8))
    return next(each for each in candidates if each <= now and (not day or DAYS[each.weekday()] == day))


def period(when: str) -> timedelta:
    """The time from one digest to the next."""
    return 7 * _DAY if " " in when else _DAY


@dataclass(slots=True)
class Peaks:
    """The highest lag seen of each cluster since it was last told, by cluster. Kept in memory alone."""

    _found: dict[str, list[LagPeak]] = field(default_factory=dict)

    def add(self, view: View) -> None:
        """Take a sample; each cluster keeps the highest of each hour, for eight days."""
        for cluster in view.clusters:
            highest = _highest(cluster, view.as_of)
            if highest is None:
                continue
            known = [peak for peak in self._found.get(cluster.name, []) if view.as_of - peak.at <= 8 * _DAY]
            hour = view.as_of.replace(minute=0, second=0, microsecond=0)
            earlier = [peak for peak in known if peak.at < hour]
            this = [peak for peak in known if peak.at >= hour]
            self._found[cluster.name] = [*earlier, max((*this, highest), key=lambda peak: peak.seconds)]

    def of(self, cluster: str, since: datetime) -> LagPeak | None:
        """The highest since a time."""
        found = (peak for peak in self._found.get(cluster, []) if peak.at >= since)
        return max(found, key=lambda peak: peak.seconds, default=None)


def _highest(cluster: ClusterView, at: datetime) -> LagPeak | None:
    known = [(server.lag_seconds, server.name or server.server) for server in cluster.servers if server.lag_seconds is not None]
    if not known:
        return None
    seconds, server = max(known)
    return LagPeak(server=server, seconds=seconds, at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a digest is made of. `incidents`: the open ones and those that ended since; by cluster the proofs and suspicions."""

    view: View
    clusters: Sequence[ClusterSpec]
    incidents: Sequence[Incident]
    proofs: Mapping[str, Sequence[TableProof]]
    suspicions: Mapping[str, Sequence[Suspicion]]
    peaks: Peaks


def make_digest(receiver: Receiver, at: datetime, material: Material) -> Digest:
    """The digest of a receiver for the time `at`, which it names; of the clusters that `match` lets it hear of."""
    since = at - period(receiver.digest)
    names = {str(server.endpoint.address): server.label for spec in material.clusters for server in spec.servers}
    clusters = tuple(
        _cluster(shown, spec, material, names, since)
        for spec in material.clusters
        for shown in material.view.clusters
        if shown.name == spec.name and _hears_of(receiver, spec.name)
    )
    told = [
        incident
        for incident in material.incidents
        if wants(receiver, incident, names.get(incident.subject.server))
        and (incident.resolved is None or incident.resolved >= since)
    ]
    told.sort(key=lambda each: (each.resolved is not None, each.finding.severity is not Severity.CRITICAL, each.since))
    return Digest(
        id=f"digest-{receiver.id.replace('/', '-')}-{at.astimezone(UTC):%Y%m%dT%H%M}",
        at=at,
        since=since,
        state=worst_state([*(cluster.state for cluster in clusters), *_own(material.view)]),
        clusters=clusters,
        incidents=tuple(_incident(incident, names) for incident in told[:MOST]),
        opened=sum(incident.resolved is None for incident in told),
        resolved=sum(incident.resolved is not None for incident in told),
    )


def _own(view: View) -> Iterable[State]:
    return (State.CRITICAL if finding.severity is Severity.CRITICAL else State.WARNING for finding in view.findings)


def _hears_of(receiver: Receiver, cluster: str) -> bool:
    return not receiver.match or any(fnmatchcase(cluster, pattern.partition("/")[0]) for pattern in receiver.match)


def _cluster(
    shown: ClusterView, spec: ClusterSpec, material: Material, names: Mapping[str, str], since: datetime
) -> DigestCluster:
    now, within = material.view.as_of, spec.drift.prove_within
    proofs = material.proofs.get(spec.name, ())
    summaries = summarise(proofs, dict(names), now, within)
    return DigestCluster(
        name=shown.name,
        state=shown.state,
        servers=len(shown.servers),
        servers_ok=sum(server.state is State.OK for server in shown.servers),
        peak=material.peaks.of(spec.name, since),
        proofs=tuple(
            DigestProofs(
                server=each.name or each.server,
                channel=each.channel,
                tables=each.tables,
                fresh=each.fresh,
                soon=_soon(proofs, each.server, each.channel, now, within),
                never=each.never,
                drifted=each.drifted,
                oldest=each.oldest,
            )
            for each in summaries
        ),
        suspects=_suspects(material.suspicions.get(spec.name, ()), names),
    )


def _soon(proofs: Iterable[TableProof], server: str, channel: str, now: datetime, within: timedelta | None) -> int:
    if within is None:
        return 0
    own = (proof for proof in proofs if (proof.server, proof.channel) == (server, channel))
    return sum(proof.overdue_at(now + SOON, within) and not proof.overdue_at(now, within) for proof in own)


def _suspects(suspicions: Iterable[Suspicion], names: Mapping[str, str]) -> tuple[DigestSuspect, ...]:
    of_channel: dict[tuple[str, str], list[Suspicion]] = {}
    for suspicion in suspicions:
        if suspicion.cleared is None:
            of_channel.setdefault((suspicion.server, suspicion.channel), []).append(suspicion)
    return tuple(
        DigestSuspect(
            server=names.get(server, server),
            channel=channel,
            causes=tuple(sorted({each.cause.value for each in found})),
            since=min(each.since for each in found),
        )
        for (server, channel), found in sorted(of_channel.items())
    )


def _incident(incident: Incident, names: Mapping[str, str]) -> DigestIncident:
    subject = incident.subject
    return DigestIncident(
        key=subject.key,
        cluster=subject.cluster,
        server=names.get(subject.server, subject.server),
        channel=subject.channel,
        code=subject.code,
        severity=incident.finding.severity,
        since=incident.since,
        resolved=incident.resolved,
        acknowledged_by=(incident.acknowledged_by or "somebody") if incident.acknowledged else "",
        silenced_until=incident.silenced_until if incident.resolved is None else None,
        summary=incident.finding.summary,
    )
