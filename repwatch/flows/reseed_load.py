"""Copies everything from one snapshot of the source into the (emptied) replica."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from repwatch.errors import Refused, StatementRefused
from repwatch.flows.reseed_definitions import fingerprint, read_copy_tables, read_definitions, read_table_definition
from repwatch.flows.snapshot import Snapshot, take_snapshot
from repwatch.model.endpoint import Endpoint
from repwatch.model.schema import TableName
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Database, Row, Timeouts
from repwatch.reseed.progress import Phase, Progress
from repwatch.sql import definitions, rowcopy
from repwatch.sql.definitions import Definition, Kind
from repwatch.sql.reseed import MARKER_SCHEMA
from repwatch.sql.rowcopy import CopyTable

_PATIENT = Timeouts(connect=10.0, read=600.0)  # a catalogue of many tables
_ATTEMPTS = 3  # a schema change during the copy starts it anew
_CHUNK_BYTES = 4_000_000
_FIRST_CHUNK_ROWS = 100  # the server's average may be wrong or missing, so the first rows are measured
_CHUNK_ROWS = (20, 10_000)
_STATEMENT_CHARACTERS = 1_000_000
# Table gone, its definition changed since the snapshot, unknown column.
_CHANGED_ERRORS = {1054, 1146, 1412}


class SchemaChanged(Exception):
    """A definition changed on the source after the snapshot; `str()` says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a load works with. `schemas` are those to drop; `writer` is set up by `rowcopy.loader_setup`."""

    source: Endpoint
    writer: Database
    connect: Connect
    clock: Clock
    progress: Callable[[Progress], None]
    keep: Callable[[str], bool]  # schemas of the replica's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The snapshot's position, how many rows were copied, and the objects that could not be made, with the server's words."""

    position: str
    rows: int
    broken: tuple[str, ...]


def load(job: Load) -> Loaded:
    """Replace all user schemas. Raises Refused when the source's definitions change each time it is tried."""
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
    with job.connect(job.source, _PATIENT) as catalogue:
        for statement in definitions.reader_setup(catalogue.version):
            catalogue.execute(statement)
        items = read_definitions(catalogue)
        tables = read_copy_tables(catalogue)
        job.progress(Progress(phase=Phase.SNAPSHOT))
        with take_snapshot(job.connect, job.source, [copy.table.name for copy in tables], clock=job.clock) as snapshot:
            # Equal before and after: nothing was changed in the moment of the snapshot either. An old read view shows a
            # column that was added instantly after it, without an error (MariaDB 10.11), so errors alone prove nothing.
            items_now = read_definitions(catalogue)
            if fingerprint(items_now) != fingerprint(items) or read_copy_tables_names(catalogue) != _names(tables):
                raise SchemaChanged("while the snapshot was taken")
            return _Copy(job, catalogue, snapshot, items_now, tables).run()


def read_copy_tables_names(db: Database) -> list[TableName]:
    """The names of all base tables."""
    return _names(read_copy_tables(db))


def _names(tables: Sequence[CopyTable]) -> list[TableName]:
    return [copy.table.name for copy in tables]


