"""GTIDs of both flavours as values: sets of MySQL, positions of MariaDB. Canonical text in, canonical text out.

MySQL names transactions `uuid:number` or `uuid:tag:number` (tags since 8.3), and a server's history is a *set* with gaps.
MariaDB names them `domain-server-sequence`, and a history is a *position*: the last one of each domain, all before it included.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from repwatch.model.server import Flavour

Interval = tuple[int, int]  # both ends included
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TAG = re.compile(r"[a-z_][a-z0-9_]{0,31}")
_SPACE = " \t\n\v\f\r"  # what the servers take for white space; inside a uuid or a number neither of them does
_INTERVAL = re.compile(r"(\d+)(?:\s*-\s*(\d+))?", re.ASCII)
_MARIADB = re.compile(r"(\d+)-(\d+)-(\d+)", re.ASCII)
_LAST = 2**63 - 2  # the largest number of a transaction (MySQL manual, "GTID Format and Storage"); 9.7 refuses a larger one
_MOST_OF_MARIADB = (2**32 - 1, 2**32 - 1, 2**64 - 1)  # domain, server, sequence (MariaDB manual, "Global Transaction ID")


@dataclass(frozen=True, slots=True)
class GtidSet:
    """A MySQL GTID set. `ranges` pairs an origin (uuid, tag) with its intervals: sorted, disjoint, not touching, not empty."""

    ranges: tuple[tuple[tuple[str, str], tuple[Interval, ...]], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse what `@@gtid_executed` shows. Case and white space between do not matter. Raises ValueError for anything else.

        After its uuid a part lists intervals and tags; a tag holds for the intervals that follow it
        (MySQL manual 19.1.3.1, "GTID Sets"). An interval that runs backwards is empty there, and here.
        """
        found: dict[tuple[str, str], list[Interval]] = {}
        for part in _parts(text.lower()):
            uuid, *items = (item.strip(_SPACE) for item in part.split(":"))
            if not _UUID.fullmatch(uuid) or not items:
                raise ValueError(f"not a GTID set: {part!r}")
            tag = ""
            for item in items:
                if interval := _INTERVAL.fullmatch(item):
                    first, last = int(interval[1]), int(interval[2] or interval[1])
                    if not first or max(first, last) > _LAST:
                        raise ValueError(f"not a GTID set: {part!r}")
                    found.setdefault((uuid, tag), []).append((first, last))
                elif _TAG.fullmatch(item):
                    tag = item
                else:
                    raise ValueError(f"not a GTID set: {part!r}")
        return cls._of(found)

    @classmethod
    def _of(cls, found: Mapping[tuple[str, str], Iterable[Interval]]) -> Self:
        merged = ((origin, _merge(intervals)) for origin, intervals in sorted(found.items()))
        return cls(tuple((origin, intervals) for origin, intervals in merged if intervals))

    def __str__(self) -> str:
        """As the server writes it, on one line: a uuid once, its untagged intervals first."""
        parts: dict[str, list[str]] = {}
        for (uuid, tag), intervals in self.ranges:
            items = parts.setdefault(uuid, [uuid])
            items += [tag] if tag else []
            items += [str(first) if first == last else f"{first}-{last}" for first, last in intervals]
        return ",".join(":".join(items) for items in parts.values())

    def union(self, other: Self) -> Self:
        """All transactions of either."""
        found = {origin: list(intervals) for origin, intervals in self.ranges}
        for origin, intervals in other.ranges:
            found.setdefault(origin, []).extend(intervals)
        return self._of(found)

    def difference(self, other: Self) -> Self:
        """The transactions that `other` lacks (the server's GTID_SUBTRACT)."""
        taken = dict(other.ranges)
        return self._of({origin: _subtract(intervals, taken.get(origin, ())) for origin, intervals in self.ranges})

    def contains(self, other: Self) -> bool:
        """True if every transaction of `other` is in this set (GTID_SUBSET with its arguments turned round)."""
        return not other.difference(self).ranges

    @property
    def count(self) -> int:
        """The number of transactions."""
        return sum(last - first + 1 for _, intervals in self.ranges for first, last in intervals)


def _parts(text: str) -> Iterator[str]:
    """What stands between the commas, if anything does."""
    return filter(None, (part.strip(_SPACE) for part in text.split(",")))


