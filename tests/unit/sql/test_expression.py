"""Expressions that mean the same are one text, and those that may not never are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.model.server import ServerVersion
from repwatch.sql.expression import canonical, default_text

MARIADB = ServerVersion.parse("10.11.14-MariaDB")
MYSQL = ServerVersion.parse("9.7.0")

EQUAL = [
    ("(`a` + 1)", "`a` + 1"),
    (r"((`a` > 0) and (`b` <> _utf8mb4\'x\'))", "`a` > 0 and `b` <> 'x'"),
    ("CONCAT(`A`,'b')", "concat(a, 'b')"),
    ("not a = 1 and b", "(not (a = 1)) and b"),
    ("a or b and c", "a or (b and c)"),
    ("a = b > c", "(a = b) > c"),
    ("a | b & c", "a | (b & c)"),
    ("a * b DIV c", "((a * b) div c)"),
    ("(a in (1,2))", "a IN (1, 2)"),
    ("a != 1 && b", "a <> 1 and b"),
]
OTHER = [
    ("(a + b) * c", "a + (b * c)"),
    ("(a | b) & c", "a | b & c"),
    ("a = (b > c)", "a = b > c"),
    ("a - (b - c)", "a - b - c"),
    ("a = 'X'", "a = 'x'"),
    ("a = 'it''s'", "a = 'its'"),
    ("a = ' x'", "a = 'x'"),
    ("a = _latin1'x'", "a = 'x'"),
    ("a = _utf8mb4'é'", "a = 'é'"),
    ("0x41", "x'41'"),
    ("f(a, b)", "f(b, a)"),
    ("true", "`true`"),
    ("`a.b`", "`a`.`b`"),
    ("a between 1 and (2 or b)", "a between 1 and 2 or b"),
    ("case when a then b end", "case when b then a end"),
    ("not (a and b)", "not a and b"),
    ("a || b", "a or b"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_what_means_the_same_is_one_text(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_may_differ_stays_different(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


OPERATORS = ("or", "xor", "and", "=", "<", "|", "&", "<<", "+", "-", "*", "div", "^")
TREES = st.recursive(
    st.sampled_from(["a", "b", "1", "'x'"]), lambda inner: st.tuples(inner, st.sampled_from(OPERATORS), inner), max_leaves=8
)
Tree = str | tuple["Tree", str, "Tree"]


def printed(tree: Tree) -> str:
    return tree if isinstance(tree, str) else f"({printed(tree[0])} {tree[1]} {printed(tree[2])})"


@given(TREES, TREES)
def test_only_equal_trees_have_equal_texts(one: Tree, other: Tree) -> None:
    assert (canonical(printed(one)) == canonical(printed(other))) is (one == other)


@given(st.text(alphabet="ab1'`()+-_ \\,.=", max_size=20))
def test_any_text_is_read_or_left_alone(text: str) -> None:
    assert canonical(text) == canonical(text)


@pytest.mark.parametrize(
    ("mariadb", "mysql", "is_expression"),
    [
        ("NULL", None, False),
        (None, None, False),
        ("5", "5", False),
        ("'it''s'", "it's", False),
        ("'NULL'", "NULL", False),
        ("current_timestamp()", "CURRENT_TIMESTAMP", True),
        ("current_timestamp(6)", "CURRENT_TIMESTAMP(6)", True),
        ("(1 + 1)", "(1 + 1)", True),
        ("b'101'", "b'101'", False),
    ],
)
def test_defaults_of_both_flavours_are_one_text(mariadb: str | None, mysql: str | None, is_expression: bool) -> None:
    one = default_text(mariadb, MARIADB, is_expression=False)
    assert one == default_text(mysql, MYSQL, is_expression=is_expression)


def test_a_text_that_looks_like_an_expression_is_none() -> None:
    assert default_text("uuid()", MYSQL, is_expression=False) != default_text("uuid()", MYSQL, is_expression=True)
