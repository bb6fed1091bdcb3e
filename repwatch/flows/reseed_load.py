"""Makes a held replica's schemas and rows those of one snapshot of the source: all of them, or some tables."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass

from repwatch.errors import Refused
from repwatch.flows.openings import open_all
from repwatch.flows.reseed_definitions import fingerprint, read_copy_tables, read_definitions, read_present
from repwatch.flows.reseed_differ import Sides
from repwatch.flows.reseed_objects import ROUTINES, Maker, alike, clear_way, name_of
from repwatch.flows.reseed_quarantine import set_aside
from repwatch.flows.reseed_tables import Line, SchemaChanged, Tables
from repwatch.flows.snapshot import Snapshot, take_held_snapshot, take_snapshot
from repwatch.model.endpoint import Endpoint
from repwatch.model.schema import TableName
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Database, Timeouts
from repwatch.reseed.method import Method
from repwatch.reseed.pieces import worth_cutting
from repwatch.reseed.progress import Phase, Progress
from repwatch.sql import definitions, repair, rowcopy
from repwatch.sql.definitions import Definition, Kind
from repwatch.sql.reseed import MARKER_SCHEMA
from repwatch.sql.rowcopy import CopyTable

_PATIENT = Timeouts(connect=10.0, read=3600.0)  # a catalogue of many tables, a piece of a busy one
_LARGE = 10_000  # rows: below, building keys later costs more than it saves
_LINES = 4  # tables or pieces that are copied at the same time; beyond that one of the servers, or Python, is the limit
_ATTEMPTS = 3  # a schema change during the copy starts it anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a load works with. `writer` is set up by `rowcopy.loader_setup`."""

    source: Endpoint
    writer: Database
    connect: Connect
    clock: Clock
    progress: Callable[[Progress], None]
    keep: Callable[[str], bool]  # schemas of the replica's own
    method: Method
    tables: frozenset[TableName]  # of Method.TABLE
    donor: Callable[[], AbstractContextManager[None]] | None  # holds `source`, a replica, while the snapshot is taken
    begin: Callable[[str], None]  # called with the snapshot's position before the first change
    tear: Callable[[], None]  # called before rows go that do not come back with the same transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The snapshot's position, how many rows were written, and the objects that could not be made, with the server's words."""

    position: str
    rows: int
    broken: tuple[str, ...]


def load(job: Load) -> Loaded:
    """Do it. Raises Refused when the source's definitions change each time it is tried."""
    for _ in range(_ATTEMPTS):
        try:
            return _attempt(job)
        except SchemaChanged as change:
            last = str(change)
    raise Refused(
        f"the schemas of {job.source} changed during each of {_ATTEMPTS} copies, the last time {last}",
        hint="the replica stays marked as half loaded; run it again when the schema changes have ended",
    )


def _attempt(job: Load) -> Loaded:
    with ExitStack() as opened:
        catalogue = opened.enter_context(_reader(job, job.source))
        items, tables = _read_source(job, catalogue)
        job.progress(Progress(phase=Phase.SNAPSHOT))
        names = [copy.table.name for copy in tables]
        sessions = _sessions(tables) if job.method is Method.LOGICAL else 1
        with job.donor() if job.donor else nullcontext():
            snapshot = opened.enter_context(_snapshot(job, names, sessions))
        # Equal before and after: nothing was changed in the moment of the snapshot either. An old read view shows a
        # column that was added instantly after it, without an error (MariaDB 10.11), so errors alone prove nothing.
        items_now, tables_now = _read_source(job, catalogue)
        if fingerprint(items_now) != fingerprint(items) or [copy.table.name for copy in tables_now] != names:
            raise SchemaChanged("while the snapshot was taken")
        job.begin(snapshot.position)
        return _Loading(job=job, catalogue=catalogue, snapshot=snapshot, items=items_now, tables=tables, opened=opened).run()


def _snapshot(job: Load, names: Sequence[TableName], sessions: int) -> Snapshot:
    if job.donor:
        return take_held_snapshot(job.connect, job.source, clock=job.clock, sessions=sessions)
    return take_snapshot(job.connect, job.source, names, clock=job.clock, sessions=sessions)


def _sessions(tables: Sequence[CopyTable]) -> int:
    """As many as there is work for at the same time."""
    if any(worth_cutting(copy.table.estimated_rows) for copy in tables):
        return _LINES
    return max(1, min(_LINES, len(tables)))


def _reader(job: Load, endpoint: Endpoint) -> Database:
    """A session that reads definitions."""
    db = job.connect(endpoint, _PATIENT)
    for statement in definitions.reader_setup(db.version):
        db.execute(statement)
    return db


def _read_source(job: Load, db: Database) -> tuple[tuple[Definition, ...], list[CopyTable]]:
    tables = read_copy_tables(db)
    return _concerned(job, db, read_definitions(db)), [
        copy for copy in tables if job.method is not Method.TABLE or copy.table.name in job.tables
    ]


