"""A source that its replicas hold up: with semi-synchronous replication it commits nothing until one of them acknowledges.

So the direction of cause is turned round: what became of a replica that takes part is the root, and what the source suffers is
its symptom. The root says whom it blocks, and is as bad as that.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from repwatch.health.incident import Incident
from repwatch.health.inventory import find, label, wanted_channels, wanted_source
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import BLOCKS, Finding, FindingCode, Severity, Subject

_ENDS = {
    FindingCode.SERVER_UNREACHABLE,
    FindingCode.DISK_FULL,
    FindingCode.REPLICATION_MISSING,
    FindingCode.WRONG_SOURCE,
    FindingCode.RECEIVER_ERROR,
    FindingCode.RECEIVER_RETRYING,
    FindingCode.RECEIVER_STALLED,
    FindingCode.RECEIVER_STOPPED,
    FindingCode.RELAY_SPACE_FULL,
}
"""With these a replica receives nothing, and acknowledges nothing."""

_COMMA = ", "
_NO_CONNECTION = "1040"
"""The server lives, and sessions that wait hold all its connections."""


def held_up(world: World, findings: Collection[Finding], explained: Mapping[Subject, Subject]) -> Mapping[Subject, Subject]:
    """What explains that a source is held up, and what comes of that; `explained` are the causes of all else.

    A cause that somebody has silenced explains nothing here: it is silenced for what it is on the replica.
    """
    present = {finding.subject for finding in findings}
    named: dict[Subject, Subject] = {}
    for finding in findings:
        subject, blocked = finding.subject, replace(finding.subject, code=FindingCode.COMMITS_BLOCKED)
        match subject.code:
            case FindingCode.COMMITS_BLOCKED | FindingCode.SEMISYNC_DEGRADED:
                silent = tuple(_silent(world, findings, subject.server))
                # A source that still has those whom it needs has given up waiting for another reason.
                goes_on = subject.code is FindingCode.SEMISYNC_DEGRADED and _suffices(
                    world, subject.server, _others(world, subject.server, {each.server for each in silent})
                )
                roots = () if goes_on else tuple(_root(each, explained, present) for each in silent)
                cause = next((root for root in roots if not is_silenced(world, root)), None)
                cause = cause or (blocked if blocked in present - {subject} else None)
            case FindingCode.HEARTBEAT_STOPPED:
                cause = blocked if blocked in present else None
            case FindingCode.LOGIN_REFUSED if finding.evidence.get("errno") == _NO_CONNECTION:
                cause = blocked  # as it was seen last
            case _:
                cause = None
        if cause is not None:
            named[subject] = cause
    return named


def blamed(
    world: World, findings: Iterable[Finding], explained: Mapping[Subject, Subject], incidents: Collection[Incident]
) -> tuple[Finding, ...]:
    """The findings, of which those that hold up a source say so. `incidents` are those before this look.

    A source that does not answer now is held up as it was when it was seen last: that is no news of its replica.
    """
    findings = tuple(findings)
    dark = _held_up_out_of_sight(world, incidents)
    blocked: dict[str, set[str]] = {}
    for incident in incidents:
        if still := dark & set(incident.finding.evidence.get(BLOCKS, "").split(_COMMA)):
            blocked.setdefault(incident.subject.key, set()).update(still)
    for finding in findings:
        cause, server = explained.get(finding.subject), find(world, finding.subject.server)
        if finding.subject.code is FindingCode.COMMITS_BLOCKED and cause is not None and server is not None:
            blocked.setdefault(cause.key, set()).add(label(server))
    return tuple(_blamed(world, each, blocked[each.subject.key]) if each.subject.key in blocked else each for each in findings)


def _held_up_out_of_sight(world: World, incidents: Iterable[Incident]) -> set[str]:
    found = {incident.subject.server for incident in incidents if incident.subject.code is FindingCode.COMMITS_BLOCKED}
    return {label(server) for server in world.servers if server.observation is None and server.address in found}


def _blamed(world: World, finding: Finding, names: Collection[str]) -> Finding:
    listed = _COMMA.join(sorted(names))
    sources = [server for server in world.servers if label(server) in names]
    others = {each.address: _others(world, each.address, {finding.subject.server}) for each in sources}
    others_suffice = any(_suffices(world, source, replicas) for source, replicas in others.items())
    also = sorted({label(replica) for replicas in others.values() for replica in replicas})
    return replace(
        finding,
        severity=Severity.CRITICAL,
        summary=f"{finding.summary}; {listed} commits nothing"
        + (", and may wait for its acknowledgement" if others_suffice else " without its acknowledgement"),
        evidence={**finding.evidence, BLOCKS: listed, **({"also_take_part": _COMMA.join(also)} if also else {})},
    )


def _silent(world: World, findings: Iterable[Finding], source: str) -> Iterator[Subject]:
    """What ended the acknowledgements of replicas of that source, the worst first."""
    for finding in findings:
        server = find(world, finding.subject.server)
        if finding.subject.code in _ENDS and server is not None and _acknowledges(world, server, finding.subject.channel, source):
            yield finding.subject


def _acknowledges(world: World, server: ServerNow, channel: str, source: str) -> bool:
    """Whether a replica is to take part, as it was seen last."""
    known = server.last_good
    enabled = known.risks.settings.get("rpl_semi_sync_replica_enabled", "") if known and known.risks else ""
    channels = {channel} if channel else {channel, *wanted_channels(world, server)}
    wanted = (wanted_source(world, server, each) for each in channels)
    return enabled in ("1", "on") and any(each is not None and each.address == source for each in wanted)


def _others(world: World, source: str, without: Collection[str]) -> list[ServerNow]:
    """Who else is to acknowledge."""
    return [each for each in world.servers if each.address not in without and _acknowledges(world, each, "", source)]


def _suffices(world: World, source: str, replicas: Collection[ServerNow]) -> bool:
    """Whether a source needs nobody but these to commit."""
    server = find(world, source)
    known = server.last_good if server else None
    wanted = known.risks.settings.get("rpl_semi_sync_source_wait_for_replica_count", "") if known and known.risks else ""
    return len(replicas) >= (int(wanted) if wanted.isdecimal() else 1)


def _root(subject: Subject, explained: Mapping[Subject, Subject], present: Collection[Subject]) -> Subject:
    for _ in explained:  # never longer than that, even if two should name each other
        above = explained.get(subject)
        if above is None or above not in present:
            break
        subject = above
    return subject


def is_silenced(world: World, subject: Subject) -> bool:
    """True if a person wants to hear nothing of it now: then it may keep back nothing else either."""
    server = find(world, subject.server)
    name = server.spec.name if server else None
    return any(silence.covers(subject, name, world.now) for silence in world.silences)
