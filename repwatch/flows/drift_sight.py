"""What a lane does for one piece of a table: read it on the source, or wait and read it on a replica."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from repwatch.drift.definitions import is_transactional
from repwatch.drift.verdict import STILL_MARGIN_EQUAL, Events
from repwatch.errors import StatementTimedOut
from repwatch.flows.drift_lane import Lane
from repwatch.flows.drift_reach import await_position, catch_up, note_applied, note_position, note_replica, received
from repwatch.flows.drift_world import CheckWorld
from repwatch.flows.ranges import cut, is_dense, parts, signatures
from repwatch.model.gtid import GtidSet, MariadbPosition, of_origins
from repwatch.model.server import Flavour
from repwatch.ports.database import Database
from repwatch.sql import drift_position as positions
from repwatch.sql import replication
from repwatch.sql import signature as sql
from repwatch.sql.keyrange import Key, KeyRange
from repwatch.sql.signature import Signature, TableReading

T = TypeVar("T")
LEAF_ROWS: Final = 2_000  # ranges up to here are read row by row
UNDIVIDED_ROWS: Final = 200_000  # … and up to here, where a table cannot be cut into ranges
_FRESH: Final = 0.1  # a look at the source's position so long ago need not be repeated before a reading
_SHOWS: Final = STILL_MARGIN_EQUAL + 0.01
_QUIET: Final = 1.0  # where the source stood still for so long it will most likely prove what a reading says by standing still
# BINLOG_GTID_POS reads a log from its start: a hundred megabytes take the source longer than several pieces do. Beyond this, only
# where the source stands still, and not for every other piece beside writers who pause for a moment.
_LOG_READ_LIMIT: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What is read: a range (or the first `rows` rows of it) by signatures or row by row, or rows by their keys."""

    piece: KeyRange = field(default_factory=KeyRange)
    parts: tuple[KeyRange, ...] = ()  # the ranges in it that are meant, each with a signature of its own; none: all of it
    keys: tuple[Key, ...] = ()
    by_row: bool = False
    prefix: str = ""  # of rows without a key: only those whose hashes begin so
    cut: bool = False  # True: only the first rows are meant, as many as the pace says …
    rows: int | None = None  # … or as many as this: a part of a piece that did not prove equal
    parted: bool = False  # the source finds parts to tell apart
    dense: bool = False  # the range before it used at least half of its possible keys
    replicas: frozenset[int] = frozenset()

    @property
    def ranges(self) -> tuple[KeyRange, ...]:
        """What is told apart."""
        return self.parts or (self.piece,)

    @property
    def narrows(self) -> bool:
        """True for a part of a piece that did not prove equal."""
        return self.by_row or self.rows is not None

    @property
    def holds_rows(self) -> bool:
        """True if every row of a range is read: more than of rows in doubt, which are few."""
        return self.by_row and not self.keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What one reading saw: signatures of ranges, or hashes of rows by key. `void`: it saw nothing that can be relied on."""

    signatures: Mapping[KeyRange, Signature] = field(default_factory=dict)
    rows: Mapping[Key, str] = field(default_factory=dict)
    void: bool = False
    overflow: Key | None = None  # there are more rows than may be read at once; where to cut
    started: float
    ended: float
    position: str = ""  # of the source after the reading
    named: bool = True  # the position surely names all that was read
    shows_all: bool = True  # on the source: nothing that the position names was seen to wait to be shown
    exact: str | None = None  # the exact position of the snapshot that was read, if the server tells
    coordinates: tuple[str, str] | None = None  # the same as a place in the source's binary log (MariaDB)
    applied: str = ""  # by the replica, after the reading
    stood: bool = False  # it was read where all servers show one position
    only_images: bool = False  # on the replica: it was seen to apply nothing but row images that the source did not show

    def nothing(self) -> "Sight":
        """What a server that could not be read saw of the same."""
        return Sight(void=True, started=self.started, ended=self.ended)

    def rows_in(self, piece: KeyRange) -> int:
        """How many rows a signature counted; 0 if it could not be taken."""
        return self.signatures.get(piece, sql.VOID).rows


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSight:
    """The source's reading, and the range it turned out to be."""

    unit: Unit
    sight: Sight
    rest: KeyRange | None  # what is left of the range
    read: int  # rows that were read, chosen by a condition or not
    dense: bool  # at least half of the range's possible keys are in use


