"""Parts of a range on real servers, whatever the key: together they are the range, and one statement tells of each by itself."""

from collections.abc import Sequence
from itertools import chain

import pytest

from repwatch.adapters.mysql.session import Session
from repwatch.flows import ranges
from repwatch.flows.drift_catalogue import read_tables
from repwatch.flows.reseed_differ import reading_of
from repwatch.model.schema import TableName
from repwatch.model.server import Flavour
from repwatch.sandbox import Account, Sandbox
from repwatch.sql import signature as sql
from repwatch.sql.keyrange import EVERYTHING, Key, KeyRange
from repwatch.sql.signature import TableReading, no_cut
from tests.server.drifting import fill

ROWS = 400
KEYS = {
    "dense": ("k INT PRIMARY KEY", "{n} - 200"),
    "sparse": ("k BIGINT UNSIGNED PRIMARY KEY", "18446744073709551615 - {n} * 1000003"),
    "text": ("k VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY", "CONCAT('é ', {n} * 7919)"),
    "latin": ("k VARCHAR(20) CHARACTER SET latin1 PRIMARY KEY", "CONCAT('ß', {n})"),
    "bytes": ("k VARBINARY(8) PRIMARY KEY", "UNHEX(LPAD(HEX({n} * 40503), 6, '0'))"),
    "decimal": ("k DECIMAL(20,4) PRIMARY KEY", "{n} * 3.1417 - 500"),
    "moment": ("k DATETIME(6) PRIMARY KEY", "TIMESTAMP '2024-01-01 00:00:00.5' + INTERVAL {n} * 977 SECOND"),
    "double": ("k DOUBLE PRIMARY KEY", "SQRT({n}) * 1e10"),
    "composite": ("k INT, l VARCHAR(9), PRIMARY KEY (k, l)", "{n} DIV 150, CONCAT('x', {n})"),
    "unique": ("k SMALLINT NOT NULL, UNIQUE KEY u (k)", "{n} * 50"),
    "none": ("k INT NULL, KEY i (k)", "NULLIF({n} DIV 9, 3)"),
}


def readings(star: Sandbox, schema: str) -> dict[str, TableReading]:
    for name, (key, value) in KEYS.items():
        star.source.sql(f"CREATE TABLE {schema}.{name} ({key}, v VARCHAR(30))")
        fill(star.source, f"{schema}.{name}", [f"({value.format(n=number)}, 'row {number}')" for number in range(ROWS)])
    if star.flavour is Flavour.MARIADB:
        star.source.sql(f"CREATE TABLE {schema}.named (k UUID PRIMARY KEY, v INT)")
        fill(star.source, f"{schema}.named", [f"(UUID(), {number})" for number in range(ROWS)])
    with star.source.connect() as db:
        found = {table: reading_of(layout) for table, layout in read_tables(db).items() if table.schema == schema}
    return {table.table: reading for table, reading in found.items() if reading is not None}


@pytest.fixture
def db(star: Sandbox) -> Session:
    session = Session.connect(star.source.endpoint(Account.WATCH))
    session.execute(no_cut())
    return session


def test_parts_are_the_range_and_are_read_each_by_itself(
    star: Sandbox, schema: str, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "PART_ROWS", 20)
    with db:
        for name, reading in readings(star, schema).items():
            piece, rest = ranges.cut(db, reading, EVERYTHING, ROWS // 2, dense=False)
            assert rest is not None, name
            cut = ranges.parts(db, reading, piece, ROWS // 2) + ranges.parts(db, reading, rest, ROWS // 2)
            assert 4 < len(cut) <= ROWS, name  # by chance, but not that much
            found = ranges.signatures(db, reading, cut)
            assert list(found) == list(cut), name
            assert sum(signature.rows for signature in found.values()) == ROWS, name
            for part, signature in found.items():
                assert signature.same_as(ranges.signatures(db, reading, [part])[part]), name
            assert row_by_row(db, reading, cut) == row_by_row(db, reading, [EVERYTHING]), name


def row_by_row(db: Session, reading: TableReading, pieces: Sequence[KeyRange]) -> dict[Key, str]:
    statement = sql.row_hashes_in(reading, pieces)
    found = sql.parse_row_hashes(db.query(statement).rows, reading)
    assert sql.parse_row_hashes(chain.from_iterable(db.batches(statement)), reading) == found
    return found


def test_rows_are_listed_alike_in_one_text_one_by_one_and_where_the_text_is_cut(star: Sandbox, schema: str, db: Session) -> None:
    with db:
        for name, reading in readings(star, schema).items():
            piece, rest = ranges.cut(db, reading, EVERYTHING, ROWS // 2, dense=False)
            assert rest is not None, name
            nothing = KeyRange(piece.upper, piece.upper)
            lines = ranges.listed(db, reading, [piece, nothing, rest])
            assert isinstance(lines[0], bytes) is (name in ("dense", "sparse", "unique")), name
            contents = row_by_row(db, reading, [EVERYTHING])
            assert {sql.name_of(line) for line in lines} == set(contents), name
            assert set(lines) == set(sql.lines_of(contents, reading)), name
            assert len(lines) == len(contents), name
            db.execute("SET SESSION group_concat_max_len = 1000")
            assert ranges.listed(db, reading, [piece, nothing, rest]) == lines, name
            db.execute(no_cut())


def test_bounds_by_chance_are_found_by_one_walk_over_the_index(star: Sandbox, schema: str, db: Session) -> None:
    """No server sorts for them, or makes a table of them."""
    with db:
        for name, reading in readings(star, schema).items():
            piece, _ = ranges.cut(db, reading, EVERYTHING, ROWS // 2, dense=False)
            before = sorts(db)
            db.query(sql.some_bounds(reading, piece, 20, 100))
            assert sorts(db) == before, name


def sorts(db: Session) -> list[str | None]:
    names = "'Sort_rows', 'Sort_scan', 'Sort_range', 'Created_tmp_disk_tables'"
    return [row["Value"] for row in db.texts(f"SHOW SESSION STATUS WHERE Variable_name IN ({names})")]


def test_an_empty_table_is_one_part(star: Sandbox, schema: str, db: Session) -> None:
    star.source.sql(f"CREATE TABLE {schema}.t (k INT PRIMARY KEY)")
    with db:
        layout = read_tables(db, [TableName(schema, "t")])[TableName(schema, "t")]
        reading = reading_of(layout)
        assert reading is not None
        assert ranges.parts(db, reading, EVERYTHING, 10_000) == (EVERYTHING,)
        assert ranges.signatures(db, reading, [EVERYTHING])[EVERYTHING].rows == 0
