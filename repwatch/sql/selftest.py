"""Pairs of rows that a checksum must tell apart, as literals, sent through the very encoding and hash before a check begins.

Each side of a pair is a small set of rows. The encoding of a real column is taken, its name bound to a literal by a derived
table; no table is made, because a temporary one on a MariaDB replica writes to its binary log.
"""

from dataclasses import dataclass
from typing import Final

from repwatch.model.schema import Column
from repwatch.model.server import ServerVersion
from repwatch.sql.encoding import joined_codes, row_elements, summed_hashes


@dataclass(frozen=True, slots=True)
class Pair:
    """Two different contents of one little table. Each row is a tuple of literals in the order of `columns`."""

    name: str
    columns: tuple[Column, ...]
    left: tuple[tuple[str, ...], ...]
    right: tuple[tuple[str, ...], ...]


def _column(name: str, data_type: str, *, nullable: bool = True) -> Column:
    text = data_type in {"char", "varchar", "text"}
    return Column(
        name=name,
        data_type=data_type,
        column_type=data_type,
        nullable=nullable,
        charset="utf8mb4" if text else None,
    )


_ID = _column("id", "int", nullable=False)
_A = _column("a", "varchar")
_B = _column("b", "varchar")
_N = _column("n", "int")
_BYTES = _column("a", "varbinary")
_TEXT = _column("a", "text")
_DECIMAL = _column("d", "decimal")

PAIRS: Final[tuple[Pair, ...]] = (
    Pair("an even number of equal changes", (_ID, _A), (("1", "'A'"), ("2", "'A'")), (("1", "'B'"), ("2", "'B'"))),
    Pair("two rows with swapped values", (_ID, _N), (("1", "7"), ("2", "9")), (("1", "9"), ("2", "7"))),
    Pair("a comma in a value", (_A, _B), (("'a,b'", "'c'"),), (("'a'", "'b,c'"),)),
    Pair("a separator in bytes", (_BYTES, _B), (("x'31FF'", "''"),), (("x'31'", "'1'"),)),
    Pair("a length in bytes", (_BYTES, _B), (("x'31'", "'2'"),), (("x'312C'", "''"),)),
    Pair("bytes that look like NULL", (_BYTES, _B), (("x'FE'", "''"),), (("NULL", "''"),)),
    Pair("one row or two", (_A,), (("'12'",),), (("'1'",), ("'2'",))),
    Pair("NULL and the empty string", (_A, _B), (("NULL", "''"),), (("''", "NULL"),)),
    Pair("NULL and the letter N", (_N, _A), (("1", "NULL"),), (("1", "'N'"),)),
    Pair("NULL and zero", (_N,), (("NULL",),), (("0",),)),
    Pair("letter case", (_A,), (("'abc'",),), (("'ABC'",),)),
    Pair("a trailing blank", (_A,), (("'abc'",),), (("'abc '",),)),
    Pair("a final zero byte", (_BYTES,), (("x'00'",),), (("x'0000'",),)),
    Pair("bytes that are no text", (_BYTES,), (("x'FF'",),), (("x'FE'",),)),
    Pair("an accent", (_A,), (("_utf8mb4 x'65'",),), (("_utf8mb4 x'C3A9'",),)),
    Pair("four-byte characters", (_A,), (("_utf8mb4 x'F09F9880'",),), (("_utf8mb4 x'F09F9881'",),)),
    Pair(
        "neighbouring doubles",
        (_column("d", "double"),),
        (("CAST(0.1e0 + 0.2e0 AS DOUBLE)",),),
        (("CAST(0.3e0 AS DOUBLE)",),),
    ),
    Pair("seven digits", (_column("f", "float"),), (("CAST(16777216e0 AS DOUBLE)",),), (("CAST(16777220e0 AS DOUBLE)",),)),
    Pair(
        "fractions of a second",
        (_column("t", "datetime"),),
        (("CAST('2024-01-01 00:00:00.100000' AS DATETIME(6))",),),
        (("CAST('2024-01-01 00:00:00.100001' AS DATETIME(6))",),),
    ),
    Pair("64 bits", (_column("u", "bigint"),), (("18446744073709551615",),), (("18446744073709551614",),)),
    Pair("beyond 2^53", (_column("u", "bigint"),), (("9007199254740992",),), (("9007199254740993",),)),
    Pair("the last digit of a decimal", (_DECIMAL,), ((f"1.{'0' * 29}1",),), ((f"1.{'0' * 29}2",),)),
    Pair("the end of a long value", (_TEXT,), (("CONCAT(REPEAT('x', 5000), 'a')",),), (("CONCAT(REPEAT('x', 5000), 'b')",),)),
    Pair("a duplicated row", (_N,), (("1",), ("1",)), (("1",),)),
    Pair("two pairs of duplicates", (_N,), (("1",), ("1",)), (("5",), ("5",))),
)  # fmt: skip

