"""Statements that read signatures and rows of one table on one server, and their answers as values.

One signature is the SHA-256 of all encoded rows of a key range, in key order, with their count
(docs/decisions/0003-signature.md). A table without a key has no such order: its rows' hashes are summed up, and a row is
named by its hash; its content is how many there are. Statements are plain templates: every name passes `quote_name`, every
value `key_literal`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from repwatch.model.schema import Column, Table
from repwatch.model.server import ServerVersion
from repwatch.sql.documents import document_form, with_documents
from repwatch.sql.encoding import LONG_VALUE, Kind, joined_codes, kind_of, plain, row_code, row_elements, summed_hashes
from repwatch.sql.keyrange import (
    EVERYTHING,
    NULL_PART,
    Key,
    KeyColumn,
    KeyRange,
    among,
    in_range,
    is_whole_number,
    key_expression,
)
from repwatch.sql.quoting import quote_name, quote_table, quote_text

# Values longer than this are shown by their beginning, length and hash: a result row must fit max_allowed_packet.
SHOWN_VALUE: Final = 16384
CONCAT_LIMIT: Final = 64 * 1024 * 1024
# "… is deprecated": says nothing about the value. All other warnings make a signature void.
_HARMLESS_WARNINGS: Final = frozenset({1287, 1681, 3719, 3720, 3778})

Raw = tuple[bytes | None, ...]
Fetched = Sequence[bytes | bytearray | None]  # a row as the driver has it
Line = bytes | tuple[str, ...]  # name and content of a row, as the server has joined them or apart; see `name_of`


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

    `columns` are those compared, in the source's order; `key` names a row and is empty where none is; `bounds`, the first
    columns of `index`, cut ranges.
    """

    table: Table
    key: tuple[KeyColumn, ...]
    bounds: tuple[KeyColumn, ...]
    columns: tuple[Column, ...]
    convert: frozenset[str] = frozenset()
    long: frozenset[str] = frozenset()
    index: str = "PRIMARY"  # "": there is none that both sides have
    where: str = ""  # a vetted condition, as typed: rows that it does not choose are not looked at
    portable: bool = False  # the servers may be of different flavours and versions
    documents: frozenset[str] = frozenset()  # columns read whole: JSON that one side keeps as text

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
        apart = [column for column in self.columns if column.name not in self.documents]
        return row_elements(apart, self.convert, self.long, portable=self.portable)

    @property
    def apart(self) -> tuple[Column, ...]:
        """The columns whose values are sent beside the hash of the others."""
        return tuple(column for column in self.columns if column.name in self.documents)

    @property
    def hash_columns(self) -> str:
        """What is selected to make a row's hash of; see `hash_of`."""
        return ", ".join([self.row_hash, *(_whole(column) for column in self.apart)])

    def hash_of(self, row: Raw, position: int) -> str:
        """A row's hash, out of the answer's columns from `position` on."""
        return with_documents((row[position] or b"").decode(), row[position + 1 : position + 1 + len(self.documents)])

    @property
    def row_hash(self) -> str:
        """The expression of a row's hash."""
        return f"SHA2({row_code(self.elements)}, 256)"

    @property
    def counted(self) -> bool:
        """True if rows have no name: alike ones are counted."""
        return not self.key

    @property
    def parted(self) -> bool:
        """True if ranges can be cut down to single rows: their bounds name a row, and not just the beginning of its key."""
        return not self.counted and {part.column.name for part in self.key} <= {part.column.name for part in self.bounds}

    @property
    def name_size(self) -> int:
        """How many columns of an answer name a row."""
        return len(self.key) or 1

    @property
    def named(self) -> str:
        """The select list of a row's name and content."""
        return f"{self.row_hash}, COUNT(*)" if self.counted else f"{_keys(self.key)}, {self.hash_columns}"

    def content_of(self, row: Raw) -> str:
        """The content of a row, out of an answer to `named`: its hash, or how many are alike; empty where that is unknown."""
        if not self.counted:
            return self.hash_of(row, self.name_size)
        return "" if None in row[: self.name_size] else (row[self.name_size] or b"").decode()

    @property
    def joined(self) -> bool:
        """True if many rows may be listed as one text: their names are short and plain, and their hashes the server's own."""
        return is_whole_number(self.key) and not self.documents

    @property
    def grouping(self) -> str:
        """GROUP BY clause that makes one row of those that are alike."""
        return " GROUP BY 1" if self.counted else ""

    def among(self, keys: Sequence[Key], piece: KeyRange) -> str:
        """WHERE clause of the rows of these names; those without a key are looked for in the range in which they were seen."""
        if not self.counted:
            return among(self.key, keys)
        hashes = ", ".join(quote_text(key[0]) for key in keys)
        return f"{in_range(self.bounds, piece)} AND IFNULL({self.row_hash}, '{NULL_PART}') IN ({hashes})"

    @property
    def origin(self) -> str:
        """FROM clause. The index is forced: a range of the key must be read in key order, and bounded in rows."""
        forced = f" FORCE INDEX ({quote_name(self.index)})" if self.index else ""
        return f"{quote_table(self.table.name)}{forced}"

    @property
    def order(self) -> str:
        """ORDER BY clause of the bounds."""
        return "ORDER BY " + ", ".join(column.name for column in self.bounds) if self.bounds else ""


