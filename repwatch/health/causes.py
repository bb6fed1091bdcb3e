"""Which finding explains which: cause over symptom, in its first form. Facts are never suppressed, only their notices.

A replica that cannot reach its source, or no longer hears from it, is a symptom while repwatch cannot reach that source
either; but not while another replica goes on receiving from it, for then the source is alive. A receiver that fails
for another reason (its account was refused, the binary log it needs is gone) is nobody's symptom. A replica that is being
reseeded is stopped, writable and behind because of that. Who stops a replica stops both its threads: that is one event. A
receiver or an applier that does not get on makes lag. A receiver that was told that binary logs are gone stops for that.
Replicas with one identity throw each other out of their source, on MariaDB without any error.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from repwatch.health.errors_catalogue import ErrorClass
from repwatch.health.inventory import find, wanted_source
from repwatch.health.progress import progressing
from repwatch.health.rules import OF_A_RESEED
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding, FindingCode, Subject

_SYMPTOMS = {FindingCode.RECEIVER_RETRYING, FindingCode.RECEIVER_ERROR}
_MAKES_LAG = (FindingCode.RECEIVER_STALLED, FindingCode.APPLIER_STALLED, FindingCode.APPLIER_BLOCKED)


def causes(world: World, findings: Iterable[Finding]) -> Mapping[Subject, Subject]:
    """For each finding that another would explain, the subject of that explanation; it need not be true now."""
    found: dict[Subject, Subject] = {}
    findings = tuple(findings)
    reseeded = {finding.subject.server for finding in findings if finding.subject.code is FindingCode.HALF_LOADED}
    present = {finding.subject for finding in findings}
    twins = _twins(findings)
    for finding in findings:
        subject = finding.subject
        if subject.code is FindingCode.RECEIVER_STOPPED and subject.server not in reseeded:
            found[subject] = replace(subject, code=FindingCode.APPLIER_STOPPED)
        elif (maker := _lag_maker(subject, present)) is not None:
            found[subject] = maker
        elif finding.evidence.get("error_class") == ErrorClass.PURGED:
            found[subject] = replace(subject, code=FindingCode.BINLOG_PURGED)
        elif subject.code is FindingCode.SUSPECT_DATA:
            found[subject] = replace(subject, code=FindingCode.APPLIER_ERROR)
        elif subject.server in twins and _is_thrown_out(world, finding):
            found[subject] = twins[subject.server]
        elif subject.code in OF_A_RESEED:
            found[subject] = Subject(world.cluster.name, subject.server, "", FindingCode.HALF_LOADED)
        elif subject.code is FindingCode.RECEIVER_STALLED or _lost_its_source(finding):
            source = _source(world, subject)
            if source is not None and not progressing(world, source):
                found[subject] = Subject(world.cluster.name, source.address, "", FindingCode.SERVER_UNREACHABLE)
    return found


def _lag_maker(subject: Subject, present: Collection[Subject]) -> Subject | None:
    makers = [replace(subject, code=code) for code in _MAKES_LAG] if subject.code is FindingCode.LAGGING else []
    return next((maker for maker in makers if maker in present), None)


def _lost_its_source(finding: Finding) -> bool:
    return finding.subject.code in _SYMPTOMS and finding.evidence.get("error_class") == ErrorClass.NETWORK


def _twins(findings: Iterable[Finding]) -> Mapping[str, Subject]:
    """For each server that has another one's identity, or whose identity another one has, the finding that says so."""
    duplicates = [finding for finding in findings if finding.subject.code is FindingCode.DUPLICATE_SERVER_ID]
    return {server: each.subject for each in duplicates for server in (each.subject.server, each.evidence["same_as"])}


def _is_thrown_out(world: World, finding: Finding) -> bool:
    """Without an error of its own, this is what a twin sees; but nobody is connected to a source that is gone."""
    if finding.subject.code in _SYMPTOMS and finding.evidence.get("error_class") == ErrorClass.DUPLICATE_IDENTITY:
        return True
    source = _source(world, finding.subject)
    return _lost_its_source(finding) and source is not None and source.observation is not None


def _source(world: World, subject: Subject) -> ServerNow | None:
    replica = find(world, subject.server)
    return wanted_source(world, replica, subject.channel) if replica else None
