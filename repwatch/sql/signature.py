"""Statements that read signatures and rows of one table on one server, and their answers as values.

One signature is the SHA-256 of all encoded rows of a key range, in key order, with their count
(docs/decisions/0003-signature.md). Statements are plain templates: every name passes `quote_name`, every value `key_literal`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from repwatch.model.schema import Column, Table
from repwatch.model.server import ServerVersion
from repwatch.sql.encoding import LONG_VALUE, Kind, joined_codes, kind_of, plain, row_code, row_elements
from repwatch.sql.keyrange import Key, KeyColumn, KeyRange, among, in_range, key_expression
from repwatch.sql.quoting import quote_name, quote_table

# Values longer than this are shown by their beginning, length and hash: a result row must fit max_allowed_packet.
SHOWN_VALUE: Final = 16384
CONCAT_LIMIT: Final = 64 * 1024 * 1024
# "… is deprecated": says nothing about the value. All other warnings make a signature void.
_HARMLESS_WARNINGS: Final = frozenset({1287, 1681, 3719, 3720, 3778})

Raw = tuple[bytes | None, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """Of one range on one server. `void`: it could not be taken whole, and equals nothing, not even itself."""

    rows: int
    digest: str
    void: bool = False

    def same_as(self, other: "Signature") -> bool:
        """True if both are whole and of equal content."""
        return not self.void and not other.void and (self.rows, self.digest) == (other.rows, other.digest)


VOID: Final = Signature(rows=0, digest="", void=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReading:
    """How one table is read on one server.

    `columns` are those compared, in the source's order; `key` names a row; `bounds`, its first columns, cut ranges.
    """

    table: Table
    key: tuple[KeyColumn, ...]
    bounds: tuple[KeyColumn, ...]
    columns: tuple[Column, ...]
    convert: frozenset[str] = frozenset()
    long: frozenset[str] = frozenset()
    where: str = ""  # a vetted condition, as typed: rows that it does not choose are not looked at

    @property
    def wanted(self) -> str:
        """The condition in parentheses, TRUE where there is none."""
        return f"({self.where})" if self.where else "TRUE"

    def chosen(self, piece: KeyRange) -> str:
        """WHERE clause of the rows of a range that are compared."""
        in_piece = in_range(self.bounds, piece)
        return f"{in_piece} AND {self.wanted}" if self.where else in_piece

    @property
    def elements(self) -> list[str]:
        """The expressions that make up the code of a row."""
        return row_elements(self.columns, self.convert, self.long)

    @property
    def row_hash(self) -> str:
        """The expression of a row's hash."""
        return f"SHA2({row_code(self.elements)}, 256)"

    @property
    def origin(self) -> str:
        """FROM clause. The index is forced: a range of the key must be read in key order, and bounded in rows."""
        return f"{quote_table(self.table.name)} FORCE INDEX (PRIMARY)"

    @property
    def order(self) -> str:
        """ORDER BY clause of the bounds."""
        return "ORDER BY " + ", ".join(column.name for column in self.bounds) if self.bounds else ""


def session_setup(version: ServerVersion, statement_seconds: float) -> tuple[str, ...]:
    """Settings of a checking session: consistent reads, no writes, no long waits, statements that end by themselves."""
    bounded = (
        f"SET SESSION max_statement_time = {statement_seconds:.3f}"
        if version.is_mariadb
        else f"SET SESSION max_execution_time = {round(statement_seconds * 1000)}"
    )
    read_only = "tx_read_only" if version.is_mariadb else "transaction_read_only"
    setup = (
        bounded,
        f"SET SESSION group_concat_max_len = {CONCAT_LIMIT}",
        f"SET SESSION lock_wait_timeout = {max(1, round(statement_seconds))}",
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        f"SET SESSION {read_only} = ON",
    )
    # With the default expiry MySQL writes the statistics that it reads into a table of its own.
    return setup if version.is_mariadb else (*setup, "SET SESSION information_schema_stats_expiry = 0")


def signature(reading: TableReading, piece: KeyRange, version: ServerVersion) -> str:
    """Count and hash of a range, in one row."""
    codes = joined_codes(reading.elements, version)
    return f"SELECT COUNT(*), SHA2({codes}, 256) FROM {reading.origin} WHERE {reading.chosen(piece)}"


