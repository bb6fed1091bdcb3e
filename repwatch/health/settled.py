"""The source that AUTO has settled on, kept so that a change of it is announced once, also one that nobody was there to see.

What is kept moves on with the very entry that opens the incident: whoever is killed before that finds the old source there, and
begins to announce again; whoever is killed after it finds the new one.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from repwatch.health.incident import Incident, Phase
from repwatch.health.inventory import find, is_settled, source_of
from repwatch.health.rules_common import subject
from repwatch.health.world import SettledSource, SourceChange, World
from repwatch.model.finding import FindingCode
from repwatch.model.observation import ThreadState
from repwatch.model.topology import AUTO

ANNOUNCED = timedelta(minutes=10)
"""For so long a change of the source is told of."""

NOTED = timedelta(minutes=1)
"""So often it is noted that the source is still the same: a look that changes nothing is to cost no write more."""


def known_source(world: World, known: SettledSource | None) -> SettledSource | None:
    """What is kept, as far as it says anything about the servers of today."""
    return known if known is not None and world.cluster.source == AUTO and find(world, known.label) is not None else None


def in_force(world: World, known: SettledSource | None) -> World:
    """The world with the source that is kept, where nothing tells another one: a start is no change."""
    known = known_source(world, known)
    return replace(world, source=known.label) if known is not None and world.source is None else world


def change_of(world: World, known: SettledSource | None, ongoing: SourceChange | None) -> SourceChange | None:
    """The change to be told of: the one that was announced last, or one since. `ongoing` is what this said a look before."""
    known = known_source(world, known)
    if known is None or world.source is None:
        return None
    if find(world, known.label) is find(world, world.source):
        return known.change
    if ongoing is not None and ongoing.after == world.source and world.now - ongoing.at < ANNOUNCED:
        return ongoing
    if not is_settled(world) or _may_follow(world, known.label):
        return known.change
    return SourceChange(before=known.label, after=world.source, at=world.now, last_known=known.seen)


def _may_follow(world: World, old: str) -> bool:
    """True if the source in force may be the middle of a chain below the old one, of which nobody has seen its identity yet."""
    unseen, source = find(world, old), find(world, world.source)
    if unseen is None or unseen.last_good is not None or source is None or source.last_good is None:
        return False
    channels = source.last_good.channels
    return any(source_of(world, each) is None and each.receiver is not ThreadState.STOPPED for each in channels)


def settle(world: World, known: SettledSource | None, incidents: Iterable[Incident]) -> SettledSource | None:
    """What is to be kept from now on, None if nothing new. `incidents` are those after the look."""
    if world.cluster.source != AUTO or world.source is None:
        return None
    known, source = known_source(world, known), find(world, world.source)
    if known is None:
        fresh = SettledSource(cluster=world.cluster.name, label=world.source, seen=world.now)
        return fresh if is_settled(world) else None
    if find(world, known.label) is source:
        is_due = abs(world.now - known.seen) >= NOTED
        return replace(known, seen=world.now) if is_due and is_settled(world) else None
    change, told = world.source_change, subject(world, source, FindingCode.SOURCE_CHANGED)
    is_told = any(each.subject == told and each.phase is Phase.OPEN for each in incidents)
    if not is_told or change is None or change.after != world.source:
        return None
    return SettledSource(cluster=world.cluster.name, label=change.after, seen=world.now, change=change)
