"""Random tables, random drift, and what a check must find, worked out from what was done and not from what a server says."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.server.drifting import Found

Value = str | None  # as the report shows it: equal text is equal data, for every type here
Row = tuple[Value, ...]
MOST_ROWS: Final = 60
_LETTERS: Final = ("a", "A", "b", "é", "É", "ß", "ÿ", "þ", "N", " ", ",", ";", "'", "\\", "%", "0")
_WIDE: Final = ("😀", "表", "Ω", "\u0301")


@dataclass(frozen=True)
class Kind:
    """A type: how a value of it is made, how it is written as a literal, and whether it can be a key."""

    sql: str
    make: Callable[[random.Random], str]
    literal: Callable[[str], str]
    key: Callable[[random.Random, int], str] | None = None  # the number makes it unique


def _plain(text: str) -> str:
    return text


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _hex(text: str) -> str:
    return f"x'{text.removeprefix('0x')}'"


def _integer(bits: int, signed: bool) -> Callable[[random.Random], str]:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return lambda chance: str(chance.choice((0, 1, low, high, high - 1, chance.randint(low, high))))


def _text(*letters: str) -> Callable[[random.Random], str]:
    return lambda chance: "".join(chance.choice(letters) for _ in range(chance.randint(0, 8)))


def _text_key(*letters: str) -> Callable[[random.Random, int], str]:
    # The number comes first, so that no collation holds two keys for equal; no blank at the end, which may be ignored.
    return lambda chance, number: f"{number}-" + "".join(chance.choice(letters) for _ in range(4)) + "."


def _moment(fraction: int) -> Callable[[random.Random], str]:
    def make(chance: random.Random) -> str:
        day = f"20{chance.randint(0, 37):02d}-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"
        time = f"{chance.randint(0, 23):02d}:{chance.randint(0, 59):02d}:{chance.randint(0, 59):02d}"
        return f"{day} {time}" + (f".{chance.randint(0, 10**fraction - 1):0{fraction}d}" if fraction else "")

    return make


def _moment_key(fraction: int) -> Callable[[random.Random, int], str]:
    end = "." + "0" * (fraction - 1) + "1" if fraction else ""
    return lambda _, number: f"2024-01-{number % 28 + 1:02d} 00:{number // 28 % 60:02d}:00{end}"


def _bytes(chance: random.Random) -> str:
    return "0x" + "".join(chance.choice(("00", "FF", "FE", "61", "20", "2C")) for _ in range(chance.randint(0, 6)))


def _halves(chance: random.Random) -> str:
    number = chance.randint(-99999, 99999) or 1  # -0 is a value of its own
    return f"{number // 2}" if number % 2 == 0 else f"{number / 2}"


KINDS: Final = (
    Kind("TINYINT", _integer(8, True), _plain),
    Kind("INT", _integer(32, True), _plain, lambda chance, number: str(number * chance.choice((1, 1, -1)) if number else 0)),
    Kind("INT UNSIGNED ZEROFILL", _integer(16, False), _plain),
    Kind("BIGINT", _integer(64, True), _plain, lambda _, number: str(2**53 + number)),
    Kind("BIGINT UNSIGNED", _integer(64, False), _plain, lambda _, number: str(2**64 - 1 - number)),
    Kind("DECIMAL(12,3)", lambda chance: f"{chance.randint(-9999, 9999) or 1}.{chance.randint(0, 999):03d}", _plain,
         lambda _, number: f"{number}.500"),
    Kind("DOUBLE", _halves, _plain, lambda _, number: f"{number}.5"),
    Kind("FLOAT", _halves, _plain),
    Kind("BIT(20)", lambda chance: str(chance.randint(0, 2**20 - 1)), _plain, lambda _, number: str(number)),
    Kind("DATE", lambda chance: _moment(0)(chance)[:10], _quoted, lambda _, number: f"{1900 + number}-02-03"),
    Kind("DATETIME(3)", _moment(3), _quoted, _moment_key(3)),
    Kind("TIMESTAMP(6) NULL", _moment(6), _quoted),
    Kind("TIME(2)", lambda chance: f"{chance.choice(('', '-'))}{chance.randint(1, 838)}:00:00.{chance.randint(0, 99):02d}"
         if chance.random() < 0.5 else f"-00:00:{chance.randint(10, 59)}.50", _quoted),
    Kind("YEAR", lambda chance: str(chance.randint(1901, 2155)), _plain),
    Kind("VARCHAR(20)", _text(*_LETTERS, *_WIDE), _quoted, _text_key(*_LETTERS, *_WIDE)),
    Kind("VARCHAR(20) COLLATE utf8mb4_bin", _text(*_LETTERS, *_WIDE), _quoted, _text_key(*_LETTERS, *_WIDE)),
    Kind("VARCHAR(20) COLLATE utf8mb4_unicode_ci", _text(*_LETTERS, *_WIDE), _quoted, _text_key(*_LETTERS)),
    Kind("VARCHAR(20) CHARACTER SET latin1", _text(*_LETTERS), _quoted, _text_key(*_LETTERS)),
    Kind("VARCHAR(20) CHARACTER SET utf16", _text(*_LETTERS, *_WIDE), _quoted),
    Kind("CHAR(12)", lambda chance: _text(*_LETTERS, *_WIDE)(chance).rstrip(" "), _quoted, _text_key(*_LETTERS)),
    Kind("TEXT", lambda chance: _text(*_LETTERS, *_WIDE)(chance) * chance.choice((1, 1, 1, 200)), _quoted),
    Kind("VARBINARY(20)", _bytes, _hex, lambda chance, number: f"0x{number:04X}{_bytes(chance)[2:]}"),
    Kind("BLOB", _bytes, _hex),
    Kind("ENUM('a','b','N','')", lambda chance: chance.choice(("a", "b", "N", "")), _quoted),
    Kind("SET('x','y','z')", lambda chance: chance.choice(("", "x", "y", "x,y", "y,z", "x,y,z")), _quoted),
)  # fmt: skip
KEYS: Final = tuple(kind for kind in KINDS if kind.key)
# What may be done to a whole table without changing a row.
HARMLESS: Final = (
    "ENGINE = MyISAM", "ENGINE = InnoDB ROW_FORMAT = COMPACT", "ADD own INT DEFAULT 1", "ADD INDEX extra (k0)", "COMMENT = 'x'",
)  # fmt: skip


@dataclass
class RandomTable:
    """A table with its rows on both sides."""

    name: str
    keys: tuple[Kind, ...]
    kinds: tuple[Kind, ...]
    nullable: tuple[bool, ...]
    source: list[Row]
    replica: list[Row] = field(default_factory=list)
    alteration: str = ""

    @property
    def creation(self) -> list[str]:
        """Statements that make it on the source."""
        columns = [f"k{number} {kind.sql.removesuffix(' NULL')} NOT NULL" for number, kind in enumerate(self.keys)]
        columns += [
            f"c{number} {kind.sql.removesuffix(' NULL')} {'NULL' if nullable else 'NOT NULL'}"
            for number, (kind, nullable) in enumerate(zip(self.kinds, self.nullable, strict=True))
        ]
        key = ", ".join(f"k{number}" for number in range(len(self.keys)))
        return [f"CREATE TABLE {self.name} ({', '.join(columns)}, PRIMARY KEY ({key}))", *self._insert(self.source)]

    @property
    def drift(self) -> list[str]:
        """Statements that make the replica's rows what they are to be."""
        altered = [f"ALTER TABLE {self.name} {self.alteration}"] if self.alteration else []
        if self.source == self.replica:
            return altered
        return [f"DELETE FROM {self.name}", *self._insert(self.replica), *altered]

    @property
    def expected(self) -> set[Found]:
        """What a check must find."""
        size = len(self.keys)
        here, there = ({row[:size]: row[size:] for row in rows} for rows in (self.source, self.replica))
        found = {Found("missing", key) for key in here.keys() - there.keys()}
        found |= {Found("extra", key) for key in there.keys() - here.keys()}
        for key in here.keys() & there.keys():
            if here[key] != there[key]:
                columns = (f"c{n}" for n, pair in enumerate(zip(here[key], there[key], strict=True)) if pair[0] != pair[1])
                found.add(Found("changed", key, frozenset(columns)))
        return found

    def _insert(self, rows: Sequence[Row]) -> list[str]:
        kinds = (*self.keys, *self.kinds)
        names = [f"k{number}" for number in range(len(self.keys))] + [f"c{number}" for number in range(len(self.kinds))]
        values = (
            "(" + ", ".join("NULL" if v is None else kind.literal(v) for kind, v in zip(kinds, row, strict=True)) + ")"
            for row in rows
        )
        return [f"INSERT INTO {self.name} ({', '.join(names)}) VALUES {', '.join(values)}"] if rows else []


