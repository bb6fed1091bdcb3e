"""Where a replica stands in the binary logs of a source that it follows by file and position.

The source is asked for its list of logs once in a while, so what it had then is held against what the replica has now. Files of
one name are numbered in a row (`binlog.000041`), also those that are gone and those that the list does not have yet.
"""

from typing import NamedTuple

from repwatch.model.observation import BinlogFiles, ChannelObservation, Observation


class Place(NamedTuple):
    """A place in the binary logs of one name; of two the later one is the larger."""

    name: str
    number: int
    position: int


def place_of(text: str) -> Place | None:
    """Parse `file:position`; None if it is none."""
    file, _, position = text.rpartition(":")
    name, _, number = file.rpartition(".")
    if not (name and number.isdecimal() and position.isdecimal()):
        return None
    return Place(name, int(number), int(position))


def has_come_to(text: str, other: str) -> bool:
    """True if the one is no earlier place than the other, in logs of one name."""
    here, there = place_of(text), place_of(other)
    return here is not None and there is not None and here.name == there.name and here >= there


def followed_files(source: Observation | None, channel: ChannelObservation) -> BinlogFiles | None:
    """The logs of a channel's source if it goes by them; None: it goes by GTIDs, or they are not known."""
    files = source.binlog.files if source else None
    return files if files is not None and files.sizes and not channel.uses_gtid and place_of(channel.source_log) else None


def end_of(files: BinlogFiles) -> str:
    """Up to where there was something to read."""
    name, size = files.sizes[-1]
    return f"{name}:{size}"


def unread(files: BinlogFiles, channel: ChannelObservation) -> int | None:
    """Bytes between a channel's place and the end of the logs; None where the two cannot be compared."""
    file, _, position = channel.source_log.rpartition(":")
    names, sizes = [name for name, _ in files.sizes], [size for _, size in files.sizes]
    if file in names:
        return max(0, sum(sizes[names.index(file) :]) - int(position))
    if is_gone(files, channel):
        return sum(sizes)
    return 0 if has_come_to(channel.source_log, end_of(files)) else None


def is_gone(files: BinlogFiles, channel: ChannelObservation) -> bool:
    """True if the file that a channel needs next is none that the source still has."""
    place, oldest = place_of(channel.source_log), place_of(f"{files.sizes[0][0]}:0")
    return place is not None and oldest is not None and place.name == oldest.name and place.number < oldest.number
