"""Writes rows that were read raw, and sees that each value is stored as it is."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final

from repwatch.errors import StatementRefused
from repwatch.ports.database import Database, RawRow
from repwatch.sql import rowcopy, rowload
from repwatch.sql.rowcopy import CopyTable

_STATEMENT_CHARACTERS: Final = 1_000_000
_LOAD_BYTES: Final = 8_000_000  # of values; a load holds them twice, and an INSERT of very large rows one after another


class RowWriter:
    """Inserts rows over one session, which is set up by `rowcopy.loader_setup` or `repair.writer_setup`."""

    def __init__(self, db: Database) -> None:
        self._db = db
        packet = int(db.scalar("SELECT @@GLOBAL.max_allowed_packet") or 0)
        self._room = min(_STATEMENT_CHARACTERS, packet // 4)  # a character of ours may be four bytes
        self._loads = True  # until the server says that it takes no files

    def write(self, copy: CopyTable, rows: Sequence[RawRow]) -> int:
        """Load them, or insert them where that is not possible; how many. As `insert`."""
        most = rowcopy.most_rows(copy)
        return sum(self._write_some(copy, rows[start : start + most]) for start in range(0, len(rows), most))

    def _write_some(self, copy: CopyTable, rows: Sequence[RawRow]) -> int:
        if self._loads and rowload.can_load(copy) and size_of(rows) <= _LOAD_BYTES:
            text = rowload.rows_text(rows)
            if len(text) >= self._db.least_load and self._load(copy, text, len(rows)):
                return len(rows)
        return self.insert(copy, rows)

    def _load(self, copy: CopyTable, text: bytes, count: int) -> bool:
        """False if the server takes no files; nothing is written then."""
        try:
            stored = self._db.load(lambda file: rowload.load_statement(copy, file, self._db.version), text)
        except StatementRefused as error:
            if error.errno not in rowload.NOT_ALLOWED:
                raise
            self._loads = False
            return False
        self._check()
        if stored != count:
            raise StatementRefused(f"{count} rows were sent, and {stored} stored", server=self._db.server)
        return True

    def insert(self, copy: CopyTable, rows: Iterable[RawRow]) -> int:
        """Insert them, many in a statement; how many. Raises StatementRefused, also for a value that changed on its way."""
        version = self._db.version
        head = rowcopy.insert_head(copy)
        makers, most = rowcopy.literals(copy, version), rowcopy.most_rows(copy)
        parts: list[str] = []
        size = count = 0
        for row in rows:
            count += 1
            if size_of([row]) > self._room and rowcopy.takes_parameters(copy):
                self._write(rowcopy.insert_one(copy, row, version), row)
                continue
            text = "(" + ",".join([make(value) for make, value in zip(makers, row, strict=True)]) + ")"
            if parts and (size + len(text) > self._room or len(parts) >= most):
                self._write(head + ",".join(parts))
                parts, size = [], 0
            parts.append(text)
            size += len(text) + 1
        if parts:
            self._write(head + ",".join(parts))
        return count

    def _write(self, statement: str, values: RawRow = ()) -> None:
        self._db.execute(statement, [bytes(value) for value in values if value is not None])
        self._check()

    def _check(self) -> None:
        bad = [text for code, text in self._db.warnings() if code not in rowcopy.HARMLESS_WARNINGS]
        if bad:
            raise StatementRefused(f"a value was not stored as it is: {bad[0]}", server=self._db.server)


def size_of(rows: Sequence[RawRow]) -> int:
    """Bytes of their values, at least 1."""
    return sum(map(len, filter(None, chain.from_iterable(rows)))) or 1