# Of tables without a key: their sums must tell these apart, and must not see the order of rows.
COUNTED_PAIRS: Final[tuple[Pair, ...]] = (
    Pair("counted: two pairs of duplicates", (_N, _A), (("1", "'x'"), ("1", "'x'")), (("5", "'q'"), ("5", "'q'"))),
    Pair("counted: another row twice", (_N,), (("1",), ("1",), ("2",)), (("1",), ("2",), ("2",))),
    Pair("counted: a third copy of each", (_N,), (("1",), ("1",), ("2",), ("2",)), (("1",), ("1",), ("1",), ("2",))),
    Pair("counted: four times or two pairs", (_N,), (("1",), ("1",), ("1",), ("1",)), (("1",), ("1",), ("2",), ("2",))),
    Pair("counted: values that sum up alike", (_N,), (("1",), ("4",)), (("2",), ("3",))),
    Pair("counted: an exchange between two rows", (_N, _A), (("1", "'a'"), ("2", "'b'")), (("1", "'b'"), ("2", "'a'"))),
    Pair("counted: NULL or zero", (_N,), (("NULL",), ("NULL",)), (("0",), ("0",))),
)  # fmt: skip
_ORDERS = Pair("counted: the order of rows", (_N, _A), (("1", "'a'"), ("2", "'b'")), (("2", "'b'"), ("1", "'a'")))


def self_test(version: ServerVersion) -> str:
    """One statement with one row: for each pair 1 if its sides hash alike, which must not be: PAIRS, then COUNTED_PAIRS.

    The last column must be 1: equal rows hash alike, and sum up alike in any order.
    """
    columns = [f"{_hash(pair, pair.left, version)} = {_hash(pair, pair.right, version)}" for pair in PAIRS]
    columns += [_sums_alike(pair) for pair in COUNTED_PAIRS]
    equal = PAIRS[0]
    alike = f"{_hash(equal, equal.left, version)} = {_hash(equal, equal.left, version)} AND {_sums_alike(_ORDERS)}"
    return "SELECT " + ", ".join([*columns, alike])


def failed_pairs(row: tuple[str | None, ...]) -> tuple[str, ...]:
    """The names of the pairs that the server's functions did not tell apart."""
    every = (*PAIRS, *COUNTED_PAIRS)
    missed = [pair.name for pair, answer in zip(every, row, strict=False) if answer != "0"]
    return tuple(missed if row and row[-1] == "1" and len(row) == len(every) + 1 else [*missed, "equal rows"])


# That GROUP_CONCAT was cut must be told, by a warning, also where its outcome goes on into a hash.
CUT_TEST: Final = (
    "SELECT SHA2(GROUP_CONCAT(x SEPARATOR ''), 256) FROM (SELECT REPEAT('x', 6000) AS x UNION ALL SELECT REPEAT('y', 6000)) AS d"
)
CUT_LIMIT: Final = 8192
CUT_WARNING: Final = 1260


def _hash(pair: Pair, rows: tuple[tuple[str, ...], ...], version: ServerVersion) -> str:
    codes = joined_codes(row_elements(pair.columns), version)
    return f"(SELECT SHA2({codes}, 256) FROM {_derived(pair, rows)})"


def _sums_alike(pair: Pair) -> str:
    sums = summed_hashes(row_elements(pair.columns))
    left, right = (f"(SELECT CONCAT_WS(' ', COUNT(*), {sums}) FROM {_derived(pair, rows)})" for rows in (pair.left, pair.right))
    return f"{left} = {right}"


def _derived(pair: Pair, rows: tuple[tuple[str, ...], ...]) -> str:
    selects = " UNION ALL ".join(
        "SELECT " + ", ".join(f"{literal} AS `{column.name}`" for literal, column in zip(row, pair.columns, strict=True))
        for row in rows
    )
    return f"({selects}) AS d"
