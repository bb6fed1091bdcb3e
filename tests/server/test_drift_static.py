"""Servers without replication between them, compared as they stand: MySQL beside MariaDB, and two of one flavour."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.drift.report import Effect, Proof, Reason, SchemaDifference, TableReport, Verdict
from repwatch.model.server import Flavour
from repwatch.ports.database import Params, Result
from repwatch.sandbox import Sandbox, SandboxServer
from tests.conftest import start
from tests.server.drifting import Found, drift_on, fill, found_in, of_table, run_static
from tests.server.first_contact import repwatch, url
from tests.server.test_drift_waits import StandingClock

Pair = tuple[SandboxServer, SandboxServer]
NUMBER = count(10)

# What is equal although it is stored or printed in another way: columns and rows, for both servers.
EQUAL = {
    "numbers": (
        "id BIGINT(20) UNSIGNED PRIMARY KEY, f FLOAT, d DOUBLE, y YEAR, b BIT(9), de DECIMAL(65,30), z INT(5) ZEROFILL",
        (
            "(1, 0.1, 0.1, 2024, b'101', 1.5, 7), (2, 1e20, 1e20, 0, 0, -1.5, 0), (3, 1e-5, 1e-5, 1901, 1, 0, 99999), "
            "(4, 3.4028234e38, 1.7976931348623157e308, NULL, NULL, NULL, NULL), (5, 1.17549435e-38, 5e-324, 2155, 511, 9e34, 1), "
            "(6, 123456789, 123456789012345678, 1970, 2, 0, 3), (7, 0e0 * -1e0, 0e0 * -1e0, 1970, 2, 0, 3), "
            "(18446744073709551615, 1e-4, 1e15, 1999, 3, 1e-30, 4)"
        ),
    ),
    "times": (
        "id INT PRIMARY KEY, da DATE, t TIME(6), dt DATETIME(3), ts TIMESTAMP(6) NULL DEFAULT CURRENT_TIMESTAMP(6)",
        (
            "(1, '0000-00-00', '-838:59:59', '2024-01-01 01:02:03.456', '2024-01-01 01:02:03.456789'), "
            "(2, '2024-00-00', '-00:00:01', '0000-00-00', '0000-00-00'), (3, NULL, NULL, NULL, NULL)"
        ),
    ),
    "texts": (
        (
            "k VARCHAR(20) CHARACTER SET utf8mb3 PRIMARY KEY, l CHAR(9) CHARACTER SET latin1, u TEXT, e ENUM('', 'a', 'B'), "
            "s SET('x', 'y'), b VARBINARY(9), lb LONGBLOB"
        ),
        (
            "('a', 'Größe', '😀 ', 'a', 'x,y', x'00FF', REPEAT('z', 90000)), ('B ', '', '', '', '', '', ''), "
            "('É', NULL, NULL, 'zz', NULL, NULL, NULL), ('ß', 'a ', 'a ', 1, 0, 'a ', 'a ')"
        ),
    ),
    "places": (
        "id INT PRIMARY KEY, g GEOMETRY, gc GEOMETRYCOLLECTION",
        (
            "(1, ST_GeomFromText('POINT(1 2)'), ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2), LINESTRING(0 0, 1 1))')), "
            "(2, x'E6100000010100000000000000000000400000000000000840', NULL)"
        ),
    ),
    "documents": (
        "id INT PRIMARY KEY, j JSON",
        (
            """(1, '{"bb": 1.10, "a": [1, 2.50e2, "x\\\\u00e9", null, true, -0]}'), (2, '18446744073709551615'), (3, NULL), """
            """(4, '[{"b": {}, "a": []}, "\\\\ud83d\\\\ude00", "a\\\\/b", 1e2, "1e2"]'), (5, 'null'), (6, '0.1000')"""
        ),
    ),
    "made": (
        "id INT PRIMARY KEY, a VARCHAR(9), v VARCHAR(20) AS (CONCAT(a, '-', id)) VIRTUAL, st INT AS ((id + 1) * 2) STORED",
        "(1, 'x', DEFAULT, DEFAULT), (2, NULL, DEFAULT, DEFAULT)",
    ),
}


@pytest.fixture(scope="module")
def boxes() -> Iterator[Pair]:
    """A MariaDB and a MySQL server, by themselves."""
    with start(Flavour.MARIADB, 0) as maria, start(Flavour.MYSQL, 0) as mysql:
        yield maria.source, mysql.source


@pytest.fixture(params=["mariadb to mysql", "mysql to mariadb"])
def pair(request: pytest.FixtureRequest, boxes: Pair) -> Pair:
    """Both, in either order, with an empty schema `d`."""
    for server in boxes:
        server.sql("DROP DATABASE IF EXISTS d", "CREATE DATABASE d")  # the default collations differ
    return boxes if request.param.startswith("mariadb") else (boxes[1], boxes[0])


def both(pair: Pair, *statements: str) -> None:
    for server in pair:
        with server.connect() as db:
            for statement in statements:
                db.execute(statement)


def compared(pair: Pair, table: str, seconds: float = 60) -> TableReport:
    return of_table(run_static(*pair, "d.*", seconds=seconds), pair[1], table)


def test_what_is_equal_is_equal_across_flavours(pair: Pair) -> None:
    for name, (columns, rows) in EQUAL.items():
        both(pair, f"CREATE TABLE d.{name} ({columns})", f"INSERT IGNORE INTO d.{name} VALUES {rows}")
    report = run_static(*pair, "d.*")
    found = {name: of_table(report, pair[1], name) for name in EQUAL}
    assert {name: (table.verdict, table.proof) for name, table in found.items()} == dict.fromkeys(
        EQUAL, (Verdict.IDENTICAL, Proof.STATIC)
    ), found
    assert all(table.rows == table.rows_proved > 0 for table in found.values())
    assert report.replicas[0].as_of == ""


def test_what_differs_is_found_across_flavours(pair: Pair) -> None:
    changes = {
        "numbers": ("UPDATE d.numbers SET f = 1.0001e-5 WHERE id = 3", Found("changed", ("3",), frozenset({"f"}))),
        "times": ("UPDATE d.times SET da = NULL WHERE id = 1", Found("changed", ("1",), frozenset({"da"}))),
        "documents": (
            """UPDATE d.documents SET j = '[{"b": {}, "a": []}, "\\\\ud83d\\\\ude00", "a/b", 100, 1e2]' WHERE id = 4""",
            Found("changed", ("4",), frozenset({"j"})),
        ),
        "made": ("DELETE FROM d.made WHERE id = 2", Found("missing", ("2",))),
    }
    for name in changes:
        columns, rows = EQUAL[name]
        both(pair, f"CREATE TABLE d.{name} ({columns})", f"INSERT IGNORE INTO d.{name} VALUES {rows}")
    drift_on(pair[1], *(statement for statement, _ in changes.values()))
    report = run_static(*pair, "d.*")
    assert {name: found_in(of_table(report, pair[1], name)) for name in changes} == {
        name: {expected} for name, (_, expected) in changes.items()
    }


def test_definitions_of_two_flavours_are_compared_as_far_as_they_are_spelled_alike(pair: Pair) -> None:
    both(
        pair,
        "CREATE TABLE d.p (id INT PRIMARY KEY)",
        "CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, a INT NOT NULL DEFAULT 7, b VARCHAR(9) DEFAULT 'x', "
        "c DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), e INT DEFAULT (1 + 2), j JSON, "
        "CHECK (a > 0), UNIQUE KEY u (a, b), KEY k (c DESC), CONSTRAINT f FOREIGN KEY (e) REFERENCES d.p (id)) "
        "ROW_FORMAT = DYNAMIC",
        "CREATE VIEW d.v AS SELECT 1",
    )
    pair[1].sql("ALTER TABLE d.t ADD UNIQUE KEY other (b, a)")
    report = run_static(*pair, "d.*")
    found = of_table(report, pair[1], "t")
    schema = [each for each in found.differences if isinstance(each, SchemaDifference)]
    told = {(each.what, each.name) for each in schema if each.effect is Effect.BEHAVIOUR}
    assert (found.verdict, told) == (Verdict.IDENTICAL, {("index", "other")}), schema
    replica = report.replicas[0]
    assert (replica.objects, {each.reason for each in replica.not_compared}) == ((), {Reason.OTHER_FLAVOUR})


def test_a_number_that_json_cannot_keep_is_undecided(pair: Pair) -> None:
    both(
        pair,
        "CREATE TABLE d.t (id INT PRIMARY KEY, j JSON)",
        "INSERT INTO d.t VALUES (1, '[3.14159265358979323846]'), (2, '[1]')",
    )
    found = compared(pair, "t")
    assert (found.verdict, found.reason, found.rows_proved) == (Verdict.UNDECIDED, Reason.INEXACT_NUMBERS, 1), found


def test_types_of_one_flavour_alone_are_said_to_differ(boxes: Pair) -> None:
    for server, type_ in zip(boxes, ("UUID", "BINARY(16)"), strict=True):
        server.sql("DROP DATABASE IF EXISTS d", "CREATE DATABASE d", f"CREATE TABLE d.t (id INT PRIMARY KEY, u {type_})")
    found = compared(boxes, "t")
    assert (found.verdict, found.rows_proved) == (Verdict.DRIFTED, 0)


def test_keys_that_the_two_order_differently_are_compared(pair: Pair) -> None:
    """The default collations: neither server knows the other's."""
    both(pair, "CREATE TABLE d.t (k VARCHAR(40) PRIMARY KEY, v INT)")
    rows = [f"(CONCAT('{prefix}', HEX({n} * 7919 % 4999), '-{n}'), {n})" for n in range(3000) for prefix in ("a_", "é", "B")]
    for server in pair:
        fill(server, "d.t", rows, 3000)
    drift_on(pair[1], "UPDATE d.t SET v = -1 WHERE v = 77 AND k LIKE 'B%'")
    found = compared(pair, "t")
    assert (found.difference_count - len(found_in(found)), len(found_in(found)), found.rows_proved) == (1, 1, 8999), found


