"""Puts what only the replica has aside until it is proved, and drops it then. Nothing of it reaches the binary log.

All of it is written down before the first object is taken away, and each is taken away by one statement: whatever is killed in
between, the next run finds what is left to do. Sessions that write have `sql_log_bin = 0` and `foreign_key_checks = 0`.
"""

from collections.abc import Sequence

from repwatch.errors import Refused, StatementRefused
from repwatch.flows.reseed_definitions import read_definition, tables_of_triggers
from repwatch.model.schema import TableName
from repwatch.ports.database import Database
from repwatch.reseed.quarantine import MOVED, Entry, numbered, only_theirs
from repwatch.sql import definitions
from repwatch.sql import quarantine as sql
from repwatch.sql.definitions import Definition, Kind
from repwatch.sql.reseed import MARIADB_FLUSH


def set_aside(writer: Database, reader: Database, ours: Sequence[Definition], theirs: Sequence[Definition]) -> bool:
    """Take away of `theirs` what is not among `ours`; False where there is nothing. Raises Refused, ServerError."""
    items = [_with_text(reader, item) for item in only_theirs(ours, theirs, tables_of_triggers(reader))]
    if not items:
        return False
    for entry in _written_down(writer, items):
        _take_away(writer, entry)
    return True


def _with_text(reader: Database, item: Definition) -> Definition:
    """What is replaced only, or moved, need not be read; a damaged table has no text."""
    if item.kind in (Kind.SCHEMA, Kind.TABLE):
        return item
    return read_definition(reader, item.kind, item.schema, item.name) or item


def _written_down(writer: Database, items: Sequence[Definition]) -> list[Entry]:
    writer.execute(sql.CREATE)
    entries = [_entry(row) for row in writer.texts(sql.READ)]
    found = numbered(items, entries, {int(row["id"] or 0) for row in writer.texts(sql.LIST_KEPT)})
    for entry in found:
        if entry not in entries:
            writer.execute(sql.enter(entry.number, entry.item))
    if writer.version.is_mariadb:
        writer.execute(MARIADB_FLUSH)  # views, routines and events lie outside InnoDB: a crash must not leave neither
    return found


def _entry(row: dict[str, str | None]) -> Entry:
    kind, schema, name = Kind(row["kind"] or ""), row["db"] or "", row["name"] or ""
    return Entry(int(row["id"] or 0), Definition(kind=kind, schema=schema, name=name, statement=row["statement"] or ""))


def _take_away(writer: Database, entry: Entry) -> None:
    item = entry.item
    if item.kind is Kind.SCHEMA:
        writer.execute(definitions.drop_schema(item.schema))
    elif item.kind in MOVED:
        _move(writer, item, sql.kept_name(entry.number))
    else:
        writer.execute(definitions.drop(item.kind, item.schema, item.name))


def _move(writer: Database, item: Definition, to: TableName) -> None:
    name = TableName(item.schema, item.name)
    try:
        writer.execute(sql.move(name, to, writer.texts(sql.list_constraints(writer.version, name))))
    except StatementRefused as error:
        text = f"{item}, which only the replica has, cannot be put into quarantine ({error}): take it away by hand"
        raise Refused(text) from None


def discard(db: Database) -> None:
    """Drop the tables for good, one by one; the rest goes with the mark."""
    for row in db.texts(sql.LIST_KEPT):
        db.execute(sql.discard(row["id"] or ""))


def note(db: Database) -> str:
    """What a person is to be told of it; "" where nothing was put aside."""
    if db.scalar(sql.EXISTS) == "0":
        return ""
    where = f"{sql.QUARANTINE} lists it, and docs/reseed.md tells how to bring it back"
    return f"what only {db.server} had is kept until the proof: {where}"
