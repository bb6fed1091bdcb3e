"""Reads what servers have beside tables, and compares it in an order that means something, as `drift_definitions` does."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Final

from repwatch.drift.filters import Reach
from repwatch.drift.objects import Objects, not_compared, object_differences
from repwatch.drift.report import NotCompared, Reason, SchemaDifference
from repwatch.drift.rewrites import touched
from repwatch.drift.selection import is_tool_schema, matches_any
from repwatch.errors import PrivilegeMissing, ServerError, StatementRefused
from repwatch.flows.drift_catalogue import read_sight
from repwatch.flows.drift_reach import Halt, SourceLost, TableFailed, await_position, fall_reason, note_position, source_answer
from repwatch.flows.drift_world import CheckWorld
from repwatch.model.schema import ObjectKind, ObjectName, PartKind, SchemaObject, TableName
from repwatch.ports.database import Database
from repwatch.sql import accounts, schema_objects

_ROUNDS: Final = 3  # of reading again while definitions change on the source
Differences = dict[ObjectName, tuple[SchemaDifference, ...]]


@dataclass(frozen=True, kw_only=True)
class ObjectScope:
    """Which objects are compared. `schemas` None: all of the users'."""

    schemas: frozenset[str] | None
    exclude: tuple[str, ...] = ()
    users: bool = False

    def covers(self, schema: str) -> bool:
        """True if objects of the schema may be meant."""
        return not is_tool_schema(schema) and (self.schemas is None or schema in self.schemas)


@dataclass(frozen=True, kw_only=True)
class ObjectsResult:
    """What came out for one replica."""

    differences: tuple[SchemaDifference, ...] = ()
    not_compared: tuple[NotCompared, ...] = ()


def read_objects(db: Database, *, users: bool) -> Objects:
    """All objects of a server outside of the system schemas, as far as the account may see them."""
    found: list[SchemaObject] = []
    for reader in schema_objects.object_readers():
        found += reader.parse(db.texts(reader.statement))
    found += schema_objects.parse_routines(db.texts(schema_objects.ROUTINES), db.texts(schema_objects.PARAMETERS))
    if schema_objects.has_sequences(db.version):
        names = [(row["s"] or "", row["n"] or "") for row in db.texts(schema_objects.SEQUENCES)]
        for start in range(0, len(names), schema_objects.SEQUENCES_AT_ONCE):
            some = names[start : start + schema_objects.SEQUENCES_AT_ONCE]
            found += schema_objects.parse_sequences(db.texts(schema_objects.sequences_statement(some)))
    if users:
        found += _account_objects(db)
    return Objects(server=db.server, found={item.name: item for item in found}, sight=read_sight(db))


