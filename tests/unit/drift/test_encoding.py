"""The code of a row is uniquely decodable. SQLite is no judge of MySQL's functions, so a small model of them is decoded here."""

from hypothesis import given
from hypothesis import strategies as st

from repwatch.model.schema import Column
from repwatch.sql.encoding import row_code
from repwatch.sql.signature import VOID, parse_signature


def column(name: str, data_type: str, *, nullable: bool = True, column_type: str = "") -> Column:
    return Column(name=name, data_type=data_type, column_type=column_type or data_type, nullable=nullable)


Values = tuple[int | None, bytes | None, bytes | None]


def model_code(row: Values) -> bytes:
    """What the server makes of CONCAT_WS(',', IFNULL(n,'N'), IFNULL(LENGTH(a),'N'), a, IFNULL(LENGTH(b),'N'), b)."""
    number, *texts = row
    parts = [b"N" if number is None else str(number).encode()]
    for text in texts:
        parts += [b"N"] if text is None else [str(len(text)).encode(), text]
    return b",".join(parts)


rows = st.lists(
    st.tuples(st.none() | st.integers(-3, 300), *[st.none() | st.text("N0123,;a", max_size=6).map(str.encode)] * 2), max_size=5
)


@given(one=rows, other=rows)
def test_different_rows_have_different_codes(one: list[Values], other: list[Values]) -> None:
    """Invariant: only equal lists of rows have equal joined codes (with their count)."""
    codes = [b";".join(model_code(row) for row in side) for side in (one, other)]
    assert ((len(one), codes[0]) == (len(other), codes[1])) == (one == other)


def test_the_expression_is_the_one_that_the_model_models() -> None:
    columns = (column("n", "int"), column("a", "varbinary"), column("b", "varbinary"))
    assert row_code(columns) == ("CONCAT_WS(',', IFNULL(`n`, 'N'), IFNULL(LENGTH(`a`), 'N'), `a`, IFNULL(LENGTH(`b`), 'N'), `b`)")


def test_a_row_of_long_values_has_a_short_code() -> None:
    assert "SHA2(" in row_code([column("c", "longblob")])
    assert "SHA2(" in row_code([column("c", "varbinary")], long={"c"})


def test_a_cut_or_warned_signature_is_void() -> None:
    whole = (b"10", b"ab" * 32, b"500", b"1024")
    assert not parse_signature(whole, []).void
    assert parse_signature((b"10", b"ab" * 32, b"1024", b"1024"), []).void
    assert parse_signature((b"10", b"ab" * 32, b"1021", b"1024"), []).void
    assert parse_signature(whole, [(1260, "row 7 was cut")]).void
    assert not parse_signature(whole, [(1287, "deprecated")]).void
    assert parse_signature((b"10", None, None, b"1024"), []).void
    assert not parse_signature((b"0", None, None, b"1024"), []).void
    assert not VOID.same_as(VOID)
