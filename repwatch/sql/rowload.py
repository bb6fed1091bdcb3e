"""Rows as LOAD DATA reads them, which costs a server little more than half of an INSERT (docs/benchmarks.md).

The text is read as bytes (`CHARACTER SET binary`), which columns take over as they are; the kinds that would take bytes for
something else get theirs as text, through a variable. MySQL manual, "LOAD DATA Statement": without ENCLOSED BY three bytes
mean something inside a value, and each of them can be escaped.
"""

from collections.abc import Sequence
from typing import Final

from repwatch.model.schema import Column
from repwatch.model.server import ServerVersion
from repwatch.sql.quoting import quote_name, quote_table, quote_text
from repwatch.sql.rowcopy import CopyTable, Raw

# Errors of a server or a client that takes no files from clients: 1148 (MariaDB up to 10.5), 4166, 3948 and 2068.
NOT_ALLOWED: Final = frozenset({1148, 2068, 3948, 4166})
LOCAL_INFILE: Final = "SELECT @@GLOBAL.local_infile"

_ESCAPES: Final = ((b"\\", b"\\\\"), (b"\t", b"\\t"), (b"\n", b"\\n"))  # the backslash first: it is part of the others
_NULL: Final = b"\\N"
_NAMED: Final = {"inet4", "inet6", "uuid"}


def set_local_infile(*, on: bool) -> str:
    """On, the server takes files from clients that offer them."""
    return f"SET GLOBAL local_infile = {int(on)}"


def can_load(copy: CopyTable) -> bool:
    """False for a row without values, which would be an empty line."""
    return bool(copy.columns)


def load_statement(copy: CopyTable, file: str, version: ServerVersion) -> str:
    """Load the rows of `rows_text` from a file of the client. LOCAL makes warnings of errors: rows that collide are left out."""
    places, sets = [], []
    for number, name in enumerate(copy.columns):
        if _needs_text(copy.table.column(name), version):
            places.append(f"@c{number}")
            sets.append(f"{quote_name(name)} = CONVERT(@c{number} USING utf8mb4)")
        else:
            places.append(quote_name(name))
    return (
        f"LOAD DATA LOCAL INFILE {quote_text(file)} INTO TABLE {quote_table(copy.table.name)} CHARACTER SET binary "
        r"FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n' "
        f"({', '.join(places)})" + (f" SET {', '.join(sets)}" if sets else "")
    )


def _needs_text(column: Column, version: ServerVersion) -> bool:
    """MariaDB takes bytes for the stored form of an address or a UUID; MySQL's JSON takes none (error 3144)."""
    return column.data_type in _NAMED or (column.data_type == "json" and not version.is_mariadb)


def rows_text(rows: Sequence[Sequence[Raw]]) -> bytes:
    """The rows, one a line."""
    try:
        text = b"\n".join(map(b"\t".join, rows))  # type: ignore[arg-type]
    except TypeError:  # a NULL
        return b"".join(map(_line, rows))
    # Mostly nothing has to be escaped, which is seen much faster in all rows at once than value by value.
    tabs = sum(map(len, rows)) - len(rows)
    if b"\\" in text or text.count(b"\t") != tabs or text.count(b"\n") != len(rows) - 1:
        return b"".join(map(_line, rows))
    return text + b"\n"


def _line(row: Sequence[Raw]) -> bytes:
    return b"\t".join([_NULL if value is None else _escaped(value) for value in row]) + b"\n"


def _escaped(value: bytes | bytearray) -> bytes | bytearray:
    for special, instead in _ESCAPES:
        if special in value:
            value = value.replace(special, instead)
    return value
