"""Compares views, triggers, routines, events, sequences, schemas and accounts of a source and a replica."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from repwatch.drift.report import Effect, NotCompared, Reason, SchemaDifference
from repwatch.model.schema import ObjectKind, ObjectName, SchemaObject
from repwatch.sql.accounts import AUTHENTICATION, SALTED
from repwatch.sql.sight import Sight

_LONGEST: Final = 2000  # characters of a body that a report shows
_ENABLED: Final = "ENABLED"
_GRANTED_KINDS: Final = (ObjectKind.VIEW, ObjectKind.TRIGGER, ObjectKind.PROCEDURE, ObjectKind.EVENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """What one account sees on one server."""

    server: str
    found: Mapping[ObjectName, SchemaObject]
    sight: Sight

    def group(self, trigger: SchemaObject) -> frozenset[ObjectName]:
        """The triggers that fire at the same moment."""
        same = trigger.name.schema, _clause(trigger, "MOMENT")
        return frozenset(
            item.name
            for item in self.found.values()
            if item.name.kind is ObjectKind.TRIGGER and (item.name.schema, _clause(item, "MOMENT")) == same
        )


def object_differences(
    source: Objects, replica: Objects, wanted: Callable[[SchemaObject], bool], *, static: bool = False
) -> dict[ObjectName, tuple[SchemaDifference, ...]]:
    """By object. What one side may not see is left out: nothing is known of it. `static`: no side replicates from the other."""
    names = sorted({name for side in (source, replica) for name, item in side.found.items() if wanted(item)})
    found = {name: tuple(_differences(source, replica, name, static)) for name in names}
    return {name: differences for name, differences in found.items() if differences}


def not_compared(side: Objects, schemas: Collection[str], *, users: bool) -> Iterator[NotCompared]:
    """What of these schemas the account of one side may not see, whether or not there is anything to see."""
    unseen = [kind for kind in _GRANTED_KINDS if not all(side.sight.sees(kind, schema) for schema in schemas)]
    if users and not side.sight.sees(ObjectKind.ACCOUNT, "mysql"):
        unseen.append(ObjectKind.ACCOUNT)
    blank = {item.name.kind for item in side.found.values() if item.body is None and item.name.schema in schemas}
    for kind in sorted({*unseen, *blank}):
        yield NotCompared(what=kind.value, server=side.server, reason=Reason.HIDDEN, grant=side.sight.remedy(kind))


def _differences(source: Objects, replica: Objects, name: ObjectName, static: bool) -> Iterator[SchemaDifference]:
    ours, theirs = source.found.get(name), replica.found.get(name)
    if ours is not None and theirs is not None:
        yield from _changes(source, replica, ours, theirs, static)
        return
    there = ours or theirs
    lacking = source if ours is None else replica
    if there is None or not lacking.sight.sees(name.kind, name.schema or "mysql") or _orphaned(there, lacking):
        return
    before, after = (_whole(side) if side else None for side in (ours, theirs))
    yield SchemaDifference(name.kind.value, str(name), before, after, Effect.BEHAVIOUR)


def _orphaned(there: SchemaObject, lacking: Objects) -> bool:
    """True for grants of a missing account, and the value of a missing sequence: what it belongs to is told."""
    if there.name.kind is ObjectKind.GRANT:
        return ObjectName(ObjectKind.ACCOUNT, "", there.owner) not in lacking.found
    return there.name.kind is ObjectKind.SEQUENCE_VALUE


def _changes(
    source: Objects, replica: Objects, ours: SchemaObject, theirs: SchemaObject, static: bool
) -> Iterator[SchemaDifference]:
    what, name = ours.name.kind.value, str(ours.name)
    if None not in (ours.body, theirs.body) and ours.body != theirs.body:
        effect = Effect.NONE if ours.name.kind is ObjectKind.SEQUENCE_VALUE else Effect.BEHAVIOUR
        yield SchemaDifference(what, name, _cut(ours.body or ""), _cut(theirs.body or ""), effect)
    mine, other = dict(ours.clauses), dict(theirs.clauses)
    for clause in [clause for clause in mine if clause in other]:  # a clause that one flavour lacks says nothing
        before, after = mine[clause], other[clause]
        if clause == "STATUS":  # an event is disabled where its effects come by replication
            differ = after == _ENABLED if not static else (before == _ENABLED) != (after == _ENABLED)
        elif clause == "ORDER":
            differ = before != after and source.group(ours) == replica.group(theirs)
        else:
            differ = before != after
        if differ:
            yield _clause_difference(ours, theirs, clause)


def _clause_difference(ours: SchemaObject, theirs: SchemaObject, clause: str) -> SchemaDifference:
    what, name = ours.name.kind.value, str(ours.name)
    before, after = _clause(ours, clause), _clause(theirs, clause)
    if clause == AUTHENTICATION:
        plugin = _clause(ours, "PLUGIN")
        salted = plugin in SALTED and plugin == _clause(theirs, "PLUGIN")
        text = f"{clause} another stored password"
        return SchemaDifference(what, name, f"{clause} as stored there", text, Effect.NONE if salted else Effect.BEHAVIOUR)
    return SchemaDifference(what, name, f"{clause} {before}".strip(), f"{clause} {after}".strip(), Effect.BEHAVIOUR)


def _clause(item: SchemaObject, clause: str) -> str:
    return dict(item.clauses).get(clause, "")


def _whole(item: SchemaObject) -> str:
    """All of an object that is on one side only."""
    clauses = " ".join(f"{word} {text}" for word, text in item.clauses if text and word != AUTHENTICATION)
    return _cut(" ".join(part for part in (clauses, "(body not visible)" if item.body is None else item.body) if part)) or "there"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