def random_table(chance: random.Random, name: str) -> RandomTable:
    """A table of any shape, and one of several fates on the replica; a quarter stays equal."""
    keys = tuple(chance.choice(KEYS) for _ in range(chance.choice((1, 1, 1, 2, 3))))
    kinds = tuple(chance.choice(KINDS) for _ in range(chance.randint(1, 6)))
    table = RandomTable(name, keys, kinds, tuple(chance.random() < 0.5 for _ in kinds), [])
    count = chance.choice((0, 1, 2, chance.randint(3, MOST_ROWS), chance.randint(3, MOST_ROWS)))
    table.source = [_row(chance, table, number) for number in range(count)]
    table.replica = list(table.source)
    for fate in chance.sample(FATES, chance.choice((0, 1, 1, 2))):
        fate(chance, table)
    chance.shuffle(table.replica)
    if table.replica and sorted(table.replica, key=str) == sorted(table.source, key=str) and chance.random() < 0.5:
        table.replica = list(table.source)
    table.alteration = chance.choice(HARMLESS) if chance.random() < 0.3 else ""
    return table


def _row(chance: random.Random, table: RandomTable, number: int) -> Row:
    key = [kind.key(chance, number) for kind in table.keys if kind.key]
    return (*key, *(_value(chance, kind, null) for kind, null in zip(table.kinds, table.nullable, strict=True)))


