"""What an applier is allowed: how far behind it may be, and what it is meant to be behind."""

from datetime import timedelta

from repwatch.health.world import ServerNow, World
from repwatch.model.observation import ChannelObservation
from repwatch.sql.replication import HOLD_DELAY

MANY_LIMITS = 10
"""So many times its limit, lag is critical."""


def lag_limit(world: World, server: ServerNow) -> timedelta:
    """How far behind a server may be, beyond its intended delay."""
    return server.spec.max_lag or world.cluster.max_lag


def intended_delay(server: ServerNow, channel: ChannelObservation) -> timedelta:
    """What the inventory wants, else what the server is set to; but the delay of a hold is nobody's wish for good."""
    if server.spec.delay:
        return server.spec.delay
    return timedelta(0) if is_held(channel) else channel.delay


def due_delay(server: ServerNow, channel: ChannelObservation) -> timedelta:
    """For how long the applier may stand before something that it has received: its delay, be it intended or not."""
    own = timedelta(0) if is_held(channel) else channel.delay
    return max(own, intended_delay(server, channel))


def is_held(channel: ChannelObservation) -> bool:
    """True if a repair or a reseed holds the applier."""
    return channel.delay >= timedelta(seconds=HOLD_DELAY)
