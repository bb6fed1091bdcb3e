"""Which finding explains which: cause over symptom, in its first form. Facts are never suppressed, only their notices.

A replica that cannot reach its source is a symptom while repwatch cannot reach that source either. A receiver that fails
for another reason (its account was refused, the binary log it needs is gone) is nobody's symptom.
"""

from collections.abc import Iterable, Mapping

from repwatch.health.world import World
from repwatch.model.finding import Finding, FindingCode, Subject

# Client errors of the network (MySQL manual, "Client Error Message Reference"): cannot connect, no such host, lost, cut off.
_NETWORK = {"0", "2002", "2003", "2005", "2006", "2012", "2013", "2026", "2055"}
_SYMPTOMS = {FindingCode.RECEIVER_RETRYING, FindingCode.RECEIVER_ERROR}


def causes(world: World, findings: Iterable[Finding]) -> Mapping[Subject, Subject]:
    """For each finding that an unreachable source would explain, the subject of that explanation; it need not be true now."""
    found: dict[Subject, Subject] = {}
    for finding in findings:
        if finding.subject.code in _SYMPTOMS and finding.evidence.get("errno", "0") in _NETWORK:
            source = _source_address(world, finding.subject.server, finding.subject.channel)
            if source is not None:
                found[finding.subject] = Subject(world.cluster.name, source, "", FindingCode.SERVER_UNREACHABLE)
    return found


def _source_address(world: World, replica: str, channel: str) -> str | None:
    """`host:port` of the server that a channel should replicate from, as the configuration spells it."""
    server = next((s for s in world.servers if s.address == replica), None)
    if server is None:
        return None
    label = server.spec.channels.get(channel) or server.spec.replicates_from or world.source
    if label is None:
        return None
    try:
        return str(world.cluster.server(label).endpoint.address)
    except KeyError:
        return None
