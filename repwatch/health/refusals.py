"""Replicas that one source refuses for one reason: an account that was changed there, or all its connections in use.

It is one event, told of once: of the source where repwatch itself meets the same refusal, else of the first replica. Evidence is
the same source and the same error on two replicas at least; one alone may just have a wrong password.
"""

from collections.abc import Collection, Mapping

from repwatch.health.blockers import is_silenced
from repwatch.health.errors_catalogue import ErrorClass
from repwatch.health.incident import Incident
from repwatch.health.world import World
from repwatch.model.finding import Finding, FindingCode, Subject

_RECEIVER = {FindingCode.RECEIVER_RETRYING, FindingCode.RECEIVER_ERROR}
_FULL = {"1040", "1203", "1226"}
"""The source lives and takes no further connection: of anybody, or of this account."""

_Refusal = tuple[str, str]
"""Source and error."""


def refused_alike(
    world: World, findings: Collection[Finding], explained: Collection[Subject], incidents: Collection[Incident]
) -> Mapping[Subject, Subject]:
    """What explains each further refusal. What is `explained` has another cause; `incidents` are those before this look."""
    named: dict[Subject, Subject] = {}
    of_source = {
        (each.subject.server, each.evidence.get("errno", "")): each.subject
        for each in findings
        if each.subject.code is FindingCode.LOGIN_REFUSED and each.evidence.get("errno") in _FULL
    }
    for refusal, refused in _refusals(findings, explained).items():
        if len({each.server for each in refused}) > 1:
            candidates = [of_source[refusal]] if refusal in of_source else _in_order(refused, incidents)
            first = next((each for each in candidates if not is_silenced(world, each)), None)
            named |= {each: first for each in refused if first is not None and each != first}
    return named


def _refusals(findings: Collection[Finding], explained: Collection[Subject]) -> Mapping[_Refusal, list[Subject]]:
    found: dict[_Refusal, list[Subject]] = {}
    for each in findings:
        source, errno, kind = (each.evidence.get(name, "") for name in ("source", "errno", "error_class"))
        refuses = kind == ErrorClass.LOGIN or errno in _FULL
        if each.subject.code in _RECEIVER and refuses and source and each.subject not in explained:
            found.setdefault((source, errno), []).append(each.subject)
    return found


def _in_order(refused: Collection[Subject], incidents: Collection[Incident]) -> list[Subject]:
    """Who was told of comes first, then who was refused first: so that the first remains it when another one comes."""
    known = sorted(incidents, key=lambda each: (not each.told_to, each.since))
    ranks = {each.subject: rank for rank, each in enumerate(known)}
    return sorted(refused, key=lambda each: ranks.get(each, len(ranks)))
