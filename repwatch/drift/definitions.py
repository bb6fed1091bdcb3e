"""Compares the definitions of a table on source and replica, and says what that means for comparing its rows."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from repwatch.drift.parts import attribute_differences, order_difference, part_differences
from repwatch.drift.report import Effect, Reason, SchemaDifference
from repwatch.model.schema import Column, Table
from repwatch.sql.encoding import BINARY, TEXTUAL, Kind, is_compared, kind_of
from repwatch.sql.expression import canonical

_UTF8 = frozenset({"utf8", "utf8mb3", "utf8mb4"})
_WORST_FIRST = (Effect.DATA, Effect.BEHAVIOUR, Effect.NONE)
_TRANSACTIONAL = frozenset({"innodb", "rocksdb", "tokudb"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What of a table can be compared. `refusal` says why nothing can."""

    differences: tuple[SchemaDifference, ...]
    columns: tuple[str, ...]
    convert: frozenset[str]  # text columns whose charsets differ
    long: frozenset[str]  # columns of a long type on one side only
    ordered_key: tuple[str, ...]  # the leading key columns that both sides order alike
    refusal: Reason | None


def compare_definitions(source: Table, replica: Table) -> Comparison:
    """Compare two definitions of one table."""
    differences = tuple(sorted(_differences(source, replica), key=lambda found: _WORST_FIRST.index(found.effect)))
    theirs = {column.name: column for column in replica.columns}
    columns = tuple(
        column.name
        for column in source.columns
        if column.name in theirs
        and is_compared(column)
        and is_compared(theirs[column.name])
        and _comparable(column, theirs[column.name])
    )
    return Comparison(
        differences=differences,
        columns=columns,
        convert=frozenset(name for name in columns if _charset_differs(source.column(name), theirs[name])),
        long=frozenset(name for name in columns if kind_of(source.column(name)) is not kind_of(theirs[name])),
        ordered_key=_ordered_key(source, theirs),
        refusal=_refusal(source, replica, columns),
    )


def is_transactional(table: Table) -> bool:
    """True if a snapshot covers the table."""
    return table.engine.lower() in _TRANSACTIONAL


def _refusal(source: Table, replica: Table, columns: tuple[str, ...]) -> Reason | None:
    if not source.primary_key:
        return Reason.NO_PRIMARY_KEY
    if any(kind_of(column) is None for column in source.columns if is_compared(column)):
        return Reason.UNSUPPORTED_TYPE
    if source.primary_key != replica.primary_key or not set(source.primary_key) <= set(columns):
        return Reason.SCHEMA_DIFFERS
    return None


def _differences(source: Table, replica: Table) -> Iterator[SchemaDifference]:
    if source.engine.lower() != replica.engine.lower():
        yield SchemaDifference("engine", str(source.name), source.engine, replica.engine, Effect.NONE)
    if source.primary_key != replica.primary_key:
        yield SchemaDifference(
            "primary-key", "PRIMARY", ", ".join(source.primary_key) or None, ", ".join(replica.primary_key) or None, Effect.DATA
        )
    theirs = {column.name: column for column in replica.columns}
    for column in source.columns:
        if column.name not in theirs:
            effect = Effect.DATA if is_compared(column) else Effect.BEHAVIOUR
            yield SchemaDifference("column", column.name, column.column_type, None, effect)
        else:
            yield from _column_differences(column, theirs[column.name])
    ours = {column.name for column in source.columns}
    for column in replica.columns:
        if column.name not in ours:
            yield SchemaDifference("column", column.name, None, column.column_type, Effect.BEHAVIOUR)
    yield from order_difference(source, replica)
    yield from part_differences(source, replica)


def _column_differences(ours: Column, theirs: Column) -> Iterator[SchemaDifference]:
    if _type_text(ours) != _type_text(theirs):
        effect = Effect.NONE if _comparable(ours, theirs) else Effect.DATA
        yield SchemaDifference("type", ours.name, ours.column_type, theirs.column_type, effect)
    if ours.nullable != theirs.nullable:
        yield SchemaDifference("nullability", ours.name, _null(ours), _null(theirs), Effect.BEHAVIOUR)
    if _charset_differs(ours, theirs):
        yield SchemaDifference("charset", ours.name, ours.charset, theirs.charset, Effect.NONE)
    elif ours.collation != theirs.collation:
        yield SchemaDifference("collation", ours.name, ours.collation, theirs.collation, Effect.NONE)
    if (_expression(ours), ours.stored) != (_expression(theirs), theirs.stored):
        effect = Effect.DATA if _expression(ours) != _expression(theirs) else Effect.NONE
        yield SchemaDifference("generated", ours.name, ours.generated or None, theirs.generated or None, effect)
    yield from attribute_differences(ours, theirs)


def _null(column: Column) -> str:
    return "NULL" if column.nullable else "NOT NULL"


def _expression(column: Column) -> str:
    return canonical(column.generated)


def _type_text(column: Column) -> str:
    """The full type without a display width: MySQL 8.0.19 stopped to print that of integers, and it does not touch values."""
    if column.data_type.endswith("int"):
        return re.sub(r"\(\d+\)", "", column.column_type)
    return column.column_type


def _comparable(ours: Column, theirs: Column) -> bool:
    """True if equal values of both columns are encoded alike."""
    kind = kind_of(ours)
    if kind is None:
        return False
    other = kind_of(theirs)
    for family in (TEXTUAL, BINARY):
        if kind in family:
            return other in family
    return other is kind and _exactness(ours) == _exactness(theirs)


def _exactness(column: Column) -> Mapping[str, str] | str:
    """What of a type shows in a value's text."""
    inside = column.column_type.partition("(")[2].partition(")")[0]
    match kind_of(column):
        case Kind.NUMBER:
            return (inside.partition(",")[2] or "0") if column.data_type in {"decimal", "numeric"} else "0"
        case Kind.TEMPORAL:
            return f"{column.data_type}({inside if column.data_type != 'year' else ''})"
        case Kind.FLOAT | Kind.CHOICE | Kind.NAMED:
            return column.data_type
        case _:
            return ""


def _charset_differs(ours: Column, theirs: Column) -> bool:
    mine, other = ours.charset, theirs.charset
    return mine != other and not (mine in _UTF8 and other in _UTF8)


def _ordered_key(source: Table, theirs: Mapping[str, Column]) -> tuple[str, ...]:
    """Ranges may be cut by these columns only: where collations differ, `k <= 'c'` means different rows on the two sides."""
    names: list[str] = []
    for name in source.primary_key:
        ours, other = source.column(name), theirs.get(name)
        if other is None or ours.collation != other.collation or ours.charset != other.charset:
            break
        if kind_of(ours) is Kind.CHOICE and ours.column_type != other.column_type:
            break
        names.append(name)
    return tuple(names)
