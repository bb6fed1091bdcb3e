"""Names and contents of rows, out of what a server answers."""

import pytest

from repwatch.model.schema import Column, Table, TableName
from repwatch.sql.keyrange import NULL_PART, Key, KeyColumn
from repwatch.sql.signature import Fetched, TableReading, parse_row_hashes

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
    table = Table(name=TableName("shop", "orders"), engine="InnoDB", columns=COLUMNS, primary_key=())
    reading = TableReading(table=table, key=key, bounds=key, columns=COLUMNS)
    assert parse_row_hashes([row], reading) == found
