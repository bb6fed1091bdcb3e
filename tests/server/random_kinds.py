"""Types of columns for random tables: how a value is made, and how it is written as a literal."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_LETTERS: Final = ("a", "A", "b", "é", "É", "ß", "ÿ", "þ", "N", " ", ",", ";", "'", "\\", "%", "0")
_WIDE: Final = ("😀", "表", "Ω", "\u0301")
MOST_KEYS: Final = 100  # numbers of keys are below


@dataclass(frozen=True)
class Kind:
    """A type: how a value of it is made, how it is written as a literal, and whether it can be a key.

    A value is the text that a report shows, so that equal text is equal data; of a type that is not `shown` it shows another.
    """

    sql: str
    make: Callable[[random.Random], str]
    literal: Callable[[str], str]
    key: Callable[[random.Random, int], str] | None = None  # the number makes it unique
    shown: bool = True


def _plain(text: str) -> str:
    return text


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _hex(text: str) -> str:
    return f"x'{text.removeprefix('0x')}'"


def _shape(text: str) -> str:
    return f"ST_GeomFromText('{text}')"


def _integer(bits: int, signed: bool) -> Callable[[random.Random], str]:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return lambda chance: str(chance.choice((0, 1, low, high, high - 1, chance.randint(low, high))))


def _text(*letters: str) -> Callable[[random.Random], str]:
    return lambda chance: "".join(chance.choice(letters) for _ in range(chance.randint(0, 8)))


def _text_key(*letters: str) -> Callable[[random.Random, int], str]:
    # The number comes first, so that no collation holds two keys for equal; no blank at the end, which may be ignored.
    return lambda chance, number: f"{number}-" + "".join(chance.choice(letters) for _ in range(4)) + "."


def _long_text(chance: random.Random) -> str:
    return _text(*_LETTERS, *_WIDE)(chance) * chance.choice((1, 200))


def _moment(fraction: int, first: int = 2000) -> Callable[[random.Random], str]:
    def make(chance: random.Random) -> str:
        end = f".{chance.randint(0, 10**fraction - 1):0{fraction}d}" if fraction else ""
        if chance.randint(0, 9) == 0:
            return "0000-00-00 00:00:00" + ("." + "0" * fraction if fraction else "")
        day = f"{chance.randint(first, 2037)}-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"
        return f"{day} {chance.randint(0, 23):02d}:{chance.randint(0, 59):02d}:{chance.randint(0, 59):02d}{end}"

    return make


def _moment_key(fraction: int) -> Callable[[random.Random, int], str]:
    end = "." + "0" * (fraction - 1) + "1" if fraction else ""
    return lambda _, number: f"2024-01-{number % 28 + 1:02d} 00:{number // 28 % 60:02d}:00{end}"


def _day(chance: random.Random) -> str:
    return chance.choice(("0000-00-00", "2024-00-00", "2024-02-00", "9999-12-31", _moment(0, 1000)(chance)[:10]))


def _day_key(_: random.Random, number: int) -> str:
    return f"{1900 + number}-02-03" if number else "0000-00-00"


def _time(chance: random.Random) -> str:
    sign, hours = chance.choice(("", "-")), chance.choice((0, 1, 838, chance.randint(0, 838)))
    return f"{sign}{hours:02d}:{chance.randint(0, 59):02d}:{chance.randint(10, 59)}.{chance.choice((0, 50, 99)):02d}".replace(
        "59.99",
        "59.00",  # 838:59:59 is the end
    )


def _bytes(chance: random.Random) -> str:
    return "0x" + "".join(chance.choice(("00", "FF", "FE", "61", "20", "2C")) for _ in range(chance.randint(0, 6)))


def _halves(chance: random.Random) -> str:
    number = chance.randint(-99999, 99999) or 1  # -0 is a value of its own
    return f"{number // 2}" if number % 2 == 0 else f"{number / 2}"


def _decimal(digits: int, fraction: int) -> Callable[[random.Random], str]:
    """With a number below 1 there is one digit before the point; never zero, as zero has no sign."""

    def make(chance: random.Random) -> str:
        number = chance.choice((1, 10**fraction, 10**digits - 1, chance.randint(1, 10**digits - 1)))
        sign = chance.choice(("", "-"))
        return f"{sign}{number // 10**fraction}.{number % 10**fraction:0{fraction}d}"

    return make


def _document(chance: random.Random) -> str:
    """Written as MySQL writes it, as MariaDB keeps the text."""
    value = chance.choice(("1", "-7", "null", "true", '"a"', '"A"', '"é"', '""', "[]", "{}", '[1, [2, null], {"x": ""}]'))
    return chance.choice((value, f"[{value}, {value}]", f'{{"a": {value}, "b": 1, "aa": [{value}]}}'))


def _drawing(chance: random.Random) -> str:
    x, y = chance.randint(-9, 9), chance.choice((0, 1, 0.5))
    return chance.choice((f"POINT({x} {y})", f"LINESTRING({x} {y},1 1)", f"POLYGON(({x} 0,{x} 9,20 {y},{x} 0))"))


KINDS: Final = (
    Kind("TINYINT", _integer(8, True), _plain),
    Kind("INT", _integer(32, True), _plain, lambda chance, number: str(number * chance.choice((1, 1, -1)) if number else 0)),
    Kind("INT UNSIGNED ZEROFILL", _integer(16, False), _plain, lambda _, number: str(number)),
    Kind("BIGINT", _integer(64, True), _plain, lambda _, number: str(2**53 + number)),
    Kind("BIGINT UNSIGNED", _integer(64, False), _plain, lambda _, number: str(2**64 - 1 - number)),
    Kind("DECIMAL(12,3)", _decimal(12, 3), _plain, lambda _, number: f"{number}.500"),
    Kind("DECIMAL(65,30)", _decimal(65, 30), _plain, lambda _, number: f"{'9' * 33}{number:02d}.{'0' * 29}1"),
    Kind("DOUBLE", _halves, _plain, lambda _, number: f"{number}.5"),
    Kind("FLOAT", _halves, _plain),
    Kind("BIT(20)", lambda chance: str(chance.randint(0, 2**20 - 1)), _plain, lambda _, number: str(number)),
    Kind("BIT(64)", _integer(64, False), _plain, lambda _, number: str(2**64 - 1 - number)),
    Kind("BIT(1)", lambda chance: chance.choice(("0", "1")), _plain),
    Kind("DATE", _day, _quoted, _day_key),
    Kind("DATETIME(3)", _moment(3, 1000), _quoted, _moment_key(3)),
    Kind("TIMESTAMP(6) NULL", _moment(6), _quoted),
    Kind("TIME(2)", _time, _quoted, lambda _, number: f"-{number + 700}:00:00.50"),
    Kind("YEAR", lambda chance: chance.choice(("0000", str(chance.randint(1901, 2155)))), _plain,
         lambda _, number: str(1901 + number)),
    Kind("VARCHAR(20)", _text(*_LETTERS, *_WIDE), _quoted, _text_key(*_LETTERS, *_WIDE)),
    Kind("VARCHAR(20) COLLATE utf8mb4_bin", _text(*_LETTERS, *_WIDE), _quoted, _text_key(*_LETTERS, *_WIDE)),
    Kind("VARCHAR(20) COLLATE utf8mb4_unicode_ci", _text(*_LETTERS, *_WIDE), _quoted, _text_key(*_LETTERS)),
    Kind("VARCHAR(20) CHARACTER SET latin1", _text(*_LETTERS), _quoted, _text_key(*_LETTERS)),
    Kind("VARCHAR(20) CHARACTER SET utf16", _text(*_LETTERS, *_WIDE), _quoted),
    Kind("CHAR(12)", lambda chance: _text(*_LETTERS, *_WIDE)(chance).rstrip(" "), _quoted, _text_key(*_LETTERS)),
    Kind("CHAR(12) CHARACTER SET latin1", lambda chance: _text(*_LETTERS)(chance).rstrip(" "), _quoted, _text_key(*_LETTERS)),
    Kind("TEXT", _long_text, _quoted, shown=False),
    Kind("TINYTEXT CHARACTER SET latin1", _text(*_LETTERS), _quoted),
    Kind("VARBINARY(20)", _bytes, _hex, lambda chance, number: f"0x{number:04X}{_bytes(chance)[2:]}"),
    Kind("BINARY(2)", lambda chance: chance.choice(("0x0000", "0x6100", "0x2020", "0xFFFE")), _hex,
         lambda _, number: f"0x{number:02X}FF"),
    Kind("BLOB", _bytes, _hex),
    Kind("ENUM('a','b','N','')", lambda chance: chance.choice(("a", "b", "N", "")), _quoted),
    Kind(f"ENUM({','.join(repr(f'm{number * 7 % MOST_KEYS}') for number in range(MOST_KEYS))})",
         lambda chance: f"m{chance.randint(0, MOST_KEYS - 1)}", _quoted, lambda _, number: f"m{number}"),
    Kind("SET('x','y','z')", lambda chance: chance.choice(("", "x", "y", "x,y", "y,z", "x,y,z")), _quoted),
    Kind("JSON", _document, _quoted),
    Kind("POINT", lambda chance: f"POINT({chance.randint(-9, 9)} {chance.choice((0, 1, 0.5))})", _shape, shown=False),
    Kind("GEOMETRY", _drawing, _shape, shown=False),
)  # fmt: skip
KEYS: Final = tuple(kind for kind in KINDS if kind.key)
SPATIAL: Final = frozenset({"POINT", "GEOMETRY"})
# How such a value ends hangs on the SQL mode, so that MariaDB generates no stored column from it.
PADDED: Final = frozenset({"CHAR(12)", "CHAR(12) CHARACTER SET latin1"})
