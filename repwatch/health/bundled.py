"""What has become of what was told in a bundle: whose message is brought up to date while some of it is open."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from repwatch.health.incident import Incident
from repwatch.model.notice import Notice, NoticeEvent


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of a bundle's incidents are over, and how many of the open ones somebody has. A message that shows it is true."""

    ended: int
    acknowledged: int


def tally(notices: Iterable[Notice]) -> Tally:
    """What a message made of these shows."""
    events = [notice.event for notice in notices]
    return Tally(events.count(NoticeEvent.RESOLVED), events.count(NoticeEvent.ACKNOWLEDGED))


def as_it_is(told: Notice, incident: Incident) -> Notice:
    """What was told, as it would be told now."""
    if incident.resolved is not None:
        return replace(told, event=NoticeEvent.RESOLVED, at=incident.resolved)
    now = replace(told, severity=incident.finding.severity)
    if incident.acknowledged:
        evidence = {**told.evidence, "acknowledged_by": incident.acknowledged_by}
        return replace(now, event=NoticeEvent.ACKNOWLEDGED, evidence=evidence)
    return now
