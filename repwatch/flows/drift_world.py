"""Who takes part in a check, and what is known of each: connections, identities, positions, and who fell out and why."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from repwatch.drift.filters import Filtering, Reach, reach
from repwatch.drift.progress import Behind
from repwatch.drift.report import Reason
from repwatch.drift.rewrites import Places, touched
from repwatch.drift.selection import matches_any
from repwatch.drift.settling import Trying
from repwatch.drift.throttle import Hold
from repwatch.drift.verdict import Events, Stillness
from repwatch.flows.drift_gauge import Gauge
from repwatch.flows.drift_lane import Lane
from repwatch.model.schema import TableName
from repwatch.model.server import ServerVersion
from repwatch.model.topology import ReplicaTarget, ServerSpec
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Database
from repwatch.sql.applied_events import Applied
from repwatch.sql.drift_position import ALL_SHOWN, Shown
from repwatch.sql.filters import NO_DATABASE_FILTERS, DatabaseFilters
from repwatch.sql.sight import Sight
from repwatch.sql.where import Condition

_LOOK_SECONDS: Final = 0.1
_WRITTEN_MOVES: Final = 2
_REST_SECONDS: Final = 1.0


class Watermark:
    """The source's position as last seen, and for how long it has not moved. Written by the source's lane alone."""

    def __init__(self) -> None:
        self.position = ""
        self.still: Stillness | None = None
        self._shown = ALL_SHOWN
        self._compared: tuple[str, float] | None = None  # the position to compare with, and when it was seen
        self._moves = 0
        self._moved: deque[float] = deque(maxlen=2)

    @property
    def shows_all(self) -> bool:
        """False if something in the log was last seen to wait to be shown."""
        return not self._shown.waits

    @property
    def written_to(self) -> bool:
        """True if it goes on moving: one look after another saw it moved, and none since saw it rest. A heartbeat is not that."""
        return self._moves >= _WRITTEN_MOVES

    def seen_since(self, moment: float) -> bool:
        """True if the position was looked at after this monotonic second."""
        return self.still is not None and self.still.until >= moment

    def quiet_since(self, moment: float) -> bool:
        """True if the position has not moved since this monotonic second."""
        return self.still is not None and self.still.since <= moment

    def moved_since(self, moment: float) -> bool:
        """True if it was seen to move twice after this monotonic second: one write alone proves nothing false."""
        return len(self._moved) == self._moved.maxlen and self._moved[0] >= moment

    def record(
        self, position: str, asked: float, answered: float, *, whole: bool | None = None, shown: Shown = ALL_SHOWN
    ) -> None:
        """Note a position, asked for and answered at these monotonic seconds.

        `whole`: whether it was seen to name all of the log; None: that was not looked at. `shown`: what the source was seen to
        show of its log before that. While a commit waits to be shown, and when it is, the source does not stand still.
        """
        stood = shown == self._shown and not shown.waits
        self._shown = shown
        if (still := self.still) is not None and position == self.position and stood:
            named, unnamed = asked if whole else still.named, asked if whole is False else still.unnamed
            self.still = Stillness(still.since, asked, named, unnamed)
        else:
            if self.still is not None:
                self._moved.append(answered)
            self.position, self.still = position, Stillness(answered, answered)
        self._count_move(answered)

    def _count_move(self, now: float) -> None:
        before = self._compared
        if before is not None and now < before[1] + _LOOK_SECONDS:
            return  # between two such looks even a busy source may stand
        self._compared = (self.position, now)
        if before is not None and before[0] != self.position:
            self._moves += 1
        elif not self.written_to or self.quiet_since(now - _REST_SECONDS):
            self._moves = 0


class AppliedWatch:
    """Since when a replica has applied no statement, as far as was seen. Written by its lane alone."""

    def __init__(self) -> None:
        self.began: float | None = None  # when it was first looked at
        self._seen: Applied | None = None
        self._session: Database | None = None
        self._since = 0.0

    def record(self, applied: Applied | None, session: Database, answered: float) -> None:
        """Note what it has applied, None if that is not told, as answered at this monotonic second.

        Over another session it may be another server's life, that began to count anew.
        """
        self.began = answered if self.began is None else self.began
        if applied is None or applied != self._seen or session is not self._session:
            self._seen, self._session, self._since = applied, session, answered

    def quiet_since(self, moment: float) -> bool:
        """True if nothing but row images was applied from this monotonic second to the last look."""
        return self._seen is not None and self._since <= moment


@dataclass(kw_only=True)
class SourceSide:
    """The source of a check, or the trusted replica that stands for it."""

    spec: ServerSpec
    lane: Lane
    version: ServerVersion
    server_id: int
    server_uuid: str
    events: Events
    tables: dict[TableName, str]  # all of them by name, with their engines
    sight: Sight  # what the account sees
    logged: DatabaseFilters = NO_DATABASE_FILTERS  # what it writes into its binary log
    watermark: Watermark = field(default_factory=Watermark)
    snapshots: dict[tuple[str, str], str | None] = field(default_factory=dict)  # last log coordinates, as GTIDs (MariaDB)
    tells_writes: bool = True  # its position moves with every write
    applies: bool = False  # it is a replica itself: its position is what it has applied, and others may be ahead of it
    tells_snapshots: bool = True  # a snapshot's exact position can be read
    filtering: Filtering = field(default_factory=Filtering)  # between it and its own source
    local_tables: tuple[str, ...] = ()
    parts_unread: bool = False  # of some of the tables that were looked at: the account is refused what they have beside columns
    parts_hidden: bool = False  # likewise: the account is shown only a part of it

    @property
    def tells_unnamed(self) -> bool:
        """True if it can be asked what is in its log and not in its position yet."""
        return not self.version.is_mariadb and not self.applies

    @property
    def tells_shown(self) -> bool:
        """True if its position leads, and it can be asked what of that its engine does not show yet."""
        return self.version.is_mariadb and not self.applies


@dataclass(kw_only=True)
class ReplicaSide:
    """One replica of a check. `fallen` says why it takes part no more."""

    target: ReplicaTarget
    lane: Lane
    version: ServerVersion | None = None
    server_uuid: str = ""
    sight: Sight | None = None  # what the account sees; None before it was asked
    tells_snapshots: bool = False  # a snapshot's exact position can be read (MariaDB, with SELECT on mysql.gtid_slave_pos)
    tables: dict[TableName, str] = field(default_factory=dict)  # all of them by their names on the source, with their engines
    filtering: Filtering = field(default_factory=Filtering)
    places: Places = field(default_factory=Places)  # of tables that lie under another name there
    channels: int = 1  # from different sources
    delay: float = 0.0  # seconds by which it is meant to be behind
    fallen: Reason | None = None
    as_of: str = ""  # the last position of the source that it was seen to have reached
    reached: tuple[int, str] = (0, "")  # the same, with the connection that saw it: a server that crashed may have lost it
    tells_writes: bool = False  # its position moves with every write; only asked where it is compared on its own
    watermark: Watermark = field(default_factory=Watermark)  # its own position, where that matters
    applied: AppliedWatch | None = None  # what it applies in the form of statements, where that can be asked (MySQL)
    behind: Behind | None = None  # while it is waited for; written by its lane
    parts_unread: bool = False  # as of the source
    parts_hidden: bool = False

    @property
    def address(self) -> str:
        """`host:port`, or the path of its socket."""
        return str(self.target.server.endpoint.address)


class OnePosition(Protocol):
    """What brings all servers of a check to one exact position (`flows/drift_stand.py`, `flows/drift_moment.py`).

    `decides`: nothing is read without it.
    """

    @property
    def decides(self) -> bool: ...

    def shown_by(self, db: Database) -> str | None:
        """The position that this session shows; None if it shows the present."""
        ...

    @property
    def moves(self) -> bool:
        """True if the source is written to while it is not held there."""
        ...

    @property
    def tired(self) -> bool:
        """True once it should be given up."""
        ...

    @property
    def due(self) -> bool:
        """True if it should be taken before more is read."""
        ...

    def take(self) -> None:
        """Bring them there, or try to. Raises SourceLost."""
        ...

    def spoil(self) -> bool:
        """A table was altered since: it should be given up. False if that was known, or it is given up already."""
        ...

    def drop(self) -> None:
        """Let them show the present again."""
        ...


@dataclass(kw_only=True)
class CheckWorld:
    """Everything that the parts of a check share."""

    source: SourceSide
    replicas: tuple[ReplicaSide, ...]
    clock: Clock
    cancelled: Callable[[], bool]
    settle_seconds: float
    reach_seconds: float  # how long a replica may take to reach a position, beside its intended delay
    gauge: Gauge
    condition: Condition | None = None
    strict: bool = False  # differences of definitions that touch no data count too
    delay: float = 0.0  # of the replicas, all of which have the same
    locks: Connect | None = None  # opens sessions that lock hot rows for moments, where that was asked for
    stand: OnePosition | None = None  # where all servers are read at one position
    static: bool = False  # there is no replication between the servers: no positions, no filters

    @property
    def trying(self) -> Trying:
        """How long rows in doubt are tried: a round lasts as long as the replica is behind, intended or not."""
        return Trying(seconds=self.settle_seconds, reach=self.delay + self.reach_seconds)

    def is_foreign(self, number: int) -> bool:
        """True if the replica is of the other flavour, which spells some definitions differently."""
        version = self.replicas[number].version
        return version is not None and version.flavour is not self.source.version.flavour

    @property
    def by_both(self) -> bool:
        """True if the replica may change before the source does, so that the source's standing still says half of it."""
        return self.static or self.source.applies

    @property
    def standstill(self) -> Stillness | None:
        """For how long nothing happened that makes two sides equal for a moment. A replica that stands may be behind."""
        return None if self.source.applies else self.source.watermark.still

    def settled(self, number: int) -> Stillness | None:
        """For how long nothing could make a replica equal for a moment; two servers without replication count both."""
        return self.still(number) if self.static else self.standstill

    def still(self, number: int) -> Stillness | None:
        """For how long nothing moved on either side: what then differs does so by itself."""
        source, replica = self.source.watermark.still, self.replicas[number].watermark.still
        if not self.by_both:
            return source
        if source is None or replica is None:
            return None
        return Stillness(max(source.since, replica.since), min(source.until, replica.until))

    def reach(self, number: int, name: TableName) -> Reach:
        """Whether a table is replicated to a replica; the replica's own tables are not."""
        replica, source = self.replicas[number], self.source
        if matches_any(replica.places.of(name), replica.target.server.local_tables):
            return Reach.FILTERED
        there = Reach.UNCLEAR if name in replica.places.unclear else reach(name, replica.filtering, source.events)
        if there is not Reach.REPLICATED or not source.applies:
            return there
        if any(touched(name.schema, way.channels, fold=way.fold) for way in (replica.filtering, source.filtering)):
            return Reach.UNCLEAR
        # What a trusted replica does not get itself cannot be compared with it.
        own = matches_any(name, source.local_tables) or reach(name, source.filtering, source.events) is not Reach.REPLICATED
        return Reach.UNCLEAR if own else Reach.REPLICATED

    def identities(self, numbers: Iterable[int]) -> list[str]:
        """Which servers these are: numbers alone mean others in another pass over the same tables."""
        chosen = [(number, self.replicas[number]) for number in sorted(numbers)]
        replicas = [f"{number} {replica.address} {replica.target.channel} {replica.server_uuid}" for number, replica in chosen]
        return [f"{self.source.spec.endpoint.address} {self.source.server_id} {self.source.server_uuid}", *replicas]

    def standing(self) -> list[int]:
        """The numbers of the replicas that still take part."""
        return [number for number, replica in enumerate(self.replicas) if replica.fallen is None]

    @property
    def gentle(self) -> bool:
        """True while others write to the source, unless somebody said how much of its time the check may take."""
        return self.gauge.adapts and self.source.watermark.written_to

    def hold(self) -> Hold | None:
        """Why nothing should be read for the moment. A replica whose lag cannot be waited for any more falls."""
        for number in self.standing():
            if self.replicas[number].address in self.gauge.lost:
                self.replicas[number].fallen = Reason.REPLICA_BEHIND
        taking_part = (self.replicas[number].address for number in self.standing())
        return self.gauge.hold({str(self.source.spec.endpoint.address), *taking_part})

    def behind(self) -> Behind | None:
        """The replica that has been waited for the longest, if any is."""
        found = [behind for number in self.standing() if (behind := self.replicas[number].behind) is not None]
        return max(found, key=lambda behind: behind.seconds, default=None)
