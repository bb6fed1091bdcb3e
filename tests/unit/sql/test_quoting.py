"""Quoting is undone by the server's lexer to exactly the text that went in, and nothing leaks out of the quotes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.model.schema import TableName
from repwatch.sql.quoting import quote_name, quote_table, quote_text

NAMES = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
TEXTS = st.text(alphabet=st.characters(codec="utf-8"))
UNESCAPED = {"0": "\0", "n": "\n", "r": "\r", "Z": "\x1a", "b": "\b", "t": "\t"}


def read_name(literal: str) -> str:
    """The server's rule for a quoted name: a doubled backtick is one, a single one ends it."""
    match = re.fullmatch(r"`((?:[^`]|``)+)`", literal, re.DOTALL)
    assert match, literal
    return match[1].replace("``", "`")


def read_text(literal: str) -> str:
    """The server's rule for a string literal with backslash escapes on."""
    match = re.fullmatch(r"'((?:[^'\\]|\\.)*)'", literal, re.DOTALL)
    assert match, literal
    return re.sub(r"\\(.)", lambda found: UNESCAPED.get(found[1], found[1]), match[1], flags=re.DOTALL)


@given(NAMES)
def test_a_name_reads_back_as_itself(name: str) -> None:
    assert read_name(quote_name(name)) == name


@given(TEXTS)
def test_a_text_reads_back_as_itself(text: str) -> None:
    assert read_text(quote_text(text)) == text


@given(TEXTS)
def test_a_text_carries_no_raw_nul_or_line_break(text: str) -> None:
    assert not set("\0\n\r\x1a") & set(quote_text(text))


@given(NAMES, NAMES)
def test_a_table_is_two_names(schema: str, table: str) -> None:
    assert quote_table(TableName(schema, table)) == f"{quote_name(schema)}.{quote_name(table)}"


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        quote_name(name)
