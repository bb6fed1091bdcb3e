"""What a person may type as a condition, and what not."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.errors import UsageError
from repwatch.sql.where import FUNCTIONS, MOST_CHARACTERS, vet_condition


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("id > 1000", {"id"}),
        ("  id BETWEEN 1 AND 10 AND NOT status IN ('N', 'X')  ", {"id", "status"}),
        ("a LIKE 'x%' ESCAPE '|' OR b IS NOT NULL XOR c <=> -1.5e3", {"a", "b", "c"}),
        ('`a``b` = \'it\'\'s\' AND `select` = "say ""x"""', {"a`b", "select"}),
        ("mail = 'a@b.c; /* -- # :x ? {y}'", {"mail"}),  # quoted text is data
        ("a = 0x0a AND b = x'0a' AND c DIV 2 % 3 = b'01'", {"a", "b", "c"}),
        ("(a, b) IN ((1, 2), (3, 4))", {"a", "b"}),
        ("a <> 1 && b != 2 || c & 1", {"a", "b", "c"}),
        ("name = 'Zoë' AND `größe` > 3", {"name", "größe"}),
    ],
)
def test_comparisons_of_columns_pass_as_typed(text: str, columns: set[str]) -> None:
    condition = vet_condition(text)
    assert (condition.text, set(condition.columns)) == (text.strip(), columns)


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_each_listed_function_passes(function: str) -> None:
    for arguments in ("a", "a, 1", "a, 1, 2"):
        try:
            assert vet_condition(f"{function.lower()}({arguments}) = 1").columns == {"a"}
        except UsageError:
            continue
        return
    pytest.fail(f"{function} passes with no arguments")


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "1 = 1", "TRUE", "a = 1;", "a = 1; DROP TABLE t", "a = 1) OR (b = 1", "(((a = 1", "a = 1 -- x", "a--1 = 1",
        "a = 1 # x", "a = 1 /* x */", "a = 1 /*! OR SLEEP(5) */", "a = 1 /*M!100000 OR SLEEP(5) */", "a = 'x\\'", "a = '\\''",
        "a = 'x\0'", "a = @x", "a = @@version", "@x := a", "a = ?", "a = :x", "a = {d '2024-01-01'}", "a = [1]",
        "a = SLEEP(5)", "a = sleep (5)", "a = BENCHMARK(9, 9)", "a = LOAD_FILE('x')", "a = GET_LOCK('x', 1)", "a = `sleep`(5)",
        "a = s.f(1)", "a = s.LOWER('x')", "a < NOW()", "a = RAND()", "a = UUID()", "a = USER()", "a = CURRENT_DATE",
        "a < utc_timestamp",
        "a = CURRENT_USER", "a = (SELECT 1)", "a IN (SELECT b FROM t)", "a = ANY (SELECT 1)", "EXISTS (SELECT 1)",
        "a AND(SELECT 1)",
        "a = 1 UNION SELECT 1", "a = 1 ORDER BY a", "a = 1 LIMIT 1", "a = 1 GROUP BY a", "a = 1 INTO OUTFILE 'x'",
        "a = 1 FOR UPDATE", "a = 1 PROCEDURE ANALYSE()", "t.a = 1", "s.t.a = 1", "a REGEXP 'x'", "a RLIKE 'x'", "a->'$.x' = 1",
        "MATCH(a) AGAINST('x')", "a = _utf8'x'", "a = N'x'", "a COLLATE utf8mb4_bin = 'x'", "CAST(a AS CHAR) = 'x'",
        "a = DEFAULT(b)",
        "a\u00a0= 1", "größe = 1", "a = 1, b = 2", "SELECT a", "*", "a = *", "a = 'b", "a = `b", "INTERVAL(a, 1)",
        "a < '2024-01-01' + INTERVAL 1 DAY", "(" * 3000 + "a" + ")" * 900, "a = '" + "x" * MOST_CHARACTERS + "'",
    ],
)  # fmt: skip
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        vet_condition(text)


PIECES = st.sampled_from(
    ["a", "1", "'x'", "=", "(", ")", "AND", "OR", "--", "/*", "*/", "#", ";", "@", "\\", "'", '"', "`", "sleep", "(5)", "SELECT",
     "IN", ",", " ", "!", "\n", "UNION", "ELT", "LOWER", ".", "\0", "x'", "NOT", "BETWEEN", "::"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=14).map("".join))
def test_what_passes_is_closed_and_calls_nothing_unlisted(text: str) -> None:
    """Invariant: a text is refused, or its own quotes and parentheses are closed and nothing but listed functions is called."""
    try:
        vet_condition(text)
    except UsageError:
        return
    bare, depth = _without_quoted(text), 0
    for character in bare:
        depth += {"(": 1, ")": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    assert not re.search(r"--|/\*|[#;@\\\0]|\b(SELECT|UNION)\b|\b(sleep|ELT)\s*\(", bare)


def _without_quoted(text: str) -> str:
    """Independent of the code under test: what stands outside quotes, which must all be closed."""
    outside, quote = [], ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        else:
            outside.append(character)
    assert not quote
    return "".join(outside)


def test_columns_are_found_whatever_their_case() -> None:
    condition = vet_condition("ID > 1 AND status = 'N'")
    assert condition.unknown_in(frozenset({"id", "Status", "x"})) == ()
    assert condition.unknown_in(frozenset({"id"})) == ("status",)
