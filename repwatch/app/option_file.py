"""Reads option files of the MySQL and MariaDB clients, as `my_print_defaults` does, for the groups that concern us.

The driver's own reader keeps the quotes of `password="x"`. Rules: MySQL manual "Using Option Files".
"""

import re
import stat
from collections.abc import Iterator
from pathlib import Path

from repwatch.errors import UsageError

GROUPS = ("client", "client_repwatch")
MAX_DEPTH = 10
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "s": " ", '"': '"', "'": "'", "\\": "\\"}
_SPACE = " \t\n\r\v\f"


def read_options(path: Path) -> dict[str, str | None]:
    """The options of GROUPS, the last one winning; names with `-`, None for an option without a value.

    Raises UsageError with path and line, never with a value.
    """
    return dict(option_lines(path))


def option_lines(path: Path, groups: tuple[str, ...] = GROUPS, depth: int = 0) -> Iterator[tuple[str, str | None]]:
    """The options in the order in which they stand, included files in their places."""
    group: str | None = None
    for number, raw in enumerate(_text(path).split("\n"), start=1):
        line = raw.strip(_SPACE)
        where = f"{path}, line {number}"
        if not line or line[0] in "#;":
            continue
        if line[0] == "!":
            yield from _included(line, path, groups, depth, where)
        elif line[0] == "[":
            if "]" not in line:
                raise UsageError(f"{where}: a group without its closing ]")
            group = line[1 : line.index("]")].rstrip(_SPACE)
        elif group is None:
            raise UsageError(f"{where}: an option before any [group]")
        elif group in groups:
            yield _option(line)


def _text(path: Path) -> str:
    try:
        if path.stat().st_mode & stat.S_IWOTH and path.is_file():
            raise UsageError(f"the option file {path} is writable by everybody", hint=f"chmod o-w {path}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UsageError(f"cannot read the option file {path}: {reason}", hint="check its path and mode") from None


def _included(line: str, path: Path, groups: tuple[str, ...], depth: int, where: str) -> Iterator[tuple[str, str | None]]:
    word, _, rest = line.partition(" ") if " " in line else line.partition("\t")
    target = path.parent / rest.strip(_SPACE)
    if word not in ("!include", "!includedir") or not rest.strip(_SPACE):
        raise UsageError(f"{where}: only !include FILE and !includedir FOLDER may start with an exclamation mark")
    if depth >= MAX_DEPTH:
        raise UsageError(f"{where}: files include each other more than {MAX_DEPTH} deep")
    if word == "!include":
        yield from option_lines(target, groups, depth + 1)
        return
    try:
        files = sorted(file for file in target.iterdir() if file.suffix == ".cnf")
    except OSError as error:
        raise UsageError(f"{where}: cannot read the folder {target}: {error.strerror}") from None
    for file in files:
        yield from option_lines(file, groups, depth + 1)


def _option(line: str) -> tuple[str, str | None]:
    name, equals, value = _without_comment(line).partition("=")
    name = name.rstrip(_SPACE).replace("_", "-").removeprefix("loose-")
    return name, _unquoted(value.strip(_SPACE)) if equals else None


def _without_comment(line: str) -> str:
    # A `#` outside quotes ends the line; a quote that is escaped neither opens nor closes.
    quote, escaped = "", False
    for at, char in enumerate(line):
        if char in "'\"" and not escaped:
            quote = "" if quote == char else quote or char
        if char == "#" and not quote:
            return line[:at].rstrip(_SPACE)
        escaped = bool(quote) and char == "\\" and not escaped
    return line


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] in "'\"" and value[0] == value[-1]:
        value = value[1:-1]
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), value, flags=re.DOTALL)
