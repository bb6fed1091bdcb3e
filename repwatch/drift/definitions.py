"""Compares the definitions of a table on source and replica, and says what that means for comparing its rows."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from repwatch.drift.parts import attribute_differences, order_difference, part_differences
from repwatch.drift.report import Effect, Reason, SchemaDifference
from repwatch.model.schema import Column, Index, Table
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
    convert: frozenset[str]  # text columns whose charsets differ, and ENUM and SET columns with other members
    long: frozenset[str]  # columns of a long type on one side only
    documents: frozenset[str]  # JSON on one side, text on the other
    key: tuple[str, ...]  # the columns that name a row; empty where only alike rows can be counted
    index: tuple[str, ...]  # the columns of the index by which it is read: the key's, else any, else none
    ordered_key: tuple[str, ...]  # the leading columns of the index that both sides order alike
    refusal: Reason | None


def compare_definitions(source: Table, replica: Table, *, portable: bool = False) -> Comparison:
    """Compare two definitions of one table. `portable`: of servers that may be of different flavours and versions."""
    found = _differences(source, replica, portable)
    differences = tuple(sorted(found, key=lambda difference: _WORST_FIRST.index(difference.effect)))
    theirs = {column.name: column for column in replica.columns}
    columns = tuple(
        column.name
        for column in source.columns
        if column.name in theirs
        and _is_read(column, portable)
        and _is_read(theirs[column.name], portable)
        and _comparable(column, theirs[column.name], portable)
    )
    documents = frozenset(name for name in columns if _one_document(source.column(name), theirs[name]))
    key = _key(source, replica, columns)
    index = key or _best(source, theirs, _common(source, replica, columns))
    return Comparison(
        differences=differences,
        columns=columns,
        convert=frozenset(name for name in columns if _text_differs(source.column(name), theirs[name])) - documents,
        long=frozenset(name for name in columns if kind_of(source.column(name)) is not kind_of(theirs[name])),
        documents=documents,
        key=key,
        index=index,
        ordered_key=_ordered(index, source, theirs),
        refusal=_refusal(source, replica, key, documents),
    )


def is_transactional(engine: str) -> bool:
    """True if a snapshot covers the tables of this engine."""
    return engine.lower() in _TRANSACTIONAL


def index_of(table: Table, columns: tuple[str, ...]) -> str:
    """The name of the index over these columns; "" for none. Which of several does not matter: they order alike."""
    if columns and _of_now(table, table.primary_key) == columns:
        return "PRIMARY"
    return next((index.name for index in table.indexes if _readable(index) and _of_now(table, index.columns) == columns), "")


def _refusal(source: Table, replica: Table, key: Sequence[str], documents: Collection[str]) -> Reason | None:
    if any(kind_of(column) is None for column in source.columns if is_compared(column)):
        return Reason.UNSUPPORTED_TYPE
    if any(_ambiguous(source.column(name), replica.column(name)) for name in key):
        return Reason.SCHEMA_DIFFERS
    # What a document says is found out here, one by one; alike rows are counted by their server.
    if documents and not key:
        return Reason.UNSUPPORTED_TYPE
    return None


def _key(source: Table, replica: Table, columns: tuple[str, ...]) -> tuple[str, ...]:
    """The primary key; else a unique key without NULLs. What names the rows of one side only names none."""
    primary = _of_now(source, source.primary_key)
    if primary and primary == _of_now(replica, replica.primary_key) and set(primary) <= set(columns):
        return primary
    theirs = {column.name: column for column in replica.columns}
    unique = _naming(source) & _naming(replica)
    return _best(source, theirs, [index for index in _common(source, replica, columns) if index in unique])


def _naming(table: Table) -> set[tuple[str, ...]]:
    """The column lists of which no two rows can have the same values."""
    keys = _unique(table) - {()}
    nullable = {column.name for column in table.columns if column.nullable}
    return {key for key in keys if not nullable & set(key)}


def _common(source: Table, replica: Table, columns: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The column lists that both sides have a usable index on, of values that are compared."""
    every = (source.primary_key, *(index.columns for index in source.indexes if _readable(index)))
    return [
        key
        for key in (_of_now(source, index) for index in every)
        if key and set(key) <= set(columns) and index_of(source, key) and index_of(replica, key)
    ]


def _unique(table: Table) -> set[tuple[str, ...]]:
    keys = (table.primary_key, *(index.columns for index in table.indexes if index.unique and _readable(index)))
    return {_of_now(table, key) for key in keys}


def _of_now(table: Table, index: tuple[str, ...]) -> tuple[str, ...]:
    """MariaDB appends the end of a row's period to unique keys of a system-versioned table; all current rows have the same."""
    ends = {column.name for column in table.columns if column.generated.upper() == "ROW END"}
    return tuple(name for name in index if name not in ends)


def _readable(index: Index) -> bool:
    return index.kind.upper() == "BTREE" and not index.prefixed and not index.hidden


