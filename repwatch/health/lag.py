"""Lag that does not lie. A server tells how far its applier is behind its relay log, and 0 over a receiver that gets nothing.

So its figure is held against what the source is seen to have, and against the time that something has been waiting. Nor does it
tell how far its source is behind, which has a source itself.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from repwatch.health.beating import BEAT
from repwatch.health.clocks import is_behind
from repwatch.health.heart import beat_lag
from repwatch.health.inventory import label, source_of
from repwatch.health.limits import intended_delay
from repwatch.health.received import unapplied, unreceived
from repwatch.health.rules_common import is_stale
from repwatch.health.trend import LagTrend
from repwatch.health.world import ServerNow, World, stale_after
from repwatch.model.observation import ChannelObservation, Lag, LagBasis

LEAST = 0.02
"""Seconds by which lag changes in a second; less is noise."""


def true_lag(world: World, server: ServerNow, channel: ChannelObservation) -> Lag:
    """What is known of a channel's lag: at least the server's own figure, and at least what has been waiting so long.

    A heartbeat has come all the way, and tells better than either, unless something waits that it has overtaken.
    """
    waited, beat, shown = _waited(world, server, channel), beat_lag(world, server, channel), channel.lag
    if beat is not None and (_is_left_out(world, server, channel, beat) or (beat.at_least and shown.seconds)):
        beat = None
    if beat is not None and waited <= (beat.seconds or 0.0) + (2 * BEAT).total_seconds():
        return beat
    if waited > (shown.seconds or 0.0):
        return Lag(seconds=waited, basis=LagBasis.MOVEMENT, at_least=True)
    less = _is_ahead(world, server, channel) or _shows_less(world, server, channel) or _is_unnumbered(server, channel)
    return replace(shown, at_least=True) if shown.seconds is not None and less else shown


def whole_lag(world: World, server: ServerNow, channel: ChannelObservation) -> Lag:
    """How far a channel is behind the head of its chain: a server shows 0 that has all of a source which is an hour behind.

    Rules speak of `lag_of`, the channel's own: what a server above is behind is that one's finding.
    """
    return _at_least_above(world, channel, lag_of(world, server, channel), frozenset({server.address}))


def _at_least_above(world: World, channel: ChannelObservation, own: Lag, below: frozenset[str]) -> Lag:
    """`below`: servers of the chain, down to the one that is asked for; in a ring each counts once."""
    source = source_of(world, channel)
    if own.basis is LagBasis.HEARTBEAT or source is None or source.address in below:
        return own
    if source.observation is None or is_stale(world, source):
        is_middle = source.last_good is not None and bool(source.last_good.channels)
        return replace(own, at_least=True) if is_middle else own
    lags = [
        _at_least_above(world, each, lag_of(world, source, each), below | {source.address})
        for each in source.observation.channels
    ]
    above = max(lags, key=lambda lag: lag.seconds or 0.0, default=None)
    if above is None or not any(lag.seconds != 0.0 or lag.at_least for lag in lags):
        return own
    return replace(above if (above.seconds or 0.0) > (own.seconds or 0.0) else own, at_least=True)


def _is_unnumbered(server: ServerNow, channel: ChannelObservation) -> bool:
    """True if nothing here has a GTID (MySQL), so that what the source has beyond it cannot be told."""
    seen = server.observation
    return seen is not None and not seen.version.is_mariadb and not channel.uses_gtid and not channel.gtid_received


def _shows_less(world: World, server: ServerNow, channel: ChannelObservation) -> bool:
    """True if the server's clock is behind that of its source, so that its own figure is too small."""
    source, seen = source_of(world, channel), server.observation
    return seen is not None and source is not None and is_behind(seen, source.observation)


def _waited(world: World, server: ServerNow, channel: ChannelObservation) -> float:
    """Seconds for which the oldest thing that waits has been seen to wait: to be received, or to be applied."""
    known = world.progress.channels.get((label(server), channel.name))
    if known is None:
        return 0.0
    return max(known.receiver.still_since(known.owed_since), known.applier.still_since(known.work_since)).total_seconds()


def _is_left_out(world: World, server: ServerNow, channel: ChannelObservation, beat: Lag) -> bool:
    """True if a beat is old here while all that its source had at the look before is executed: a filter keeps the beats away.

    The row may have come with a copy of the data. Where no GTIDs are used this cannot be seen.
    """
    if not channel.uses_gtid or timedelta(seconds=beat.seconds or 0.0) <= stale_after(world.cluster.poll_interval):
        return False
    known = world.progress.channels.get((label(server), channel.name))
    source, seen = source_of(world, channel), server.observation
    if known is None or not known.source_then or seen is None or source is None or source.observation is None:
        return False
    try:
        lacks = unapplied(seen, channel, known.source_then) > 0
    except ValueError:
        return False
    return not lacks and not source.observation.channels  # a server in the middle may lack what its source has


def _is_ahead(world: World, server: ServerNow, channel: ChannelObservation) -> bool:
    """True if the source had something that the replica has not even received: at the look before, or at the only one."""
    known = world.progress.channels.get((label(server), channel.name))
    source, seen = source_of(world, channel), server.observation
    if seen is None:
        return False
    now = source.observation.gtid_offered if source and source.observation else ""
    try:
        return unreceived(seen, channel, known.source_then if known else now) > 0
    except ValueError:
        return False


def follow_lags(known: Mapping[tuple[str, str], LagTrend], world: World) -> Mapping[tuple[str, str], LagTrend]:
    """The trends after a look. A server that is not seen keeps what it had; a restart forgets all of it."""
    most = stale_after(world.cluster.poll_interval)
    found: dict[tuple[str, str], LagTrend] = {}
    for server in world.servers:
        for channel in server.last_good.channels if server.last_good else ():
            key = (label(server), channel.name)
            trend, seen = known.get(key, LagTrend()), server.observation
            is_new = seen is not None and seen.at != trend.looked
            found[key] = trend.then(seen.at, true_lag(world, server, channel), most) if seen and is_new else trend
    return found


def lag_of(world: World, server: ServerNow, channel: ChannelObservation) -> Lag:
    """As `true_lag`, which has mostly been asked already."""
    trend, seen = world.lags.get((label(server), channel.name)), server.observation
    if trend is None or trend.lag is None or seen is None or seen.at != trend.looked:
        return true_lag(world, server, channel)
    return trend.lag


def caught_up_in(world: World, server: ServerNow, channel: ChannelObservation, lag: Lag) -> float | None:
    """Seconds until only the intended delay is left, if lag goes on to fall as it does; None: it does not fall, or not known."""
    trend = world.lags.get((label(server), channel.name))
    rate = trend.soon.rate if trend else None
    behind = (lag.seconds or 0.0) - intended_delay(server, channel).total_seconds()
    if rate is None or rate > -LEAST or behind <= 0:
        return None
    return behind / -rate
