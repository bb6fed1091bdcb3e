"""What a look cannot judge, though it saw the server: what is not seen then is not over."""

from collections.abc import Iterator

from repwatch.health.errant import is_hidden
from repwatch.health.horizon import source_of_channel
from repwatch.health.rules_clock import clocks_seen
from repwatch.health.rules_common import channels, subject
from repwatch.health.rules_room import disks_unknown, numbers_unknown
from repwatch.health.world import World
from repwatch.model.finding import FindingCode, Subject


def unjudged(world: World) -> Iterator[Subject]:
    """Conditions that only an answer that did not come, or the present look at another server, would show to be gone."""
    yield from numbers_unknown(world)
    yield from disks_unknown(world)
    yield from _of_a_source(world)
    yield from _clocks(world)
    yield from (subject(world, each, FindingCode.ERRANT_TRANSACTIONS) for each in world.servers if is_hidden(world, each))


def _of_a_source(world: World) -> Iterator[Subject]:
    for server, channel in channels(world):
        source = source_of_channel(world, server, channel)
        if source is not None and source.observation is None:
            yield subject(world, server, FindingCode.PURGE_HORIZON, channel.name)
            yield subject(world, server, FindingCode.BINLOG_PURGED, channel.name)
            yield subject(world, server, FindingCode.ERRANT_TRANSACTIONS)


def _clocks(world: World) -> Iterator[Subject]:
    readings = clocks_seen(world)
    if len(readings) < 2 <= len(world.servers):
        yield from (subject(world, server, FindingCode.CLOCK_SKEW) for server, _ in readings)
