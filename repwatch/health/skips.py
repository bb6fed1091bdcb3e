"""Whether a replica left out a transaction of its source: what two looks tell together, or one.

No server says so. MySQL counts who set GTID_NEXT, and its receiver never gets what is executed already, so that a hole stays
in what it retrieved. On MariaDB the position moves over a skipped transaction, and the count of transactions begun does not:
the difference of the two is compared at moments at which nothing was in flight.
"""

from collections.abc import Mapping
from itertools import pairwise

from repwatch.health.stops import stops_when_run
from repwatch.health.world import World
from repwatch.model.gtid import GtidSet, MariadbPosition
from repwatch.model.observation import ChannelObservation, Observation, ThreadState
from repwatch.model.past import Fallback, Past

_JITTER = 3.0  # seconds; a server's uptime has whole ones


def recall(past: Mapping[str, Past], world: World) -> Mapping[str, Past]:
    """What is to be known of earlier looks, by label, when the next look comes."""
    seen = {server.spec.label: server.last_good for server in world.servers}
    return {label: _after(past.get(label, Past()), look) for label, look in seen.items() if look is not None}


def _after(past: Past, now: Observation) -> Past:
    latest = past.latest
    if latest is not None and now.at <= latest.at:
        return past
    exact = _is_exact(latest, now)
    return Past(
        latest=now,
        before=latest,
        anchor=now if exact else (past.anchor if latest and _runs_on(past.anchor, now) else None),
        skipped=_skipped(past, now, exact=exact),
        fallback=_fallback(latest, now) or past.fallback,
        ran=stops_when_run(past, now, goes_on=_runs_on(latest, now)),
    )


def _fallback(before: Observation | None, now: Observation) -> Fallback | None:
    """A source that went on without an acknowledgement between two looks, though it may wait for one again by now."""
    old, new = (look.risks.semisync if look and look.risks else None for look in (before, now))
    if not old or not new or not _runs_on(before, now) or new.fallbacks <= old.fallbacks:
        return None
    return Fallback(
        at=now.at, times=new.fallbacks - old.fallbacks, unacknowledged=max(0, new.unacknowledged - old.unacknowledged)
    )


def _runs_on(before: Observation | None, now: Observation) -> bool:
    """True if the server has not started anew in between: then its counters go on."""
    if before is None or before.risks is None or now.risks is None:
        return False
    return now.risks.uptime - before.risks.uptime >= (now.at - before.at).total_seconds() - _JITTER


def _skipped(past: Past, now: Observation, *, exact: bool) -> str:
    """What was left out by hand since the look before, in words; "" if nothing is known of it."""
    if now.half_loaded or (past.latest and past.latest.half_loaded):
        return ""
    if not now.version.is_mariadb:
        return _by_hand(past.latest, now)
    missed = _missed(past.anchor, now) if exact else 0
    return f"{missed} before {now.channels[0].gtid_executed}" if missed > 0 else ""


def _by_hand(before: Observation | None, now: Observation) -> str:
    old, new = (look.risks.by_hand if look and look.risks else None for look in (before, now))
    if before is None or old is None or new is None or new <= old or not now.channels:
        return ""
    return f"GTID_NEXT or a skip counter was set by hand before {now.gtid_executed}"


def injected(now: Observation) -> str:
    """Transactions of a MySQL source that the replica has executed and never received, between two that it did receive."""
    if now.version.is_mariadb or now.half_loaded:
        return ""
    try:
        received = GtidSet()
        for channel in now.channels:
            received = received.union(GtidSet.parse(channel.gtid_received))
        own = {now.server_uuid}
        holes = GtidSet(tuple((origin, _holes(parts)) for origin, parts in received.ranges if origin[0] not in own and parts[1:]))
        executed = GtidSet.parse(now.gtid_executed)
    except ValueError:
        return ""
    return str(holes.difference(holes.difference(executed)))


def _holes(intervals: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    return tuple((one[1] + 1, two[0] - 1) for one, two in pairwise(intervals))


def _is_exact(before: Observation | None, now: Observation) -> bool:
    """True if position and count of a MariaDB replica belong together.

    The position is read first: whatever was received by then is applied, or the applier has stood still since the look before.
    A transaction of which only a part has arrived is begun and counted, and is in neither position; the logs' places tell.
    """
    if not now.version.is_mariadb or not now.channels or now.risks is None or any(c.groups is None for c in now.channels):
        return False
    return all(_is_quiet(before.channel(channel.name) if before else None, before, channel, now) for channel in now.channels)


def _is_quiet(before: ChannelObservation | None, look: Observation | None, now: ChannelObservation, seen: Observation) -> bool:
    if now.applier is ThreadState.STOPPED:
        same_run = (
            look is not None and look.risks is not None and seen.risks is not None and look.risks.starts == seen.risks.starts
        )
        return before is not None and before.applier is ThreadState.STOPPED and same_run
    if now.applier is not ThreadState.RUNNING or now.source_log != now.applied_log:
        return False
    try:
        return MariadbPosition.parse(now.gtid_executed).contains(MariadbPosition.parse(now.gtid_received))
    except ValueError:
        return False


def _missed(anchor: Observation | None, now: Observation) -> int:
    """How many more transactions the position has moved over than were begun, since the last exact look before a START."""
    if anchor is None or anchor.risks is None or now.risks is None or not _runs_on(anchor, now):
        return 0
    if anchor.risks.starts == now.risks.starts:
        return 0  # numbers that the source left out; nobody skips without a START
    if {channel.name for channel in anchor.channels} != {channel.name for channel in now.channels}:
        return 0
    try:
        old, new = (MariadbPosition.parse(look.channels[0].gtid_executed) for look in (anchor, now))
    except ValueError:
        return 0
    if [domain for domain, _ in old.last] != [domain for domain, _ in new.last]:
        return 0
    begun = [sum(channel.groups or 0 for channel in look.channels) for look in (anchor, now)]
    return old.behind(new) - (begun[1] - begun[0]) if begun[1] >= begun[0] else 0
