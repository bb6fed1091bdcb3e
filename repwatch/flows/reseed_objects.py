"""Makes what a replica holds beside rows, from the source's definitions; and drops what stands in the way of that."""

from collections.abc import Collection, Sequence

from repwatch.errors import StatementRefused
from repwatch.model.schema import TableName
from repwatch.ports.database import Database
from repwatch.sql import definitions, reseed, rowcopy
from repwatch.sql.definitions import Definition, Kind
from repwatch.sql.late_keys import without_keys

ROUTINES = (Kind.PACKAGE, Kind.PACKAGE_BODY, Kind.FUNCTION, Kind.PROCEDURE)
# Made anew by every method: their definitions are small, and triggers would fire for the rows that are written.
_OTHERS = (Kind.EVENT, Kind.TRIGGER, Kind.VIEW, Kind.PROCEDURE, Kind.FUNCTION, Kind.PACKAGE, Kind.SEQUENCE)


class Maker:
    """Makes the source's objects with `writer`, which is set up by `rowcopy.loader_setup`.

    Tables in `large` are made without the keys that can be added later; `late_keys` has the statements that do it.
    """

    def __init__(self, writer: Database, items: Sequence[Definition], large: Collection[TableName] = ()) -> None:
        self._writer = writer
        self._items = items
        self._large = large
        self.late_keys: dict[TableName, str] = {}

    def make(self, *kinds: Kind, there: Collection[TableName] = ()) -> None:
        """All of these kinds, but for tables that are `there`."""
        for item in self._items:
            if item.kind in kinds and not (item.kind is Kind.TABLE and name_of(item) in there):
                self._create(item)

    def make_views(self) -> list[str]:
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

    def _create(self, item: Definition) -> None:
        writer = self._writer
        statement = item.statement
        if item.kind is Kind.EVENT:
            statement = definitions.event_on_replica(statement, writer.version)
        if item.kind is Kind.TABLE and name_of(item) in self._large:
            statement, self.late_keys[name_of(item)] = without_keys(statement, item.schema, item.name)
        if item.kind is not Kind.SCHEMA:
            writer.execute(definitions.use(item.schema))
        writer.execute(definitions.creation_setup(item))
        try:
            writer.execute(statement)
        finally:
            writer.execute(definitions.CREATION_RESET)
            for setting in rowcopy.loader_setup(writer.version):
                writer.execute(setting)

    def position_sequences(self, catalogue: Database) -> None:
        """Where the source's sequences are; it is read from the live source, and may be ahead, which is harmless."""
        for item in self._items:
            if item.kind is Kind.SEQUENCE:
                value = catalogue.scalar(definitions.next_of_sequence(item.schema, item.name))
                self._writer.execute(definitions.position_sequence(item.schema, item.name, int(value or 0)))

    def set_counters(self, theirs: Sequence[Definition]) -> None:
        """Give tables the source's next AUTO_INCREMENT value. `theirs`: their definitions on the replica as they are now."""
        ours = {name_of(item): definitions.counter_of(item.statement) for item in self._items if item.kind is Kind.TABLE}
        for item in theirs:
            if item.kind is Kind.TABLE and ours[name_of(item)] != definitions.counter_of(item.statement):
                self._writer.execute(definitions.set_counter(item.schema, item.name, ours[name_of(item)] or 1))


def clear_way(writer: Database, ours: Sequence[Definition], theirs: Sequence[Definition], same: Collection[TableName]) -> None:
    """Drop of `theirs` what `ours` has under that name, but for tables that are the `same`: these keep their rows.

    Schemas are kept and given the source's options.
    """
    wanted = {(item.kind, item.schema, item.name): item for item in ours}
    pairs = [(item, match) for item in theirs if (match := wanted.get((item.kind, item.schema, item.name)))]
    for kind in _OTHERS:
        for item, _ in pairs:
            if item.kind is kind:
                writer.execute(definitions.drop(kind, item.schema, item.name))
    for item, match in pairs:
        if item.kind is Kind.SCHEMA and match.statement != item.statement:
            writer.execute(definitions.alter_schema(match))
        elif item.kind is Kind.TABLE and name_of(item) not in same:
            writer.execute(definitions.drop(Kind.TABLE, item.schema, item.name))


def alike(ours: Sequence[Definition], theirs: Sequence[Definition]) -> set[TableName]:
    """Tables that both define alike, but for their counters."""
    wanted = {name_of(item): definitions.without_counters(item.statement) for item in ours if item.kind is Kind.TABLE}
    there = (item for item in theirs if item.kind is Kind.TABLE)
    return {name_of(item) for item in there if definitions.without_counters(item.statement) == wanted.get(name_of(item))}


def put_triggers_back(db: Database, triggers: Sequence[Definition]) -> None:
    """Make those that are gone; `db` may write on the replica, and nothing of it reaches the binary log. Safe to repeat."""
    there = {TableName(row["s"] or "", row["n"] or "") for row in db.texts(definitions.LIST_TRIGGERS)}
    if gone := [item for item in triggers if name_of(item) not in there]:
        for statement in (*rowcopy.loader_setup(db.version), reseed.set_trust_creators(on=True)):
            db.execute(statement)
        Maker(db, gone).make(Kind.TRIGGER)


def name_of(item: Definition) -> TableName:
    """Its schema and name."""
    return TableName(item.schema, item.name)