_Reading = tuple[Mapping[KeyRange, Signature], Mapping[Key, str], Key | None]  # as in a Sight: signatures, rows, overflow


class Reader:
    """Reads one table on all servers. Its methods run in lanes.

    `decides_at_once`: one round proves what it shows, so that nothing has to be read again.
    """

    decides_at_once = False
    pinned = False  # it reads on the sessions that were pinned to its lanes, if there are any

    def __init__(self, world: CheckWorld, source: TableReading, replicas: Mapping[int, TableReading], *, exact: bool) -> None:
        self._world = world
        self.source = source
        self.replicas = replicas
        self._told = self._may_be_told()
        self._events = Events.COUNTED if source.counted else self._events_of_source()
        self.patient = not source.bounds  # it cannot be read in pieces
        # MySQL's position trails what the engine shows, as any does of what is not transactional; so does a replica's own.
        leads = world.source.version.is_mariadb and is_transactional(source.table.engine) and not world.source.applies
        self._trails = self._events is Events.STATEMENTS and not world.static and not leads
        # What no engine takes back is written at once, and logged when its statement ends.
        self.logged_first = world.source.tells_unnamed and not world.static and is_transactional(source.table.engine)
        self._undivided = UNDIVIDED_ROWS
        self._exact = exact  # all sides are MariaDB with a transactional engine: a snapshot knows its position

    @property
    def events(self) -> Events:
        """What the rounds of now are judged by."""
        return self._events

    def _may_be_told(self) -> bool:
        """True if it is seen on the replicas whether a session of the source, which logs row images itself, logs statements.

        A statement is seen when it ends, which is before its effect only within a transaction.
        """
        within = all(is_transactional(reading.table.engine) for reading in (self.source, *self.replicas.values()))
        return within and all(self._world.replicas[number].applied is not None for number in self.replicas)

    def _events_of_source(self) -> Events:
        """What replicates. On MySQL a session may log statements whatever the source's format is; replicas tell of what they ran.

        Where they do, a round without statements proves what it shows, and others may be of statements that undo each other.
        """
        source = self._world.source
        if source.version.is_mariadb or source.applies or self._world.static:
            return source.events
        return Events.UNDOING if self._told or source.events is not Events.ROW_IMAGES else Events.STATEMENTS

    def leave_snapshots(self) -> bool:
        """Read without any from now on, as the table is altered again and again; False if nothing is read so."""
        self.pinned = self._exact = False
        return True

    def submit(self, lane: Lane, task: Callable[[Database], T]) -> Future[T]:
        """Run a task of this table in a lane."""
        return lane.submit(task, patient=self.patient, pinned=self.pinned)

    def on_source(self, db: Database, unit: Unit, rows: int) -> SourceSight:
        """S1, with the position after it; the range is cut after `rows` rows if the unit says so."""
        source = self._world.source
        self._let_show()
        with self._turn(source.lane, unit):
            started = self._world.clock.monotonic()
            if not source.watermark.seen_since(started - _FRESH):
                note_position(self._world, db)
            piece, rest = (unit.piece, None) if not unit.cut else cut(db, self.source, unit.piece, rows, dense=unit.dense)
            found = parts(db, self.source, piece, rows) if unit.parted else ()
            settled = replace(unit, piece=piece, parts=found or unit.parts, cut=False, dense=False, parted=False)
            sight = self._look(db, self.source, settled, started)
        if self._trails and not sight.stood:
            sight = self._named_later(db, sight)
        chosen = sum(signature.rows for signature in sight.signatures.values()) or len(sight.rows)
        return SourceSight(
            unit=settled,
            sight=sight,
            rest=rest,
            read=rows if rest and self.source.where else chosen,
            dense=is_dense(self.source, piece, chosen) and not self.source.counted,  # without a key, one value has many rows
        )

    def _let_show(self) -> None:
        """At the beginning of a check, wait until the source shows what replicas had applied when that was first looked at."""
        if self._told:
            looks = (self._world.replicas[number].applied for number in self.replicas)
            shows = max((watch.began + _SHOWS for watch in looks if watch and watch.began is not None), default=0.0)
            self._world.clock.sleep(max(0.0, shows - self._world.clock.monotonic()))

    def _named_later(self, db: Database, sight: Sight) -> Sight:
        """The sight with a position that surely names what was read; where the source stands still, that will say enough.

        Not where something in its log has no name: standing still proves nothing then.
        """
        source = self._world.source.watermark
        told = not self.logged_first or (source.still is not None and source.still.names_all_to(sight.ended))
        if told and source.quiet_since(sight.started - _QUIET):
            return replace(sight, named=False)
        self._world.clock.sleep(STILL_MARGIN_EQUAL)
        return replace(sight, position=note_position(self._world, db))

    def on_source_again(self, db: Database, unit: Unit, seen: Sequence[Sight]) -> Sight:
        """S2. `seen`: R of each replica; a replica that stands for the source may have to catch up with them first."""
        before = ""
        if self._world.source.applies:
            for applied in {sight.applied for sight in seen}:
                before = catch_up(self._world, db, applied)
        with self._turn(self._world.source.lane, unit):
            if self._world.source.tells_shown:
                note_position(self._world, db)  # what waits now may be shown before the reading is over, and not in it
            sight = self.translate(db, self._look(db, self.source, unit, self._world.clock.monotonic()))
        return replace(sight, position=before) if before else sight

    def on_replica(self, db: Database, unit: Unit, number: int, first: Sight) -> Sight:
        """R, once the replica has reached the position of S1. Raises Halt where it does not."""
        replica = self._world.replicas[number]
        await_position(self._world, db, replica, first.position)
        with self._turn(replica.lane, unit):
            note_replica(self._world, db, replica)
            sight = self._look(db, self.replicas[number], unit, self._world.clock.monotonic(), like=first)
            note_replica(self._world, db, replica)
        # A source that stands still proves a reading by itself, and asking costs a millisecond and a half for each.
        if not self._told or replica.applied is None or self._world.source.watermark.quiet_since(first.started - _QUIET):
            return sight
        note_applied(self._world.clock, db, replica.applied)
        # From a little earlier than S1: what was applied before that, the source shows.
        return replace(sight, only_images=replica.applied.quiet_since(first.started - STILL_MARGIN_EQUAL))

    def _turn(self, lane: Lane, unit: Unit) -> AbstractContextManager[object]:
        """While the source is written to, servers of one machine are read one by one: all at once leave writers nothing."""
        brief = bool(unit.keys)
        return lane.turn() if self._world.gentle and not brief and not self.patient else nullcontext()

    def _look(self, db: Database, reading: TableReading, unit: Unit, started: float, like: Sight | None = None) -> Sight:
        """A reading on a replica is taken like that on the source, which it follows; without one it is on the source."""
        on_source, source = like is None, self._world.source
        exact = coordinates = None
        read = self._read_or_void if on_source else self._read
        # Of a signature the position matters only where an event may carry a difference on: see `verdict`.
        positioned = not self._world.static and (unit.by_row or self.events is not Events.ROW_IMAGES)
        showed = source.watermark.shows_all
        if self._in_snapshot(unit, started, like):
            db.execute(positions.SNAPSHOT)
            try:
                by_log = on_source and not source.applies
                coordinates = positions.parse_coordinates(db.texts(positions.SNAPSHOT_LOG)) if by_log else None
                exact = None if by_log else db.scalar(positions.SNAPSHOT_POSITION)
                found, rows, overflow = read(db, reading, unit)
            finally:
                db.execute(positions.END_SNAPSHOT)
            if coordinates:
                exact = source.snapshots.get(coordinates)
        else:
            found, rows, overflow = read(db, reading, unit)
        ended = self._world.clock.monotonic()
        position = note_position(self._world, db, closely=positioned) if on_source else ""
        applied = exact or ""
        if not on_source and positioned and exact is None:
            applied = received(db) if source.applies else db.scalar(replication.executed(db.version)) or ""
        return Sight(
            signatures=found, rows=rows, overflow=overflow, started=started, ended=ended, position=position, exact=exact,
            coordinates=coordinates, applied=applied, shows_all=not on_source or (showed and source.watermark.shows_all),
        )  # fmt: skip

    def _in_snapshot(self, unit: Unit, started: float, like: Sight | None) -> bool:
        """Whether to ask for the exact position of a reading: on a replica as on the source."""
        if like is not None:
            return like.coordinates is not None or like.exact is not None
        if not self._exact:
            return False
        source = self._world.source
        moves = source.applies or not source.watermark.quiet_since(started - _QUIET)
        return unit.by_row or (moves and self.events is not Events.ROW_IMAGES)

    def _read_or_void(self, db: Database, reading: TableReading, unit: Unit) -> _Reading:
        """On the source a signature that takes too long is void, and shorter ones follow. A replica's timeouts are counted."""
        try:
            return self._read(db, reading, unit)
        except StatementTimedOut:
            if unit.by_row:
                raise
            return dict.fromkeys(unit.ranges, sql.VOID), {}, None

    def _read(self, db: Database, reading: TableReading, unit: Unit) -> _Reading:
        if not unit.by_row:
            return signatures(db, reading, unit.ranges), {}, None
        if unit.keys:
            answer = db.query(sql.row_hashes_of(reading, unit.keys, unit.piece)).rows
            return {}, sql.parse_row_hashes(answer, reading), None
        # Many rows may have one value of the index, or of the beginning of a key that both sides order alike.
        limit = LEAF_ROWS if reading.parted else self._undivided
        answer = db.query(sql.row_hashes_in(reading, unit.ranges, limit + 1, unit.prefix)).rows
        rows = sql.parse_row_hashes(answer, reading)
        if len(answer) <= limit:
            return {}, rows, None
        if len(unit.ranges) > 1:  # each by itself will tell where
            return {}, rows, ()
        if reading.counted:
            answer = db.query(sql.bound(reading, unit.ranges[0], limit // 2)).rows if reading.bounds else [()]
            return {}, rows, sql.parse_key(answer[0], len(reading.bounds))
        return {}, rows, sql.parse_key(answer[limit // 2], len(reading.bounds))

    def translate(self, db: Database, sight: Sight) -> Sight:
        """The sight with its place in the source's log as GTIDs, where that can be had without reading a long log for nothing."""
        source, coordinates = self._world.source, sight.coordinates
        if coordinates is None or sight.exact:
            return sight
        seen_before = coordinates in source.snapshots
        if not seen_before:
            source.snapshots.clear()
            source.snapshots[coordinates] = None
        stands = seen_before and source.watermark.quiet_since(sight.ended - _QUIET)
        if source.snapshots[coordinates] is None and (stands or int(coordinates[1]) <= _LOG_READ_LIMIT):
            source.snapshots[coordinates] = db.scalar(positions.log_to_gtid(*coordinates))
        return replace(sight, exact=source.snapshots[coordinates])


def at_one_position(source: Sight, replica: Sight) -> bool:
    """True if both snapshots lie at the very same exact position."""
    if not source.exact or not replica.exact:
        return False
    return source.exact == replica.exact or MariadbPosition.parse(source.exact) == MariadbPosition.parse(replica.exact)


def is_ahead(flavour: Flavour, shown: Sight, replica: Sight, *, anything: bool) -> bool:
    """True if the replica had applied what the source does not show in `shown`: it may be seen there before it is seen here.

    `anything`: not only what comes of an origin that is known on the source.
    """
    if flavour is Flavour.MARIADB:
        if not shown.exact and not shown.shows_all:
            return True  # its position leads: it names what the replica may show and the source does not
        # A domain that the source has not even logged, as its position says that was read last, comes from another source.
        applied = replica.applied if anything else of_origins(flavour, replica.applied, shown.position)
        return not MariadbPosition.parse(shown.exact or shown.position).contains(MariadbPosition.parse(applied))
    there = GtidSet.parse(shown.position)
    origins = {origin for origin, _ in there.ranges}
    beyond = GtidSet.parse(replica.applied).difference(there)
    return any(anything or origin in origins for origin, _ in beyond.ranges)
