"""What a look adds to the memory of movement. Pure: the watcher keeps it from tick to tick; a restart forgets it."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from repwatch.health.inventory import label, source_of, wanted_source
from repwatch.health.movement import ChannelProgress, Movement, Progress, follow
from repwatch.health.reach import follow_reach
from repwatch.health.received import unreceived
from repwatch.health.trend import LATER, Trend
from repwatch.health.world import ServerNow, World, stale_after
from repwatch.model.backlog import has_work
from repwatch.model.observation import ChannelObservation, Observation, ProbeFailure, ThreadState, Unobserved

UNKNOWN_PERIOD = timedelta(seconds=30)
"""The period of heartbeats where a server does not tell it: half of slave_net_timeout, by default, on both flavours."""

_GAP = timedelta(minutes=5)
"""Looks at a disk that are further apart tell of no trend."""

GRACE = timedelta(seconds=5)
"""What a heartbeat may be late, on a machine that does much else."""


def remember(world: World) -> Progress:
    """The world's progress after its latest looks. A server that was not looked at anew changes nothing."""
    known = world.progress
    channels = {
        (label(server), channel.name): _channel(world, server, seen, channel)
        for server in world.servers
        if (seen := server.last_good) is not None
        for channel in seen.channels
    }
    unseen = {
        label(server): known.unseen_since.get(label(server), server.result.at)
        for server in world.servers
        if server.observation is None
    }
    commits = {label(server): waits for server in world.servers if (waits := _commits(world, server)) is not None}
    disks = {
        (label(server), space.path): _filling(known.disks.get((label(server), space.path)), told.asked, space.used)
        for server in world.servers
        if server.last_good is not None and (told := server.last_good.disks) is not None
        for space in told.spaces
    }
    return Progress(channels=channels, unseen_since=unseen, commits=commits, disks=disks)


def _filling(known: Trend | None, at: datetime, used: int) -> Trend:
    """How a disk fills. A clock that was set, and a gap, begin it anew."""
    goes_on = known is not None and timedelta(0) <= at - known.figures[-1][0] <= _GAP
    return (known if known is not None and goes_on else Trend(step=LATER)).then(at, used)


def _commits(world: World, server: ServerNow) -> Movement | None:
    """How the commits get on that wait for an acknowledgement; None if none waits."""
    seen, known = server.last_good, world.progress.commits.get(label(server))
    semisync = seen.risks.semisync if seen and seen.risks else None
    if seen is None or semisync is None or not semisync.waiting:
        return None
    if known is not None and known.looked == seen.at:
        return known
    mark = f"{semisync.acknowledged} {semisync.unacknowledged}"
    return follow(known, mark, seen.at, stale_after(world.cluster.poll_interval))


def _channel(world: World, server: ServerNow, seen: Observation, channel: ChannelObservation) -> ChannelProgress:
    known = world.progress.channels.get((label(server), channel.name))
    if known is not None and known.receiver.looked == seen.at:
        return known
    most = stale_after(world.cluster.poll_interval)
    receiver = follow(known.receiver if known else None, _receiver_mark(channel), seen.at, most)
    applier = follow(known.applier if known else None, f"{channel.gtid_executed} {channel.applied_log}", seen.at, most)
    source = source_of(world, channel)
    written = source.observation.gtid_offered if source and source.observation else ""
    silent = receiver.since != seen.at
    source_mark = (known.source_mark if known and silent else "") or written
    owed = silent and written not in ("", source_mark) and _lacks(seen, channel, written)
    reach = known.reach if known else None
    if source is not None:
        reach = follow_reach(reach, label(source), source.observation, seen, channel)
    worked = known.work_since if known and applier.since != seen.at else None
    return ChannelProgress(
        receiver=receiver,
        applier=applier,
        source_mark=source_mark,
        source_now=written,
        source_then=known.source_now if known else "",
        owed_since=(known.owed_since if known else None) or seen.at if owed else None,
        work_since=(worked or seen.at) if has_work(seen.version.flavour, channel) else None,
        reach=reach,
    )


def _receiver_mark(channel: ChannelObservation) -> str:
    """Whatever changes when anything arrives; a large transaction moves the place in the source's log before it is received."""
    return f"{channel.receiver} {channel.pulse.heartbeats} {channel.gtid_received} {channel.source_log}"


def _lacks(seen: Observation, channel: ChannelObservation, written: str) -> bool:
    """True if the source has what this server neither received nor has from elsewhere."""
    try:
        return unreceived(seen, channel, written) > 0
    except ValueError:
        return False


def period(channel: ChannelObservation) -> timedelta:
    """How often an idle source gives a sign of life."""
    return channel.pulse.period or UNKNOWN_PERIOD


def progressing(world: World, source: ServerNow) -> Mapping[str, str]:
    """Replicas that surely received something of this source since repwatch lost sight of it, by label, with when."""
    lost: datetime | None = world.progress.unseen_since.get(label(source))
    found: dict[str, str] = {}
    for server in world.servers if lost else ():
        for channel in server.observation.channels if server.observation else ():
            known = world.progress.channels.get((label(server), channel.name))
            if lost is None or known is None or channel.receiver is not ThreadState.RUNNING:
                continue
            recent = world.now - known.receiver.since <= period(channel) + GRACE
            if recent and known.receiver.moved_after(lost) and source_of(world, channel) is source:
                found[label(server)] = known.receiver.since.isoformat()
    return found


def lost_source(world: World, server: ServerNow, channel: ChannelObservation) -> ServerNow | None:
    """The channel's source, if it answers neither repwatch nor, as far as can be seen, any of its replicas."""
    source = source_of(world, channel) or wanted_source(world, server, channel.name)
    if source is None or not isinstance(source.result, Unobserved):
        return None
    unreachable = source.result.failure in (ProbeFailure.UNREACHABLE, ProbeFailure.TIMED_OUT)
    return source if unreachable and not progressing(world, source) else None
