"""Goes through the tables of a load: those that the replica has alike are compared and rewritten, the others copied."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from repwatch.errors import StatementRefused
from repwatch.flows.drift_meet import read_tables
from repwatch.flows.reseed_copy import copy_rows
from repwatch.flows.reseed_definitions import read_table_definition
from repwatch.flows.reseed_differ import Differ, Sides, reading_of
from repwatch.flows.reseed_write import RowWriter
from repwatch.model.schema import Table, TableName
from repwatch.ports.clock import Clock
from repwatch.ports.database import Database
from repwatch.reseed.progress import Phase, Progress
from repwatch.sql import definitions, rowcopy, signature
from repwatch.sql.rowcopy import CopyTable

# Table gone, its definition changed since the snapshot, unknown column.
_CHANGED_ERRORS = {1054, 1146, 1412}


class SchemaChanged(Exception):
    """A definition changed on the source after the snapshot; `str()` says which."""


@dataclass(kw_only=True)
class Tables:
    """One pass over all tables. `definitions`: the CREATE statements at the snapshot, without counters."""

    source: Database  # a session of the snapshot
    catalogue: Database  # of the source, as it is now
    writer: Database
    release: Callable[[Database], None]  # gives metadata locks of the source back
    clock: Clock
    progress: Callable[[Progress], None]
    definitions: Mapping[TableName, str]
    _rows: int = field(default=0, init=False)  # compared or copied
    _total: int = field(default=0, init=False)  # an estimate
    _began: float = field(default=0.0, init=False)

    def run(self, tables: Sequence[CopyTable], same: Collection[TableName], sides: Sides | None) -> int:
        """The number of rows written. `same` are the replica's tables that hold rows; there are none without `sides`.

        Raises SchemaChanged where a definition changed on the source.
        """
        self._total = sum(copy.table.estimated_rows for copy in tables)
        self._began = self.clock.monotonic()
        self.source.execute(rowcopy.READ_RAW)
        layouts = read_tables(self.catalogue) if sides else {}
        if sides:
            for session in (sides.source, sides.target):
                session.execute(signature.no_cut())
        rows = RowWriter(self.writer)
        written = 0
        for copy in tables:
            name = copy.table.name
            self._tell(name, 0)
            try:
                if sides and name in same:
                    written += self._put_right(sides, layouts[name], copy, rows)
                else:
                    written += self._copy(copy, rows)
            except StatementRefused as error:
                if error.errno in _CHANGED_ERRORS and error.server == self.source.server:
                    raise SchemaChanged(f"of {name}") from None
                raise
            if read_table_definition(self.catalogue, name) != self.definitions[name]:
                raise SchemaChanged(f"of {name}")
            self.release(self.source)
        return written

    def _put_right(self, sides: Sides, layout: Table, copy: CopyTable, rows: RowWriter) -> int:
        """Rows without a name cannot be rewritten one by one: their table is copied whole, if it differs at all."""
        reading = reading_of(layout)
        if reading is not None:
            differ = Differ(sides, reading, copy, lambda count: self._tell(copy.table.name, count))
            if not reading.counted:
                differ.run()
                return differ.rewritten
            if differ.alike():
                return 0
        self.writer.execute(definitions.truncate(copy.table.name.schema, copy.table.name.table))
        return self._copy(copy, rows)

    def _copy(self, copy: CopyTable, rows: RowWriter) -> int:
        return copy_rows(self.source, rows, copy, lambda count: self._tell(copy.table.name, count))

    def _tell(self, name: TableName, rows: int) -> None:
        self._rows += rows
        seconds = self.clock.monotonic() - self._began
        total = max(self._total, self._rows)
        self.progress(Progress(phase=Phase.DATA, text=str(name), done=self._rows, total=total, seconds=seconds))