def statement_limit(version: ServerVersion, seconds: float) -> str:
    """Statements of the session end by themselves after so long."""
    if version.is_mariadb:
        return f"SET SESSION max_statement_time = {seconds:.3f}"
    return f"SET SESSION max_execution_time = {round(seconds * 1000)}"


def session_setup(version: ServerVersion, statement_seconds: float) -> tuple[str, ...]:
    """Settings of a checking session: consistent reads, no writes, no long waits, statements that end by themselves."""
    read_only = "tx_read_only" if version.is_mariadb else "transaction_read_only"
    setup = (
        statement_limit(version, statement_seconds),
        no_cut(),
        f"SET SESSION lock_wait_timeout = {max(1, min(15, round(statement_seconds)))}",
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        f"SET SESSION {read_only} = ON",
    )
    # With the default expiry MySQL writes the statistics that it reads into a table of its own.
    return setup if version.is_mariadb else (*setup, "SET SESSION information_schema_stats_expiry = 0")


def no_cut() -> str:
    """The setting without which a signature is cut short, and therefore void."""
    return f"SET SESSION group_concat_max_len = {CONCAT_LIMIT}"


def signatures(reading: TableReading, pieces: Sequence[KeyRange], version: ServerVersion) -> str:
    """Number, count and hash (or sums of hashes) of each of these ranges, in one row each.

    Many small ranges by one statement cost hardly more than one large one: each is a range of the index by itself, read in its
    order. A GROUP BY of an expression would sort all rows first (docs/decisions/0003-signature.md).
    """
    digest = summed_hashes(reading.elements) if reading.counted else f"SHA2({joined_codes(reading.elements, version)}, 256)"
    signature = f"COUNT(*), {digest} FROM {reading.origin} WHERE"  # once: there may be hundreds of pieces
    return " UNION ALL ".join(f"SELECT {number}, {signature} {reading.chosen(piece)}" for number, piece in enumerate(pieces))


def parse_signatures(
    rows: Sequence[Raw], pieces: Sequence[KeyRange], warnings: Sequence[tuple[int, str]], *, narrowed: bool = False
) -> dict[KeyRange, Signature]:
    """The answer of `signatures`. A warning does not say which range it is of, and makes all of them void."""
    return {pieces[int(row[0] or b"")]: parse_signature(row[1:], warnings, narrowed=narrowed) for row in rows}