def _value(chance: random.Random, kind: Kind, nullable: bool) -> Value:
    return None if nullable and chance.random() < 0.2 else kind.make(chance)


def _some(chance: random.Random, table: RandomTable) -> list[int]:
    count = len(table.replica)
    return chance.sample(range(count), chance.randint(1, count)) if count else []


def _lose_update(chance: random.Random, table: RandomTable) -> None:
    """The same values in several rows: in one column, or in all."""
    size = len(table.keys)
    columns = chance.choice(([chance.randrange(len(table.kinds))], range(len(table.kinds))))
    values = {n: _value(chance, table.kinds[n], table.nullable[n]) for n in columns}
    for at in _some(chance, table):
        row = table.replica[at]
        table.replica[at] = (*row[:size], *(values.get(n, value) for n, value in enumerate(row[size:])))


def _lose_rows(chance: random.Random, table: RandomTable) -> None:
    gone = set(_some(chance, table))
    table.replica = [row for at, row in enumerate(table.replica) if at not in gone]


def _lose_all(chance: random.Random, table: RandomTable) -> None:
    table.replica = []


def _add_rows(chance: random.Random, table: RandomTable) -> None:
    table.replica += [_row(chance, table, MOST_ROWS + number) for number in range(chance.randint(1, 9))]


def _swap(chance: random.Random, table: RandomTable) -> None:
    """Two rows exchange all but their keys."""
    if len(table.replica) > 1:
        size = len(table.keys)
        one, other = chance.sample(range(len(table.replica)), 2)
        left, right = table.replica[one], table.replica[other]
        table.replica[one], table.replica[other] = (*left[:size], *right[size:]), (*right[:size], *left[size:])


def _scramble(chance: random.Random, table: RandomTable) -> None:
    """Rows get values of their own."""
    size = len(table.keys)
    for at in _some(chance, table):
        table.replica[at] = (*table.replica[at][:size], *_row(chance, table, 0)[size:])


FATES: Final = (_lose_update, _lose_rows, _lose_all, _add_rows, _swap, _scramble)
