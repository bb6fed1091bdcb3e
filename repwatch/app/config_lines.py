"""Where each key of a TOML document stands; `tomllib` does not tell.

A scanner for documents that `tomllib` has already accepted: it follows tables, dotted keys, arrays of tables, inline
tables and every kind of string, and converts nothing.
"""

import re
import tomllib
from collections.abc import Sequence

Path = tuple[str | int, ...]
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\n#]+")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(r'"""(?:\\.|[^\\])*?"{3,5}(?!")|\'\'\'.*?\'{3,5}(?!\')|"(?:\\.|[^"\\])*"|\'[^\']*\'', re.DOTALL)


def key_lines(document: str) -> dict[Path, int]:
    """The line, counted from 1, on which each key and each element of a list begins; a table's is its first mention."""
    return _Scanner(document).run()


def line_of(lines: dict[Path, int], path: Sequence[str | int]) -> int:
    """The line of a key, or of the nearest table around it that is known; 1 if there is none."""
    for length in range(len(path), 0, -1):
        line = lines.get(tuple(path[:length]))
        if line is not None:
            return line
    return 1


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self.elements: dict[Path, int] = {}  # arrays of tables: how many elements there are so far

    def run(self) -> dict[Path, int]:
        table: Path = ()
        self.skip_blank()
        while self.at < len(self.text):
            if self.text.startswith("[[", self.at):
                table = self.header(2)
            elif self.text[self.at] == "[":
                table = self.header(1)
            else:
                self.pair(table)
            self.skip_blank()
        return self.lines

    def header(self, brackets: int) -> Path:
        self.at += brackets
        names = self.key()
        *outer, last = names
        path: Path = ()
        for name in outer:
            path = self.into((*path, name))
        path = (*path, last)
        self.note(path)
        self.skip_space()
        if brackets == 2:
            self.elements[path] = self.elements.get(path, 0) + 1
            path = self.into(path)
        self.at += brackets
        return path

    def into(self, path: Path) -> Path:
        # A header that passes through an array of tables means its last element.
        self.note(path)
        if path in self.elements:
            path = (*path, self.elements[path] - 1)
            self.note(path)
        return path

    def pair(self, table: Path) -> None:
        path = table
        for name in self.key():
            path = (*path, name)
            self.note(path)
        self.skip_space()
        self.at += 1  # the =
        self.skip_space()
        self.value(path)

    def value(self, path: Path) -> None:
        string = _STRING.match(self.text, self.at)
        if string:
            self.at = string.end()
        elif self.text[self.at] == "[":
            self.array(path)
        elif self.text[self.at] == "{":
            self.inline_table(path)
        else:
            scalar = _SCALAR.match(self.text, self.at)
            self.at = scalar.end() if scalar else self.at + 1

    def array(self, path: Path) -> None:
        self.at += 1
        index = 0
        while self.next_item("]"):
            self.note((*path, index))
            self.value((*path, index))
            index += 1

    def inline_table(self, path: Path) -> None:
        self.at += 1
        while self.next_item("}"):
            self.pair(path)

    def next_item(self, end: str) -> bool:
        self.skip_blank()
        if self.text.startswith(",", self.at):
            self.at += 1
            self.skip_blank()
        if self.at >= len(self.text) or self.text[self.at] == end:
            self.at += 1
            return False
        return True

    def key(self) -> list[str]:
        names = []
        while True:
            self.skip_space()
            string = _STRING.match(self.text, self.at)
            if string:
                names.append(str(tomllib.loads(f"x = {string[0]}")["x"]))
                self.at = string.end()
            else:
                bare = _BARE.match(self.text, self.at)
                assert bare is not None, "tomllib accepts only bare and quoted keys"
                names.append(bare[0])
                self.at = bare.end()
            self.skip_space()
            if not self.text.startswith(".", self.at):
                return names
            self.at += 1

    def note(self, path: Path) -> None:
        self.lines.setdefault(path, self.text.count("\n", 0, self.at) + 1)

    def skip_space(self) -> None:
        while self.text.startswith((" ", "\t"), self.at):
            self.at += 1

    def skip_blank(self) -> None:
        blank = _BLANK.match(self.text, self.at)
        assert blank is not None
        self.at = blank.end()
