"""Pairs of tables that are hard to tell apart, and pairs that only look different, each on real servers of both flavours."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from repwatch.drift.report import DriftReport, Verdict
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox
from tests.server.drifting import Found, drift_on, fill, found_in, of_table, run_check

BOTH = tuple(Flavour)
BIG = 600_000  # bytes; two of them exceed the smallest max_allowed_packet in common use


@dataclass(frozen=True)
class Case:
    """A table as the source has it, what then happens to it on one replica, and what must be found. {t} is the table."""

    name: str
    columns: str
    rows: tuple[str, ...]
    drift: tuple[str, ...]
    expected: frozenset[Found]
    flavours: tuple[Flavour, ...] = BOTH


def case(
    name: str, columns: str, rows: list[str], drift: list[str], *expected: Found, flavours: tuple[Flavour, ...] = BOTH
) -> Case:
    return Case(name, columns, tuple(rows), tuple(drift), frozenset(expected), flavours)


def changed(*key: str, columns: str) -> Found:
    return Found("changed", key, frozenset(columns.split()))


def missing(*key: str) -> Found:
    return Found("missing", key)


def extra(*key: str) -> Found:
    return Found("extra", key)


NUMBERS = [f"({number}, 'N', {number % 9}.50)" for number in range(1, 10_001)]
ORDERS = "id INT PRIMARY KEY, status CHAR(1) NOT NULL, amount DECIMAL(8,2)"

CASES = [
    case(
        "lost_update",
        ORDERS,
        NUMBERS,
        ["UPDATE {t} SET status = 'X' WHERE id BETWEEN 2000 AND 2199"],
        *(changed(str(number), columns="status") for number in range(2000, 2200)),
    ),
    case(
        "swap",
        "id INT PRIMARY KEY, owner INT",
        ["(1, 7)", "(2, 9)"],
        ["UPDATE {t} SET owner = 16 - owner"],
        changed("1", columns="owner"),
        changed("2", columns="owner"),
    ),
    case(
        "missing",
        ORDERS,
        NUMBERS,
        ["DELETE FROM {t} WHERE id IN (1, 5000, 10000)"],
        missing("1"),
        missing("5000"),
        missing("10000"),
    ),
    case(
        "extra",
        ORDERS,
        NUMBERS[10:20],
        ["INSERT INTO {t} VALUES (-5, 'N', NULL), (10005, 'N', NULL)"],
        extra("-5"),
        extra("10005"),
    ),
    case("empty_source", ORDERS, [], ["INSERT INTO {t} VALUES (1, 'N', NULL)"], extra("1")),
    case(
        "many_extra",
        ORDERS,
        NUMBERS[:1],
        [
            (
                "INSERT INTO {t} SELECT i, 'E', NULL FROM "
                "(WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i FROM n) AS s"
            )
        ],
        *(extra(str(number)) for number in range(2, 901)),
    ),
    case(
        "null_empty",
        "id INT PRIMARY KEY, a VARCHAR(9), b VARCHAR(9)",
        ["(1, NULL, '')"],
        ["UPDATE {t} SET a = '', b = NULL"],
        changed("1", columns="a b"),
    ),
    case(
        "null_letter",
        "id INT PRIMARY KEY, a INT, b VARCHAR(9)",
        ["(1, NULL, 'N')"],
        ["UPDATE {t} SET b = NULL"],
        changed("1", columns="b"),
    ),
    case(
        "separators",
        "id INT PRIMARY KEY, a VARCHAR(9), b VARCHAR(9)",
        ["(1, 'a,b', 'c')", "(2, 'x;3,y', 'z')"],
        ["UPDATE {t} SET a = 'a', b = 'b,c' WHERE id = 1", "UPDATE {t} SET a = 'x', b = '3,y;z' WHERE id = 2"],
        changed("1", columns="a b"),
        changed("2", columns="a b"),
    ),
    case(
        "float",
        "id INT PRIMARY KEY, f FLOAT, d DOUBLE",
        ["(1, 16777216, 0.1)", "(2, 1, 1)", "(3, 0, NULL)"],
        [
            "UPDATE {t} SET f = 16777218 WHERE id = 1",
            "UPDATE {t} SET d = 1.0000000000000002 WHERE id = 2",
            "UPDATE {t} SET f = NULL WHERE id = 3",
        ],
        changed("1", columns="f"),
        changed("2", columns="d"),
        changed("3", columns="f"),
    ),
    case(
        "fractions",
        "id INT PRIMARY KEY, a DATETIME(6), b TIMESTAMP(3) NULL, c TIME(6)",
        ["(1, '2024-01-01 00:00:00.1', '2024-01-01 00:00:00.001', '-12:00:00.5')"],
        ["UPDATE {t} SET a = '2024-01-01 00:00:00.100001', b = '2024-01-01 00:00:00.002', c = '-12:00:00.500001'"],
        changed("1", columns="a b c"),
    ),
    case(
        "bits",
        "id INT PRIMARY KEY, b BIT(64)",
        ["(1, 0xFFFFFFFFFFFFFFFF)"],
        ["UPDATE {t} SET b = 0xFFFFFFFFFFFFFFFE"],
        changed("1", columns="b"),
    ),
    case(
        "binary",
        "id INT PRIMARY KEY, b VARBINARY(9), c BLOB",
        ["(1, 0x00, 0xFF)", "(2, 0x00FF, '')"],
        ["UPDATE {t} SET b = 0x0000 WHERE id = 1", "UPDATE {t} SET c = NULL WHERE id = 2"],
        changed("1", columns="b"),
        changed("2", columns="c"),
    ),
    case(
        "trailing_blank", "id INT PRIMARY KEY, v VARCHAR(9)", ["(1, 'a')"], ["UPDATE {t} SET v = 'a '"], changed("1", columns="v")
    ),
    case(
        "letter_case", "id INT PRIMARY KEY, v VARCHAR(9)", ["(1, 'abc')"], ["UPDATE {t} SET v = 'ABC'"], changed("1", columns="v")
    ),
    case(
        "case_of_key",
        "k VARCHAR(9) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT",
        ["('abc', 1)", "('b', 2)"],
        ["UPDATE {t} SET k = 'ABC' WHERE k = 'abc'"],
        missing("abc"),
        extra("ABC"),
    ),
    case(
        "blank_in_key",
        "k VARCHAR(9) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT",
        ["('abc', 1)"],
        ["UPDATE {t} SET k = 'abc ' WHERE k = 'abc'"],
        missing("abc"),
        extra("abc "),
    ),
    case(
        "composite",
        "a INT, b VARCHAR(9), c DATE, v INT, PRIMARY KEY (a, b, c)",
        [f"({a}, 'k{b}', '2024-01-{c:02d}', 1)" for a in range(12) for b in range(12) for c in range(1, 29)],
        [
            "UPDATE {t} SET v = 2 WHERE a = 5 AND b = 'k7' AND c = '2024-01-15'",
            "DELETE FROM {t} WHERE a = 11 AND b = 'k9' AND c > '2024-01-27'",
        ],
        changed("5", "k7", "2024-01-15", columns="v"),
        missing("11", "k9", "2024-01-28"),
    ),
    case(
        "beyond_2_53",
        "id BIGINT UNSIGNED PRIMARY KEY, v INT",
        ["(9007199254740992, 1)", "(9007199254740993, 1)", "(18446744073709551615, 1)"],
        ["UPDATE {t} SET v = 2 WHERE id = 9007199254740993", "DELETE FROM {t} WHERE id = 18446744073709551615"],
        changed("9007199254740993", columns="v"),
        missing("18446744073709551615"),
    ),
    case(
        "negative_key",
        "id INT PRIMARY KEY, v INT",
        [f"({number}, 1)" for number in range(-3000, 3000)],
        ["UPDATE {t} SET v = 2 WHERE id IN (-2999, -1, 0)"],
        changed("-2999", columns="v"),
        changed("-1", columns="v"),
        changed("0", columns="v"),
    ),
    case(
        "decimal_key",
        "id DECIMAL(30,10) PRIMARY KEY, v INT",
        [f"({number}.0000000001, 1)" for number in range(-1500, 1500)],
        ["UPDATE {t} SET v = 2 WHERE id = 7.0000000001"],
        changed("7.0000000001", columns="v"),
    ),
    case(
        "binary_key",
        "id BINARY(16) PRIMARY KEY, v INT",
        [f"(UNHEX('{number:030d}FF'), 1)" for number in range(2500)],
        ["UPDATE {t} SET v = 2 WHERE id = UNHEX('000000000000000000000000001234FF')"],
        changed("0x000000000000000000000000001234FF", columns="v"),
    ),
    case(
        "date_key",
        "d DATETIME(3) PRIMARY KEY, v INT",
        [f"('2024-01-01 00:00:{second:02d}.{milli:03d}', 1)" for second in range(60) for milli in range(0, 1000, 20)],
        ["UPDATE {t} SET v = 2 WHERE d = '2024-01-01 00:00:30.500'"],
        changed("2024-01-01 00:00:30.500", columns="v"),
    ),
    case(
        "enum_key",
        "e ENUM('zebra', 'ape', 'cow') , n INT, v INT, PRIMARY KEY (e, n)",
        [f"('{animal}', {number}, 1)" for animal in ("zebra", "ape", "cow") for number in range(1000)],
        ["UPDATE {t} SET v = 2 WHERE e = 'ape' AND n = 999", "DELETE FROM {t} WHERE e = 'cow' AND n = 0"],
        changed("ape", "999", columns="v"),
        missing("cow", "0"),
    ),
    case(
        "float_key",
        "f DOUBLE PRIMARY KEY, v INT",
        [f"({number} / 3e0, 1)" for number in range(2500)],
        ["UPDATE {t} SET v = 2 WHERE f = 1000 / 3e0"],
        changed("333.3333333333333", columns="v"),
    ),
    case(
        "text_key",
        "k VARCHAR(40) CHARACTER SET latin1 PRIMARY KEY, v INT",
        [f"('Straße {number}', 1)" for number in range(3000)],
        ["UPDATE {t} SET v = 2 WHERE k = 'Straße 77'"],
        changed("Straße 77", columns="v"),
    ),
    case(
        "year_bit_key",
        "y YEAR, b BIT(12), v INT, PRIMARY KEY (y, b)",
        [f"({year}, {bit}, 1)" for year in (0, 1999, 2024) for bit in range(1000)],
        ["UPDATE {t} SET v = 2 WHERE y = 0 AND b = 7"],
        changed("0000", "7", columns="v"),
    ),
    case(
        "zero_dates",
        "id INT PRIMARY KEY, d DATE, t DATETIME",
        ["(1, '0000-00-00', '2023-00-00 00:00:00')", "(2, NULL, NULL)"],
        ["UPDATE {t} SET d = NULL WHERE id = 1", "UPDATE {t} SET t = '0000-00-00' WHERE id = 2"],
        changed("1", columns="d"),
        changed("2", columns="t"),
    ),
    case(
        "big_rows",
        "id INT PRIMARY KEY, a LONGTEXT, b LONGTEXT, v INT",
        [f"({number}, REPEAT('a', {BIG}), REPEAT('b', {BIG}), 1)" for number in range(12)],
        ["UPDATE {t} SET v = 2 WHERE id = 7", f"UPDATE {{t}} SET a = CONCAT(LEFT(a, {BIG - 1}), 'x') WHERE id = 11"],
        changed("7", columns="v"),
        changed("11", columns="a"),
    ),
    case(
        "enum_value",
        "id INT PRIMARY KEY, e ENUM('a', 'b'), s SET('x', 'y')",
        ["(1, 'a', 'x')", "(2, NULL, '')"],
        ["UPDATE {t} SET e = 'b', s = 'x,y' WHERE id = 1", "UPDATE {t} SET s = NULL WHERE id = 2"],
        changed("1", columns="e s"),
        changed("2", columns="s"),
    ),
    case(
        "spatial",
        "id INT PRIMARY KEY, p POINT",
        ["(1, ST_GeomFromText('POINT(1 2)'))"],
        ["UPDATE {t} SET p = ST_GeomFromText('POINT(1 2.0000000000000004)')"],
        changed("1", columns="p"),
    ),
    case(
        "json",
        "id INT PRIMARY KEY, j JSON",
        ["(1, '{\"a\": [1, 2]}')"],
        ["UPDATE {t} SET j = '{\"a\": [1, 3]}'"],
        changed("1", columns="j"),
    ),
    case(
        "decimals",
        "id INT PRIMARY KEY, d DECIMAL(65,30)",
        ["(1, 12345678901234567890123456789012345.000000000000000000000000000001)"],
        ["UPDATE {t} SET d = 12345678901234567890123456789012345.000000000000000000000000000002"],
        changed("1", columns="d"),
    ),
    case(
        "characters",
        "id INT PRIMARY KEY, v VARCHAR(9)",
        ["(1, '😀')", "(2, 'é')"],
        ["UPDATE {t} SET v = '😁' WHERE id = 1", "UPDATE {t} SET v = 'e' WHERE id = 2"],
        changed("1", columns="v"),
        changed("2", columns="v"),
    ),
    case("invisible", "id INT PRIMARY KEY, v INT", ["(1, 1)"], ["UPDATE {t} SET hidden = 5"], changed("1", columns="hidden")),
    # Equal data that is stored differently: nothing may be found.
    case(
        "other_charset",
        "id INT PRIMARY KEY, v VARCHAR(20) CHARACTER SET latin1, k VARCHAR(9)",
        ["(1, 'Straße', 'k')", "(2, NULL, 'é')"],
        ["ALTER TABLE {t} MODIFY v VARCHAR(20) CHARACTER SET utf8mb4, MODIFY k VARCHAR(9) CHARACTER SET utf8mb4"],
    ),
    case(
        "other_key_charset",
        "k VARCHAR(20) CHARACTER SET latin1 PRIMARY KEY, v INT",
        [f"('ä{number}', 1)" for number in range(300)],
        ["ALTER TABLE {t} MODIFY k VARCHAR(20) CHARACTER SET utf8mb4"],
    ),
    case(
        "other_collation_key",
        "k VARCHAR(9) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT",
        ["('a', 1)", "('B', 1)", "('c', 1)", "('D', 1)"],
        ["ALTER TABLE {t} MODIFY k VARCHAR(9) COLLATE utf8mb4_bin"],
    ),
    case(
        "other_types",
        "id INT PRIMARY KEY, a INT(6) ZEROFILL, b VARCHAR(20), c SMALLINT",
        ["(1, 42, 'x', 7)"],
        ["ALTER TABLE {t} MODIFY a BIGINT, MODIFY b LONGTEXT, MODIFY c INT"],
    ),
    case(
        "other_engine",
        "id INT PRIMARY KEY, v INT",
        [f"({number}, 1)" for number in range(50)],
        ["ALTER TABLE {t} ENGINE = MyISAM"],
    ),
    case(
        "memory_engine",
        "id INT PRIMARY KEY, v INT",
        [f"({number * 7919 % 5003}, 1)" for number in range(5000)],
        ["ALTER TABLE {t} ENGINE = MEMORY"],
    ),
    case(
        "other_format",
        "id INT PRIMARY KEY, v VARCHAR(99)",
        ["(1, 'x')"],
        ["ALTER TABLE {t} ROW_FORMAT = COMPACT, AUTO_INCREMENT = 77"],
    ),
    case(
        "partitions",
        "id INT PRIMARY KEY, v INT",
        [f"({number}, 1)" for number in range(4000)],
        ["ALTER TABLE {t} PARTITION BY HASH (id) PARTITIONS 4"],
    ),
    case("extra_index", "id INT PRIMARY KEY, v INT", ["(1, 1)"], ["ALTER TABLE {t} ADD INDEX (v)"]),
]
AFTER = {"invisible": "ALTER TABLE {t} ADD hidden INT INVISIBLE"}


@pytest.fixture(scope="module")
def corpus(flavour: Flavour) -> Iterator[tuple[Sandbox, DriftReport]]:
    """All tables of all cases, made on the source, changed on the second replica, and checked at once."""
    cases = [found for found in CASES if flavour in found.flavours]
    with Sandbox.start(flavour, replicas=2) as star:
        star.source.sql("CREATE DATABASE corpus CHARACTER SET utf8mb4")
        for found in cases:
            star.source.sql(f"CREATE TABLE corpus.{found.name} ({found.columns})", *_after(found))
            fill(
                star.source,
                f"corpus.{found.name}{' (id, v)' if found.name in AFTER else ''}",
                found.rows,
                _batch(found),
            )
        star.wait_caught_up(120)
        for found in cases:
            drift_on(star.replicas[1], *(statement.replace("{t}", f"corpus.{found.name}") for statement in found.drift))
        yield star, run_check(star, "corpus.*")


def _after(found: Case) -> list[str]:
    return [AFTER[found.name].format(t=f"corpus.{found.name}")] if found.name in AFTER else []


def _batch(found: Case) -> int:
    return 1 if found.name == "big_rows" else 1000


@pytest.mark.parametrize("expected", CASES, ids=lambda found: found.name)
def test_every_difference_is_found_and_nothing_else(corpus: tuple[Sandbox, DriftReport], expected: Case) -> None:
    star, report = corpus
    table = of_table(report, star.replicas[1], expected.name)
    assert found_in(table) == expected.expected
    assert table.verdict is (Verdict.DRIFTED if expected.expected else Verdict.IDENTICAL), table.reason


@pytest.mark.parametrize("expected", CASES, ids=lambda found: found.name)
def test_an_untouched_replica_is_identical(corpus: tuple[Sandbox, DriftReport], expected: Case) -> None:
    star, report = corpus
    table = of_table(report, star.replicas[0], expected.name)
    assert (table.verdict, table.reason, table.rows_proved) == (Verdict.IDENTICAL, None, len(expected.rows))
