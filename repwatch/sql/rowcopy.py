"""Reading rows of one server and writing them to another without changing a byte.

Values are read raw, in the character set of their column (`READ_RAW`), and written as literals that say what the bytes are:
`_binary'…'` is taken over by a text column byte for byte, without a conversion that could lose something.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from repwatch.model.schema import Table
from repwatch.model.server import ServerVersion
from repwatch.sql.quoting import quote_name, quote_table

# With no result character set the server sends each column's own bytes (MySQL manual, "character_set_results").
READ_RAW = "SET SESSION character_set_results = NULL"

# The most that a server keeps of one statement's warnings, and that it can count; by default MySQL keeps 1024, MariaDB 64.
_MOST_WARNINGS = 65_535
KEEP_WARNINGS = f"max_error_count = {_MOST_WARNINGS}"

Raw = bytes | bytearray | None
Literal = Callable[[Raw], str]

_NUMBERS = {"tinyint", "smallint", "mediumint", "int", "bigint", "decimal"}
_FLOATS = {"float", "double"}  # as text, for -0 as a number would lose its sign
_TIMES = {"date", "time", "datetime", "timestamp", "year"}
_PLAIN = {"inet4", "inet6", "uuid"}  # MariaDB: bytes marked as binary would be taken for the stored form
_GEOMETRY = {
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection",
    "geomcollection",
}  # fmt: skip
_HEX = {"bit", "vector", *_GEOMETRY}
_WHOLE_NUMBERS = _NUMBERS - {"decimal"}
_TEXT_KEYS = {"char", "varchar"}
_BYTE_KEYS = {"binary", "varbinary"}
_KEY_TYPES = _NUMBERS | _TIMES | _TEXT_KEYS | _BYTE_KEYS

# What the lexer would not take for itself inside quotes (sql/quoting.py); as a table for str.translate.
_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\0": "\\0", "\n": "\\n", "\r": "\\r", "\x1a": "\\Z"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyTable:
    """A table as it is copied. `chunk_key` names key columns that can be compared; empty: read it in one statement."""

    table: Table
    chunk_key: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that hold data: generated ones compute theirs."""
        return tuple(column.name for column in self.table.columns if not column.generated)


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of a table by its first key column, a whole number: `lower < column <= upper`; None is no bound."""

    lower: int | None = None
    upper: int | None = None


WHOLE = Piece()


def can_chunk(table: Table) -> bool:
    """True if the values of the primary key can be written as literals that compare as the key is ordered."""
    return bool(table.primary_key) and all(table.column(name).data_type in _KEY_TYPES for name in table.primary_key)


def read_rows(copy: CopyTable, condition: str) -> str:
    """The rows for which a condition holds, in no order."""
    columns = ", ".join(_expression(copy.table, name) for name in copy.columns)
    return f"SELECT {columns} FROM {quote_table(copy.table.name)} WHERE {condition}"


def delete_rows(copy: CopyTable, condition: str, limit: int | None = None) -> str:
    """Delete them, or `limit` of them."""
    return f"DELETE FROM {quote_table(copy.table.name)} WHERE {condition}" + (f" LIMIT {limit}" if limit else "")


def key_ends(copy: CopyTable) -> str | None:
    """The least and the greatest value of the first key column; None where that is no whole number."""
    if not copy.chunk_key or copy.table.column(copy.chunk_key[0]).data_type not in _WHOLE_NUMBERS:
        return None
    name = quote_name(copy.chunk_key[0])
    return f"SELECT MIN({name}), MAX({name}) FROM {quote_table(copy.table.name)}"


def read_chunk(copy: CopyTable, after: Sequence[Raw] | None, limit: int, piece: Piece = WHOLE) -> str:
    """The next `limit` rows of a piece in key order after the key `after`; without a chunk key, all rows."""
    columns = ", ".join(_expression(copy.table, name) for name in copy.columns)
    statement = f"SELECT {columns} FROM {quote_table(copy.table.name)}"
    if not copy.chunk_key:
        return statement
    first = quote_name(copy.chunk_key[0])
    parts = [_beyond(copy, after)] if after is not None else [] if piece.lower is None else [f"{first} > {piece.lower}"]
    parts += [] if piece.upper is None else [f"{first} <= {piece.upper}"]
    where = f" WHERE {' AND '.join(parts)}" if parts else ""
    order = ", ".join(map(quote_name, copy.chunk_key))
    return f"{statement} FORCE INDEX (PRIMARY){where} ORDER BY {order} LIMIT {limit}"


def _expression(table: Table, name: str) -> str:
    # A FLOAT is shown with six digits; made a DOUBLE by * 1 (+ 0 would lose the sign of -0), with all of them.
    return f"{quote_name(name)} * 1e0" if table.column(name).data_type == "float" else quote_name(name)


def _beyond(copy: CopyTable, after: Sequence[Raw]) -> str:
    """(a, b) > (x, y), written out: row comparisons do not use the index on every version."""
    pairs = [(quote_name(name), _key_literal(copy.table, name, value)) for name, value in zip(copy.chunk_key, after, strict=True)]
    parts = []
    for number, (name, value) in enumerate(pairs):
        equal = [f"{earlier} = {known}" for earlier, known in pairs[:number]]
        parts.append("(" + " AND ".join([*equal, f"{name} > {value}"]) + ")")
    first_name, first_value = pairs[0]
    bound = f"{first_name} >= {first_value} AND " if len(pairs) > 1 else ""  # gives the optimizer one plain range
    return f"{bound}({' OR '.join(parts)})"


def _key_literal(table: Table, name: str, value: Raw) -> str:
    assert value is not None, "a primary key has no NULL"
    column = table.column(name)
    if column.data_type in _TEXT_KEYS:
        # In its own character set and without a collation of its own, so that the column's decides.
        return f"_{column.charset} {_hex(value)}"
    if column.data_type in _BYTE_KEYS:
        return f"_binary {_hex(value)}"
    return value.decode("ascii") if column.data_type in _NUMBERS else f"'{value.decode('ascii')}'"


def _hex(value: bytes | bytearray) -> str:
    return f"0x{value.hex()}" if value else "''"


def literals(copy: CopyTable, version: ServerVersion) -> tuple[Literal, ...]:
    """One function for each of `columns` that writes a raw value as a literal."""
    return tuple(_literal(copy.table.column(name).data_type, version) for name in copy.columns)


def _literal(data_type: str, version: ServerVersion) -> Literal:
    if data_type in _NUMBERS:
        return _number
    if data_type in _TIMES | _FLOATS | _PLAIN:
        return _plain
    if data_type in _HEX:
        return _bytes
    # MySQL's JSON takes no binary text (error 3144); MariaDB's is text with a check.
    return _json if data_type == "json" and not version.is_mariadb else _text


def _number(value: Raw) -> str:
    return "NULL" if value is None else value.decode("ascii")


def _plain(value: Raw) -> str:
    return "NULL" if value is None else f"'{value.decode('ascii')}'"


def _bytes(value: Raw) -> str:
    return "NULL" if value is None else _hex(value)


def _json(value: Raw) -> str:
    return "NULL" if value is None else f"_utf8mb4'{value.decode('utf-8').translate(_ESCAPES)}'"


def _text(value: Raw) -> str:
    if value is None:
        return "NULL"
    try:
        return f"_binary'{value.decode('utf-8').translate(_ESCAPES)}'"
    except UnicodeDecodeError:
        return f"0x{value.hex()}"


def insert_one(copy: CopyTable, row: Sequence[Raw], version: ServerVersion) -> str:
    """An INSERT of one row with parameters, for rows too large for literals: hexadecimal would double them.

    Not for a table with `%s` in a name, which the driver would take for a parameter (`takes_parameters`).
    """
    values = (
        "NULL" if value is None else _placeholder(copy, name, version) for name, value in zip(copy.columns, row, strict=True)
    )
    return insert_head(copy) + f"({', '.join(values)})"


def takes_parameters(copy: CopyTable) -> bool:
    """True unless a name looks like a parameter."""
    return "%s" not in insert_head(copy)


def _placeholder(copy: CopyTable, name: str, version: ServerVersion) -> str:
    make = _literal(copy.table.column(name).data_type, version)
    if make is _json:
        return "_utf8mb4 %s"
    return "_binary %s" if make in (_text, _bytes) else "%s"


def insert_head(copy: CopyTable) -> str:
    """The beginning of an INSERT of these rows, up to VALUES."""
    return f"INSERT INTO {quote_table(copy.table.name)} ({', '.join(map(quote_name, copy.columns))}) VALUES "


# A reader on the replica may keep a table from being dropped: after two minutes that is told, not waited for. Loads of pieces
# of one table wait for its AUTO_INCREMENT lock (innodb_autoinc_lock_mode = 1, as on MariaDB).
_LIMITS = (
    "SET SESSION wait_timeout = 86400, net_read_timeout = 600, net_write_timeout = 600, lock_wait_timeout = 120, "
    f"innodb_lock_wait_timeout = 600, {KEEP_WARNINGS}"
)


def loader_setup(version: ServerVersion) -> tuple[str, ...]:
    """For a session that writes a copy: nothing of it goes to the binary log, and no check stops what the source has.

    The SQL mode takes zero and impossible dates and zero in AUTO_INCREMENT columns. `unique_checks = 0` makes MySQL's
    secondary indexes cheaper; MariaDB answers it with a lock on the whole table and is slower (MDEV-24818).
    """
    common = "sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_DIR_IN_CREATE', foreign_key_checks = 0"
    if version.is_mariadb:
        return (
            "SET SESSION sql_log_bin = 0",
            f"SET SESSION {common}, check_constraint_checks = 0, max_statement_time = 0, innodb_strict_mode = 0",
            _LIMITS,
        )
    own_keys = ", sql_generate_invisible_primary_key = 0" if version.at_least(8, 0, 30) else ""
    no_key_needed = ", sql_require_primary_key = 0" if version.at_least(8, 0, 13) else ""
    any_parent_key = ", restrict_fk_on_non_standard_key = 0" if version.at_least(8, 4) else ""
    return (
        "SET SESSION sql_log_bin = 0",
        f"SET SESSION {common}, unique_checks = 0, innodb_strict_mode = 0{own_keys}{no_key_needed}{any_parent_key}",
        _LIMITS,
    )


# 1265, data truncated: an ENUM that holds the empty error value can only be written with it.
HARMLESS_WARNINGS = frozenset({1265})


def most_rows(copy: CopyTable) -> int:
    """How many rows one statement may write, so that harmless warnings are never too many to see another among them."""
    return (_MOST_WARNINGS - 1) // max(1, sum(column.data_type == "enum" for column in copy.table.columns))
