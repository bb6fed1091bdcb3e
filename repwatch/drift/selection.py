"""Which tables a check looks at: the patterns of the command line, and the tables of known tools that are left out."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from repwatch.errors import UsageError
from repwatch.model.schema import TableName
from repwatch.sql.reseed import MARKER_SCHEMA

# (pattern of the name, columns that must be there): a table of the name alone may be somebody's own.
# pt-heartbeat and pt-table-checksum let their user choose the name, but not the columns.
_TOOL_TABLES: tuple[tuple[str, frozenset[str]], ...] = (
    ("percona.*", frozenset()),
    ("*.heartbeat", frozenset({"ts", "server_id"})),
    ("*.pt_heartbeat", frozenset({"ts", "server_id"})),
    ("*.checksums", frozenset({"this_crc", "master_crc"})),
    ("*.checksums", frozenset({"this_crc", "source_crc"})),
    ("*.repwatch_heartbeat", frozenset()),
    (f"{MARKER_SCHEMA}.*", frozenset()),
)
_WILD: Final = frozenset("*?[")
_ONE_LETTER: Final = re.compile(r"\[(.)\]")  # as `exactly` writes a character that is none of those
# repwatch's own mark on a replica that is being loaded: it is there or not.
_OWN = frozenset({f"{MARKER_SCHEMA}.*"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """`chosen` are to be checked; `left_out` belong to known tools and are said so."""

    chosen: tuple[TableName, ...]
    left_out: tuple[TableName, ...]


def perhaps_of_tools(names: Collection[TableName]) -> list[TableName]:
    """Those of which only the columns tell whether they are a tool's."""
    return [name for name in names if any(needed and matches(name, pattern) for pattern, needed in _TOOL_TABLES)]


def select(
    names: Collection[TableName], columns: Mapping[TableName, Collection[str]], include: Sequence[str], exclude: Sequence[str]
) -> Selection:
    """Choose tables by shell wildcards on `db.table`. Raises UsageError where a pattern has no dot or matches nothing.

    `columns`: the names of those of `perhaps_of_tools`. A tool's table is checked after all where a pattern of `include` names
    it without a wildcard.
    """
    for pattern in (*include, *exclude):
        if "." not in pattern:
            raise UsageError(f"not a table pattern: {pattern!r}", hint="write 'database.table'; * and ? are wildcards")
        if pattern not in _OWN and not any(matches(name, pattern) for name in names):
            raise UsageError(f"no table matches {pattern!r}", hint="tables are named 'database.table'; * and ? are wildcards")
    wanted = [name for name in sorted(names) if (not include or matches_any(name, include)) and not matches_any(name, exclude)]
    left_out = {name for name in wanted if str(name) not in include and _is_tool_table(name, columns.get(name, ()))}
    return Selection(chosen=tuple(name for name in wanted if name not in left_out), left_out=tuple(sorted(left_out)))


def open_schemas(include: Sequence[str]) -> frozenset[str] | None:
    """The schemas of which tables are chosen by wildcards and not by their names; None: any schema."""
    found = set()
    for pattern in include:
        schema, _, table = _ONE_LETTER.sub("", pattern).partition(".")
        if _WILD.intersection(schema):
            return None
        if _WILD.intersection(table):
            found.add(_ONE_LETTER.sub(r"\1", pattern).partition(".")[0])
    return frozenset(found) if include else None


def exactly(name: str) -> str:
    """The pattern that matches this name alone, whatever characters it has."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def matches(name: TableName, pattern: str) -> bool:
    """True if the shell pattern fits `db.table`; case counts."""
    return fnmatchcase(str(name), pattern)


def matches_any(name: TableName, patterns: Collection[str]) -> bool:
    """True if any of the patterns fits."""
    return any(matches(name, pattern) for pattern in patterns)


def is_tool_schema(schema: str) -> bool:
    """True for a schema that belongs to a known tool as a whole."""
    return f"{schema}.*" in {pattern for pattern, _ in _TOOL_TABLES}


def _is_tool_table(name: TableName, columns: Collection[str]) -> bool:
    there = {column.lower() for column in columns}
    return any(matches(name, pattern) and needed <= there for pattern, needed in _TOOL_TABLES)
