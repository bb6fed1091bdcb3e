"""Who is told what about an incident, and why. Level-triggered: asked again with the same incident, it answers *nothing*.

Invariants: each receiver is told of an incident's opening at most once, of each later severity and class of error at most
once, and of its end exactly once if it was told of the opening, and never otherwise. Reminders are of what is critical and
acknowledged by nobody; a receiver with `escalate_after` hears of such alone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from repwatch.health.flaps import hold
from repwatch.health.incident import Incident, Phase
from repwatch.health.links import links_to
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.impact import Impact
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.model.settings import NO_LINKS, LinkSpec, Receiver
from repwatch.model.silence import Silence, matches

RESTART_PATIENCE = timedelta(seconds=20)
"""Nobody is woken while repwatch itself starts a thread for the first time; that takes seconds, or does not come about."""

Assess = Callable[[Finding], Impact | None]
"""The impact of a finding, as seen now; asked for where something is told."""

_RANK = {Severity.WARNING: 0, Severity.CRITICAL: 1}


class Reason(StrEnum):
    """Why a notice is sent."""

    FIRST = "first"
    CHANGED = "changed"
    UNANSWERED = "unanswered"
    ACKNOWLEDGED = "acknowledged"
    OVER = "over"

    @property
    def event(self) -> NoticeEvent:
        """What the receiver reads."""
        return _EVENTS[self]


_EVENTS = {
    Reason.FIRST: NoticeEvent.OPENED,
    Reason.CHANGED: NoticeEvent.UPDATED,
    Reason.UNANSWERED: NoticeEvent.REMINDER,
    Reason.ACKNOWLEDGED: NoticeEvent.ACKNOWLEDGED,
    Reason.OVER: NoticeEvent.RESOLVED,
}


class Withheld(StrEnum):
    """Why no notice is sent."""

    UNCONFIRMED = "unconfirmed"
    EXPLAINED = "explained"  # another incident is its cause, and lists it
    RESTARTING = "restarting"  # repwatch is putting it right, and it has had little time for that
    SILENCED = "silenced"  # a person wants it so
    UNCHANGED = "unchanged"
    UNWANTED = "unwanted"  # no receiver wants it
    UNTOLD = "untold"  # it ended before anyone had been told


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to say, and to whom (ids of receivers)."""

    reason: Reason
    receivers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """A notice with the receivers it goes to; one outbox row for each."""

    incident_id: str
    notice: Notice
    receivers: tuple[str, ...]
    reason: Reason


def decide(
    incident: Incident, receivers: Sequence[Receiver], server_name: str | None, now: datetime
) -> tuple[Message, ...] | Withheld:
    """What to say about an incident now, or why nothing."""
    present = {receiver.id for receiver in receivers}
    knowing = tuple(receiver for receiver in incident.told_to if receiver in present)
    if incident.phase is Phase.PENDING:
        return Withheld.UNCONFIRMED
    if incident.phase is Phase.RESOLVED:
        return (Message(Reason.OVER, knowing),) if knowing else Withheld.UNTOLD
    if (withheld := _withheld(incident, now)) is not None:
        return withheld
    wanting = [r for r in receivers if r.id not in incident.told_to and wants(r, incident, server_name)]
    untold = tuple(receiver.id for receiver in wanting if _is_its_turn(receiver, incident, now))
    messages = [Message(Reason.FIRST, untold)] if untold else []
    if knowing and incident.fingerprint not in incident.told:
        messages.append(Message(Reason.CHANGED, knowing))
    if knowing and incident.acknowledged and not incident.acknowledgement_told:
        messages.append(Message(Reason.ACKNOWLEDGED, knowing))
    late = tuple(r.id for r in receivers if r.id in knowing and _is_late(r, incident, now))
    if late and not any(message.receivers == knowing for message in messages):
        messages.append(Message(Reason.UNANSWERED, late))
    if messages:
        return tuple(messages)
    return Withheld.UNCHANGED if incident.told_to else Withheld.UNWANTED


def _withheld(incident: Incident, now: datetime) -> Withheld | None:
    if incident.cause:
        return Withheld.EXPLAINED
    if incident.silenced_until is not None:
        return Withheld.SILENCED
    restarting = incident.finding.being_restarted and not incident.told_to
    return Withheld.RESTARTING if restarting and _may_still_help(incident, now) else None


def _may_still_help(incident: Incident, now: datetime) -> bool:
    """Whether a restart may yet help, or seems to have; the clock may have been set back meanwhile."""
    return incident.good_polls > 0 or timedelta(0) <= now - incident.since < RESTART_PATIENCE


def _is_its_turn(receiver: Receiver, incident: Incident, now: datetime) -> bool:
    """At once, or when those before have had their time."""
    since = incident.unanswered or now
    return not receiver.escalate_after or _has_waited(incident, since, receiver.escalate_after, now)


def _is_late(receiver: Receiver, incident: Incident, now: datetime) -> bool:
    """Whether it is time to remind a receiver that knows."""
    last = incident.told_at.get(receiver.id, incident.since)
    return bool(receiver.remind_every) and _has_waited(incident, last, receiver.remind_every, now)


