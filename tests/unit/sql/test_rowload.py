"""Rows as LOAD DATA reads them: what a server makes of the text is what went in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.model.schema import Column, Table, TableName
from repwatch.model.server import ServerVersion
from repwatch.sql.rowcopy import CopyTable
from repwatch.sql.rowload import can_load, load_statement, rows_text

# What LOAD DATA undoes (MySQL manual, "LOAD DATA Statement", escape sequences); any other byte behind a backslash is itself.
MEANING = {b"0": b"\0", b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"Z": b"\x1a"}


def read_back(text: bytes) -> list[tuple[bytes | None, ...]]:
    rows: list[tuple[bytes | None, ...]] = []
    row: list[bytes | None] = []
    value, null, at = bytearray(), False, 0
    while at < len(text):
        byte = text[at : at + 1]
        if byte == b"\\":
            at += 1
            follows = text[at : at + 1]
            null = null or (follows == b"N" and not value)
            value += MEANING.get(follows, follows)
        elif byte in (b"\t", b"\n"):
            row.append(None if null and value == b"N" else bytes(value))
            value, null = bytearray(), False
            if byte == b"\n":
                rows.append(tuple(row))
                row = []
        else:
            value += byte
        at += 1
    assert not row, "the last line does not end"
    assert not value, "the last line does not end"
    return rows


SPECIAL = st.lists(st.sampled_from([b"\\", b"\t", b"\n", b"N", b"n", b"'", b"\0", b"x", b"\xff"]), max_size=6).map(b"".join)
VALUES = st.one_of(st.none(), st.binary(max_size=8), SPECIAL)


@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[VALUES] * width), min_size=1, max_size=6)))
def test_what_is_read_back_is_what_was_written(rows: list[tuple[bytes | None, ...]]) -> None:
    assert read_back(rows_text(rows)) == rows


@pytest.mark.parametrize(
    "rows",
    [
        [(b"1", b"plain"), (b"2", b"text")],
        [(b"1", None)],
        [(b"\t",), (b"",)],
        [(b"a\tb", b"c"), (b"a", b"b\nc")],  # one more of each, and one row fewer, is no row that needs nothing
        [(b"\\N",)],
        [(b"N",), (b"NULL",)],
    ],
)
def test_some_rows_in_particular(rows: list[tuple[bytes | None, ...]]) -> None:
    assert read_back(rows_text(rows)) == rows


def column(name: str, data_type: str, generated: str = "") -> Column:
    return Column(name=name, data_type=data_type, column_type=data_type, nullable=True, generated=generated)


def table(*columns: Column) -> CopyTable:
    return CopyTable(table=Table(name=TableName("s", "t"), engine="InnoDB", columns=columns, primary_key=()))


@pytest.mark.parametrize(
    ("version", "data_type", "as_text"),
    [
        ("10.11.11-MariaDB", "json", False),
        ("10.11.11-MariaDB", "uuid", True),
        ("10.11.11-MariaDB", "inet6", True),
        ("10.11.11-MariaDB", "int", False),
        ("9.7.0", "json", True),
        ("9.7.0", "geometry", False),
        ("9.7.0", "varchar", False),
    ],
)
def test_kinds_that_do_not_take_bytes_get_text(version: str, data_type: str, as_text: bool) -> None:
    copy = table(column("a`b", data_type), column("g", "int", "a + 1"))
    statement = load_statement(copy, "/tmp/it's", ServerVersion.parse(version))
    ending = "(@c0) SET `a``b` = CONVERT(@c0 USING utf8mb4)" if as_text else "(`a``b`)"
    assert statement.endswith(ending)
    assert "LOCAL INFILE '/tmp/it\\'s' INTO TABLE `s`.`t` CHARACTER SET binary" in statement


def test_rows_without_values_are_not_loaded() -> None:
    assert not can_load(table(column("g", "int", "1 + 1")))
