"""A server that is behind because the one that it replicates from is behind: one event, told of the server where it begins."""

from collections.abc import Collection, Mapping

from repwatch.health.inventory import find, source_of
from repwatch.health.lag import lag_of
from repwatch.health.limits import intended_delay, lag_limit
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding, FindingCode, Subject
from repwatch.model.observation import ChannelObservation, LagBasis

_WHOLE = {LagBasis.HEARTBEAT, LagBasis.STATUS}
"""They count from the commit at the head of the chain: a transaction keeps its time on its way, and so does a beat.

All else is of one link: MySQL's `APPLYING_TRANSACTION_IMMEDIATE_COMMIT_TIMESTAMP` is the commit on the server above.
"""


def behind_above(world: World, findings: Collection[Finding], explained: Mapping[Subject, Subject]) -> Mapping[Subject, Subject]:
    """What explains lag that comes from above. `explained` are the causes of all else; what they say of a server goes first."""
    lagging = {each.subject for each in findings if each.subject.code is FindingCode.LAGGING}
    present = {each.subject for each in findings}
    near = {subject: cause for subject, cause in explained.items() if cause in present}
    far = {each: above for each in lagging - near.keys() if (above := _above(world, each, lagging)) is not None}
    roots = {each: _root(each, {**near, **far}) for each in far}
    return {each: root for each, root in roots.items() if root is not None}


def _above(world: World, subject: Subject, lagging: Collection[Subject]) -> Subject | None:
    """The lag above that it is no more than its own limit beyond: of several, the greatest."""
    server = find(world, subject.server)
    channel = _channel(server, subject.channel) if server else None
    source = source_of(world, channel) if channel else None
    if server is None or channel is None or source is None or source is server:
        return None
    own, above = lag_of(world, server, channel), _lags(world, source, lagging)
    if own.seconds is None or own.basis not in _WHOLE or not above:
        return None
    most = max(above, key=lambda each: above[each])
    alone = own.seconds - above[most] - intended_delay(server, channel).total_seconds()
    return most if alone <= lag_limit(world, server).total_seconds() else None


def _lags(world: World, server: ServerNow, lagging: Collection[Subject]) -> Mapping[Subject, float]:
    found = {each: _channel(server, each.channel) for each in lagging if each.server == server.address}
    lags = {each: lag_of(world, server, channel).seconds for each, channel in found.items() if channel is not None}
    return {each: seconds for each, seconds in lags.items() if seconds is not None}


def _channel(server: ServerNow, name: str) -> ChannelObservation | None:
    return server.observation.channel(name) if server.observation else None


def _root(subject: Subject, links: Mapping[Subject, Subject]) -> Subject | None:
    """Where it begins; None in a ring, where each would be told of as the other's."""
    passed = {subject}
    while (above := links.get(subject)) is not None:
        if above in passed:
            return None
        passed.add(above)
        subject = above
    return subject
