"""Expressions of definitions (CHECK, generated columns, defaults) in one form for texts that mean the same.

Servers print the same expression differently: MySQL in full parentheses, MariaDB with as few as precedence allows, names in
backticks or not, keywords in either case. Only that is evened out here, by a reader of the operators whose precedence both
flavours share. What it does not read stays as printed, so it equals nothing but the same text.
"""

import re
from dataclasses import dataclass
from typing import Final

from repwatch.model.server import ServerVersion

_TOKEN: Final = re.compile(
    r"\s+|(?:(?P<charset>_[a-z0-9]+)\s*)?(?P<text>[xb]?'(?:[^'\\]|''|\\.)*')|(?P<name>`(?:[^`]|``)+`)"
    r"|(?P<word>[A-Za-z0-9_$.\x80-\U0010ffff]+)"
    r"|(?P<sign><=>|<<|>>|<=|>=|<>|!=|&&|\|\||[-+*/%=<>^&|(),~!])",
    re.IGNORECASE | re.DOTALL,
)
# Operators of two sides by rising precedence (MySQL and MariaDB manuals, "Operator Precedence"); all bind to the left.
_LEVELS: Final = (
    {"or"}, {"xor"}, {"and"}, {"=", "<=>", ">=", ">", "<=", "<", "<>", "!="}, {"|"}, {"&"}, {"<<", ">>"}, {"+", "-"},
    {"*", "/", "div", "%", "mod"}, {"^"},
)  # fmt: skip
_PRECEDENCE: Final = {word: level for level, words in enumerate(_LEVELS) for word in words}
_NOT: Final = 3  # NOT binds closer than AND and looser than a comparison
# Words with a grammar of their own; also those of unclear precedence.
_STRANGE: Final = frozenset({
    "as", "between", "binary", "case", "charset", "collate", "character", "distinct", "else", "end", "escape", "exists", "in",
    "interval", "is", "like", "match", "member", "over", "regexp", "rlike", "select", "sounds", "then", "using", "when",
})  # fmt: skip
_ESCAPED_QUOTE: Final = "\\'"


class _Unread(Exception):
    """The text has something that is not read here."""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


def canonical(text: str) -> str:
    """The expression with parentheses around every operator and nothing else that could vary; as printed if it is not read."""
    try:
        tokens = _tokens(text)
    except _Unread:
        return text
    try:
        reader = _Reader(tokens)
        found = reader.operators(0)
        reader.expect_end()
    except (_Unread, RecursionError):
        return _flat(tokens)
    return found


def _flat(tokens: list[_Token]) -> str:
    """The tokens as they stand, without parentheses around the whole."""
    while _encloses(tokens):
        tokens = tokens[1:-1]
    return " ".join(f"`{token.text}`" if token.kind == "name" else token.text for token in tokens)


def _encloses(tokens: list[_Token]) -> bool:
    depth = 0
    for place, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.text, 0) if token.kind == "sign" else 0
        if depth == 0:
            return place > 0 and place == len(tokens) - 1
    return False


def default_text(text: str | None, version: ServerVersion, *, is_expression: bool) -> str | None:
    """A column's default in one form for both flavours: a literal in quotes, an expression without; None for NULL and none.

    MySQL prints a literal bare and marks an expression in EXTRA; MariaDB prints SQL, with NULL for a default of NULL.
    """
    if text is None or (version.is_mariadb and text.upper() == "NULL"):
        return None
    if not version.is_mariadb and not is_expression:
        if re.fullmatch("b'[01]*'", text):
            return text
        return "'" + text.replace("'", "''") + "'"
    if re.fullmatch(r"-?[0-9.]+(e[-+]?\d+)?", text, re.IGNORECASE):
        return f"'{text}'"
    moment = re.fullmatch(r"\(?(?:current_timestamp|now)(?:\(\))?(\(\d\))?\)?", text, re.IGNORECASE)
    return f"current_timestamp{moment[1] or ''}" if moment else text


def _tokens(text: str) -> list[_Token]:
    if _ESCAPED_QUOTE in text and "'" not in text.replace(_ESCAPED_QUOTE, ""):
        text = text.replace(_ESCAPED_QUOTE, "'")  # MySQL prints the quotes of literals with a backslash in information_schema
    tokens, position = [], 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise _Unread
        position = found.end()
        match found.lastgroup:
            case "text":
                tokens.append(_Token("value", _literal(found["charset"] or "", found["text"])))
            case "name":
                tokens.append(_Token("name", found.group()[1:-1].replace("``", "`").lower()))
            case "word":
                tokens.append(_Token("word", found.group().lower()))
            case "sign":
                tokens.append(_Token("sign", {"!=": "<>", "&&": "and"}.get(found.group(), found.group())))
    return tokens


def _literal(charset: str, text: str) -> str:
    """MySQL says the character set of each literal. That of ASCII text in utf8mb4 makes no difference to its value."""
    if charset.lower() == "_utf8mb4" and text.isascii():
        return text
    return charset.lower() + text


class _Reader:
    """Reads tokens by precedence."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0

    def operators(self, least: int) -> str:
        """An operand, and the operators of at least this precedence that follow it."""
        left = self._operand()
        while (level := _PRECEDENCE.get(self._peek().text, -1)) >= least and self._peek().kind in ("word", "sign"):
            operator = self._take().text
            left = f"({left} {operator} {self.operators(level + 1)})"
        return left

    def expect_end(self) -> None:
        """Raises _Unread if anything is left."""
        if self._next < len(self._tokens):
            raise _Unread

    def _operand(self) -> str:
        token = self._take()
        if token.text == "(" and token.kind == "sign":
            inside = self.operators(0)
            self._expect(")")
            return inside
        if token.kind == "word" and token.text == "not":
            return f"(not {self.operators(_NOT)})"
        if token.kind == "sign" and token.text == "-":
            return f"(- {self._operand()})"
        if token.kind == "value":
            return token.text
        if token.kind == "name":
            return f"`{token.text}`"
        if token.kind != "word" or token.text in _STRANGE or token.text in _PRECEDENCE:
            raise _Unread
        return self._word(token.text)

    def _word(self, word: str) -> str:
        """A call, a number, or a name without backticks."""
        if self._peek() == _Token("sign", "("):
            self._take()
            return f"{word}({', '.join(self._arguments())})"
        if word[0].isdigit() or word in {"true", "false", "null"}:
            return word
        if "." in word:
            raise _Unread
        return f"`{word}`"

    def _arguments(self) -> list[str]:
        if self._peek() == _Token("sign", ")"):
            self._take()
            return []
        found = [self.operators(0)]
        while self._peek() == _Token("sign", ","):
            self._take()
            found.append(self.operators(0))
        self._expect(")")
        return found

    def _peek(self) -> _Token:
        return self._tokens[self._next] if self._next < len(self._tokens) else _Token("end", "")

    def _take(self) -> _Token:
        token = self._peek()
        if token.kind == "end":
            raise _Unread
        self._next += 1
        return token

    def _expect(self, sign: str) -> None:
        if self._take() != _Token("sign", sign):
            raise _Unread
