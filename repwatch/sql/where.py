"""Vets a condition that a person typed. What passes is sent as typed, in parentheses: no rewriting changes its meaning.

Two gates, so that a difference between sqlglot's reading and the server's cannot let anything through: the text must consist of
known tokens (what is in quotes is data), and its tree of known nodes. Everything that is not listed is refused; so are functions
whose value depends on the moment or the server, because both sides must choose the same rows.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from repwatch.errors import UsageError
from repwatch.model.schema import TableName
from repwatch.sql.quoting import quote_table

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

MOST_CHARACTERS: Final = 4000
_HINT: Final = "compare columns with values: id BETWEEN 1 AND 1000 AND status = 'N'"

# What may stand before an opening parenthesis.
FUNCTIONS: Final = frozenset({
    "ABS", "CEIL", "CEILING", "CHAR_LENGTH", "COALESCE", "CRC32", "DATE", "DAY", "DAYOFMONTH", "FLOOR", "GREATEST", "HOUR",
    "IF", "IFNULL", "LEAST", "LEFT", "LENGTH", "LOWER", "MINUTE", "MOD", "MONTH", "NULLIF", "RIGHT", "ROUND", "SECOND",
    "SIGN", "SUBSTR", "SUBSTRING", "UPPER", "YEAR",
})  # fmt: skip
_KEYWORDS: Final = frozenset({"AND", "BETWEEN", "DIV", "IN", "IS", "LIKE", "MOD", "NOT", "OR", "XOR"})
# Functions without parentheses; a column of such a name needs backticks.
_MOMENTS: Final = frozenset({
    "CURRENT_DATE", "CURRENT_ROLE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "LOCALTIME", "LOCALTIMESTAMP",
    "UTC_DATE", "UTC_TIME", "UTC_TIMESTAMP",
})  # fmt: skip
_NODES: Final = (
    "And", "Or", "Xor", "Not", "Paren", "Column", "Identifier", "Literal", "HexString", "BitString", "Null", "Boolean", "Tuple",
    "EQ", "NEQ", "GT", "GTE", "LT", "LTE", "NullSafeEQ", "Is", "In", "Between", "Like", "Escape", "Neg", "Add", "Sub", "Mul",
    "Div", "IntDiv", "Mod", "BitwiseAnd", "BitwiseOr",
    "Abs", "Anonymous", "Ceil", "Coalesce", "Date", "Day", "DayOfMonth", "Floor", "Greatest", "Hour", "If", "Least", "Left",
    "Length", "Lower", "Minute", "Month", "Nullif", "Right", "Round", "Second", "Sign", "Substring", "TsOrDsToDate", "Upper",
    "Year",
)  # fmt: skip
_TOKEN: Final = re.compile(
    r"(?P<space>[ \t\r\n]+)|(?P<text>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")|(?P<name>`(?:[^`]|``)+`)|(?P<word>[A-Za-z0-9_$]+)"
    r"|(?P<comment>--|/\*|#)|(?P<sign>[-+*/%<>=!&|().,])"
)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that passed. `columns` are those it names, as typed."""

    text: str
    columns: frozenset[str]

    def unknown_in(self, columns: frozenset[str]) -> tuple[str, ...]:
        """The columns of the condition that a table with these does not have; case does not count."""
        known = {name.casefold() for name in columns}
        return tuple(sorted(name for name in self.columns if name.casefold() not in known))


def vet_condition(text: str) -> Condition:
    """Raises UsageError for whatever is not a plain comparison of columns with values."""
    text = text.strip()
    if not text or len(text) > MOST_CHARACTERS:
        raise UsageError(f"the condition must have 1 to {MOST_CHARACTERS} characters", hint=_HINT)
    _vet_tokens(text)
    columns = _columns_of(_parsed(text))
    if not columns:
        raise _refusal("it names no column")
    return Condition(text, columns)


def trial(table: TableName, condition: Condition) -> str:
    """A statement that reads nothing, but fails if the server does not take the condition for this table."""
    return f"EXPLAIN SELECT 1 FROM {quote_table(table)} WHERE ({condition.text})"


def _columns_of(tree: "Expr") -> frozenset[str]:
    columns = set()
    allowed = _allowed_nodes()
    for node in tree.walk():
        if node.args.get("query"):
            raise _refusal("a sub-select is not allowed")
        if type(node) not in allowed or node.args.get("unnest") or node.args.get("field"):
            raise _refusal(f"{type(node).__name__} is not allowed")
        if node.comments:
            raise _refusal("a comment is not allowed")
        if type(node).__name__ == "Column":
            if node.args.get("table"):
                raise _refusal("a column is named without its table")
            columns.add(node.name)
    return frozenset(columns)


def _vet_tokens(text: str) -> None:
    for character, name in (("\\", "a backslash"), ("\0", "a NUL")):
        if character in text:
            raise _refusal(f"{name} is not allowed")
    position, before, kind = 0, "", ""
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise _refusal(f"{text[position]!r} is not allowed outside quotes")
        if token.lastgroup == "comment":
            raise _refusal("a comment is not allowed")
        found = token.group()
        if found.upper() in _MOMENTS:
            raise _refusal(f"the function {found} is not allowed")
        if found == "(" and (kind == "name" or (kind == "word" and before.upper() not in FUNCTIONS | _KEYWORDS)):
            raise _refusal(f"the function {before} is not allowed")
        if token.lastgroup != "space":
            before, kind = found, token.lastgroup or ""
        position = token.end()


def _parsed(text: str) -> "Expr":
    import sqlglot  # noqa: PLC0415 - takes 0.2 s, and few checks have a condition
    from sqlglot.errors import SqlglotError  # noqa: PLC0415

    try:
        tree = sqlglot.condition(text, dialect="mysql")
    except (SqlglotError, RecursionError):
        raise _refusal("it cannot be read as one condition") from None
    return tree


@cache
def _allowed_nodes() -> frozenset[type]:
    from sqlglot import expressions  # noqa: PLC0415

    return frozenset(getattr(expressions, name) for name in _NODES)


def _refusal(what: str) -> UsageError:
    return UsageError(f"the condition is refused: {what}", hint=_HINT)
