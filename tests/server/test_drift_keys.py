"""Tables of every kind and key, with and without a key: each difference by name or by count, on real servers of both flavours."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from repwatch.drift.report import DriftReport, Verdict
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox
from repwatch.sql.quoting import quote_name
from tests.server.drifting import Found, drift_on, fill, found_in, of_table, run_check
from tests.server.test_drift import writing

BOTH = tuple(Flavour)
MARIADB, MYSQL = (Flavour.MARIADB,), (Flavour.MYSQL,)
SCHEMA = "Key's `we.ird` sch"


@dataclass(frozen=True)
class Case:
    """A table, its rows, what happens to it on one replica, and what must be found. {t} is the table."""

    name: str
    body: str  # what follows CREATE TABLE {t}
    rows: tuple[str, ...]
    drift: tuple[str, ...]
    expected: frozenset[Found]
    flavours: tuple[Flavour, ...] = BOTH
    columns: str = ""  # those that rows give values for

    @property
    def table(self) -> str:
        return f"{quote_name(SCHEMA)}.{quote_name(self.name)}"


def case(
    name: str,
    body: str,
    rows: list[str],
    drift: list[str],
    *expected: Found,
    flavours: tuple[Flavour, ...] = BOTH,
    columns: str = "",
) -> Case:
    return Case(name, body, tuple(rows), tuple(drift), frozenset(expected), flavours, columns)


def changed(*key: str, columns: str = "v") -> Found:
    return Found("changed", key, frozenset(columns.split("|")))


def missing(*key: str) -> Found:
    return Found("missing", key)


def extra(*key: str) -> Found:
    return Found("extra", key)


def counted(*row: str | None, source: int, replica: int) -> Found:
    return Found("missing" if source > replica else "extra", row, frozenset({f"{source}:{replica}"}))


POINT = "0x000000000101000000000000000000F03F0000000000000040"
NUMBERED = [f"({number}, 1)" for number in range(5000)]
MIXED = [
    f"({number + 2**53}, x'{number % 7:02x}00', '2024-01-01 00:00:00.{number:06d}', 'k{number % 5}', 1)" for number in range(4000)
]

NULLS_OF_26 = sum(n % 50 == 26 and n % 11 != 0 and n % 13 == 0 and n % 3 == 1 for n in range(20_000))

CASES = [
    # A unique key without NULLs names rows as a primary key does.
    case(
        "unique",
        "(a INT NOT NULL, b VARCHAR(9) NOT NULL, v INT, UNIQUE u (a, b), UNIQUE w (v))",
        [f"({number % 7 - 3}, 'k{number}', {number})" for number in range(5000)],
        ["UPDATE {t} SET v = -1 WHERE b = 'k77'", "DELETE FROM {t} WHERE b = 'k0'", "INSERT INTO {t} VALUES (0, 'new', NULL)"],
        changed("-3", "k77"),
        missing("-3", "k0"),
        extra("0", "new"),
    ),
    case(
        "unique_other_name",
        "(a BIGINT UNSIGNED NOT NULL UNIQUE, v INT)",
        ["(0, 1)", "(18446744073709551615, 1)", "(9007199254740993, 1)"],
        ["ALTER TABLE {t} ADD UNIQUE other (a), DROP INDEX a", "UPDATE {t} SET v = 2 WHERE a > 9007199254740993"],
        changed("18446744073709551615"),
    ),
    case(
        "unique_decimal",
        "(a DECIMAL(20,5) NOT NULL UNIQUE, v INT)",
        [f"({number}.00001, 1)" for number in range(-50, 50)],
        ["UPDATE {t} SET v = 2 WHERE a = -7.00001"],
        changed("-7.00001"),
    ),
    # Rows without a name are counted.
    case(
        "unique_prefix",
        "(a VARCHAR(50) NOT NULL, v INT, UNIQUE (a(5)))",
        ["('abcdef', 1)", "('bcdefg', 1)"],
        ["UPDATE {t} SET v = 2 WHERE a = 'abcdef'"],
        counted("abcdef", "1", source=1, replica=0),
        counted("abcdef", "2", source=0, replica=1),
    ),
    case(
        "unique_null",
        "(a INT, v INT, UNIQUE (a))",
        [f"({number if number % 3 else 'NULL'}, {number % 2})" for number in range(6000)],
        ["UPDATE {t} SET v = 5 WHERE a IS NULL ORDER BY v LIMIT 1", "DELETE FROM {t} WHERE a = 5999"],
        counted(None, "0", source=1000, replica=999),
        counted(None, "5", source=0, replica=1),
        counted("5999", "1", source=1, replica=0),
    ),
    case(
        "pairs",
        "(n INT, s VARCHAR(9))",
        ["(1, 'x')", "(1, 'x')", "(2, NULL)"],
        ["UPDATE {t} SET n = 5, s = 'q' WHERE n = 1"],
        counted("1", "x", source=2, replica=0),
        counted("5", "q", source=0, replica=2),
    ),
    case(
        "copies",
        "(n INT, s VARCHAR(9))",
        ["(1, 'x')"] * 3 + ["(2, 'y')"] * 2,
        ["DELETE FROM {t} WHERE n = 1 LIMIT 1", "INSERT INTO {t} VALUES (2, 'y')"],
        counted("1", "x", source=3, replica=2),
        counted("2", "y", source=2, replica=3),
    ),
    case(
        "heap",
        "(n INT, s VARCHAR(30), d DOUBLE)",
        [f"({number}, 'row {number}', {number / 7!r})" for number in range(12_000)],
        ["UPDATE {t} SET d = d + 1e-9 WHERE n = 11999", "DELETE FROM {t} WHERE n = 0"],
        counted("11999", "row 11999", repr(11999 / 7), source=1, replica=0),
        counted("11999", "row 11999", repr(11999 / 7 + 1e-9), source=0, replica=1),
        counted("0", "row 0", "0", source=1, replica=0),
    ),
    case("heap_empty", "(n INT)", [], ["INSERT INTO {t} VALUES (NULL), (NULL)"], counted(None, source=0, replica=2)),
    case(
        "heap_json",
        "(j JSON, p POINT, b LONGBLOB)",
        ["('{\"a\": 1}', ST_GeomFromText('POINT(1 2)'), REPEAT(x'00', 5000))"] * 2,
        ["UPDATE {t} SET b = CONCAT(REPEAT(x'00', 4999), x'01')"],
        counted('{"a": 1}', POINT, f"0x{'00' * 5000}", source=2, replica=0),
        counted('{"a": 1}', POINT, f"0x{'00' * 4999}01", source=0, replica=2),
    ),
    case(
        "indexed",
        "(a INT, b VARCHAR(20), v INT, KEY (a, b))",
        [
            f"({number % 50 if number % 11 else 'NULL'}, {repr(f'k{number}') if number % 13 else 'NULL'}, {number % 3})"
            for number in range(20_000)
        ],
        [
            "UPDATE {t} SET v = 9 WHERE a IS NULL AND b = 'k11'",
            "DELETE FROM {t} WHERE a = 26 AND b IS NULL AND v = 1 LIMIT 2",
            "INSERT INTO {t} VALUES (NULL, NULL, 7), (2147483647, 'z', 7), (-2147483648, NULL, 7)",
        ],
        counted(None, "k11", "2", source=1, replica=0),
        counted(None, "k11", "9", source=0, replica=1),
        counted("26", None, "1", source=NULLS_OF_26, replica=NULLS_OF_26 - 2),
        counted(None, None, "7", source=0, replica=1),
        counted("2147483647", "z", "7", source=0, replica=1),
        counted("-2147483648", None, "7", source=0, replica=1),
    ),
    case(
        "skewed",
        "(a VARCHAR(9), v INT, KEY (a))",
        [f"('same', {number})" for number in range(9000)],
        ["UPDATE {t} SET v = -5 WHERE v = 4321"],
        counted("same", "4321", source=1, replica=0),
        counted("same", "-5", source=0, replica=1),
    ),
    case(
        "many_extra",
        "(a INT, v INT, KEY (a))",
        NUMBERED[:1],
        [
            (
                "INSERT INTO {t} SELECT i, 1 FROM "
                "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i FROM n) AS s"
            )
        ],
        *(counted(str(number), "1", source=0, replica=1) for number in range(1, 901)),
    ),
    case(
        "indexed_float",
        "(f FLOAT, v INT, KEY (f))",
        [f"({number / 3:.6g}, 1)" for number in range(-2000, 2000)],
        ["DELETE FROM {t} WHERE f > 666.32"],
        counted("666.3330078125", "1", source=1, replica=0),
    ),
    case(
        "other_index",
        "(a INT, v INT, KEY (a), KEY (v))",
        NUMBERED,
        ["ALTER TABLE {t} DROP INDEX a", "UPDATE {t} SET a = -1 WHERE a = 3"],
        counted("3", "1", source=1, replica=0),
        counted("-1", "1", source=0, replica=1),
    ),
    case(
        "key_on_one_side",
        "(id INT PRIMARY KEY, v INT)",
        NUMBERED,
        ["ALTER TABLE {t} DROP PRIMARY KEY", "UPDATE {t} SET v = 2 WHERE id = 3"],
        counted("3", "1", source=1, replica=0),
        counted("3", "2", source=0, replica=1),
    ),
    case(
        "other_collation",
        "(a VARCHAR(9) COLLATE utf8mb4_bin, KEY (a))",
        ["('a')", "('B')", "('b')"],
        ["ALTER TABLE {t} MODIFY a VARCHAR(9) COLLATE utf8mb4_general_ci"],
    ),
    # Keys of all types.
    case(
        "floats",
        "(a FLOAT, b DOUBLE, v INT, PRIMARY KEY (a, b))",
        [f"({number} / 3e0, {number} * 1e-300, 1)" for number in range(-1500, 1500)],
        ["UPDATE {t} SET v = 2 WHERE b = 7e-300", "DELETE FROM {t} WHERE b = -1500e-300"],
        changed("2.3333332538604736", "7e-300"),
        missing("-500", "-1.5e-297"),
    ),
    case(
        "mixed",
        "(a BIGINT UNSIGNED, b VARBINARY(9), c DATETIME(6), d VARCHAR(9), v INT, PRIMARY KEY (b, a, d, c))",
        MIXED,
        ["UPDATE {t} SET v = 2 WHERE a = 9007199254740993", "DELETE FROM {t} WHERE a = 9007199254744991"],
        changed("0x0100", "9007199254740993", "k1", "2024-01-01 00:00:00.000001"),
        missing("0x0200", "9007199254744991", "k4", "2024-01-01 00:00:00.003999"),
    ),
    case(
        "descending",
        "(a INT, b BIGINT, v INT, PRIMARY KEY (a DESC, b))",
        [f"({number % 40 - 20}, {number - 2**62}, 1)" for number in range(4000)],
        [f"UPDATE {{t}} SET v = 2 WHERE b = {-(2**62)}", f"DELETE FROM {{t}} WHERE b = {3999 - 2**62}"],
        changed("-20", str(-(2**62))),
        missing("19", str(3999 - 2**62)),
    ),
    case(
        "descending_alone",
        "(a BIGINT, v INT, PRIMARY KEY (a DESC))",
        NUMBERED,
        ["UPDATE {t} SET v = 2 WHERE a IN (0, 4999)"],
        changed("0"),
        changed("4999"),
    ),
    case(
        "varbinary",
        "(a VARBINARY(20) PRIMARY KEY, v INT)",
        ["('', 1)", "(x'00', 1)", "(x'0000', 1)", "(x'FF', 1)", "('a ', 1)", "('a', 1)"],
        ["UPDATE {t} SET v = 2 WHERE a IN ('', x'0000', 'a ')"],
        changed("0x"),
        changed("0x0000"),
        changed("0x6120"),
    ),
    case(
        "times",
        "(a TIMESTAMP(6), b TIME(3), c DATE, v INT, PRIMARY KEY (a, b, c))",
        [f"('2024-03-31 01:00:00.{number:06d}', '-{number % 838}:00:00.5', '1000-01-01', 1)" for number in range(3000)],
        ["UPDATE {t} SET v = 2 WHERE a = '2024-03-31 01:00:00.002999'"],
        changed("2024-03-31 01:00:00.002999", "-485:00:00.500", "1000-01-01"),
    ),
    case(
        "sets",
        "(a SET('z', 'y', 'x'), b ENUM('q', 'p', ''), c BIT(33), v INT, PRIMARY KEY (a, b, c))",
        [f"({number % 8}, {number % 3 + 1}, {number * 2**20}, 1)" for number in range(3000)],
        ["UPDATE {t} SET v = 2 WHERE c = 2999 * 1048576"],
        changed("z,y,x", "", str(2999 * 2**20)),
    ),
    case(
        "uuids",
        "(a UUID, b INET6, v INT, PRIMARY KEY (a, b))",
        [f"(UUID(), '::{number:x}', 1)" for number in range(2000)] + ["('00000000-0000-0000-0000-000000000001', '::1', 1)"],
        ["UPDATE {t} SET v = 2 WHERE a = '00000000-0000-0000-0000-000000000001'"],
        changed("00000000-0000-0000-0000-000000000001", "::1"),
        flavours=MARIADB,
    ),
    # Kinds of tables.
    case(
        "partitions",
        "(id INT, v INT, PRIMARY KEY (id)) PARTITION BY HASH (id) PARTITIONS 5",
        NUMBERED,
        ["UPDATE {t} SET v = 2 WHERE id IN (0, 4999)"],
        changed("0"),
        changed("4999"),
    ),
    case(
        "partitions_no_key",
        "(id INT, v INT, KEY (id)) PARTITION BY RANGE (v) (PARTITION a VALUES LESS THAN (2), PARTITION b VALUES LESS THAN (9))",
        NUMBERED,
        ["UPDATE {t} SET v = 2 WHERE id = 4999"],
        counted("4999", "1", source=1, replica=0),
        counted("4999", "2", source=0, replica=1),
    ),
    *(
        case(
            f"{engine}_{'key' if key else 'heap'}".lower(),
            f"(id INT {key}, v INT) ENGINE = {engine}",
            NUMBERED,
            ["UPDATE {t} SET v = 2 WHERE id = 77"],
            *([changed("77")] if key else [counted("77", "1", source=1, replica=0), counted("77", "2", source=0, replica=1)]),
            flavours=MARIADB if engine == "Aria" else BOTH,
        )
        for engine in ("MyISAM", "Aria", "MEMORY")
        for key in ("PRIMARY KEY", "")
    ),
    case(
        "generated_key",
        "(a INT NOT NULL, g INT AS (a * 2) STORED NOT NULL, w INT AS (a + 1) VIRTUAL, v INT, PRIMARY KEY (g), KEY (w))",
        NUMBERED,
        ["UPDATE {t} SET v = 2 WHERE a = 7"],
        changed("14"),
        flavours=MYSQL,
        columns=" (a, v)",
    ),
    case(
        "generated_unique",
        "(a INT NOT NULL, g INT AS (a * 2) STORED, w INT AS (a + 1) VIRTUAL, v INT, UNIQUE (g), UNIQUE (w))",
        NUMBERED,
        ["UPDATE {t} SET v = 2 WHERE a = 7"],
        counted("7", "14", "1", source=1, replica=0),
        counted("7", "14", "2", source=0, replica=1),
        columns=" (a, v)",
    ),
    case(
        "invisible_key",
        "(v INT, id INT NOT NULL INVISIBLE PRIMARY KEY)",
        [f"({number}, 1)" for number in range(5)],
        ["UPDATE {t} SET v = 2 WHERE id = 3"],
        changed("3"),
        flavours=MYSQL,
        columns=" (id, v)",
    ),
    case(
        "invisible_unique",
        "(v INT, id INT NOT NULL DEFAULT 0 INVISIBLE, UNIQUE (id))",
        [f"({number}, 1)" for number in range(5)],
        ["UPDATE {t} SET v = 2 WHERE id = 3"],
        changed("3"),
        columns=" (id, v)",
    ),
    case(
        "versioned",
        "(id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING",
        NUMBERED,
        ["UPDATE {t} SET v = 2 WHERE id = 3", "UPDATE {t} SET v = 2 WHERE id = 4", "UPDATE {t} SET v = 1 WHERE id = 4"],
        changed("3"),
        flavours=MARIADB,
    ),
    case(
        "versioned_periods",
        (
            "(id INT PRIMARY KEY, v INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, "
            "e TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING"
        ),
        NUMBERED,
        ["UPDATE {t} SET v = 2 WHERE id = 3", "UPDATE {t} SET v = 2 WHERE id = 4", "UPDATE {t} SET v = 1 WHERE id = 4"],
        changed("3"),
        flavours=MARIADB,
        columns=" (id, v)",
    ),
    case(
        "versioned_heap",
        "(n INT, v INT) WITH SYSTEM VERSIONING",
        ["(1, 1)", "(1, 1)"],
        ["UPDATE {t} SET v = 2 LIMIT 1", "UPDATE {t} SET v = 1", "INSERT INTO {t} VALUES (1, 1)"],
        counted("1", "1", source=2, replica=3),
        flavours=MARIADB,
    ),
    # Names.
    case(
        "se`lect.\"x\" 'y' Ünï",
        "(`a.b``c` INT, `order by` VARCHAR(9), `'%s` INT, `naïve 名` INT, PRIMARY KEY (`a.b``c`, `order by`), KEY `k.` (`'%s`))",
        ["(1, 'x', 1, 1)", "(2, 'y', 2, 2)"],
        ["UPDATE {t} SET `'%s` = 7, `naïve 名` = 8 WHERE `a.b``c` = 2"],
        changed("2", "y", columns="'%s|naïve 名"),
    ),
    case(
        "Select",
        "(`From` INT, `Where%s` INT, KEY `Group``By` (`From`))",
        ["(1, 2)", "(1, 2)"],
        ["DELETE FROM {t} LIMIT 1"],
        counted("1", "2", source=2, replica=1),
    ),
    case("select", "(id INT PRIMARY KEY, v INT)", ["(1, 1)"], ["UPDATE {t} SET v = 2"], changed("1")),
]


@pytest.fixture(scope="module")
def checked(flavour: Flavour) -> Iterator[tuple[Sandbox, DriftReport]]:
    """All tables of all cases, made on the source, changed on the second replica, and checked at once."""
    cases = cases_of(flavour)
    with Sandbox.start(flavour, replicas=2) as star:
        star.source.sql(f"CREATE DATABASE {quote_name(SCHEMA)} CHARACTER SET utf8mb4")
        for found in cases:
            star.source.sql(f"CREATE TABLE {found.table} {found.body}")
            fill(star.source, f"{found.table}{found.columns}", found.rows, 5000)
        star.wait_caught_up(120)
        for found in cases:
            drift_on(star.replicas[1], *(statement.replace("{t}", found.table) for statement in found.drift))
        yield star, run_check(star, f"{SCHEMA}.*")


def cases_of(flavour: Flavour) -> list[Case]:
    return [found for found in CASES if flavour in found.flavours]


def test_every_difference_is_found_and_nothing_else(checked: tuple[Sandbox, DriftReport]) -> None:
    """Also on the replica that nobody touched: one test, for what it needs takes longer than the test."""
    star, report = checked
    for expected in cases_of(star.source.flavour):
        table = of_table(report, star.replicas[1], expected.name)
        assert (expected.name, frozenset(found_in(table))) == (expected.name, expected.expected)
        verdict = Verdict.DRIFTED if expected.expected else Verdict.IDENTICAL
        assert (expected.name, table.verdict, table.reason) == (expected.name, verdict, None)
        clean = of_table(report, star.replicas[0], expected.name)
        found = (expected.name, clean.verdict, clean.reason, clean.rows_proved, clean.difference_count)
        assert found == (expected.name, Verdict.IDENTICAL, None, len(expected.rows), 0)


def test_rows_without_a_key_under_writes(star: Sandbox, schema: str) -> None:
    """Copies come and go: a table that always changes is never called equal where it differs, nor drifted where it does not."""
    log, toggle = f"{schema}.log", f"{schema}.toggle"
    star.source.sql(f"CREATE TABLE {log} (a INT, v INT, KEY (a))", f"CREATE TABLE {toggle} (v INT)")
    fill(star.source, log, [f"({number % 4000 or 'NULL'}, {number % 3})" for number in range(12_000)], 5000)
    star.wait_caught_up(60)
    drift_on(star.replicas[1], f"DELETE FROM {log} WHERE a = 77 AND v = 2", f"INSERT INTO {toggle} VALUES (1)")
    writes = (
        lambda n: f"INSERT INTO {log} VALUES ({4000 + n % 50}, 1)",
        lambda n: f"DELETE FROM {log} WHERE a = {4000 + n % 50 // 2} AND v = 1 LIMIT 1",
        lambda n: f"INSERT INTO {toggle} VALUES (1)" if n % 2 == 0 else f"DELETE FROM {toggle} WHERE v = 1 LIMIT 1",
    )
    with writing(star.source, *writes, pause=0.002):
        report = run_check(star, f"{schema}.*", seconds=20)
    wrong = of_table(report, star.replicas[1], "log")
    assert (wrong.verdict, found_in(wrong)) == (Verdict.DRIFTED, {counted("77", "2", source=1, replica=0)})
    assert of_table(report, star.replicas[1], "toggle").verdict is not Verdict.IDENTICAL
    for table in ("log", "toggle"):
        clean = of_table(report, star.replicas[0], table)
        assert (clean.verdict is Verdict.DRIFTED, clean.difference_count) == (False, 0), clean
