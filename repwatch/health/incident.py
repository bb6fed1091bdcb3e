"""An incident is a finding over time. It is keyed by its subject, never by text or position, so that it outlives both.

    (absent) ── seen ──► PENDING ── confirmed ──► OPEN ── two good polls, and its hold ──► RESOLVED
                            └── a look without it ──► (dropped: it was never told to anyone)

Invariants: an incident is never resolved by a look that did not see its server (unknown is not healthy); a condition that
vanishes for less than two polls stays one incident; what was never confirmed leaves no trace.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from repwatch.health.errors_catalogue import ErrorClass
from repwatch.health.flaps import Ended, flaps_of, hold
from repwatch.model.finding import BLOCKS, Finding, FindingCode, Subject

LOOKS_TO_CONFIRM = 2  # a stopped thread or an error: a poll and the quick second look after it
POLLS_TO_CONFIRM = 2  # all else, so that a passing condition tells nobody
GOOD_POLLS_TO_CLOSE = 2  # one more than the first good one, so that a flap is one incident
# A receiver that has lost its source tries again once in MASTER_CONNECT_RETRY seconds, 60 by default on both flavours.
# Data that an applier's error made suspect are being checked when the applier runs again; the check says more than a suspicion.
# A source remembers for ten minutes that it did without acknowledgements; when its replica is back, that is no news any more.
GRACE = {
    FindingCode.RECEIVER_RETRYING: timedelta(seconds=75),
    FindingCode.SUSPECT_DATA: timedelta(minutes=5),
    FindingCode.SEMISYNC_DEGRADED: timedelta(minutes=10),
}
# The replicas may notice the loss of their source a little before the next poll of the source does.
CAUSE_LEAD = timedelta(seconds=30)

# Findings that say why there is no observation, the vaguest first: one is superseded only by a more definite one.
BLIND = {
    FindingCode.OBSERVATION_STALE: 0,
    FindingCode.SERVER_UNREACHABLE: 1,
    FindingCode.LOGIN_REFUSED: 2,
    FindingCode.PRIVILEGE_MISSING: 2,
    FindingCode.DISK_FULL: 2,
}


class Phase(StrEnum):
    """Where an incident stands in its life."""

    PENDING = "pending"
    OPEN = "open"
    RESOLVED = "resolved"


class LookKind(StrEnum):
    """A poll is one of the regular looks; a confirming look follows within a second where something new was seen.

    After the last one nobody looks any more: the cluster is no longer configured.
    """

    POLL = "poll"
    CONFIRM = "confirm"
    LAST = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was looked at, and what answered. Servers are `host:port`; "" stands for the cluster as a whole."""

    at: datetime
    kind: LookKind
    asked: frozenset[str]
    observed: frozenset[str]
    unknown: frozenset[Subject] = frozenset()  # what could not be judged, though its server was seen
    ended: Mapping[Subject, Ended] = field(default_factory=dict)  # how each subject's last incident of the hour before ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One condition from its first sight to its end. `finding` is the latest sight of it."""

    id: str
    finding: Finding
    since: datetime
    phase: Phase = Phase.PENDING
    looks: int = 1
    polls: int = 0
    good_polls: int = 0
    good_since: datetime | None = None  # the first of them
    flaps: int = 0  # how often in a row it has come back within an hour
    cause: str = ""  # key of the incident that explains this one; its notices are withheld meanwhile
    cause_gone: datetime | None = None  # since when that one is over
    told: tuple[str, ...] = ()  # the fingerprints that were sent, so that each is sent once
    told_to: tuple[str, ...] = ()  # ids of the receivers that know of it
    told_at: Mapping[str, datetime] = field(default_factory=dict)  # receiver's id -> its last notice
    unanswered: datetime | None = None  # since when somebody should answer: critical, told to be so, acknowledged by nobody
    notices: int = 0  # how many were made; numbers the next one
    acknowledged: bool = False
    acknowledged_by: str = ""
    acknowledgement_told: bool = False
    silenced_until: datetime | None = None  # by the silence that covers it now
    silenced_by: str = ""  # who and why
    resolved: datetime | None = None
    revision: int = 0  # raised by each recorded change: the store compares and sets

    @property
    def subject(self) -> Subject:
        """What it is about."""
        return self.finding.subject

    @property
    def is_calm(self) -> bool:
        """True if the condition is gone; the incident may be held open all the same, in case it comes back."""
        return self.good_polls >= GOOD_POLLS_TO_CLOSE

    @property
    def fingerprint(self) -> str:
        """What of the finding is worth another notice when it changes: severity, class of error, whom it blocks; no position."""
        kind = self.finding.evidence.get("error_class", "")
        number = self.finding.evidence.get("errno", "") if kind == ErrorClass.OTHER else ""
        blocks = self.finding.evidence.get(BLOCKS, "")
        return f"{self.finding.severity}/{kind}/{number}" + (f"/{blocks}" if blocks else "")


@dataclass(frozen=True, slots=True)
class Change:
    """One incident before and after a look. No `before`: it is new. No `after`: it was dropped unconfirmed."""

    before: Incident | None
    after: Incident | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sight:
    look: Look
    found: Mapping[Subject, Finding]
    blind: Mapping[str, int] = field(default_factory=dict)  # server -> how definite the finding about its silence is


def occurrence_id(subject: Subject, since: datetime) -> str:
    """The id of one occurrence: the same however often it is computed, another for the next time."""
    return hashlib.sha256(f"{subject.key}|{since.isoformat()}".encode()).hexdigest()[:16]