def _concerned(job: Load, db: Database, items: tuple[Definition, ...]) -> tuple[Definition, ...]:
    """Those objects of a server that are made or replaced: of single tables, these and their triggers."""
    if job.method is not Method.TABLE:
        return tuple(item for item in items if item.schema != MARKER_SCHEMA and not job.keep(item.schema))
    listed = db.texts(repair.triggers(sorted(job.tables)))
    triggers = {TableName(row["s"] or "", row["name"] or "") for row in listed}
    wanted = {Kind.TABLE: job.tables, Kind.TRIGGER: triggers}
    return tuple(item for item in items if name_of(item) in wanted.get(item.kind, ()))


@dataclass(frozen=True, kw_only=True)
class _Loading:
    """One attempt, from dropping old data to the last event. `opened` closes the sessions that it opens."""

    job: Load
    catalogue: Database
    snapshot: Snapshot
    items: tuple[Definition, ...]
    tables: Sequence[CopyTable]
    opened: ExitStack

    def run(self) -> Loaded:
        """All of it."""
        maker = Maker(self.job.writer, self.items, self._large())
        theirs = _reader(self.job, self.job.writer.endpoint)
        self.opened.enter_context(theirs)
        same = self._clear_way(theirs)
        maker.make(Kind.SEQUENCE, Kind.TABLE, there=same)
        maker.position_sequences(self.catalogue)
        written = self._load_rows(same, maker.late_keys)
        self.job.progress(Progress(phase=Phase.OBJECTS))
        if same:
            maker.set_counters(self._there(theirs))
        maker.make(*ROUTINES)
        broken = maker.make_views()
        maker.make(Kind.TRIGGER, Kind.EVENT)
        return Loaded(position=self.snapshot.position, rows=written, broken=tuple(broken))

    def _clear_way(self, theirs: Database) -> set[TableName]:
        """Put aside what only the replica has, drop what is not wanted, make the schemas; the tables that keep their rows."""
        writer, there = self.job.writer, self._there(theirs)
        if set_aside(writer, theirs, self.items, there):
            there = self._there(theirs)  # foreign keys of other tables have followed what was moved
        schemas = [item.schema for item in there if item.kind is Kind.SCHEMA]
        same = alike(self.items, there)
        if any(item.kind is Kind.TABLE and name_of(item) not in same for item in self.items):
            self.job.tear()
        if self.job.method is not Method.LOGICAL:
            clear_way(writer, self.items, there, same)
        else:
            same = set()
            while schemas:
                writer.execute(definitions.drop_schema(schemas.pop()))
        new = [item for item in self.items if item.kind is Kind.SCHEMA and item.schema not in schemas]
        Maker(writer, new).make(Kind.SCHEMA)
        return same

    def _there(self, theirs: Database) -> tuple[Definition, ...]:
        return _concerned(self.job, theirs, read_present(theirs))

    def _large(self) -> set[TableName]:
        """Tables whose keys are worth adding late; not those whose keys the foreign keys of others need."""
        rows = self.catalogue.texts(definitions.LIST_FOREIGN_KEYS)
        referenced = {TableName(row["rs"] or "", row["rn"] or "") for row in rows}
        return {copy.table.name for copy in self.tables if copy.table.estimated_rows >= _LARGE} - referenced

    def _load_rows(self, same: set[TableName], late_keys: Mapping[TableName, str]) -> int:
        job = self.job
        definitions_now = {
            name_of(item): definitions.without_counters(item.statement) for item in self.items if item.kind is Kind.TABLE
        }
        loading = Tables(
            lines=[Line(*pair) for pair in zip(self.snapshot.sessions, self._writers(), strict=True)],
            catalogue=self.catalogue,
            release=self.snapshot.release_metadata_locks,
            clock=job.clock,
            progress=job.progress,
            definitions=definitions_now,
            late_keys=late_keys,
        )
        with ThreadPoolExecutor(1) as lane:
            sides = self._sides(lane) if same else None
            return loading.run(self.tables, same, sides)

    def _writers(self) -> Iterator[Database]:
        """One for each session of the snapshot, the first being the one that makes all else."""
        yield self.job.writer
        for writer in self._open_writers(len(self.snapshot.sessions) - 1):
            for statement in rowcopy.loader_setup(writer.version):
                writer.execute(statement)
            yield writer

    def _open_writers(self, count: int) -> tuple[Database, ...]:
        return open_all(self.job.connect, self.job.writer.endpoint, _PATIENT, count, self.opened)

    def _sides(self, lane: ThreadPoolExecutor) -> Sides:
        """Further sessions on the replica: one reads while the other writes rows, with all unique keys watched."""
        writer, target = self._open_writers(2)
        for statement in repair.writer_setup(writer.version):
            writer.execute(statement)
        source, clock = self.snapshot.sessions[0], self.job.clock
        return Sides(source=source, target=target, lane=lane, writer=writer, clock=clock, tear=self.job.tear)
