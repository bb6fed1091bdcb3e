"""Names and contents of rows, out of what a server answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.model.schema import Column, Table, TableName
from repwatch.sql.keyrange import NULL_PART, Key, KeyColumn
from repwatch.sql.signature import Fetched, Line, TableReading, lines_of, name_of, not_among, parse_joined_rows, parse_row_hashes

COLUMNS = tuple(Column(name=name, data_type="int", column_type="int", nullable=True) for name in "ab")


@pytest.mark.parametrize(
    ("keys", "row", "found"),
    [
        (1, (b"7", b"c0de"), {("7",): "c0de"}),
        (1, (bytearray(b"\xc3\xa9"), bytearray(b"c0de")), {("é",): "c0de"}),
        (1, (None, b"c0de"), {(NULL_PART,): "c0de"}),
        (1, (b"7", None), {("7",): ""}),
        (2, (b"7", bytearray(b"8"), bytearray(b"c0de")), {("7", "8"): "c0de"}),
        (2, (None, b"8", None), {(NULL_PART, "8"): ""}),
        (0, (bytearray(b"c0de"), bytearray(b"3")), {("c0de",): "3"}),
        (0, (None, b"3"), {(NULL_PART,): ""}),
    ],
)
def test_a_row_is_named_and_has_its_content(keys: int, row: Fetched, found: dict[Key, str]) -> None:
    key = tuple(map(KeyColumn, COLUMNS[:keys]))
    assert parse_row_hashes([row], reading_by(key)) == found


def reading_by(key: tuple[KeyColumn, ...]) -> TableReading:
    table = Table(name=TableName("shop", "orders"), engine="InnoDB", columns=COLUMNS, primary_key=())
    return TableReading(table=table, key=key, bounds=key, columns=COLUMNS)


def test_a_text_of_many_rows_is_read_as_they_are_one_by_one() -> None:
    lines = parse_joined_rows([(bytearray(b"-7:c0de,8:"),), (None,), (b"9:beef",)])
    assert lines == [b"-7:c0de", b"8:", b"9:beef"]
    assert [name_of(line) for line in lines] == [("-7",), ("8",), ("9",)]
    contents: dict[Key, str] = {("-7",): "c0de", ("8",): "", ("9",): "beef"}
    assert lines_of(contents, reading_by((KeyColumn(COLUMNS[0]),))) == lines


@given(
    st.dictionaries(st.integers(0, 9), st.sampled_from("ab")), st.dictionaries(st.integers(0, 9), st.sampled_from(["a", "b", ""]))
)
def test_what_differs_is_found_and_what_is_unknown_equals_nothing(ours: dict[int, str], theirs: dict[int, str]) -> None:
    for columns in (COLUMNS[:1], COLUMNS):
        reading = reading_by(tuple(map(KeyColumn, columns)))
        names = [(str(number), "x")[: len(columns)] for number in range(10)]
        one, other = (lines_of({names[key]: content for key, content in side.items()}, reading) for side in (ours, theirs))
        assert found(other, one) == [names[key] for key, content in theirs.items() if not content or ours.get(key) != content]
        assert found(one, other) == [names[key] for key, content in ours.items() if theirs.get(key) != content]


def found(lines: list[Line], others: list[Line]) -> list[Key]:
    return [name_of(line) for line in not_among(lines, others)]
