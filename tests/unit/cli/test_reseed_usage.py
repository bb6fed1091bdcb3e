"""`repwatch reseed` with words that do not go together: told before any server is looked at."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from repwatch.cli.reseed import reseed
from repwatch.errors import UsageError


@pytest.mark.parametrize(
    "words",
    [
        ("--apply", "--resume"),
        ("--yes",),
        ("--table", "a.b", "--method", "logical"),
        ("--table", "a"),
        ("--export-errant", "new.sql", "--table", "a.b"),
        ("--export-errant", "new.sql", "--resume"),
        ("--export-errant", "new.sql", "--cancel"),
        ("--export-errant", "old.sql", "--apply"),
    ],
)
def test_what_does_not_go_together_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.sql").write_text("precious")
    ends = ("--source", "mysql://a@127.0.0.1:1", "--replica", "mysql://a@127.0.0.1:2")
    found = CliRunner().invoke(reseed, [*ends, *words])
    assert isinstance(found.exception, UsageError)
    assert (tmp_path / "old.sql").read_text() == "precious"
    assert not (tmp_path / "new.sql").exists()
