"""Which AUTO_INCREMENT columns are nearly used up, and which are looked at at all."""

import re

import pytest

from repwatch.model.schema import TableName
from repwatch.model.server import ServerVersion
from repwatch.sql.sequences import AT_ONCE, MOST, choose, columns, read_columns
from repwatch.sql.status_columns import RawRow

ENDS = {"tinyint": 127, "tinyint unsigned": 255, "smallint": 32767, "smallint unsigned": 65535, "mediumint": 8388607,
        "mediumint unsigned": 16777215, "int": 2147483647, "int unsigned": 4294967295, "bigint": 9223372036854775807,
        "bigint unsigned": 18446744073709551615}  # fmt: skip


def row(kind: str | None, number: str | None, table: str = "t") -> RawRow:
    return {"table_schema": "s", "table_name": table, "column_name": "id", "column_type": kind, "next": number}


@pytest.mark.parametrize("kind", list(ENDS))
def test_each_type_has_its_end(kind: str) -> None:
    for spelled in (kind, kind.upper(), re.sub("int", "int(11)", kind, count=1), f"{kind} zerofill"):
        (found,) = read_columns([row(spelled, str(ENDS[kind]))])
        assert found.most == ENDS[kind]
    assert read_columns([row(kind, str(int(ENDS[kind] * 0.7)))]) == ()
    assert [each.used for each in read_columns([row(kind, str(ENDS[kind] + 1))])] == [1.0]


@pytest.mark.parametrize("bad", [(None, "5"), ("double", "5"), ("int", None), ("int", "x"), ("int", "-1"), ("point", "127")])
def test_what_is_odd_is_left_out(bad: tuple[str | None, str | None]) -> None:
    assert read_columns([row(*bad)]) == ()


def test_the_worst_comes_first() -> None:
    found = read_columns(
        [row("tinyint", "110", "a"), row("tinyint", "127", "b"), row("tinyint", "100", "c"), row("int", "127", "d")]
    )
    assert [str(each.table) for each in found] == ["s.b", "s.a"]


VERSIONS = pytest.mark.parametrize("version", [ServerVersion.parse("8.4.3"), ServerVersion.parse("10.11.19-MariaDB")])


@VERSIONS
def test_each_table_is_looked_up_by_constants_some_at_a_time(version: ServerVersion) -> None:
    tables = [TableName("a'b", f"t{number}") for number in range(AT_ONCE + 1)]
    first, second = columns(tables, version)
    assert (first.count("UNION ALL"), second.count("UNION ALL")) == (AT_ONCE - 1, 0)
    assert r"'a\'b'" in second
    assert list(columns([], version)) == []


def test_what_is_known_and_what_writes_come_first_and_the_others_in_turn() -> None:
    names = [TableName("s", f"t{number:03}") for number in range(MOST * 3)]
    known, busy = TableName("gone", "t"), names[7]
    rows: list[RawRow] = [{"Database": n.schema, "Table": n.table, "In_use": str(int(n == busy))} for n in names]
    seen, after = set[TableName](), None
    for _ in range(4):
        taken = choose(rows, [known], after)
        assert (taken[:2], len(taken), len(set(taken))) == ((known, busy), MOST, MOST)
        seen, after = seen | set(taken), taken[-1]
    assert seen >= set(names)