class ObjectsCheck:
    """Compares the objects of all standing replicas with those of the source."""

    def __init__(self, world: CheckWorld, scope: ObjectScope) -> None:
        self._world = world
        self._scope = scope
        self._unread: dict[int, list[NotCompared]] = {}
        self._source: Objects | None = None
        self._theirs: dict[int, Objects] = {}

    def run(self) -> dict[int, ObjectsResult]:
        """By the number of the replica; never raises. A replica that does not answer or does not catch up falls."""
        try:
            found = self._compared()
        except SourceLost:
            return {}  # the tables say so
        except TableFailed:
            address = str(self._world.source.spec.endpoint.address)
            unread = NotCompared(what="objects", server=address, reason=Reason.UNREADABLE)
            return {number: ObjectsResult(not_compared=(unread,)) for number in self._world.standing()}
        return {
            number: ObjectsResult(not_compared=tuple(self._of_other_flavour(number)))
            if self._world.is_foreign(number)
            else ObjectsResult(
                differences=tuple(item for name in sorted(found.get(number, {})) for item in found[number][name]),
                not_compared=tuple(self._hidden(number)),
            )
            for number in self._world.standing()
        }

    def _of_other_flavour(self, number: int) -> Iterator[NotCompared]:
        """The flavours say SQL modes, collations, bodies and options each in their own way."""
        address = str(self._world.replicas[number].target.server.endpoint.address)
        for what in ("objects", "CHECKs, partitions and options"):
            yield NotCompared(what=what, server=address, reason=Reason.OTHER_FLAVOUR)

    def _alike(self) -> list[int]:
        return [number for number in self._world.standing() if not self._world.is_foreign(number)]

    def _compared(self) -> dict[int, Differences]:
        read = partial(read_objects, users=self._scope.users)
        ours = self._world.source.lane.submit(read)
        asked = {number: self._world.replicas[number].lane.submit(read) for number in self._alike()}
        self._source = source_answer(ours)
        self._theirs = self._answers(asked)
        found = self._differences(self._source, self._theirs)
        if not any(found.values()):
            return {}
        return self._confirmed([number for number, differences in found.items() if differences])

    def _confirmed(self, numbers: list[int]) -> dict[int, Differences]:
        """What still differs on replicas that have reached the source's position, and did not change there meanwhile."""
        for _ in range(_ROUNDS):
            before, theirs, after = self._read_in_order(numbers)
            found = self._differences(before, theirs)
            moving = {name for name in {*before.found, *after.found} if before.found.get(name) != after.found.get(name)}
            # The value of a sequence in use moves all the time; it is told where it stands still.
            if self._world.cancelled() or not any(_definitions(differences) & moving for differences in found.values()):
                break
        for number, differences in found.items():
            address = str(self._world.source.spec.endpoint.address)
            for kind in sorted({name.kind.value for name in _definitions(differences) & moving}):
                self._unread.setdefault(number, []).append(NotCompared(what=kind, server=address, reason=Reason.SCHEMA_CHANGED))
        return {
            number: {name: items for name, items in differences.items() if name not in moving}
            for number, differences in found.items()
        }

    def _read_in_order(self, numbers: list[int]) -> tuple[Objects, dict[int, Objects], Objects]:
        world, users = self._world, self._scope.users

        def first(db: Database) -> tuple[Objects, str]:
            return read_objects(db, users=users), note_position(world, db)

        before, position = source_answer(world.source.lane.submit(first))

        def on_replica(db: Database, number: int) -> Objects:
            await_position(world, db, world.replicas[number], position)
            return read_objects(db, users=users)

        asked = {number: world.replicas[number].lane.submit(partial(on_replica, number=number)) for number in numbers}
        theirs = self._answers(asked)
        after = source_answer(world.source.lane.submit(lambda db: read_objects(db, users=users)))
        return before, theirs, after

    def _answers(self, asked: "Mapping[int, Future[Objects]]") -> dict[int, Objects]:
        found = {}
        for number, future in asked.items():
            replica = self._world.replicas[number]
            try:
                found[number] = future.result()
            except StatementRefused:
                address = str(replica.target.server.endpoint.address)
                self._unread[number] = [NotCompared(what="objects", server=address, reason=Reason.UNREADABLE)]
            except (ServerError, Halt) as error:
                replica.fallen = replica.fallen or fall_reason(error)
        return found

    def _differences(self, source: Objects, theirs: Mapping[int, Objects]) -> dict[int, Differences]:
        static = self._world.static
        return {
            number: object_differences(source, replica, partial(self._wanted, number), static=static)
            for number, replica in theirs.items()
        }

    def _wanted(self, number: int, item: SchemaObject) -> bool:
        """True if the object is in the scope and replicated to that replica."""
        if item.name.schema and not self._scope.covers(item.name.schema):
            return False
        if item.name.schema and matches_any(item.reach_name, self._scope.exclude):
            return False
        return not self._is_rewritten(number, item.name.schema) and self._world.reach(number, item.reach_name) is Reach.REPLICATED

    def _is_rewritten(self, number: int, schema: str) -> bool:
        """Views and the like name tables in their texts, which a rewrite leaves as they are."""
        filtering = self._world.replicas[number].filtering
        return touched(schema, filtering.channels, fold=filtering.fold)

    def _hidden(self, number: int) -> Iterator[NotCompared]:
        """What the accounts of the source and of one replica may not see."""
        yield from self._unread.get(number, [])
        replica = self._world.replicas[number]
        sides = ((self._source, self._world.source.tables), (self._theirs.get(number), replica.tables))
        schemas = {schema for side, tables in sides for schema in self._schemas(side, tables)}
        if any(self._is_rewritten(number, schema) for schema in schemas):
            address = str(replica.target.server.endpoint.address)
            yield NotCompared(what="objects of rewritten databases", server=address, reason=Reason.FILTERS_UNCLEAR)
        for side, _ in sides:
            if side is not None:
                yield from not_compared(side, schemas, users=self._scope.users)

    def unseen_parts(self, number: int) -> Iterator[NotCompared]:
        """What tables have that the accounts of the source and of one replica may not see. Known once the tables were read."""
        sides = (self._source, self._world.source), (self._theirs.get(number), self._world.replicas[number])
        for objects, side in sides:
            if objects is None or number not in self._theirs:
                continue
            if side.parts_unread:
                yield NotCompared(what="constraints and indexes", server=objects.server, reason=Reason.UNREADABLE)
            if side.parts_hidden:
                grant = objects.sight.remedy(ObjectKind.TRIGGER)
                yield NotCompared(what=PartKind.FOREIGN_KEY.value, server=objects.server, reason=Reason.HIDDEN, grant=grant)

    def _schemas(self, side: Objects | None, tables: Iterable[TableName]) -> Iterator[str]:
        for schema in {*(name.schema for name in side.found if name.schema), *(name.schema for name in tables)} if side else ():
            if self._scope.covers(schema):
                yield schema


def _definitions(differences: Differences) -> set[ObjectName]:
    return {name for name in differences if name.kind is not ObjectKind.SEQUENCE_VALUE}


def _account_objects(db: Database) -> Iterator[SchemaObject]:
    """Nothing where the account may not read them: `Sight` says so."""
    readers = accounts.account_readers(db.version)
    try:
        found = list(readers.accounts.parse(db.texts(readers.accounts.statement)))
        found += accounts.parse_grants([row for statement in readers.grants for row in db.texts(statement)])
    except PrivilegeMissing:
        return
    yield from found
