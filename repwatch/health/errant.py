"""Transactions that a replica has and its source never had: somebody wrote to the replica, or the source lost what it sent.

Two servers are not read at one moment. A transaction of the replica's own can reach its source on no way (a source that
replicates from the replica is left out), so there the moment does not matter. Of all others only those count that the replica
had at its look before, and that its source lacks in a look which began later. While commits of a MySQL source wait for an
acknowledgement, its replicas have what it has not committed yet: it is in the binary log, and so it will be. They are
committed in the order of the binary log, so that this lasts only as long as no commit gets through: on a busy source somebody
waits at nearly every look.
"""

from repwatch.health.inventory import disputed_source, find, is_identity, same_server, source_of, wanted_channels, wanted_source
from repwatch.health.rules_common import is_stale
from repwatch.health.world import ServerNow, World
from repwatch.model.observation import Observation
from repwatch.model.past import Past
from repwatch.sql.errant import beyond, merged, own_transactions


def errant_transactions(world: World, server: ServerNow) -> str:
    """What the replica has and none of its sources knows, "" if there is nothing or it cannot be told."""
    own = server.observation
    sources = _sources(world, server)
    if own is None or sources is None or server.spec.writable or server.spec.local_tables:
        return ""
    if own.risks is None or own.risks.assigns_gtids:
        return ""
    known = ",".join(filter(None, map(_known, sources)))
    try:
        local = own_transactions(own.version, str(own.server_id), own.server_uuid, _history(own), known)
        before = world.past.get(server.spec.label, Past()).before
        ordered = before is not None and all(source.at - source.took >= before.at for source in sources)
        ordered = ordered and not any(_is_held_up(world, source) for source in sources)
        foreign = beyond(own.version, _history(before) + "," + _applied(before), known) if before and ordered else ""
        return merged(own.version, local, foreign)
    except ValueError:
        return ""


def is_hidden(world: World, server: ServerNow) -> bool:
    """True if the commits of a source are held up, so that what is missing there now tells nothing."""
    return any(_is_held_up(world, source) for source in _sources(world, server) or ())


def _sources(world: World, server: ServerNow) -> list[Observation] | None:
    """The latest looks at all that it replicates from; None if one was not seen, or replicates from this very server.

    A server that has lost its channels is held against what it should replicate from: an old source that goes on taking writes.
    """
    own = server.observation
    if own is None:
        return None
    found = []
    for source in _read(world, server, own) or _wanted(world, server):
        look = source.observation if source is not None and not is_stale(world, source) else None
        if look is None or source is server or look.version.flavour is not own.version.flavour:
            return None
        if any(is_identity(back, own) for back in look.channels):
            return None
        found.append(look)
    return found or None


def _read(world: World, server: ServerNow, own: Observation) -> list[ServerNow | None]:
    return [source_of(world, channel) or wanted_source(world, server, channel.name) for channel in own.channels]


def _wanted(world: World, server: ServerNow) -> list[ServerNow | None]:
    """Nothing where it may be the source: the others replicate from it, whatever the configuration says, or it is that server."""
    disputed = disputed_source(world)
    if disputed is not None and disputed.agreed is server:
        return []
    found = [find(world, label) for label in dict.fromkeys(wanted_channels(world, server).values())]
    return [] if any(each is not None and _is_one(world, server, each) for each in found) else found


def _is_one(world: World, server: ServerNow, other: ServerNow) -> bool:
    return same_server(world, server) is other or same_server(world, other) is server


def _is_held_up(world: World, source: Observation) -> bool:
    """True if commits wait, and none has got through since the look before.

    As the counters say, which are read after the GTIDs; so it is enough that somebody waited at the look before. A standstill
    that begins or ends between the readings of one look passes for a commit; what it hides is there at the next look.
    """
    if source.version.is_mariadb:
        return False
    labels = [server.spec.label for server in world.servers if server.observation is source]
    looks = [source, *(world.past.get(label, Past()).before for label in labels)]
    told = [look.risks.semisync for look in looks if look is not None and look.risks is not None and look.risks.semisync]
    return any(each.waiting for each in told) and len({(each.acknowledged, each.unacknowledged) for each in told}) == 1


def _history(look: Observation) -> str:
    return look.gtid_logged if look.version.is_mariadb else look.gtid_executed


def _applied(look: Observation) -> str:
    return ",".join(dict.fromkeys(channel.gtid_executed for channel in look.channels)) if look.version.is_mariadb else ""


def _known(source: Observation) -> str:
    return ",".join(filter(None, (_history(source), source.gtid_executed if source.version.is_mariadb else "")))
