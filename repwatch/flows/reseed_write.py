"""Writes rows that were read raw, and sees that each value is stored as it is."""

from collections.abc import Iterable, Sequence
from typing import Final

from repwatch.errors import StatementRefused
from repwatch.ports.database import Database, Row
from repwatch.sql import rowcopy
from repwatch.sql.rowcopy import CopyTable

_STATEMENT_CHARACTERS: Final = 1_000_000


class RowWriter:
    """Inserts rows over one session, which is set up by `rowcopy.loader_setup` or `repair.writer_setup`."""

    def __init__(self, db: Database) -> None:
        self._db = db
        packet = int(db.scalar("SELECT @@GLOBAL.max_allowed_packet") or 0)
        self._room = min(_STATEMENT_CHARACTERS, packet // 4)  # a character of ours may be four bytes

    def insert(self, copy: CopyTable, rows: Iterable[Row]) -> int:
        """Insert them, many in a statement; how many. Raises StatementRefused, also for a value that changed on its way."""
        version = self._db.version
        head = rowcopy.insert_head(copy)
        makers = rowcopy.literals(copy, version)
        parts: list[str] = []
        size = count = 0
        for row in rows:
            count += 1
            if size_of([row]) > self._room and rowcopy.takes_parameters(copy):
                self._write(rowcopy.insert_one(copy, row, version), row)
                continue
            text = "(" + ",".join([make(value) for make, value in zip(makers, row, strict=True)]) + ")"
            if parts and size + len(text) > self._room:
                self._write(head + ",".join(parts))
                parts, size = [], 0
            parts.append(text)
            size += len(text) + 1
        if parts:
            self._write(head + ",".join(parts))
        return count

    def _write(self, statement: str, values: Row = ()) -> None:
        self._db.execute(statement, [value for value in values if value is not None])
        bad = [text for code, text in self._db.warnings() if code not in rowcopy.HARMLESS_WARNINGS]
        if bad:
            raise StatementRefused(f"a value was not stored as it is: {bad[0]}", server=self._db.server)


def size_of(rows: Sequence[Row]) -> int:
    """Bytes of their values, at least 1."""
    return sum(len(value) for row in rows for value in row if value is not None) or 1
