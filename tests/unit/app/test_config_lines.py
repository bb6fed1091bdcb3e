"""The scanner that finds the line of a key, against documents that are written together with the lines of their keys."""

import json
import re
import tomllib
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.app.config_lines import Path, key_lines, line_of

KEYS = st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True) | st.sampled_from(["a.b", "ä", "", 'q"q', "x y", "#", "[", "="])
STRINGS = st.sampled_from(
    ["", "#", "]", "}", ",", "[a]", "x = 1", 'say "hi"', "back\\slash", "two\nlines", "ä", "'", '"""', "'''"]
)
SCALARS = STRINGS | st.integers(-5, 5) | st.booleans()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6)
TABLE = st.dictionaries(KEYS, VALUES, max_size=4)
# Of distinct names, so that no table is opened twice: plain tables and arrays of tables.
DOCUMENTS = st.dictionaries(KEYS, st.tuples(TABLE, TABLE) | st.lists(TABLE, min_size=1, max_size=3), max_size=4)


class Writer:
    """Writes TOML in varying styles, and remembers on which line each key began."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.text = ""
        self.lines: dict[Path, int] = {}

    def document(self, parts: dict[str, object]) -> None:
        for name, part in parts.items():
            if isinstance(part, tuple):
                own, inner = part
                self.header(f"[{self.space()}{self.key(name)}{self.space()}]", (name,))
                self.pairs(own, (name,))
                if "sub" not in own:
                    self.header(f"[{self.key(name)}{self.space()}.{self.space()}sub]", (name,), (name, "sub"))
                    self.pairs(inner, (name, "sub"))
            else:
                assert isinstance(part, list)
                for index, table in enumerate(part):
                    self.header(f"[[{self.key(name)}]]", (name,), (name, index))
                    self.pairs(table, (name, index))

    def header(self, text: str, *paths: Path) -> None:
        self.blank()
        for path in paths:
            self.note(path)
        self.text += f"{text}{self.comment()}\n"

    def pairs(self, table: dict[str, object], at: Path) -> None:
        for name, value in table.items():
            self.blank()
            self.pair(name, value, at)
            self.text += f"{self.comment()}\n"

    def pair(self, name: str, value: object, at: Path) -> None:
        path = (*at, name)
        self.note(path)
        self.text += self.key(name)
        # A table of one key may be written as a dotted key.
        if isinstance(value, dict) and len(value) == 1 and self.random.random() < 0.5:
            self.text += f"{self.space()}.{self.space()}"
            ((inner, inner_value),) = value.items()
            self.pair(inner, inner_value, path)
            return
        self.text += f"{self.space()}={self.space()}"
        self.value(value, path)

    def value(self, value: object, path: Path) -> None:
        if isinstance(value, list):
            self.text += "["
            for index, item in enumerate(value):
                self.text += "," if index else ""
                self.text += self.random.choice(["", " ", "\n", "  # ] } ,\n"])
                self.note((*path, index))
                self.value(item, (*path, index))
            self.text += self.random.choice(["", "\n", ",\n"] if value else ["", "\n"]) + "]"
        elif isinstance(value, dict):
            self.text += "{ "
            for index, (name, item) in enumerate(value.items()):
                self.text += ", " if index else ""
                self.pair(name, item, path)
            self.text += " }"
        else:
            self.text += self.string(value) if isinstance(value, str) else str(value).lower()

    def string(self, value: str) -> str:
        forms = [json.dumps(value, ensure_ascii=False)]
        if not {"'", "\n"} & set(value):
            forms.append(f"'{value}'")
        if "'''" not in value and not value.startswith("\n") and not value.endswith("'"):
            forms.append(f"'''{value}'''")
        if "\\" not in value and '"""' not in value and not value.endswith('"'):
            forms.append(f'"""\n{value}"""')
        if value == "":
            forms.append('"""\\\n   """')
        return self.random.choice(forms)

    def key(self, name: str) -> str:
        bare = re.fullmatch(r"[A-Za-z0-9_-]+", name) and self.random.random() < 0.7
        return name if bare else json.dumps(name, ensure_ascii=False)

    def space(self) -> str:
        return self.random.choice(["", " ", "\t"])

    def comment(self) -> str:
        return self.random.choice(["", "  # a = [1, {", '\t#\'"""'])

    def blank(self) -> None:
        self.text += self.random.choice(["", "", "\n", "# [x]\n", "   \n"])

    def note(self, path: Path) -> None:
        self.lines.setdefault(path, self.text.count("\n") + 1)


def paths(value: object, at: Path = ()) -> set[Path]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {path for key, inner in items for path in ({(*at, key)} | paths(inner, (*at, key)))}


@given(DOCUMENTS, st.randoms(use_true_random=False))
def test_each_key_is_found_on_the_line_it_was_written_on(parts: dict[str, object], random: Random) -> None:
    """Invariant: every key of the document, and no other, on its line; whatever the style."""
    writer = Writer(random)
    writer.document(parts)
    assert key_lines(writer.text) == writer.lines
    assert set(writer.lines) == paths(tomllib.loads(writer.text))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("clusters", "shop", "servers", "db1", "url"), 3),
        (("clusters", "shop", "servers", "db1", "nothing"), 2),
        (("clusters", "shop", "nothing"), 2),
        (("nothing",), 1),
        (("receivers", "x", "email", "to", 1), 7),
    ],
)
def test_what_has_no_line_is_told_by_the_table_around_it(path: Path, line: int) -> None:
    text = '# first\n[clusters.shop.servers.db1]\nurl = "x"\n[receivers.x]\nemail = { to = [\n "a",\n "b"] }\n'
    text = text.replace("email = { to = [", "email.to = [").replace("] }", "]")
    assert line_of(key_lines(text), path) == line