def _merge(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    merged: list[Interval] = []
    for first, last in sorted(pair for pair in intervals if pair[0] <= pair[1]):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def _subtract(intervals: tuple[Interval, ...], taken: tuple[Interval, ...]) -> list[Interval]:
    left: list[Interval] = []
    for first, last in intervals:
        start = first
        for low, high in taken:
            if high < start or low > last:
                continue
            left.append((start, low - 1))  # empty if it runs backwards; merging drops it
            start = high + 1
        left.append((start, last))
    return left


@dataclass(frozen=True, slots=True)
class MariadbPosition:
    """A MariaDB GTID position: the last GTID (server, sequence) of each domain. Sorted by domain.

    A domain is one stream, so a position that has reached a sequence number has reached all before it. Two servers that
    wrote to one domain on their own (an errant write) break that; then equal numbers do not mean equal histories.
    """

    last: tuple[tuple[int, tuple[int, int]], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse what `@@gtid_slave_pos` shows. Of several in one domain the furthest counts. Raises ValueError."""
        last: dict[int, tuple[int, int]] = {}
        for part in _parts(text):
            found = _MARIADB.fullmatch(part)
            numbers = tuple(int(number) for number in found.groups()) if found else ()
            if not numbers or any(number > most for number, most in zip(numbers, _MOST_OF_MARIADB, strict=True)):
                raise ValueError(f"not a GTID position: {part!r}")
            domain, server, sequence = numbers
            last[domain] = _further((server, sequence), last.get(domain))
        return cls(tuple(sorted(last.items())))

    def __str__(self) -> str:
        return ",".join(f"{domain}-{server}-{sequence}" for domain, (server, sequence) in self.last)

    def union(self, other: Self) -> Self:
        """The further one of each domain."""
        last = dict(self.last)
        for domain, gtid in other.last:
            last[domain] = _further(gtid, last.get(domain))
        return type(self)(tuple(sorted(last.items())))

    def difference(self, other: Self) -> Self:
        """The domains in which this position is ahead of `other`."""
        there = dict(other.last)
        return type(self)(tuple((domain, gtid) for domain, gtid in self.last if gtid[1] > there.get(domain, (0, 0))[1]))

    def contains(self, other: Self) -> bool:
        """True if this position has reached `other` in every domain."""
        return not other.difference(self).last

    def behind(self, other: Self) -> int:
        """How many sequence numbers `other` is ahead, summed over the domains."""
        here = dict(self.last)
        return sum(max(0, sequence - here.get(domain, (0, 0))[1]) for domain, (_, sequence) in other.last)


def last_of_servers(text: str) -> Mapping[tuple[int, int], int]:
    """The last number of each domain and server in what `@@gtid_binlog_state` (MariaDB) shows. Raises ValueError."""
    last: dict[tuple[int, int], int] = {}
    for part in _parts(text):
        ((domain, (server, number)),) = MariadbPosition.parse(part).last
        last[domain, server] = max(number, last.get((domain, server), 0))
    return last


def _further(new: tuple[int, int], known: tuple[int, int] | None) -> tuple[int, int]:
    return new if known is None or new[1] > known[1] else known


def reached(flavour: Flavour, position: str, target: str) -> bool:
    """True if a server at `position` has all of `target`; both as the flavour writes them. Raises ValueError."""
    if flavour is Flavour.MARIADB:
        return MariadbPosition.parse(position).contains(MariadbPosition.parse(target))
    return GtidSet.parse(position).contains(GtidSet.parse(target))


def canonical(flavour: Flavour, text: str) -> str:
    """The positions in a text as one, as the flavour writes it. Raises ValueError."""
    return str(MariadbPosition.parse(text) if flavour is Flavour.MARIADB else GtidSet.parse(text))


def of_origins(flavour: Flavour, position: str, named: str) -> str:
    """The part of a position that is of the origins (MariaDB: domains) which occur in `named`. Raises ValueError.

    A replica of several sources has others too, which move on while one channel stands still.
    """
    if flavour is Flavour.MARIADB:
        domains = dict(MariadbPosition.parse(named).last)
        return str(MariadbPosition(tuple(item for item in MariadbPosition.parse(position).last if item[0] in domains)))
    origins = {uuid for (uuid, _), _ in GtidSet.parse(named).ranges}
    return str(GtidSet(tuple(item for item in GtidSet.parse(position).ranges if item[0][0] in origins)))


def missing_count(flavour: Flavour, position: str, target: str) -> int:
    """How many transactions of `target` a server at `position` lacks. Raises ValueError."""
    if flavour is Flavour.MARIADB:
        return MariadbPosition.parse(position).behind(MariadbPosition.parse(target))
    return GtidSet.parse(target).difference(GtidSet.parse(position)).count
