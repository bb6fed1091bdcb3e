"""Names and text as SQL literals, for statements that cannot take parameters (identifiers, CHANGE REPLICATION SOURCE …)."""

from repwatch.model.schema import TableName

# MySQL manual 11.1.1 "String Literals", table 11.1: the escapes that the lexer undoes; all other characters stand for themselves.
# A raw NUL may end a statement early on its way, 0x1A is end-of-file to Windows tools: both travel escaped.
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\0": "\\0", "\n": "\\n", "\r": "\\r", "\x1a": "\\Z"}
_TRANSLATION = str.maketrans(_ESCAPES)


def quote_name(name: str) -> str:
    """An identifier in backticks. Raises ValueError for what no server accepts as a name: nothing, or a NUL in it."""
    if not name or "\0" in name:
        raise ValueError(f"not a name: {name!r}")
    return "`" + name.replace("`", "``") + "`"


def quote_table(table: TableName) -> str:
    """A table with its schema: `s`.`t`."""
    return f"{quote_name(table.schema)}.{quote_name(table.table)}"


def quote_text(text: str) -> str:
    """A string literal, safe where backslash escapes are on: in every repwatch session, whose `sql_mode` is set."""
    return "'" + text.translate(_TRANSLATION) + "'"