def step(
    incidents: Iterable[Incident], findings: Iterable[Finding], look: Look, causes: Mapping[Subject, Subject]
) -> tuple[Change, ...]:
    """What one look makes of the open incidents. `causes` names for a finding the one that would explain it.

    Incidents of servers that the look did not ask come back unchanged. The result holds every incident, changed or not.
    """
    found = {finding.subject: finding for finding in findings if finding.subject.server in look.asked}
    blind = {s.server: BLIND[s.code] for s in sorted(found, key=lambda s: BLIND.get(s.code, 0)) if s.code in BLIND}
    sight = _Sight(look=look, found=found, blind=blind)
    known = {incident.subject: incident for incident in incidents}
    changes = [Change(incident, _advance(incident, sight)) for incident in known.values()]
    changes += [Change(None, _begin(finding, look)) for subject, finding in found.items() if subject not in known]
    return _explained(changes, causes, sight)


def _begin(finding: Finding, look: Look) -> Incident:
    return Incident(
        id=occurrence_id(finding.subject, look.at),
        finding=finding,
        since=look.at,
        polls=int(look.kind is LookKind.POLL),
        flaps=flaps_of(look.ended.get(finding.subject), look.at),
    )


def _advance(incident: Incident, sight: _Sight) -> Incident | None:
    """The incident after a look; None if it was pending and is gone."""
    finding = sight.found.get(incident.subject)
    if finding is not None:
        return _seen(incident, finding, sight.look)
    if not _is_over(incident, sight):
        return incident
    if incident.phase is Phase.PENDING:
        return None
    if sight.look.kind is LookKind.CONFIRM:
        return incident
    now = sight.look.at
    gone = replace(
        incident,
        good_polls=min(incident.good_polls + 1, GOOD_POLLS_TO_CLOSE),
        good_since=min(incident.good_since or now, now),  # the clock may have been set back since
    )
    calm = gone.is_calm and now - (gone.good_since or now) >= hold(gone.flaps)
    if calm or sight.look.kind is LookKind.LAST:
        return replace(gone, phase=Phase.RESOLVED, resolved=now)
    return gone


def _seen(incident: Incident, finding: Finding, look: Look) -> Incident:
    if incident.phase is not Phase.PENDING:
        return replace(incident, finding=finding, good_polls=0, good_since=None)
    # What was waited for with patience and is another thing now begins to be confirmed with this look.
    anew = finding.patience < incident.finding.patience
    looks = 1 if anew else incident.looks + 1
    polls = (0 if anew else incident.polls) + (look.kind is LookKind.POLL)
    confirmed = looks >= LOOKS_TO_CONFIRM if finding.settled else polls >= POLLS_TO_CONFIRM
    confirmed = confirmed and look.at - incident.since >= finding.patience
    return replace(incident, finding=finding, looks=looks, polls=polls, phase=Phase.OPEN if confirmed else Phase.PENDING)


def _is_over(incident: Incident, sight: _Sight) -> bool:
    """Whether this look shows that the condition is gone, rather than merely not showing it."""
    subject = incident.subject
    if subject.server not in sight.look.asked or subject in sight.look.unknown:
        return False
    if subject.server in sight.look.observed:
        return True
    return subject.code in BLIND and sight.blind.get(subject.server, -1) > BLIND[subject.code]


def _explained(changes: list[Change], causes: Mapping[Subject, Subject], sight: _Sight) -> tuple[Change, ...]:
    present = [change.after for change in changes if change.after is not None]
    living = {each.subject: each for each in present if each.phase is not Phase.RESOLVED and not each.is_calm}
    tellable = {each.subject.key for each in living.values() if (each.silenced_until or sight.look.at) <= sight.look.at}
    explaining = {subject: each for subject, each in living.items() if not _is_stranded(each, tellable, sight)}

    def after(incident: Incident) -> Incident:
        if incident.subject not in sight.found:  # about to close, or out of sight: what is known of its cause is what was known
            return incident
        cause = causes.get(incident.subject)
        return _explain(incident, explaining.get(cause) if cause else None, sight.look)

    return tuple(Change(change.before, change.after and after(change.after)) for change in changes)


def _is_stranded(incident: Incident, tellable: Collection[str], sight: _Sight) -> bool:
    """True if nobody will be told of it: it is out of sight, and was not confirmed before, or what explained it is gone.

    Then it explains nothing either, or what is seen now would be told to nobody.
    """
    seen = incident.subject in sight.found or incident.subject.server not in sight.look.asked
    if seen or _is_over(incident, sight):
        return False
    return incident.phase is Phase.PENDING or bool(incident.cause and incident.cause not in tellable)


def _explain(incident: Incident, cause: Incident | None, look: Look) -> Incident:
    """Withhold a symptom while its cause lasts; let go of it when the cause is over and the symptom stays.

    What somebody was told before is never withheld: its resolution is owed.
    """
    if incident.told_to or incident.phase is Phase.RESOLVED:
        return replace(incident, cause="", cause_gone=None) if incident.cause else incident
    if cause is not None and (incident.cause or incident.since >= cause.since - CAUSE_LEAD):
        return replace(incident, cause=cause.subject.key, cause_gone=None)
    if not incident.cause:
        return incident
    gone = incident.cause_gone or look.at
    if look.at - gone >= GRACE.get(incident.subject.code, timedelta(0)):
        return replace(incident, cause="", cause_gone=None)
    return replace(incident, cause_gone=gone)
