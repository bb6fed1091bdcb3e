"""What people are told of restarts: in the finding while the thread is stopped, and in its incident once that has helped."""

from collections.abc import Iterable
from dataclasses import replace

from repwatch.health import restart
from repwatch.health.incident import Incident
from repwatch.health.restart import BUDGET, WINDOW, Go, Stay
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding, FindingCode
from repwatch.model.observation import ChannelObservation
from repwatch.model.restart import ChannelThread, Restart, RestartOutcome

_THREADS = {
    FindingCode.APPLIER_ERROR: ChannelThread.APPLIER,
    FindingCode.RECEIVER_ERROR: ChannelThread.RECEIVER,
}
_REMEDIES = {
    Stay.SAME_TRANSACTION: "repwatch started it again, it failed at the same place, and repwatch does not try that twice. ",
    Stay.BUDGET: f"repwatch started it {BUDGET} times in {WINDOW.seconds // 60} min, and leaves it to you now. ",
    Stay.PERSON: "Somebody may have stopped it, so that repwatch leaves it alone. ",
    Stay.PAUSE: "repwatch starts it once more after a pause. ",
}


def told(finding: Finding, world: World, server: ServerNow, channel: ChannelObservation) -> Finding:
    """The finding of a stopped thread, with what repwatch does and has done about it, where it may do anything."""
    thread = _THREADS[finding.subject.code]
    decision = restart.decide(world, server, channel, thread)
    if world.restarts is None or decision in (Stay.NOT_ALLOWED, Stay.NOT_STOPPED, Stay.NOT_TRANSIENT):
        return finding
    problem = world.restarts.problems.get((server.address, channel.name), "")
    evidence = {"restart": "due" if isinstance(decision, Go) else decision.value}
    evidence |= {"restart_problem": problem} if problem else {}
    remedy = _REMEDIES.get(decision, "") if isinstance(decision, Stay) else ""
    finding = replace(
        finding,
        remedy=remedy + finding.remedy,
        evidence={**finding.evidence, **evidence},
        being_restarted=isinstance(decision, Go) and decision.number == 1,
    )
    last = restart.last_of(world, server.address, channel.name, thread)
    return _noted(finding, last) if last else finding


def remembered(incidents: Iterable[Incident], world: World) -> tuple[Incident, ...]:
    """The incidents, those whose thread was started since they began with that in them: it must be found when it is over."""
    return tuple(_remembered(incident, world) for incident in incidents)


def _remembered(incident: Incident, world: World) -> Incident:
    subject = incident.subject
    thread = _THREADS.get(subject.code)
    last = restart.last_of(world, subject.server, subject.channel, thread) if thread else None
    if last is None or last.at < incident.since:
        return incident
    return replace(incident, finding=_noted(incident.finding, last))


def _noted(finding: Finding, last: Restart) -> Finding:
    """The same however often it is done."""
    before = finding.evidence.get("restarted", "")
    count = f"{last.number} of {BUDGET}"
    if last.outcome in (RestartOutcome.REFUSED, RestartOutcome.NOT_SENT):
        return replace(finding, evidence={**finding.evidence, "restart_failed": _history(last)})
    summary = finding.summary.removesuffix(_suffix(before)) if before else finding.summary
    return replace(
        finding,
        summary=summary + _suffix(count),
        evidence={**finding.evidence, "restarted": count, "last_restart": _history(last)},
    )


def _suffix(count: str) -> str:
    return f"; restarted by repwatch, {count}"


def _history(last: Restart) -> str:
    what = last.outcome.value if last.outcome else "under way"
    return f"{last.at.isoformat()}: {what}" + (f", {last.text}" if last.text else "")