def test_a_key_of_which_both_order_the_beginning_alone_is_compared(pair: Pair) -> None:
    """More rows have one beginning than a range may have that is read row by row."""
    both(pair, "CREATE TABLE d.t (a INT, k VARCHAR(9), v INT, PRIMARY KEY (a, k))")
    for server in pair:
        fill(server, "d.t", [f"({n // 3000}, 'k{n}', 0)" for n in range(6000)], 3000)
    drift_on(pair[1], "UPDATE d.t SET v = 1 WHERE k = 'k4000'")
    found = compared(pair, "t")
    assert (found_in(found), found.rows_proved) == ({Found("changed", ("1", "k4000"), frozenset({"v"}))}, 5999), found


def test_a_row_that_keeps_changing_is_not_called_drift(pair: Pair) -> None:
    """A row that differs for good is drift; one that comes and goes on the other side is not."""
    both(pair, "CREATE TABLE d.t (id INT PRIMARY KEY, v INT)", "INSERT INTO d.t VALUES (1, 0), (2, 0), (3, 0)")
    drift_on(pair[1], "UPDATE d.t SET v = 5 WHERE id > 1")

    class Changing(Session):
        """Before each reading somebody has changed the row."""

        def query(self, sql: str, params: Params = ()) -> Result:
            if "`d`.`t`" in sql and self.endpoint.address == pair[1].address:
                writer.execute(f"UPDATE d.t SET v = {next(NUMBER)} WHERE id = 2")
            return super().query(sql, params)

    # What is waited counts, and not what a slow machine takes besides.
    with pair[1].connect() as writer:
        report = run_static(*pair, "d.*", seconds=14, connect=Changing.connect, clock=StandingClock())
    found = of_table(report, pair[1], "t")
    assert (found_in(found), found.reason) == ({Found("changed", ("3",), frozenset({"v"}))}, Reason.HOT_ROWS), found


