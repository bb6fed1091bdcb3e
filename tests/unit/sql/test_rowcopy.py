"""A literal means, to the server's lexer, exactly the bytes that were read."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.model.schema import Column, Table, TableName
from repwatch.model.server import ServerVersion
from repwatch.sql.rowcopy import CopyTable, can_chunk, insert_one, literals, most_rows, read_chunk

MYSQL = ServerVersion.parse("9.7.0")
MARIADB = ServerVersion.parse("10.11.6-MariaDB")
UNESCAPED = {"0": "\0", "n": "\n", "r": "\r", "Z": "\x1a"}


def table(*types: str, key: tuple[int, ...] = (), generated: int | None = None) -> CopyTable:
    columns = tuple(
        Column(
            name=f"c{number}",
            data_type=data_type,
            column_type=data_type,
            nullable=True,
            charset="latin1",
            generated="1 + 1" if number == generated else "",
        )
        for number, data_type in enumerate(types)
    )
    primary_key = tuple(f"c{number}" for number in key)
    made = Table(name=TableName("s", "t"), engine="InnoDB", columns=columns, primary_key=primary_key)
    return CopyTable(table=made, chunk_key=primary_key if can_chunk(made) else ())


def meaning(literal: str) -> bytes:
    """The server's rules for `_binary'…'`, `_utf8mb4'…'` and 0x… literals."""
    if literal.startswith("0x"):
        return bytes.fromhex(literal[2:])
    match = re.fullmatch(r"(?:_binary|_utf8mb4|)'((?:[^'\\]|\\.)*)'", literal, re.DOTALL)
    assert match, literal
    return re.sub(r"\\(.)", lambda found: UNESCAPED.get(found[1], found[1]), match[1], flags=re.DOTALL).encode()


@given(
    value=st.one_of(st.binary(), st.text().map(str.encode)), kind=st.sampled_from(["varchar", "blob", "enum", "bit", "geometry"])
)
def test_any_bytes_come_back(value: bytes, kind: str) -> None:
    (make,) = literals(table(kind), MYSQL)
    assert meaning(make(value)) == value


@given(value=st.text(alphabet=st.characters(codec="utf-8")).map(str.encode))
def test_json_is_text_on_mysql(value: bytes) -> None:
    (make,) = literals(table("json"), MYSQL)
    assert make(value).startswith("_utf8mb4'")
    assert meaning(make(value)) == value


@pytest.mark.parametrize("kind", ["int", "double", "date", "varchar", "bit", "json", "uuid", "geometry"])
@pytest.mark.parametrize("version", [MYSQL, MARIADB], ids=str)
def test_null_is_null(kind: str, version: ServerVersion) -> None:
    (make,) = literals(table(kind), version)
    assert make(None) == "NULL"


@pytest.mark.parametrize(
    ("kind", "value", "literal"),
    [
        ("bigint", b"-9223372036854775808", "-9223372036854775808"),
        ("decimal", b"0.10", "0.10"),
        ("double", b"-0", "'-0'"),
        ("year", b"0000", "'0000'"),
        ("date", b"0000-00-00", "'0000-00-00'"),
        ("inet6", b"::1", "'::1'"),
        ("bit", b"\x01", "0x01"),
    ],
)
def test_how_types_are_written(kind: str, value: bytes, literal: str) -> None:
    (make,) = literals(table(kind), MARIADB)
    assert make(value) == literal


def test_generated_columns_are_neither_read_nor_written() -> None:
    copy = table("int", "int", "int", key=(0,), generated=1)
    assert copy.columns == ("c0", "c2")
    assert "c1" not in read_chunk(copy, [b"1"], 10)


def test_a_float_is_read_with_all_its_digits() -> None:
    assert "`c1` * 1e0" in read_chunk(table("int", "float", key=(0,)), None, 10)


@pytest.mark.parametrize(
    ("types", "expected"), [(("int",), True), (("varchar", "datetime"), True), (("double",), False), (("enum",), False)]
)
def test_which_keys_make_chunks(types: tuple[str, ...], expected: bool) -> None:
    assert bool(table(*types, key=tuple(range(len(types)))).chunk_key) is expected


def test_the_next_chunk_begins_after_the_last_key() -> None:
    statement = read_chunk(table("varchar", "int", key=(0, 1)), [b"a'b", b"7"], 10)
    key = "_latin1 0x612762"
    assert f"(`c0` > {key}) OR (`c0` = {key} AND `c1` > 7)" in statement
    assert statement.endswith("ORDER BY `c0`, `c1` LIMIT 10")


def test_a_large_row_goes_as_parameters_with_null_in_its_place() -> None:
    statement = insert_one(table("int", "blob", "json", "blob"), [b"1", b"x", b"{}", None], MYSQL)
    assert statement.endswith("VALUES (%s, _binary %s, _utf8mb4 %s, NULL)")


@pytest.mark.parametrize("enums", range(1, 70))
def test_harmless_warnings_of_one_statement_can_be_counted(enums: int) -> None:
    """Each ENUM may have one, and there is room for another that is not harmless."""
    copy = table("int", *["enum"] * enums, key=(0,))
    assert 0 < most_rows(copy) * enums < 65_535
    assert (most_rows(copy) + 1) * enums >= 65_535


def test_tables_without_an_enum_are_written_in_large_statements() -> None:
    assert most_rows(table("int", "text", key=(0,))) > 10_000
