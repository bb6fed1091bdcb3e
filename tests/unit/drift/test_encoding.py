"""The code of a row is uniquely decodable. SQLite is no judge of MySQL's functions, so a small model of them is decoded here."""

from hypothesis import given
from hypothesis import strategies as st

from repwatch.model.schema import Column
from repwatch.model.server import ServerVersion
from repwatch.sql.encoding import joined_codes, row_code, row_elements
from repwatch.sql.signature import VOID, parse_signature


def column(name: str, data_type: str, *, charset: str | None = None) -> Column:
    return Column(name=name, data_type=data_type, column_type=data_type, nullable=True, charset=charset)


Values = tuple[int | None, str | None, bytes | None, str | None]
FF, FE = b"\xff", b"\xfe"


def model_code(row: Values) -> bytes:
    """What the server makes of the expression below."""
    number, text, raw, last = row
    parts = [FE if number is None else str(number).encode(), FE if text is None else text.encode()]
    parts += [FE, b""] if raw is None else [str(len(raw)).encode(), raw]
    parts += [FE if last is None else last.encode()]
    return FF.join(parts)


texts = st.none() | st.text("N012\xff\xfe\U0010ffff", max_size=4)
rows = st.lists(st.tuples(st.none() | st.integers(-3, 300), texts, st.none() | st.binary(max_size=6), texts), max_size=5)
raw_rows = st.lists(
    st.tuples(st.none(), texts, st.none() | st.lists(st.sampled_from([FF, FE, b"1", b"2"]), max_size=6).map(b"".join), texts),
    max_size=4,
)


@given(one=rows | raw_rows, other=rows | raw_rows)
def test_different_rows_have_different_codes(one: list[Values], other: list[Values]) -> None:
    """Invariant: only equal lists of rows have equal joined codes (with their count)."""
    codes = [FF.join(model_code(row) for row in side) for side in (one, other)]
    assert ((len(one), codes[0]) == (len(other), codes[1])) == (one == other)


def test_the_expression_is_the_one_that_the_model_models() -> None:
    columns = (
        column("n", "int"),
        column("t", "varchar", charset="utf8mb3"),
        column("b", "varbinary"),
        column("u", "char", charset="utf8mb4"),
    )
    null, separator = "CAST(x'FE' AS BINARY)", "CAST(x'FF' AS BINARY)"
    elements = [f"IFNULL({value}, {null})" for value in ("`n`", "`t`", "LENGTH(`b`)", "`u`")]
    elements.insert(3, "IFNULL(`b`, '')")
    assert row_elements(columns) == elements
    assert row_code(elements[:2]) == f"CONCAT_WS({separator}, {elements[0]}, {elements[1]})"
    mariadb = joined_codes(elements[:2], ServerVersion.parse("10.11.6-MariaDB"))
    assert mariadb == f"GROUP_CONCAT({row_code(elements[:2])} SEPARATOR x'FF')"
    mysql = joined_codes(elements[:2], ServerVersion.parse("9.7.0"))
    assert mysql == f"GROUP_CONCAT({elements[0]}, {separator}, {elements[1]} SEPARATOR x'FF')"
    alone = joined_codes(elements[:1], ServerVersion.parse("9.7.0"))
    assert alone == f"GROUP_CONCAT(CONCAT_WS({separator}, {elements[0]}) SEPARATOR x'FF')"


def test_text_that_may_hold_any_byte_stands_behind_its_length() -> None:
    assert any("LENGTH(" in element for element in row_elements([column("c", "varchar", charset="latin1")]))
    assert any("LENGTH(" in element for element in row_elements([column("c", "text", charset="utf8mb4")]))
    converted = row_elements([column("c", "varchar", charset="latin1")], convert={"c"})
    assert converted == ["IFNULL(CONVERT(`c` USING utf8mb4), CAST(x'FE' AS BINARY))"]


def test_a_row_of_long_values_has_a_short_code() -> None:
    assert any("SHA2(" in element for element in row_elements([column("c", "longblob")]))
    assert any("SHA2(" in element for element in row_elements([column("c", "varbinary")], long={"c"}))


def test_a_cut_or_warned_signature_is_void() -> None:
    whole = (b"10", b"ab" * 32)
    assert not parse_signature(whole, []).void
    assert parse_signature(whole, [(1260, "row 7 was cut")]).void
    assert not parse_signature(whole, [(1287, "deprecated")]).void
    assert parse_signature(whole, [(1292, "truncated")]).void
    assert not parse_signature(whole, [(1292, "truncated")], narrowed=True).void
    assert parse_signature((b"10", None), []).void
    assert not parse_signature((b"0", None), []).void
    assert not VOID.same_as(VOID)
