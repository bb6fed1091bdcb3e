"""A row that has stopped an applier, mended as the remedy says: replication goes on, and the replica is as its source."""

import time
from collections.abc import Iterator

import pytest

from repwatch.health.rules import diagnose
from repwatch.model.finding import FindingCode
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox
from tests.server.diagnosing import locally, watching


@pytest.fixture
def table(star: Sandbox, schema: str, flavour: Flavour) -> Iterator[str]:
    """Two rows, and children of the first, on servers that nobody else writes to."""
    name, replica = f"{schema}.orders", star.replicas[0]
    star.source.sql(
        f"CREATE TABLE {name} (id INT PRIMARY KEY, status CHAR(1))",
        f"USE {schema}",
        "CREATE TABLE items (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES orders (id))",
        f"INSERT INTO {name} VALUES (1, 'N'), (2, 'N')",
    )
    star.wait_caught_up(60)
    if flavour is Flavour.MYSQL:
        replica.sql("SET GLOBAL super_read_only = ON")
    yield name
    if flavour is Flavour.MYSQL:
        assert replica.sql("SELECT @@GLOBAL.super_read_only") == [("1",)]
        replica.sql("SET GLOBAL super_read_only = OFF")


def test_a_row_that_is_there_already(star: Sandbox, schema: str, table: str) -> None:
    """Those that refer to it stay, and keep nobody from deleting it."""
    on_replica(star, f"INSERT INTO {table} VALUES (9, 'x')", f"INSERT INTO {schema}.items VALUES (1, 9)")
    write(star, f"INSERT INTO {table} VALUES (9, 'N')")
    mend(star, "WHERE …", "WHERE id = 9")
    assert star.replicas[0].sql(f"SELECT parent FROM {schema}.items") == [("9",)]
    assert star.replicas[0].sql(f"SELECT status FROM {table} WHERE id = 9") == [("N",)]


def test_a_row_that_is_missing(star: Sandbox, table: str) -> None:
    on_replica(star, f"DELETE FROM {table} WHERE id = 2")
    write(star, f"UPDATE {table} SET status = 'P' WHERE id = 2")
    mend(star, "(…)", "(2, 'N')")
    assert star.replicas[0].sql(f"SELECT status FROM {table} WHERE id = 2") == [("P",)]


def test_a_child_that_is_the_replicas_own(star: Sandbox, schema: str, table: str) -> None:
    on_replica(star, f"INSERT INTO {schema}.items VALUES (1, 2)")
    write(star, f"DELETE FROM {table} WHERE id = 2")
    mend(star, "WHERE …", "WHERE id = 1")
    assert star.replicas[0].sql(f"SELECT id FROM {table} ORDER BY id") == [("1",)]


def write(star: Sandbox, statement: str) -> None:
    star.source.sql("SET SESSION binlog_format = ROW", statement)


def mend(star: Sandbox, blank: str, found: str) -> None:
    """Run the remedy's statements, with what a person has found in the place of what it leaves open."""
    command = next(part for part in told(star).split("`")[1::2] if blank in part)
    star.replicas[0].sql(*command.replace(blank, found).split("; "))
    star.wait_caught_up(60)
    star.wait_connected()


def told(star: Sandbox) -> str:
    deadline = time.monotonic() + 60
    with watching(star) as watcher:
        while True:
            for finding in diagnose(watcher.look()):
                if finding.subject.code is FindingCode.APPLIER_ERROR:
                    return finding.remedy
            assert time.monotonic() < deadline
            time.sleep(0.1)


def on_replica(star: Sandbox, *statements: str) -> None:
    """Past super_read_only, where there is such a thing, and past the binary log."""
    if star.flavour is Flavour.MYSQL:
        statements = ("SET GLOBAL super_read_only = OFF", *statements, "SET GLOBAL super_read_only = ON")
    locally(star.replicas[0], *statements)