def parse_signature(row: Raw, warnings: Sequence[tuple[int, str]], *, narrowed: bool = False) -> Signature:
    """The answer of `signature`. Void if the server warned.

    It warns where GROUP_CONCAT was cut (1260; `selftest` tries it) and where a code was longer than max_allowed_packet and
    therefore NULL (1301). `narrowed`: by a condition, which may compare text with a number (1292); no code of a row does.
    """
    rows = int(row[0] or b"0")
    harmless = _HARMLESS_WARNINGS | {1292} if narrowed else _HARMLESS_WARNINGS
    if any(number not in harmless for number, _ in warnings) or (rows and row[1] is None):
        return Signature(rows=rows, digest="", void=True)
    return Signature(rows=rows, digest=(row[1] or b"").decode())


def bound(reading: TableReading, piece: KeyRange, offset: int) -> str:
    """The key of the row `offset` rows into a range (the first is 0); no row if the range has fewer.

    All rows count, chosen by a condition or not: a statement must be bounded in what it reads.
    """
    return (
        f"SELECT {_keys(reading.bounds)} FROM {reading.origin} WHERE {in_range(reading.bounds, piece)} "
        f"{reading.order} LIMIT 1 OFFSET {offset}"
    )


def row_hashes_in(reading: TableReading, piece: KeyRange, limit: int) -> str:
    """Key and hash of each row of a range, at most `limit`, in key order."""
    return (
        f"SELECT {_keys(reading.key)}, {reading.row_hash} FROM {reading.origin} "
        f"WHERE {reading.chosen(piece)} {reading.order} LIMIT {limit}"
    )


def row_hashes_of(reading: TableReading, keys: Sequence[Key]) -> str:
    """Key and hash of the rows with these keys, whatever the condition: what it chooses on one side alone is a changed row."""
    return f"SELECT {_keys(reading.key)}, {reading.row_hash} FROM {reading.origin} WHERE {among(reading.key, keys)}"


def rows_of(reading: TableReading, keys: Sequence[Key]) -> str:
    """Key, hash and, for each compared column, its value (cut), its length and its hash where it is cut."""
    values = ", ".join(_shown(column) for column in reading.columns)
    return f"SELECT {_keys(reading.key)}, {reading.row_hash}, {values} FROM {reading.origin} WHERE {among(reading.key, keys)}"


def parse_row_hashes(rows: Sequence[Raw], key_size: int) -> dict[Key, str]:
    """Hash by key. A hash that is NULL (a code too long) stays empty and equals nothing."""
    return {parse_key(row, key_size): (row[key_size] or b"").decode() for row in rows}


def parse_key(row: Raw, key_size: int) -> Key:
    """The key at the head of a row."""
    return tuple((part or b"").decode("utf-8") for part in row[:key_size])


@dataclass(frozen=True, slots=True)
class ShownValue:
    """One value of a row. `length` and `digest` are there if `content` is only its beginning."""

    content: bytes | None
    length: int = 0
    digest: str = ""
    invalid: bool = False  # the value 0 of an ENUM, which reads like a member ''


def parse_shown(row: Raw, reading: TableReading) -> Mapping[str, ShownValue]:
    """The values of a row of `rows_of`, by column."""
    found = {}
    position = len(reading.key) + 1
    for column in reading.columns:
        content, length, digest = row[position : position + 3]
        invalid = kind_of(column) is Kind.CHOICE and length == b"1"
        found[column.name] = ShownValue(content, int(length or b"0") if digest else 0, (digest or b"").decode(), invalid)
        position += 3
    return found


def _keys(columns: Sequence[KeyColumn]) -> str:
    return ", ".join(key_expression(column) for column in columns)


def _shown(column: Column) -> str:
    name = quote_name(column.name)
    kind = kind_of(column)
    if kind in (Kind.LONG_TEXT, Kind.LONG_BYTES, Kind.JSON, Kind.OPAQUE):
        value = f"CAST({name} AS BINARY)" if kind is Kind.OPAQUE else name
        value = f"CAST({name} AS CHAR CHARACTER SET utf8mb4)" if kind is Kind.JSON else value
        cut = f"LENGTH({value}) > {SHOWN_VALUE}"
        return f"LEFT({value}, IF({cut}, {LONG_VALUE}, {SHOWN_VALUE})), LENGTH({value}), IF({cut}, SHA2({value}, 256), NULL)"
    if kind is Kind.CHOICE:
        return f"{name}, {name} + 0 = 0, NULL"
    shown = name if kind in (Kind.TEXT, Kind.BYTES) else plain(column)
    return f"{shown}, 0, NULL"
