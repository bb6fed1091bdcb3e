"""How one column goes into a row's encoding: bytes that no other value of the column has, on both flavours.

A row is its elements, with the byte FF between them and between rows. The code is uniquely decodable: numbers and times are
ASCII; text whose charset is UTF-8 holds neither FF nor FE, which no UTF-8 text can; FE alone is NULL; bytes of any other kind
stand behind their length and are as long as that says. Nothing depends on a collation, a session's time zone, a display width
or a float's printed digits. docs/decisions/0003-signature.md.
"""

from collections.abc import Collection, Sequence
from enum import Enum, auto
from typing import Final

from repwatch.model.schema import Column
from repwatch.model.server import ServerVersion
from repwatch.sql.quoting import quote_name

# A literal alone would be converted to the charset of the columns beside it, in which it means nothing.
SEPARATOR: Final = "CAST(x'FF' AS BINARY)"
_NULL: Final = "CAST(x'FE' AS BINARY)"
UTF8: Final = frozenset({"utf8", "utf8mb3", "utf8mb4", "ascii"})  # ASCII is UTF-8 as well
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


def row_elements(
    columns: Sequence[Column], convert: Collection[str] = (), long: Collection[str] = (), *, portable: bool = False
) -> list[str]:
    """The expressions that make up the code of a row; none of them is ever NULL.

    Text of the columns in `convert` is compared as utf8mb4: their charsets differ. Those in `long` are a long type on one side
    (TEXT) and a short one (VARCHAR) on the other, and are encoded as long on both. `portable`: the same code on every flavour and
    version, for a price.
    """
    return [
        element
        for column in columns
        for element in (
            (_or_null(_float_bits(column), column),)
            if portable and kind_of(column) is Kind.FLOAT
            else _elements(column, column.name in convert, column.name in long)
        )
    ]


def row_code(elements: Sequence[str]) -> str:
    """The expression of a row's code: binary, and NULL only where it would be longer than max_allowed_packet (warning 1301)."""
    return f"CONCAT_WS({SEPARATOR}, {', '.join(elements)})"


def joined_codes(elements: Sequence[str], version: ServerVersion) -> str:
    """The aggregate that joins the codes of all rows, in the order in which they are read.

    MariaDB puts each argument of GROUP_CONCAT into a record of a temporary table first, so that one expression costs less; MySQL
    appends them as they are, so that many do (measured: docs/benchmarks.md). The bytes are the same.
    """
    if version.is_mariadb:
        return f"GROUP_CONCAT({row_code(elements)} SEPARATOR x'FF')"
    # The separator of GROUP_CONCAT is converted to the charset of the arguments, which are binary if one of them is.
    codes = f", {SEPARATOR}, ".join(elements) if len(elements) > 1 else row_code(elements)
    return f"GROUP_CONCAT({codes} SEPARATOR x'FF')"


def summed_hashes(elements: Sequence[str]) -> str:
    """Two sums over the hashes of all rows, exact and in no order, for tables without a key: what a XOR would cancel, they count.

    CONV gives a text, and SUM of a text is a rounded double; of a BIGINT it is an exact DECIMAL.
    """
    hashed = f"SHA2({row_code(elements)}, 256)"
    return ", ".join(f"SUM(CAST(CONV({half}, 16, 10) AS UNSIGNED))" for half in (f"LEFT({hashed}, 16)", f"RIGHT({hashed}, 16)"))


def _elements(column: Column, convert: bool, long: bool) -> tuple[str, ...]:
    name = quote_name(column.name)
    kind = kind_of(column)
    if kind in TEXTUAL:
        return _text_elements(column, convert, long or kind is Kind.LONG_TEXT)
    if kind is Kind.CHOICE:
        # The invalid value '' (number 0) and a member '' look alike as text.
        return (_or_null(f"{name} + 0 = 0", column), *_measured(_as_bytes(name, convert), "", column, long=False))
    if kind in BINARY:
        return _measured(name, "", column, long=long or kind is Kind.LONG_BYTES)
    if kind is Kind.JSON:
        return _measured(f"CAST(CAST({name} AS CHAR CHARACTER SET utf8mb4) AS BINARY)", "", column, long=True)
    if kind is Kind.OPAQUE:
        return _measured(f"CAST({name} AS BINARY)", "", column, long=True)
    return (_or_null(plain(column), column),)


def _text_elements(column: Column, convert: bool, long: bool) -> tuple[str, ...]:
    name = quote_name(column.name)
    is_utf8 = column.charset in UTF8
    text = f"CONVERT({name} USING utf8mb4)" if convert and not is_utf8 else name
    if not long and (convert or is_utf8):
        return (_or_null(text, column),)
    return _measured(f"CAST({text} AS BINARY)", text, column, long=long)


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


def _float_bits(column: Column) -> str:
    """The double's eight bytes as digits: inside of functions MySQL prints 9.9e-6 what MariaDB prints 0.0000099.

    A point is the one value whose bytes hold doubles. Adding zero makes 0 of -0, which equals it; MariaDB stores no -0.
    """
    return f"HEX(SUBSTRING(ST_AsBinary(POINT({quote_name(column.name)} + 0e0, 0)), 6, 8))"


def _or_null(expression: str, column: Column) -> str:
    return f"IFNULL({expression}, {_NULL})" if column.nullable else expression


def _as_bytes(name: str, convert: bool) -> str:
    return f"CAST(CONVERT({name} USING utf8mb4) AS BINARY)" if convert else f"CAST({name} AS BINARY)"


def _measured(value: str, length_source: str, column: Column, *, long: bool) -> tuple[str, str]:
    """Length and bytes. Of NULL the bytes are none."""
    length = f"LENGTH({length_source or value})"
    content = f"IF({length} > {LONG_VALUE}, SHA2({value}, 256), {value})" if long else value
    return _or_null(length, column), f"IFNULL({content}, '')" if column.nullable else content