class _Copy:
    """One attempt, from dropping the old data to the last event."""

    def __init__(
        self,
        job: Load,
        catalogue: Database,
        snapshot: Snapshot,
        items: tuple[Definition, ...],
        tables: tuple[CopyTable, ...],
    ) -> None:
        self._job = job
        self._catalogue = catalogue
        self._snapshot = snapshot
        self._items = items
        self._tables = tables
        self._reader = snapshot.sessions[0]
        self._rows = 0
        self._began = 0.0
        self._packet = int(job.writer.scalar("SELECT @@GLOBAL.max_allowed_packet") or 0)

    def run(self) -> Loaded:
        self._drop_old()
        self._reader.execute(rowcopy.READ_RAW)
        self._make(Kind.SCHEMA, Kind.SEQUENCE, Kind.TABLE)
        self._position_sequences()
        self._began = self._job.clock.monotonic()
        total = sum(copy.table.estimated_rows for copy in self._tables)
        for copy in self._tables:
            self._copy_table(copy, total)
        self._job.progress(Progress(phase=Phase.OBJECTS))
        self._make(Kind.PACKAGE, Kind.PACKAGE_BODY, Kind.FUNCTION, Kind.PROCEDURE)
        broken = self._make_views()
        self._make(Kind.TRIGGER, Kind.EVENT)
        return Loaded(position=self._snapshot.position, rows=self._rows, broken=tuple(broken))

    def _drop_old(self) -> None:
        for row in self._job.writer.texts(definitions.LIST_SCHEMAS):
            schema = row["SCHEMA_NAME"] or ""
            if schema != MARKER_SCHEMA and not self._job.keep(schema):
                self._job.writer.execute(definitions.drop_schema(schema))

    def _make(self, *kinds: Kind) -> None:
        for item in self._items:
            if item.kind in kinds:
                self._create(item)

    def _create(self, item: Definition) -> None:
        writer = self._job.writer
        statement = item.statement
        if item.kind is Kind.EVENT:
            statement = definitions.event_on_replica(statement, writer.version)
        if item.kind is not Kind.SCHEMA:
            writer.execute(definitions.use(item.schema))
        writer.execute(definitions.creation_setup(item))
        try:
            writer.execute(statement)
        finally:
            writer.execute(definitions.CREATION_RESET)
            for setting in rowcopy.loader_setup(writer.version):
                writer.execute(setting)

    def _make_views(self) -> list[str]:
        """Views may stand on views: go on as long as another one can be made. What is left is broken on the source too."""
        left = [item for item in self._items if item.kind is Kind.VIEW]
        while left:
            failed: list[tuple[Definition, str]] = []
            for item in left:
                try:
                    self._create(item)
                except StatementRefused as error:
                    failed.append((item, str(error)))
            if len(failed) == len(left):
                return [f"{item}: {text}" for item, text in failed]
            left = [item for item, _ in failed]
        return []

    def _position_sequences(self) -> None:
        for item in self._items:
            if item.kind is Kind.SEQUENCE:
                value = self._catalogue.scalar(definitions.next_of_sequence(item.schema, item.name))
                self._job.writer.execute(definitions.position_sequence(item.schema, item.name, int(value or 0)))

    def _copy_table(self, copy: CopyTable, total: int) -> None:
        name = copy.table.name
        self._report(name, total)
        expected = self._definition_of(name)
        try:
            for rows in self._chunks(copy):
                self._insert(copy, rows)
                self._rows += len(rows)
                self._report(name, total)
        except StatementRefused as error:
            if error.errno in _CHANGED_ERRORS and error.server == self._reader.server:
                raise SchemaChanged(f"of {name}") from None
            raise
        if read_table_definition(self._catalogue, name) != expected:
            raise SchemaChanged(f"of {name}")
        self._snapshot.release_metadata_locks(self._reader)

    def _definition_of(self, name: TableName) -> str:
        return next(
            definitions.without_counters(item.statement)
            for item in self._items
            if item.kind is Kind.TABLE and (item.schema, item.name) == (name.schema, name.table)
        )

    def _report(self, name: TableName, total: int) -> None:
        seconds = self._job.clock.monotonic() - self._began
        self._job.progress(
            Progress(phase=Phase.DATA, text=str(name), done=self._rows, total=max(total, self._rows), seconds=seconds)
        )

    def _chunks(self, copy: CopyTable) -> Iterator[list[Row]]:
        if not copy.chunk_key:
            yield from _batches(self._reader.stream(rowcopy.read_chunk(copy, None, 0)), _FIRST_CHUNK_ROWS)
            return
        places = [copy.columns.index(name) for name in copy.chunk_key]
        after: list[bytes | None] | None = None
        limit = _FIRST_CHUNK_ROWS
        while True:
            rows = self._reader.query(rowcopy.read_chunk(copy, after, limit)).rows
            if rows:
                yield rows
            if len(rows) < limit:
                return
            after = [rows[-1][place] for place in places]
            limit = min(max(_CHUNK_BYTES * len(rows) // _size(rows), _CHUNK_ROWS[0]), _CHUNK_ROWS[1])

    def _insert(self, copy: CopyTable, rows: list[Row]) -> None:
        head = rowcopy.insert_head(copy)
        makers = rowcopy.literals(copy, self._job.writer.version)
        parts: list[str] = []
        size = 0
        room = min(_STATEMENT_CHARACTERS, self._packet // 4)  # a character of ours may be four bytes
        for row in rows:
            if _size([row]) > room and rowcopy.takes_parameters(copy):
                self._write(rowcopy.insert_one(copy, row, self._job.writer.version), row)
                continue
            text = "(" + ",".join([make(value) for make, value in zip(makers, row, strict=True)]) + ")"
            if parts and size + len(text) > room:
                self._write(head + ",".join(parts))
                parts, size = [], 0
            parts.append(text)
            size += len(text) + 1
        if parts:
            self._write(head + ",".join(parts))

    def _write(self, statement: str, values: Row = ()) -> None:
        writer = self._job.writer
        writer.execute(statement, [value for value in values if value is not None])
        bad = [text for code, text in writer.warnings() if code not in rowcopy.HARMLESS_WARNINGS]
        if bad:
            raise StatementRefused(f"a value was not stored as it is: {bad[0]}", server=writer.server)


def _size(rows: Sequence[Row]) -> int:
    """Bytes of their values, at least 1."""
    return sum(len(value) for row in rows for value in row if value is not None) or 1


def _batches(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch
