"""How large something is, for people; and how much of a copy is done, by tables whose size is only estimated."""

from collections.abc import Iterable
from dataclasses import dataclass

from repwatch.model.schema import Table, TableName

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def size_text(size: int) -> str:
    """In a unit of its own: `640 bytes`, `1.4 GB`, `12 GB`."""
    number, unit = float(size), 0
    while number >= 999.5 and unit < len(_UNITS) - 1:  # what would be shown as 1000
        number, unit = number / 1000, unit + 1
    return f"{number:.{int(number < 9.95)}f}".removesuffix(".0") + f" {_UNITS[unit]}"


@dataclass(slots=True)
class _Part:
    """One table: the rows that are expected and were read, and what one of them takes."""

    expected: int
    row_bytes: int
    done: int = 0


class CopyEstimate:
    """Rows and bytes of a copy, done and in all. What a table turned out to have replaces what was expected of it."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self._parts = {table.name: _Part(table.estimated_rows, table.estimated_row_bytes) for table in tables}
        self.rows = self.data = 0
        self.rows_total = sum(part.expected for part in self._parts.values())
        self.data_total = sum(part.expected * part.row_bytes for part in self._parts.values())

    def add(self, name: TableName, rows: int) -> None:
        """So many more of its rows are done."""
        part = self._parts[name]
        part.done += rows
        self.rows += rows
        self.data += rows * part.row_bytes
        if part.done > part.expected:
            self._expect(part, part.done)

    def finish(self, name: TableName) -> None:
        """It has no more rows than are done."""
        part = self._parts[name]
        self._expect(part, part.done)

    def _expect(self, part: _Part, rows: int) -> None:
        self.rows_total += rows - part.expected
        self.data_total += (rows - part.expected) * part.row_bytes
        part.expected = rows
