"""Which finding explains which: cause over symptom, in its first form. Facts are never suppressed, only their notices.

A replica that cannot reach its source, or no longer hears from it, is a symptom while repwatch cannot reach that source
either; but not while another replica goes on receiving from it, for then the source is alive. A receiver that fails
for another reason (its account was refused, the binary log it needs is gone) is nobody's symptom. A replica that is being
reseeded is stopped, writable and behind because of that. Who stops a replica stops both its threads: that is one event. A
receiver or an applier that does not get on makes lag. A receiver that was told that binary logs are gone stops for that.
Replicas with one identity throw each other out of their source, on MariaDB without any error. Who switches over and does not
change the configuration makes one disagreement, not one for each server. A full disk makes an applier fail or stand.
Lag goes down a chain (`chains`).
A source that waits for acknowledgements is blocked by its replicas (`blockers`); one that refuses many does so once (`refusals`).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from repwatch.health.blockers import held_up
from repwatch.health.chains import behind_above
from repwatch.health.errors_catalogue import ErrorClass
from repwatch.health.incident import Incident
from repwatch.health.inventory import find, source_of, wanted_source
from repwatch.health.progress import progressing
from repwatch.health.refusals import refused_alike
from repwatch.health.rules import OF_A_RESEED
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding, FindingCode, Subject

_SYMPTOMS = {FindingCode.RECEIVER_RETRYING, FindingCode.RECEIVER_ERROR}
_WORSE = {FindingCode.SUSPECT_DATA: FindingCode.APPLIER_ERROR, FindingCode.DISK_NEARLY_FULL: FindingCode.DISK_FULL}
_MAKES_LAG = (FindingCode.RECEIVER_STALLED, FindingCode.APPLIER_STALLED, FindingCode.APPLIER_BLOCKED)


@dataclass(frozen=True, slots=True)
class _Found:
    """What else is found, as far as it explains something."""

    present: Collection[Subject]
    reseeded: Collection[str]  # servers
    twins: Mapping[str, Subject]  # server -> the finding that it has another one's identity, or another one has its
    disagreement: Finding | None  # of configuration and replicas, about the source

    @classmethod
    def among(cls, findings: Collection[Finding]) -> "_Found":
        duplicates = [finding for finding in findings if finding.subject.code is FindingCode.DUPLICATE_SERVER_ID]
        return cls(
            present={finding.subject for finding in findings},
            reseeded={finding.subject.server for finding in findings if finding.subject.code is FindingCode.HALF_LOADED},
            twins={server: each.subject for each in duplicates for server in (each.subject.server, each.evidence["same_as"])},
            disagreement=next((finding for finding in findings if "agreed" in finding.evidence), None),
        )


def causes(world: World, findings: Iterable[Finding], incidents: Collection[Incident] = ()) -> Mapping[Subject, Subject]:
    """For each finding that another would explain, the subject of that explanation; it need not be true now.

    `incidents` are those before this look.
    """
    findings = tuple(findings)
    found = _Found.among(findings)
    named = {each.subject: _of_server(world, each, found) or _of_receiver(world, each, found) for each in findings}
    explained = {subject: cause for subject, cause in named.items() if cause is not None}
    explained |= refused_alike(world, findings, explained, incidents)
    explained |= behind_above(world, findings, explained)
    return {**explained, **held_up(world, findings, explained)}


def _of_server(world: World, finding: Finding, found: _Found) -> Subject | None:
    subject = finding.subject
    if found.disagreement is not None and _is_part(world, finding, found.disagreement):
        return found.disagreement.subject
    if subject.code is FindingCode.RECEIVER_STOPPED and subject.server not in found.reseeded:
        return replace(subject, code=FindingCode.APPLIER_STOPPED)
    if (maker := _full_disk(finding, found.present) or _lag_maker(subject, found.present)) is not None:
        return maker
    if subject.code in _WORSE:
        return replace(subject, code=_WORSE[subject.code])
    if subject.code in OF_A_RESEED:
        return Subject(world.cluster.name, subject.server, "", FindingCode.HALF_LOADED)
    return None


def _of_receiver(world: World, finding: Finding, found: _Found) -> Subject | None:
    subject = finding.subject
    if finding.evidence.get("error_class") == ErrorClass.PURGED:
        return replace(subject, code=FindingCode.BINLOG_PURGED)
    if subject.server in found.twins and _is_thrown_out(world, finding):
        return found.twins[subject.server]
    if subject.code is FindingCode.RECEIVER_STALLED or _lost_its_source(finding):
        source = _source(world, subject)
        if source is not None and not progressing(world, source):
            return Subject(world.cluster.name, source.address, "", FindingCode.SERVER_UNREACHABLE)
    return None


def _full_disk(finding: Finding, present: Collection[Subject]) -> Subject | None:
    full = replace(finding.subject, channel="", code=FindingCode.DISK_FULL)
    fails = finding.evidence.get("error_class") == ErrorClass.HOST and finding.subject.code is FindingCode.APPLIER_ERROR
    stands = finding.subject.code in (FindingCode.APPLIER_STALLED, FindingCode.LAGGING)
    return full if full in present and (fails or stands) else None


def _is_part(world: World, finding: Finding, disagreement: Finding) -> bool:
    """What a switch-over makes of the old source, of the new one, and of who follows that."""
    old, new, subject = disagreement.evidence["source"], disagreement.evidence["agreed"], finding.subject
    if subject.server == new:
        return subject.code in (FindingCode.REPLICATION_MISSING, FindingCode.REPLICA_WRITABLE)
    if subject.server == old and subject.code is FindingCode.SOURCE_READ_ONLY:
        return True
    return subject.code is FindingCode.WRONG_SOURCE and _reads_from(world, subject, new)


def _reads_from(world: World, subject: Subject, address: str) -> bool:
    server, source = find(world, subject.server), find(world, address)
    channels = server.last_good.channels if server and server.last_good else ()
    return any(source_of(world, channel) is source for channel in channels if channel.name == subject.channel)


def _lag_maker(subject: Subject, present: Collection[Subject]) -> Subject | None:
    makers = [replace(subject, code=code) for code in _MAKES_LAG] if subject.code is FindingCode.LAGGING else []
    return next((maker for maker in makers if maker in present), None)


def _lost_its_source(finding: Finding) -> bool:
    return finding.subject.code in _SYMPTOMS and finding.evidence.get("error_class") == ErrorClass.NETWORK


def _is_thrown_out(world: World, finding: Finding) -> bool:
    """Without an error of its own, this is what a twin sees; but nobody is connected to a source that is gone."""
    if finding.subject.code in _SYMPTOMS and finding.evidence.get("error_class") == ErrorClass.DUPLICATE_IDENTITY:
        return True
    source = _source(world, finding.subject)
    return _lost_its_source(finding) and source is not None and source.observation is not None


def _source(world: World, subject: Subject) -> ServerNow | None:
    replica = find(world, subject.server)
    return wanted_source(world, replica, subject.channel) if replica else None