def _has_waited(incident: Incident, since: datetime, span: timedelta, now: datetime) -> bool:
    """Whether nobody has answered for that span; while the condition is not seen, nobody has to."""
    return incident.unanswered is not None and not incident.good_polls and now - since >= span


def _await_answer(incident: Incident, now: datetime) -> Incident:
    """The incident with the time since when somebody should answer, if anybody should."""
    open_now = incident.phase is Phase.OPEN and not incident.cause and incident.silenced_until is None
    if open_now and incident.finding.severity is Severity.CRITICAL and not incident.acknowledged:
        return incident if incident.unanswered else replace(incident, unanswered=now)
    return replace(incident, unanswered=None) if incident.unanswered else incident


def wants(receiver: Receiver, incident: Incident, server_name: str | None) -> bool:
    """Whether a receiver's severity and patterns take this incident; a server is matched by name and by address."""
    return _takes(receiver, incident.finding, server_name)


def is_for_nobody(finding: Finding, receivers: Iterable[Receiver]) -> bool:
    """True if no receiver takes this finding about repwatch itself."""
    return not any(_takes(receiver, finding, None) for receiver in receivers)


def _takes(receiver: Receiver, finding: Finding, server_name: str | None) -> bool:
    if _RANK[finding.severity] < _RANK[receiver.min_severity]:
        return False
    subject = finding.subject
    if subject.code is FindingCode.RECEIVER_UNDELIVERABLE and subject.channel == receiver.id:
        return False  # it would refuse this one, too
    if subject.code is FindingCode.OBSERVATION_STALE and not subject.cluster:  # of a cluster that is not looked at
        subject = replace(subject, cluster=subject.channel)
    return not receiver.match or matches(receiver.match, subject, server_name)


def nothing_seen(_finding: Finding) -> Impact | None:
    """Of a look at no servers: what is wrong with repwatch itself, and what nobody watches any more."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who may be told, what people call the servers (`host:port` -> name), and what the look at hand says beside a finding."""

    receivers: tuple[Receiver, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    silences: tuple[Silence, ...] = ()
    assess: Assess = nothing_seen
    links: LinkSpec = NO_LINKS


def hush(incident: Incident, audience: Audience, now: datetime) -> Incident:
    """The incident with the silence that covers it now, if there is one; of several the one that lasts longest."""
    name = audience.names.get(incident.subject.server)
    covering = [silence for silence in audience.silences if silence.covers(incident.subject, name, now)]
    if not covering:
        return replace(incident, silenced_until=None, silenced_by="") if incident.silenced_until else incident
    longest = max(covering, key=lambda silence: silence.until)
    return replace(incident, silenced_until=longest.until, silenced_by=f"{longest.author}: {longest.reason}")


def post(
    incident: Incident, audience: Audience, symptoms: Iterable[Incident], now: datetime
) -> tuple[Incident, tuple[Posting, ...]]:
    """The notices due now, and the incident that remembers them. `symptoms` are the incidents that this one explains."""
    name = audience.names.get(incident.subject.server)
    incident = _await_answer(incident, now)
    messages = decide(incident, audience.receivers, name, now)
    if isinstance(messages, Withheld):
        return incident, ()
    evidence = {**incident.finding.evidence, **_symptom_evidence(symptoms, audience.names)}
    if incident.flaps:
        evidence["came_back"] = _count(incident.flaps)
    if incident.acknowledged_by:
        evidence["acknowledged_by"] = incident.acknowledged_by
    impact = None if incident.phase is Phase.RESOLVED else audience.assess(incident.finding)
    postings = []
    for message in messages:
        incident = replace(
            incident,
            notices=incident.notices + 1,
            told=tuple(dict.fromkeys((*incident.told, incident.fingerprint))),
            told_to=tuple(dict.fromkeys((*incident.told_to, *message.receivers))),
            told_at={**incident.told_at, **dict.fromkeys(message.receivers, now)},
            acknowledgement_told=incident.acknowledged,
        )
        notice = _notice(incident, message.reason, name, evidence, now)
        notice = replace(notice, impact=impact, links=links_to(audience.links, incident.subject, name))
        postings.append(Posting(incident_id=incident.id, notice=notice, receivers=message.receivers, reason=message.reason))
    return incident, tuple(postings)


def _count(flaps: int) -> str:
    minutes = int(hold(flaps).total_seconds()) // 60
    return f"{flaps} times in a row within an hour; its end is told after {minutes} min without it"


def _symptom_evidence(symptoms: Iterable[Incident], names: Mapping[str, str]) -> dict[str, str]:
    texts = sorted(f"{s.subject.code} on {names.get(s.subject.server, s.subject.server)}" for s in symptoms)
    return {"symptoms": "; ".join(texts)} if texts else {}


def _notice(incident: Incident, reason: Reason, server_name: str | None, evidence: Mapping[str, str], now: datetime) -> Notice:
    finding = incident.finding
    return Notice(
        id=f"{incident.id}-{incident.notices}",
        subject=finding.subject,
        event=reason.event,
        server_name=server_name,
        severity=finding.severity,
        since=incident.since,
        at=now,
        summary=finding.summary,
        meaning=finding.meaning,
        remedy=finding.remedy,
        avoid=finding.avoid,
        evidence=evidence,
    )
