"""Compares what tables have beside columns, and the attributes of columns that no value shows."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from repwatch.drift.report import Effect, SchemaDifference
from repwatch.model.schema import Column, Part, PartKind, Table
from repwatch.sql.expression import canonical

# An ordinary index, a format or a comment changes no result; what a later statement does depends on the others.
_EFFECTS: Final = {
    PartKind.INDEX: Effect.NONE,
    PartKind.CHECK: Effect.BEHAVIOUR,
    PartKind.FOREIGN_KEY: Effect.BEHAVIOUR,
    PartKind.PARTITIONING: Effect.NONE,
    PartKind.VERSIONING: Effect.BEHAVIOUR,
    PartKind.COLLATION: Effect.BEHAVIOUR,
    PartKind.ROW_FORMAT: Effect.NONE,
    PartKind.OPTIONS: Effect.NONE,
    PartKind.COMMENT: Effect.NONE,
}

_PORTABLE: Final = frozenset({PartKind.INDEX, PartKind.FOREIGN_KEY})


def part_differences(source: Table, replica: Table) -> Iterator[SchemaDifference]:
    """Of two definitions of one table. What one of the accounts may not see, or was not read, is left out: nothing is known."""
    if source.parts is None or replica.parts is None:
        return
    ours, theirs = _by_name(source.parts), _by_name(replica.parts)
    for kind, name in sorted({*ours, *theirs}):
        mine, other = ours.get((kind, name)), theirs.get((kind, name))
        if any(part is not None and part.definition is None for part in (mine, other)):
            continue
        if kind is PartKind.ROW_FORMAT and source.engine.lower() != replica.engine.lower():
            continue  # formats of two engines cannot be compared, and the engine is a difference already
        before, after = (part.definition if part else None for part in (mine, other))
        if before != after:
            unique = kind is PartKind.INDEX and any((text or "").startswith("UNIQUE ") for text in (before, after))
            yield SchemaDifference(
                kind.value, name or str(source.name), before, after, Effect.BEHAVIOUR if unique else _EFFECTS[kind]
            )


def portable_parts(table: Table) -> Table:
    """The table with those parts alone that both flavours spell alike. MariaDB's CHECK of each JSON column is an example."""
    if table.parts is None:
        return table
    return replace(table, parts=tuple(part for part in table.parts if part.kind in _PORTABLE))


def hides_parts(table: Table) -> bool:
    """True if the account may not see all of the table's parts."""
    return any(part.definition is None for part in table.parts or ())


def order_difference(source: Table, replica: Table) -> Iterator[SchemaDifference]:
    """Row events name columns by their place: the same columns in another order get each other's values."""
    both = {column.name for column in source.columns} & {column.name for column in replica.columns}
    ours, theirs = (", ".join(column.name for column in table.columns if column.name in both) for table in (source, replica))
    if ours != theirs:
        yield SchemaDifference("column-order", str(source.name), ours, theirs, Effect.BEHAVIOUR)


def attribute_differences(ours: Column, theirs: Column) -> Iterator[SchemaDifference]:
    """Default, AUTO_INCREMENT, ON UPDATE, visibility, versioning, comment."""
    if _default(ours) != _default(theirs):
        yield SchemaDifference("default", ours.name, ours.default, theirs.default, Effect.BEHAVIOUR)
    mine, other = _attributes(ours), _attributes(theirs)
    for what in sorted({*mine, *other}):
        if mine.get(what) != other.get(what):
            yield SchemaDifference(what, ours.name, mine.get(what), other.get(what), Effect.BEHAVIOUR)
    if ours.comment != theirs.comment:
        yield SchemaDifference("comment", ours.name, ours.comment or None, theirs.comment or None, Effect.NONE)


def _by_name(parts: tuple[Part, ...]) -> dict[tuple[PartKind, str], Part]:
    return {(part.kind, part.name): part for part in parts}


def _default(column: Column) -> str | None:
    if column.default is None or column.default.startswith("'"):
        return column.default
    return canonical(column.default)


def _attributes(column: Column) -> dict[str, str]:
    """What EXTRA says, by `what`. Generated columns are compared with their expressions."""
    found = {}
    if "auto_increment" in column.extra:
        found["auto-increment"] = "AUTO_INCREMENT"
    if update := re.search(r"on update (\w+)(?:\(\))?(\(\d\))?", column.extra):
        found["on-update"] = f"ON UPDATE {update[1].upper()}{update[2] or ''}"
    if re.search(r"\binvisible\b", column.extra):
        found["invisible"] = "INVISIBLE"
    if "without system versioning" in column.extra:
        found["system-versioning"] = "WITHOUT SYSTEM VERSIONING"
    return found
