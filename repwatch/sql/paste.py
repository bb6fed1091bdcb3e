"""What a person pasted, into rows as the status statements give them: a client's `\\G` output, an error, lines of an error log.

Nothing is required of the text: whatever cannot be read is left out, and a text that says nothing gives no rows.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from repwatch.model.server import ServerVersion
from repwatch.sql.paste_errors import PastedError, Thread, no_space_line, parse_error, parse_log
from repwatch.sql.status_columns import RawRow, StatusRow

LONGEST_VALUE = 10_000  # characters; a server's error text has at most 1024, a GTID set may have more
_ROW = re.compile(r"\*{3,}\s*\d+\.\s*row\s*\*{3,}")
_FIELD = re.compile(r"[>|\s]*([A-Za-z][A-Za-z_]{1,63}):(?: (.*)|\s*)", re.ASCII)
_NO_ROW = re.compile(r"^[>|\s]*Empty set\b", re.MULTILINE)
_ESCAPED, _ESCAPES = re.compile(r"\\(.)"), {"n": "\n", "t": "\t", "0": "\0"}  # of a client that prints no table
_STATES = ("replica_io_running", "replica_sql_running")
_ONLY_MARIADB = ("connection_name", "using_gtid", "gtid_io_pos", "parallel_mode")


class PasteKind(StrEnum):
    """What the text is."""

    STATUS = "status"
    ERROR = "error"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Pasted:
    """A text as understood: whole rows of a status, or errors alone.

    `rows` and `errors` are both empty of a status that has no row, and of a log that tells of nothing but a full disk.
    """

    kind: PasteKind
    rows: tuple[RawRow, ...] = ()
    errors: tuple[PastedError, ...] = ()
    no_space: str = ""  # the last line of a log by which a server could not write for want of space


def parse(text: str) -> Pasted | None:
    """The text's meaning, None if it has none that is known here."""
    rows = (*_rows(text.splitlines()), *_tabbed(text.splitlines()))
    if whole := tuple(row for row in rows if any(StatusRow(row).text(name) for name in _STATES)):
        return Pasted(PasteKind.STATUS, rows=whole)
    if parts := tuple(error for row in rows for error in _errors(StatusRow(row))):
        return Pasted(PasteKind.ERROR, errors=parts)
    lines, no_space = parse_log(text), no_space_line(text)
    if lines or no_space:
        return Pasted(PasteKind.LOG, errors=lines, no_space=no_space)
    if _NO_ROW.search(text):
        return Pasted(PasteKind.STATUS)
    error = parse_error(text[:LONGEST_VALUE])
    return Pasted(PasteKind.ERROR, errors=(error,)) if error else None


def version_of(row: RawRow) -> ServerVersion:
    """A version of the family that has these columns: one in whose words its statements can be written.

    MySQL renamed the columns in 8.0.22; statements in the old words work up to 8.3.
    """
    named = StatusRow(row)
    if any(named.has(name) for name in _ONLY_MARIADB):
        return ServerVersion.parse("10.11.0-MariaDB")
    renamed = any(name.lower().startswith(("replica_", "source_")) for name in row)
    return ServerVersion.parse("8.4.0" if renamed else "5.7.0")


def _rows(lines: Iterable[str]) -> Iterator[RawRow]:
    """Rows of `name: value` lines. A row ends where the client says so, or where its first column comes again."""
    row: dict[str, str | None] = {}
    last = ""
    for line in lines:
        found = _FIELD.fullmatch(line)
        first = next(iter(row), None)
        if _ROW.search(line) or (found and found[1] == first):
            if row:
                yield row
            row, last = {}, ""
        if found:
            last = found[1] if found[1] not in row else ""
            if last:
                row[last] = _value(found[2] or "")
        elif last and line.strip() and (value := row[last]) is not None:
            row[last] = f"{value}\n{line.strip()}"[:LONGEST_VALUE]  # a GTID set, or an error text, of several lines
    if row:
        yield row


def _tabbed(lines: Sequence[str]) -> Iterator[RawRow]:
    """Rows as a client prints them without \\G into a pipe: names, then values, with tabs in between."""
    for number, line in enumerate(lines):
        names = line.split("\t")
        if any(StatusRow(dict.fromkeys(names)).has(state) for state in _STATES):
            values = (following.split("\t") for following in lines[number + 1 :])
            yield from (dict(zip(names, map(_unescaped, row), strict=True)) for row in values if len(row) == len(names))
            return


def _unescaped(shown: str) -> str | None:
    return _value(_ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), shown))


def _value(shown: str) -> str | None:
    text = shown.strip()
    return None if text == "NULL" else text[:LONGEST_VALUE]


def _errors(row: StatusRow) -> Iterator[PastedError]:
    """The errors of a part of a status that does not show the threads themselves."""
    for thread, number, text in (
        (Thread.RECEIVER, "last_io_errno", "last_io_error"),
        (Thread.APPLIER, "last_sql_errno", "last_sql_error"),
        (None, "last_errno", "last_error"),
    ):
        errno = row.whole(number)
        if 0 < errno < 1_000_000:
            yield PastedError(
                errno=errno, text=row.text(text), thread=thread, channel=row.text("channel_name", "connection_name")
            )
            return
