"""How one column goes into a row's encoding: text that no other value of the column has, on both flavours.

A row is `CONCAT_WS(',', element, …)`, rows are joined by `;`. The code is uniquely decodable: numbers, times and NULL
(the letter N) are tokens without a comma; bytes of any kind stand behind their length and are as long as that says. Nothing
depends on a collation, a session's time zone, a display width or a float's printed digits. docs/decisions/0003-signature.md.
"""

from collections.abc import Collection, Sequence
from enum import Enum, auto
from typing import Final

from repwatch.model.schema import Column
from repwatch.sql.quoting import quote_name

# Longer values go in as their own SHA-256, so that no row's code comes near max_allowed_packet (CONCAT_WS would be NULL).
LONG_VALUE: Final = 1024


class Kind(Enum):
    """How a type is read."""

    NUMBER = auto()  # integers and decimals: exact text
    BIT = auto()
    FLOAT = auto()
    TEMPORAL = auto()
    TEXT = auto()
    LONG_TEXT = auto()
    BYTES = auto()
    LONG_BYTES = auto()
    CHOICE = auto()  # ENUM and SET
    JSON = auto()
    OPAQUE = auto()  # spatial and vector values: bytes only
    NAMED = auto()  # UUID, INET4, INET6: text without a comma


_KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "integer", "bigint", "decimal", "numeric"), Kind.NUMBER),
    "bit": Kind.BIT,
    **dict.fromkeys(("float", "double", "real"), Kind.FLOAT),
    **dict.fromkeys(("date", "datetime", "timestamp", "time", "year"), Kind.TEMPORAL),
    **dict.fromkeys(("char", "varchar"), Kind.TEXT),
    **dict.fromkeys(("tinytext", "text", "mediumtext", "longtext"), Kind.LONG_TEXT),
    **dict.fromkeys(("binary", "varbinary"), Kind.BYTES),
    **dict.fromkeys(("tinyblob", "blob", "mediumblob", "longblob"), Kind.LONG_BYTES),
    **dict.fromkeys(("enum", "set"), Kind.CHOICE),
    "json": Kind.JSON,
    **dict.fromkeys(
        ("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection",
         "geomcollection", "vector"),
        Kind.OPAQUE,
    ),
    **dict.fromkeys(("uuid", "inet4", "inet6"), Kind.NAMED),
}  # fmt: skip

TEXTUAL: Final = (Kind.TEXT, Kind.LONG_TEXT)
BINARY: Final = (Kind.BYTES, Kind.LONG_BYTES)


def kind_of(column: Column) -> Kind | None:
    """How the column is read; None for a type that repwatch does not know."""
    return _KINDS.get(column.data_type)


def is_compared(column: Column) -> bool:
    """True for a stored value. A virtual column is a function of the others; row periods are the server's own clock."""
    if column.generated.upper() in {"ROW START", "ROW END"}:
        return False
    return not column.generated or column.stored


def row_code(columns: Sequence[Column], convert: Collection[str] = (), long: Collection[str] = ()) -> str:
    """The expression that encodes a row.

    Text of the columns in `convert` is compared as utf8mb4: their charsets differ. Those in `long` are a long type on one side
    (TEXT) and a short one (VARCHAR) on the other, and are encoded as long on both.
    """
    elements = [element for column in columns for element in _elements(column, column.name in convert, column.name in long)]
    return f"CONCAT_WS(',', {', '.join(elements)})"


def _elements(column: Column, convert: bool, long: bool) -> tuple[str, ...]:
    name = quote_name(column.name)
    kind = kind_of(column)
    if kind is Kind.CHOICE:
        # The invalid value '' (number 0) and a member '' look alike as text.
        return (_or_null(f"{name} + 0 = 0", column), *_measured(_as_bytes(name, convert), "", column, long=False))
    if kind in TEXTUAL:
        text = f"CONVERT({name} USING utf8mb4)" if convert else name
        return _measured(_as_bytes(name, convert), text, column, long=long or kind is Kind.LONG_TEXT)
    if kind is Kind.JSON:
        return _measured(f"CAST(CAST({name} AS CHAR CHARACTER SET utf8mb4) AS BINARY)", "", column, long=True)
    if kind in (Kind.BYTES, Kind.LONG_BYTES):
        return _measured(name, "", column, long=long or kind is Kind.LONG_BYTES)
    if kind is Kind.OPAQUE:
        return _measured(f"CAST({name} AS BINARY)", "", column, long=True)
    return (_or_null(plain(column), column),)


def plain(column: Column) -> str:
    """The expression of a value whose text has no comma: digits, times, names. Exact, and without ZEROFILL's padding."""
    name = quote_name(column.name)
    match kind_of(column):
        case Kind.FLOAT:
            # The printed FLOAT has six digits; the double next to it has them all.
            return f"CAST({name} AS DOUBLE)"
        case Kind.BIT | Kind.CHOICE:
            return f"{name} + 0"
        case Kind.NUMBER if "zerofill" in column.column_type:
            return f"{name} + 0"
        case Kind.NAMED:
            return f"CAST({name} AS CHAR)"
        case _:
            return name


def _or_null(expression: str, column: Column) -> str:
    return f"IFNULL({expression}, 'N')" if column.nullable else expression


def _as_bytes(name: str, convert: bool) -> str:
    return f"CAST(CONVERT({name} USING utf8mb4) AS BINARY)" if convert else f"CAST({name} AS BINARY)"


def _measured(value: str, length_source: str, column: Column, *, long: bool) -> tuple[str, str]:
    """Length and bytes. For NULL the length is N and CONCAT_WS leaves the value out."""
    length = f"LENGTH({length_source or value})"
    content = f"IF({length} > {LONG_VALUE}, SHA2({value}, 256), {value})" if long else value
    return _or_null(length, column), content
