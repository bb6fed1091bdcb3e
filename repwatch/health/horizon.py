"""How long a source still keeps what a replica has not received: by age, by size, and by how fast each of the two gets on."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from repwatch.health.errors_receiver import is_purged
from repwatch.health.inventory import label, source_of, wanted_source
from repwatch.health.movement import ChannelProgress
from repwatch.health.places import followed_files, unread
from repwatch.health.reach import lacking
from repwatch.health.world import ServerNow, World, stale_after
from repwatch.model.observation import BinlogFiles, BinlogKeep, ChannelObservation, Observation, ThreadState

KEEPS_UP = 0.999
"""Seconds of the source's time that are received in a second, from which a receiver is not said to fall back."""


class KeptBy(StrEnum):
    """What makes a source delete a binary log."""

    AGE = "age"
    SIZE = "size"


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """When a replica's source may delete what it lacks."""

    source: Observation
    by: KeptBy
    keep: timedelta  # for how long the source keeps what it writes, at its present rate
    left: timedelta
    missing: int  # transactions; bytes of a channel that goes by file and position
    by_place: bool
    since: datetime | None  # at or after which the first of them was committed, if known
    pace: float | None  # seconds of the source's time that are received in a second, of a receiver that runs


def horizon(world: World, server: ServerNow, channel: ChannelObservation) -> Horizon | None:
    """The nearer of the two limits; None if nothing is missing or nothing is known to be deleted by itself."""
    source, seen = upstream(world, server, channel), server.observation
    if source is None or seen is None or says_purged(channel) or _deletes_nothing(source):
        return None
    known, files = world.progress.channels.get((label(server), channel.name)), own_files(world, channel)
    runs = channel.receiver is ThreadState.RUNNING
    since = _needed_since(known, channel, files)
    if runs and (since is None or _keeps_up(world, since, files)):
        return None
    missing = unread(files, channel) if files else lacking(seen, channel, source.gtid_offered)
    if not missing:
        return None
    pace = known.reach.pace(world.now) if runs and known and known.reach else None
    found = [
        Horizon(source=source, by=by, keep=keep, left=left, missing=missing, by_place=files is not None, since=since, pace=pace)
        for by, limit in ((KeptBy.AGE, _by_age(source.binlog, since, pace, world.now)), (KeptBy.SIZE, _by_size(source, channel)))
        if limit is not None
        for keep, left in [limit]
    ]
    return min(found, key=lambda each: each.left, default=None)


def upstream(world: World, server: ServerNow, channel: ChannelObservation) -> Observation | None:
    """What is seen of the server that a channel reads from, or should."""
    source = source_of_channel(world, server, channel)
    return source.observation if source else None


def source_of_channel(world: World, server: ServerNow, channel: ChannelObservation) -> ServerNow | None:
    """The server that a channel reads from, or should."""
    return source_of(world, channel) or wanted_source(world, server, channel.name)


def own_files(world: World, channel: ChannelObservation) -> BinlogFiles | None:
    """The logs of the server that a channel reads from, if it goes by them; the files of another one have the same names."""
    source = source_of(world, channel)
    return followed_files(source.observation, channel) if source else None


def says_purged(channel: ChannelObservation) -> bool:
    """True if the receiver was told that what it needs is gone."""
    error = channel.receiver_error
    if error is None or channel.receiver is not ThreadState.STOPPED:
        return False
    return is_purged(error.errno, error.text)


def _deletes_nothing(source: Observation) -> bool:
    """MariaDB waits for a number of replicas to be connected before it deletes anything by itself."""
    return source.dump_clients is not None and source.dump_clients < source.binlog.least_clients


def _keeps_up(world: World, since: datetime, files: BinlogFiles | None) -> bool:
    """As far as looks can tell: it was level a moment ago, or has had all of the list of logs before this one."""
    recent = world.now - since <= 3 * stale_after(world.cluster.poll_interval)
    return recent or (files is not None and files.before is not None and since >= files.before)


def _needed_since(known: ChannelProgress | None, channel: ChannelObservation, files: BinlogFiles | None) -> datetime | None:
    """A time at which, or after which, the first transaction that the replica lacks was committed; None: not known.

    The last look at which the replica had all that its source had; MySQL tells when the last received one was committed. Else
    the look that first saw the source ahead is all there is: of a stop that is older than repwatch's memory nobody knows.
    """
    reach, told = known.reach if known else None, channel.pulse.last_commit
    level, owed = reach.level if reach else None, known.owed_since if known else None
    if files is not None:
        owed = reach.marked if reach and channel.receiver is not ThreadState.RUNNING else None
    if level is not None:
        return max(level, told) if told else level
    return owed if channel.receiver is ThreadState.RUNNING else told or owed


def _by_age(keep: BinlogKeep, since: datetime | None, pace: float | None, now: datetime) -> tuple[timedelta, timedelta] | None:
    """Time that is kept, and time left. A receiver that gets on, if too slowly, falls back by less than a second each second."""
    if keep.keep is None or since is None:
        return None
    left = since + keep.keep - now
    if pace is None or left <= timedelta(0):
        return keep.keep, left
    return (keep.keep, min(left / (1 - pace), timedelta(days=3650))) if pace < KEEPS_UP else None


def _by_size(source: Observation, channel: ChannelObservation) -> tuple[timedelta, timedelta] | None:
    """The same for bytes: what is written from the replica's place on may not become more than all logs may be."""
    files, most = source.binlog.files, source.binlog.most
    names = [name for name, _ in files.sizes] if files else []
    needed = channel.source_log.rpartition(":")[0]
    if files is None or most is None or not files.rate or needed not in names:
        return None
    kept = sum(size for _, size in files.sizes[names.index(needed) :])
    longest = timedelta(days=3650).total_seconds()
    seconds = (min(longest, most / files.rate), min(longest, max(0, most - kept) / files.rate))
    return timedelta(seconds=seconds[0]), timedelta(seconds=seconds[1])