def parse_signature(row: Raw, warnings: Sequence[tuple[int, str]], *, narrowed: bool = False) -> Signature:
    """Count and hash of one range. Void if the server warned.

    It warns where GROUP_CONCAT was cut (1260; `selftest` tries it) and where a code was longer than max_allowed_packet and
    therefore NULL (1301). `narrowed`: by a condition, which may compare text with a number (1292); no code of a row does.
    """
    rows = int(row[0] or b"0")
    harmless = _HARMLESS_WARNINGS | {1292} if narrowed else _HARMLESS_WARNINGS
    # Warnings that the server did not keep stand there as one with the number 0: any of them may be the one that counts.
    if any(number not in harmless for number, _ in warnings) or (rows and None in row):
        return Signature(rows=rows, digest="", void=True)
    return Signature(rows=rows, digest=" ".join((part or b"").decode() for part in row[1:]))


def row_by_row(reading: TableReading, piece: KeyRange) -> str:
    """What the hash of each row of a range is made of, where the server cannot make it alone: there are documents."""
    return f"SELECT {reading.hash_columns} FROM {reading.origin} WHERE {reading.chosen(piece)} {reading.order}"


def parse_row_by_row(reading: TableReading, rows: Iterable[Raw]) -> Signature:
    """The answer of `row_by_row`."""
    hashes = [reading.hash_of(row, 0) for row in rows]
    if "" in hashes:
        return Signature(rows=len(hashes), digest="", void=True)
    return Signature(rows=len(hashes), digest=sha256(",".join(hashes).encode()).hexdigest())


def bound(reading: TableReading, piece: KeyRange, offset: int) -> str:
    """The key of the row `offset` rows into a range (the first is 0); no row if the range has fewer.

    All rows count, chosen by a condition or not: a statement must be bounded in what it reads.
    """
    return (
        f"SELECT {_keys(reading.bounds)} FROM {reading.origin} WHERE {in_range(reading.bounds, piece)} "
        f"{reading.order} LIMIT 1 OFFSET {offset}"
    )


def some_bounds(reading: TableReading, piece: KeyRange, one_in: int, limit: int) -> str:
    """The keys of about one row in so many of a range, in key order.

    Drawn by chance: that takes one walk over the index whatever the key is, and each other way one for each bound, or a sort.
    """
    return (
        f"SELECT {_keys(reading.bounds)} FROM {reading.origin} WHERE {in_range(reading.bounds, piece)} "
        f"AND RAND() * {one_in} < 1 {reading.order} LIMIT {limit}"
    )


def row_hashes_in(reading: TableReading, pieces: Sequence[KeyRange], limit: int | None = None, prefix: str = "") -> str:
    """Name and content of each row of these ranges (or of `limit` in each), in key order.

    Those of rows without a key may be chosen by the beginning of their hash.
    """
    order = reading.grouping or f" {reading.order}"
    most = "" if limit is None else f" LIMIT {limit}"
    chosen = ""
    if prefix:
        chosen = f" AND LEFT(IFNULL({reading.row_hash}, '{NULL_PART}'), {len(prefix)}) = {quote_text(prefix)}"
    return " UNION ALL ".join(
        f"(SELECT {reading.named} FROM {reading.origin} WHERE {reading.chosen(piece)}{chosen}{order}{most})" for piece in pieces
    )


def joined_rows_in(reading: TableReading, pieces: Sequence[KeyRange]) -> str:
    """Name and content of each row of these ranges, of a reading that is `joined`, in one text for each.

    A row with a hash that is NULL (a code too long) has none there: as NULL it would be left out of the text.
    """
    line = f"CONCAT({_keys(reading.key)}, ':', IFNULL({reading.row_hash}, ''))"
    return " UNION ALL ".join(
        f"SELECT GROUP_CONCAT({line}) FROM {reading.origin} WHERE {reading.chosen(piece)}" for piece in pieces
    )


def parse_joined_rows(rows: Iterable[Fetched]) -> list[Line]:
    """The answer of `joined_rows_in`. It is whole if the server did not warn."""
    return [line for (text,) in rows if text for line in bytes(text).split(b",")]


def lines_of(contents: Mapping[Key, str], reading: TableReading) -> list[Line]:
    """The same of rows that were read one by one; alike on both servers, also where one of them could not join its own."""
    if reading.joined:
        return [f"{name}:{content}".encode() for (name,), content in contents.items()]
    return [(*name, content) for name, content in contents.items()]


