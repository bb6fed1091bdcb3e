"""JSON documents: equal ones have one form, however they are spelled, and different ones never."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.sql.documents import INEXACT, document_form, with_documents

Tree = None | bool | int | float | str | list["Tree"] | dict[str, "Tree"]
# 1 and 1.0 are one number, and Python has them equal; True and 1 are not.
trees: st.SearchStrategy[Tree] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def form(text: str) -> str:
    return document_form(text.encode())[0]


def as_value(tree: Tree) -> object:
    """What tells documents apart."""
    if isinstance(tree, dict):
        return ("object", frozenset((key, as_value(value)) for key, value in tree.items()))
    if isinstance(tree, list):
        return ("array", tuple(as_value(part) for part in tree))
    return ("flag", tree) if isinstance(tree, bool) else tree


@given(one=trees, other=trees)
def test_equal_documents_alone_have_equal_forms(one: Tree, other: Tree) -> None:
    assert (form(json.dumps(one)) == form(json.dumps(other))) == (as_value(one) == as_value(other))


@given(tree=trees)
def test_spelling_and_the_order_of_keys_do_not_matter(tree: Tree) -> None:
    def turned(part: Tree) -> Tree:
        if isinstance(part, dict):
            return {key: turned(part[key]) for key in reversed(part)}
        return [turned(each) for each in part] if isinstance(part, list) else part

    assert form(json.dumps(tree)) == form(json.dumps(turned(tree), indent=2, ensure_ascii=False).replace("/", "\\/"))


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", "1.0"), ("1", "10e-1"), ("0.10", "0.1"), ("-0.0", "0"), ("100", "1e2"), ("1e400", "10e399"), ('"é"', '"\\u00e9"')],
)
def test_one_value_in_two_spellings(one: str, other: str) -> None:
    assert form(one) == form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", '"1"'),
        ("18446744073709551615", "18446744073709551614"),
        ('{"a": 1, "a": 2}', '{"a": 2}'),
        ('{"": ["twice", ["a", 1], ["a", 2]]}', '{"a": 1, "a": 2}'),
        ('{"number": "1"}', "1"),
        ('[{"object": []}]', "[{}]"),
        ("NaN", "null"),
        ("[1", "[1]"),
        ("0.1", "0.10000000000000001"),
    ],
)
def test_different_values_and_what_is_no_document(one: str, other: str) -> None:
    assert form(one) != form(other)


def test_a_number_that_a_double_does_not_keep_is_told() -> None:
    assert document_form(b"[0.1, 1e22, 18446744073709551615]")[1]
    assert not document_form(b"[3.14159265358979323846]")[1]
    assert with_documents("ab", [b"1e999"]).startswith(INEXACT)
    assert not with_documents("ab", [b"1", None]).startswith(INEXACT)


def test_null_is_no_document_and_a_void_hash_stays_void() -> None:
    assert with_documents("ab", [None]) != with_documents("ab", [b"null"])
    assert with_documents("", [b"1"]) == ""
    assert with_documents("ab", []) == "ab"
