"""A copy as LOAD DATA writes it: every kind of value, servers that take no files, and what is put back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from repwatch.errors import StatementRefused
from repwatch.flows.reseed_copy import copy_rows
from repwatch.flows.reseed_definitions import read_copy_tables
from repwatch.flows.reseed_write import RowWriter
from repwatch.model.plan import Outcome
from repwatch.model.schema import TableName
from repwatch.model.server import Flavour
from repwatch.reseed.method import Method
from repwatch.sandbox import Sandbox, SandboxServer
from repwatch.sql import definitions, repair, rowcopy
from repwatch.sql.rowcopy import CopyTable
from tests.server.reseeding import contents, healthy, make_everything, put_back, request, reseed

ENOUGH = 1_500  # rows; fewer are not worth a load


@pytest.fixture
def replica(star: Sandbox) -> Iterator[SandboxServer]:
    """A replica that replicates again afterwards, and takes files or not as before."""
    server = star.replicas[0]
    ((before,),) = server.sql("SELECT @@GLOBAL.local_infile")
    yield server
    with server.connect() as db:
        put_back(db)
        db.execute(f"SET GLOBAL local_infile = {before}")
    star.wait_caught_up(60)


def loads(server: SandboxServer) -> int:
    """How many LOAD DATA the server has run."""
    ((_, count),) = server.sql("SHOW GLOBAL STATUS LIKE 'Com_load'")
    return int(count or 0)


def rows_of(server: SandboxServer, schema: str) -> dict[str, object]:
    """All rows; a counter is set by more than rows."""
    return {what: found for what, found in contents(server, schema).items() if what.startswith("rows of")}


def multiply(box: Sandbox, schema: str) -> None:
    """Tables with many rows of every kind of value."""
    with box.source.connect() as db:
        db.execute("SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'")
        columns = "f, f2, d, dec_, bits, flag, bin, vb, blob_, txt, u, u2, j, e, s, g, dt, dtm, ts, tm, y, ub"
        (row,) = db.query(f"SELECT COUNT(*) FROM {schema}.kinds").rows
        count = int(row[0] or 0)
        while count < ENOUGH:
            db.execute(f"INSERT INTO {schema}.kinds ({columns}) SELECT {columns} FROM {schema}.kinds")
            count *= 2
        db.execute(f"CREATE TABLE {schema}.`tab\t'\\ name` (id INT PRIMARY KEY, `größe\n%s` VARCHAR(300), e ENUM('a', 'b'))")
        texts = ("'\\\\N'", "'\\t\\\\\\n'", "NULL", "''", "'NULL'", "REPEAT('\\\\', 200)", "REPEAT('\\t\\n\\r\\0''\"', 40)")
        # The empty error value of an ENUM can be written with a warning only, and there are more than a server keeps by itself.
        values = ", ".join(f"({n}, {texts[n % len(texts)]}, {'1' if n % 3 else '0'})" for n in range(3 * ENOUGH))
        db.execute(f"INSERT INTO {schema}.`tab\t'\\ name` VALUES {values}")
        db.execute(f"CREATE TABLE {schema}.keyless (n INT, v VARCHAR(200))")
        values = ", ".join(f"({n % 50}, {'NULL' if n % 7 else f'REPEAT({n}, 20)'})" for n in range(10 * ENOUGH))
        db.execute(f"INSERT INTO {schema}.keyless VALUES {values}")
        if db.version.is_mariadb:
            db.execute(f"CREATE TABLE {schema}.named (id INT PRIMARY KEY, u UUID, v INET6, w INET4, e INET6)")
            values = ", ".join(f"({n}, UUID(), '2001:db8::{n % 9}', '10.0.0.{n % 255}', NULL)" for n in range(2 * ENOUGH))
            db.execute(f"INSERT INTO {schema}.named VALUES {values}")
        elif db.version.at_least(9, 0):
            db.execute(f"CREATE TABLE {schema}.vectors (id INT PRIMARY KEY, v VECTOR(20))")
            values = ", ".join(f"({n}, STRING_TO_VECTOR('[{n}, -0.5, 1e-30]'))" for n in range(ENOUGH))
            db.execute(f"INSERT INTO {schema}.vectors VALUES {values}")
            db.execute(f"INSERT INTO {schema}.vectors SELECT id + {ENOUGH}, REPEAT(UNHEX('5C090A00'), 20) FROM {schema}.vectors")
    box.wait_caught_up(60)


def test_every_kind_of_value_is_loaded_as_it_is(star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path) -> None:
    make_everything(star, schema)
    multiply(star, schema)
    replica.sql("SET SESSION sql_log_bin = 0", f"DELETE FROM {schema}.kinds LIMIT 1")
    before = loads(replica)
    applied = reseed(request(star, replica, method=Method.LOGICAL), tmp_path)
    assert (applied.outcome, applied.verdict, applied.text) == (Outcome.DONE, "identical", "")
    healthy(star, replica)
    assert contents(replica, schema) == contents(star.source, schema)
    assert loads(replica) >= before + 4


@pytest.mark.parametrize("before", ["0", "1"])
def test_whether_the_server_takes_files_is_afterwards_as_it_was(
    star: Sandbox, schema: str, replica: SandboxServer, tmp_path: Path, before: str
) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, v TEXT)")
    star.wait_caught_up(60)
    replica.sql(f"SET GLOBAL local_infile = {before}")
    applied = reseed(request(star, replica, method=Method.LOGICAL), tmp_path)
    assert (applied.outcome, applied.text) == (Outcome.DONE, "")
    assert any("local_infile" in step.statement for step in applied.plan.steps) == (before == "0")
    assert replica.sql("SELECT @@GLOBAL.local_infile") == [(before,)]


def test_a_server_that_takes_no_files_gets_the_same_rows(star: Sandbox, schema: str, replica: SandboxServer) -> None:
    make_everything(star, schema)
    multiply(star, schema)
    replica.sql("SET GLOBAL local_infile = 0")
    tables = [f"{schema}.kinds", *([f"{schema}.named"] if star.flavour is Flavour.MARIADB else [])]
    with star.source.connect() as reader, replica.connect() as db:
        for statement in (*definitions.reader_setup(reader.version), rowcopy.READ_RAW):
            reader.execute(statement)
        for statement in rowcopy.loader_setup(db.version):
            db.execute(statement)
        wanted = [copy for copy in read_copy_tables(reader) if str(copy.table.name) in tables]
        assert len(wanted) == len(tables)
        for copy in wanted:
            db.execute(f"TRUNCATE TABLE {copy.table.name}")
            assert copy_rows(reader, RowWriter(db), copy, lambda _: None) >= ENOUGH
    assert rows_of(replica, schema) == rows_of(star.source, schema)


def test_a_row_that_collides_or_does_not_fit_is_refused(star: Sandbox, schema: str, replica: SandboxServer) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, v VARCHAR(200))")
    star.wait_caught_up(60)
    replica.sql("SET GLOBAL local_infile = 1")
    good = [(str(n).encode(), b"x" * 150) for n in range(ENOUGH)]
    with star.source.connect() as reader, replica.connect() as db:
        (copy,) = [copy for copy in read_copy_tables(reader) if copy.table.name == TableName(schema, "t")]
        for statement in rowcopy.loader_setup(db.version):
            db.execute(statement)
        writer = RowWriter(db)
        before = loads(replica)
        for bad in ((b"7", b"a second row with this key"), (b"99999999999", b""), (b"-2", b"\xff")):
            with pytest.raises(StatementRefused):
                writer.write(copy, [*good, bad])
            db.execute(f"TRUNCATE TABLE {schema}.t")
        assert loads(replica) == before + 3
        assert writer.write(copy, good) == ENOUGH
        db.execute(f"TRUNCATE TABLE {schema}.t")


ENUMS = 8


@pytest.fixture
def wrong_enums(star: Sandbox, schema: str, replica: SandboxServer) -> CopyTable:
    """A table whose every ENUM will get the error value, each with a warning."""
    columns = ", ".join(f"e{number} ENUM('a') NOT NULL" for number in range(ENUMS))
    star.source.sql(f"CREATE TABLE {schema}.e (id INT PRIMARY KEY, v CHAR(100), {columns})")
    star.wait_caught_up(60)
    replica.sql("SET GLOBAL local_infile = 1")
    with star.source.connect() as reader:
        (copy,) = [copy for copy in read_copy_tables(reader) if copy.table.name == TableName(schema, "e")]
    return copy


def error_values(count: int) -> list[tuple[bytes, ...]]:
    return [(str(number).encode(), b"x" * 100, *[b""] * ENUMS) for number in range(count)]


def test_a_value_that_changes_is_seen_among_more_warnings_than_a_server_can_count(
    replica: SandboxServer, wrong_enums: CopyTable
) -> None:
    count = 10_000
    with replica.connect() as db:
        for statement in rowcopy.loader_setup(db.version):
            db.execute(statement)
        writer, before = RowWriter(db), loads(replica)
        bad = (b"99999999999", None, *[b""] * ENUMS)
        with pytest.raises(StatementRefused):
            writer.write(wrong_enums, [*error_values(count - 9), bad, *error_values(count)[-9:]])
        assert loads(replica) > before
        db.execute(f"TRUNCATE TABLE {wrong_enums.table.name}")
        assert writer.write(wrong_enums, error_values(count)) == count
        assert db.scalar(f"SELECT COUNT(*) FROM {wrong_enums.table.name} WHERE e0 = 0 AND e{ENUMS - 1} = 0") == str(count)
        db.execute(f"TRUNCATE TABLE {wrong_enums.table.name}")
        assert writer.insert(wrong_enums, error_values(count)) == count
        with pytest.raises(StatementRefused):
            writer.insert(wrong_enums, [bad])


def test_many_error_values_are_rewritten_one_by_one(replica: SandboxServer, wrong_enums: CopyTable) -> None:
    """By a session that rewrites rows, which had room for 64 or 1024 warnings."""
    with replica.connect() as db:
        for statement in repair.writer_setup(db.version):
            db.execute(statement)
        assert RowWriter(db).insert(wrong_enums, error_values(500)) == 500