def name_of(line: Line) -> Key:
    """The name of a row."""
    return (line.partition(b":")[0].decode(),) if isinstance(line, bytes) else line[:-1]


def not_among(lines: Sequence[Line], others: Iterable[Line]) -> list[Line]:
    """Those that others have not, in their order, and those whose content is unknown, which equals nothing."""
    alone = set(lines).difference(others)
    return [line for line in lines if line in alone or _is_unknown(line)]


def _is_unknown(line: Line) -> bool:
    return line.endswith(b":") if isinstance(line, bytes) else not line[-1]


def longer(prefix: str) -> list[str]:
    """The prefixes of hashes that together are this one. Rows without a hash (a code too long) are one, and its last."""
    return [prefix + digit for digit in "0123456789abcdef"] + ([] if prefix else [NULL_PART])


def row_hashes_of(reading: TableReading, keys: Sequence[Key], piece: KeyRange = EVERYTHING) -> str:
    """Name and content of the rows of these names, whatever the condition: what it chooses on one side alone is a changed row."""
    return f"SELECT {reading.named} FROM {reading.origin} WHERE {reading.among(keys, piece)}{reading.grouping}"


def rows_of(reading: TableReading, keys: Sequence[Key], piece: KeyRange = EVERYTHING) -> str:
    """Name, content and, for each compared column, its value (cut), its length and its hash where it is cut.

    Of rows that are alike the server shows one: the sql_mode of a session is without ONLY_FULL_GROUP_BY.
    """
    values = ", ".join(_shown(column) for column in reading.columns)
    return f"SELECT {reading.named}, {values} FROM {reading.origin} WHERE {reading.among(keys, piece)}{reading.grouping}"


def parse_row_hashes(rows: Iterable[Fetched], reading: TableReading) -> dict[Key, str]:
    """Content by name. Where a hash is NULL (a code too long) it stays empty and equals nothing."""
    size = reading.name_size
    if reading.counted or reading.documents:
        whole = (tuple([None if part is None else bytes(part) for part in row]) for row in rows)
        return {parse_key(row, size): reading.content_of(row) for row in whole}
    # Many thousand rows, of which each microsecond counts.
    if size == 1:
        return {(NULL_PART if key is None else key.decode(),): (code or b"").decode() for key, code in rows}
    return {parse_key(row, size): (row[size] or b"").decode() for row in rows}


def parse_key(row: Fetched, key_size: int) -> Key:
    """The key at the head of a row."""
    return tuple([NULL_PART if part is None else part.decode("utf-8") for part in row[:key_size]])


@dataclass(frozen=True, slots=True)
class ShownValue:
    """One value of a row. `length` and `digest` are there if `content` is only its beginning; `form` is that of a document."""

    content: bytes | None
    length: int = 0
    digest: str = ""
    form: str = ""
    invalid: bool = False  # the value 0 of an ENUM, which reads like a member ''

    def same_as(self, other: "ShownValue") -> bool:
        """True if both are one value; documents may be spelled differently."""
        return self.form == other.form if self.form or other.form else self == other


def parse_shown(row: Raw, reading: TableReading) -> Mapping[str, ShownValue]:
    """The values of a row of `rows_of`, by column."""
    found = {}
    position = reading.name_size + 1
    whole = zip(reading.apart, row[position:], strict=False)
    forms = {column.name: document_form(value)[0] for column, value in whole if value is not None}
    position += len(reading.apart)
    for column in reading.columns:
        content, length, digest = row[position : position + 3]
        size, form = int(length or b"0") if digest else 0, forms.get(column.name, "")
        invalid = kind_of(column) is Kind.CHOICE and length == b"1"
        found[column.name] = ShownValue(content, size, (digest or b"").decode(), form, invalid)
        position += 3
    return found


def _keys(columns: Sequence[KeyColumn]) -> str:
    return ", ".join(key_expression(column) for column in columns)


def _whole(column: Column) -> str:
    name = quote_name(column.name)
    return f"CAST({name} AS CHAR CHARACTER SET utf8mb4)" if kind_of(column) is Kind.JSON else name


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