def test_two_servers_of_one_flavour(star: Sandbox, schema: str) -> None:
    """Without a look at the replication that there happens to be."""
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, j JSON)", f"INSERT INTO {schema}.t VALUES (1, '[1]')")
    star.wait_caught_up(60)
    one, other = star.replicas
    clean = of_table(run_static(one, other, f"{schema}.*"), other, "t")
    drift_on(
        other,
        f"UPDATE {schema}.t SET j = '[2]'",
        f"CREATE TABLE {schema}.u (id INT PRIMARY KEY)",
        f"CREATE VIEW {schema}.v AS SELECT 1",
    )
    report = run_static(one, other, f"{schema}.*")
    assert (clean.verdict, clean.proof) == (Verdict.IDENTICAL, Proof.STATIC)
    assert found_in(of_table(report, other, "t")) == {Found("changed", ("1",), frozenset({"j"}))}
    assert (of_table(report, other, "u").verdict, of_table(report, other, "u").proof) == (Verdict.DRIFTED, Proof.STATIC)
    assert [(each.what, each.name) for each in report.replicas[0].objects] == [("view", f"{schema}.v")]
    drift_on(other, f"DROP TABLE {schema}.u", f"DROP VIEW {schema}.v")


@pytest.mark.parametrize(
    "wrong",
    [["shop"], ["--replica", "URL"], ["--source", "URL"], ["--source", "URL", "--replica", "URL", "--from", "db2"],
     ["--source", "URL", "--replica", "URL", "--channel", "x"]],
)  # fmt: skip
def test_what_does_not_go_with_static_is_a_mistake(wrong: list[str], tmp_path: Path) -> None:
    words = [word.replace("URL", "mysql://a:b@127.0.0.1:9") for word in wrong]
    done = repwatch("drift", "--static", *words, folder=tmp_path)
    assert done.returncode == 2
    assert "hint:" in done.stderr


def test_the_command(boxes: Pair, tmp_path: Path) -> None:
    for server in boxes:
        server.sql("DROP DATABASE IF EXISTS d", "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY)")
    urls = ("--source", url(boxes[0]), "--replica", url(boxes[1]))
    done = repwatch("drift", "--static", *urls, "--format", "json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"proof": "static"' in done.stdout