def _best(source: Table, theirs: Mapping[str, Column], indexes: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The index that cuts finest: by columns that both sides order alike, and preferably a unique one."""
    unique = _unique(source)
    return max(indexes, key=lambda index: (bool(_ordered(index, source, theirs)), index in unique, len(index)), default=())


def _differences(source: Table, replica: Table, portable: bool) -> Iterator[SchemaDifference]:
    if source.engine.lower() != replica.engine.lower():
        yield SchemaDifference("engine", str(source.name), source.engine, replica.engine, Effect.NONE)
    if source.primary_key != replica.primary_key:
        yield SchemaDifference(
            "primary-key",
            "PRIMARY",
            ", ".join(source.primary_key) or None,
            ", ".join(replica.primary_key) or None,
            Effect.BEHAVIOUR,
        )
    theirs = {column.name: column for column in replica.columns}
    for column in source.columns:
        if column.name not in theirs:
            effect = Effect.DATA if is_compared(column) else Effect.BEHAVIOUR
            yield SchemaDifference("column", column.name, column.column_type, None, effect)
        else:
            yield from _column_differences(column, theirs[column.name], portable)
    ours = {column.name for column in source.columns}
    for column in replica.columns:
        if column.name not in ours:
            yield SchemaDifference("column", column.name, None, column.column_type, Effect.BEHAVIOUR)
    yield from order_difference(source, replica)
    yield from part_differences(source, replica)


def _is_read(column: Column, portable: bool) -> bool:
    """Between flavours expressions are spelled differently, so that the values of virtual columns are compared instead."""
    return is_compared(column) or (portable and bool(column.generated) and not column.generated.upper().startswith("ROW "))


def _column_differences(ours: Column, theirs: Column, portable: bool) -> Iterator[SchemaDifference]:
    if _type_text(ours) != _type_text(theirs):
        effect = Effect.NONE if _comparable(ours, theirs, portable) else Effect.DATA
        yield SchemaDifference("type", ours.name, ours.column_type, theirs.column_type, effect)
    if ours.nullable != theirs.nullable:
        yield SchemaDifference("nullability", ours.name, _null(ours), _null(theirs), Effect.BEHAVIOUR)
    if _one_document(ours, theirs):
        pass  # MySQL's JSON has no charset, MariaDB's has that of its text
    elif _charset_differs(ours, theirs):
        yield SchemaDifference("charset", ours.name, ours.charset, theirs.charset, Effect.NONE)
    elif ours.collation != theirs.collation:
        yield SchemaDifference("collation", ours.name, ours.collation, theirs.collation, Effect.NONE)
    if (_expression(ours), ours.stored) != (_expression(theirs), theirs.stored):
        effect = Effect.DATA if _expression(ours) != _expression(theirs) else Effect.NONE
        if portable:  # the values were compared
            effect = Effect.NONE if ours.generated and theirs.generated else Effect.BEHAVIOUR
        yield SchemaDifference("generated", ours.name, ours.generated or None, theirs.generated or None, effect)
    yield from attribute_differences(ours, theirs)


def _null(column: Column) -> str:
    return "NULL" if column.nullable else "NOT NULL"


def _expression(column: Column) -> str:
    return canonical(column.generated)


def _type_text(column: Column) -> str:
    """The full type without a display width: MySQL 8.0.19 stopped to print that of integers, and it does not touch values."""
    if column.data_type.endswith("int") or column.data_type == "year":
        return re.sub(r"\(\d+\)", "", column.column_type)
    return column.column_type


def _one_document(ours: Column, theirs: Column) -> bool:
    """True if one side keeps JSON and the other text, as MariaDB does with its JSON."""
    kinds = {kind_of(ours), kind_of(theirs)}
    return Kind.JSON in kinds and bool(kinds & set(TEXTUAL))


def _comparable(ours: Column, theirs: Column, portable: bool) -> bool:
    """True if equal values of both columns are encoded alike."""
    if portable and _one_document(ours, theirs):
        return True
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


def _text_differs(ours: Column, theirs: Column) -> bool:
    return _charset_differs(ours, theirs) or _members_differ(ours, theirs)


def _members_differ(ours: Column, theirs: Column) -> bool:
    """True if a number of an ENUM or SET may mean something else on the other side; its text does not."""
    return kind_of(ours) is Kind.CHOICE and ours.column_type != theirs.column_type


def _ambiguous(ours: Column, theirs: Column) -> bool:
    """True for a key with other members, one of them '': as text, the invalid value 0 is the same."""
    return _members_differ(ours, theirs) and "''" in f"{ours.column_type}{theirs.column_type}"


def _ordered(index: Sequence[str], source: Table, theirs: Mapping[str, Column]) -> tuple[str, ...]:
    """Ranges may be cut by these columns only: where collations differ, `k <= 'c'` means different rows on the two sides."""
    names: list[str] = []
    for name in index:
        ours, other = source.column(name), theirs.get(name)
        if other is None or ours.collation != other.collation or ours.charset != other.charset:
            break
        if _members_differ(ours, other):
            break
        names.append(name)
    return tuple(names)
