"""docs/configuration.md is what the models say, and leaves nothing out."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from repwatch.app.config import known_keys, load_config
from repwatch.app.config_models import Configuration
from repwatch.app.configuration_docs import page

DOCUMENT = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_is_up_to_date() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == page(), "python -m repwatch.app.configuration_docs > docs/configuration.md"


def keys(location: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every key of the file with its table, as the check for unknown keys knows them."""
    for key in known_keys(Configuration, location):
        yield location, key
        yield from keys((*location, key))
        yield from keys((*location, key, "NAME"))


def test_every_key_is_on_the_page_with_type_default_and_meaning() -> None:
    described = set()
    table = ""
    for line in page().splitlines():
        header = re.fullmatch(r"## `\[(.+)\]`", line)
        table = header[1] if header else table
        row = re.fullmatch(r"\| `(\w+)` \| (.+) \| (.+) \| (.+) \|", line)
        if row:
            assert all(cell.strip() for cell in row.groups())
            described.add(f"{table}.{row[1]}")
        elif header:
            described.add(table)
    wanted = {".".join((*table, key)) for table, key in keys()}
    # A table that only holds tables by name is described as `table.NAME`.
    assert {key for key in wanted if key not in described and f"{key}.NAME" not in described} == set()
    assert len(wanted) > 40


def test_the_example_is_valid(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", page(), re.DOTALL)
    assert example
    assert tomllib.loads(example[1])
    path = tmp_path / "repwatch.toml"
    path.write_text(example[1], encoding="utf-8")
    assert load_config(path).clusters[0].name == "shop"
