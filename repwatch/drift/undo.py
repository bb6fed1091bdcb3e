"""The undo file of a repair: each changed row as it was and as it became, for repwatch, and as SQL, for people.

Invariant: `parse(write(undo, …)) == undo`. Values are the raw bytes in hexadecimal digits, so that nothing depends on a client.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from repwatch.errors import UsageError
from repwatch.model.schema import TableName
from repwatch.sql.keyrange import Key
from repwatch.sql.repair import BEGIN, COMMIT, WRITER_SETTINGS, Image

_FORMAT = 1
_HEAD = "-- repwatch undo file"
_END = "-- end of rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoRow:
    """One row of one table: before the repair and after it; None where it was not there."""

    table: TableName
    key: Key
    before: Image | None
    after: Image | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """What one repair changed. `fingerprints` are of the tables at that time."""

    target: str
    target_key: str
    plan_hash: str
    position: str
    fingerprints: dict[TableName, str]
    rows: tuple[UndoRow, ...]


def write(undo: Undo, statements: Iterable[str]) -> str:
    """The file's text; `statements` restore the rows."""
    return "\n".join([*_rows(undo), *_sql(statements)]) + "\n"


def _rows(undo: Undo) -> Iterator[str]:
    yield f"{_HEAD}: {len(undo.rows)} rows of {undo.target} as they were before the repair at {undo.position}"
    yield "-- To run it: repwatch repair REPLICA --undo FILE --apply"
    head = {"format": _FORMAT, "target": undo.target, "target_key": undo.target_key, "plan_hash": undo.plan_hash}
    tables = sorted(undo.fingerprints)
    named = [[name.schema, name.table, undo.fingerprints[name]] for name in tables]
    yield f"-- {json.dumps(head | {'position': undo.position, 'tables': named})}"
    for row in undo.rows:
        yield f"-- {json.dumps([tables.index(row.table), row.key, _hex(row.before), _hex(row.after)])}"
    yield _END


def _sql(statements: Iterable[str]) -> Iterator[str]:
    for statement in (*WRITER_SETTINGS, BEGIN, *statements, COMMIT):
        yield f"{statement};"


def _hex(image: Image | None) -> list[str | None] | None:
    return None if image is None else [None if value is None else value.hex() for value in image]


def parse(text: str) -> Undo:
    """Read a file back. Raises UsageError for what is none, or is not whole."""
    lines = text.split("\n")
    try:
        end = lines.index(_END)
        head = _read_head(lines)
        tables = [(TableName(schema, table), mark) for schema, table, mark in head["tables"]]
        return Undo(
            target=head["target"],
            target_key=head["target_key"],
            plan_hash=head["plan_hash"],
            position=head["position"],
            fingerprints=dict(tables),
            rows=tuple(_row([name for name, _ in tables], json.loads(line[3:])) for line in lines[3:end]),
        )
    except (ValueError, KeyError, IndexError, TypeError):
        raise UsageError(
            "this is no undo file of repwatch, or it is not whole", hint="give the file that `repair` named"
        ) from None


def _read_head(lines: list[str]) -> Any:
    head = json.loads(lines[2][3:])
    if not lines[0].startswith(_HEAD) or head["format"] != _FORMAT:
        raise ValueError(lines[0])
    return head


def _row(tables: list[TableName], parts: list[object]) -> UndoRow:
    number, key, before, after = parts
    if not isinstance(number, int) or not isinstance(key, list):
        raise TypeError(parts)
    return UndoRow(table=tables[number], key=tuple(map(str, key)), before=_image(before), after=_image(after))


def _image(values: object) -> Image | None:
    if values is None:
        return None
    if not isinstance(values, list):
        raise TypeError(values)
    return tuple(None if value is None else bytes.fromhex(value) for value in values)
