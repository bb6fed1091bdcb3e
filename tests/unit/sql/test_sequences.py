"""Which AUTO_INCREMENT columns are nearly used up, and which are looked at at all."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.sql.sequences import MARIADB_CANDIDATES, MYSQL_COLUMNS, NEARLY, candidates, mariadb_columns, read_columns
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
    assert [each.table for each in found] == ["s.b", "s.a"]


@given(st.sampled_from(list(ENDS.values())), st.floats(NEARLY, 1.0))
def test_whatever_would_be_told_of_is_looked_at(end: int, share: float) -> None:
    """The condition of the statements covers each type's last fifth."""
    number = min(end, int(end * share)) + 1
    spans = [(int(low), int(high)) for low, high in re.findall(r"AUTOINC BETWEEN (\d+) AND (\d+)", MARIADB_CANDIDATES)]
    assert any(low <= number <= high for low, high in spans)
    assert len(spans) == len(re.findall(r"t.AUTO_INCREMENT BETWEEN", MYSQL_COLUMNS)) == len(ENDS)


def test_candidates_and_their_columns() -> None:
    rows: list[RawRow] = [{"table_schema": "a'b", "table_name": "t", "next": "110"}]
    near = candidates(rows)
    assert near == {("a'b", "t"): "110"}
    assert r"'a\'b'" in mariadb_columns(list(near))
