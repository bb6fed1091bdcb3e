"""The store as a file, beside its contract (`tests/server/test_store.py`); and what is said when it cannot be used."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from repwatch.adapters.store import schema
from repwatch.adapters.store.reader import read_views
from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.adapters.store.upgrade import MIGRATIONS
from repwatch.errors import StoreError, UsageError


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/new folder/s%20.db"


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    opened = SqlStore.open(url)
    yield opened
    opened.close()


def test_reading_makes_no_file(tmp_path: Path) -> None:
    assert read_views(f"sqlite:///{tmp_path}/none.db") == ()
    assert list(tmp_path.iterdir()) == []


def test_nobody_else_may_read_it(store: SqlStore, url: str) -> None:
    """Errors of servers stand in it, and in them values of rows."""
    files = list(Path(url.removeprefix("sqlite:///")).parent.glob("*.db*"))
    files = [path for path in files if path.suffix != ".lock"]
    assert len(files) > 1
    assert {path.name: oct(path.stat().st_mode & 0o027) for path in files} == {path.name: oct(0) for path in files}


def test_the_known_schemas_are_those_that_migrations_make() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()] == list(reversed(schema.KNOWN))


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.write_text("hello " * 100)
    for use in (SqlStore.open, read_views):
        with pytest.raises(StoreError) as caught:
            use(f"sqlite:///{path}")
        assert caught.value.hint


@pytest.mark.parametrize("url", ["nonsense", "unknowndb://x/y", "postgresql+psycopg://user:geheim@h/db"])
def test_a_store_that_cannot_be_opened_shows_no_password(url: str) -> None:
    with pytest.raises((StoreError, UsageError)) as caught:
        SqlStore.open(url)
    assert "geheim" not in f"{caught.value} {caught.value.hint}"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError):
        SqlStore.open(f"sqlite:///{tmp_path}/file/s.db")


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_removed_or_replaced_under_the_service_is_noticed(store: SqlStore, url: str, replaced: bool) -> None:
    path = Path(url.removeprefix("sqlite:///"))
    for each in path.parent.glob(f"{path.name}*"):  # the log of SQLite as well: of the file alone SQLite itself notices
        each.unlink()
    if replaced:
        path.touch()
    with pytest.raises(StoreError):
        store.forget_view("shop")


def test_a_store_that_was_away_is_itself_again(store: SqlStore, url: str) -> None:
    """Whoever needed a connection meanwhile has made no other file in its place, nor kept one."""
    path = Path(url.removeprefix("sqlite:///"))
    away = path.rename(path.with_name("away"))
    with store._read(), pytest.raises(StoreError):  # the connection that was there is in use
        store.clusters()
    assert not path.exists()
    away.rename(path)
    with store._read():
        assert store.clusters() == frozenset()


@pytest.mark.parametrize("link", [False, True])
def test_a_second_service_is_refused_until_the_first_is_gone(store: SqlStore, url: str, tmp_path: Path, link: bool) -> None:
    other = tmp_path / "link.db"
    other.symlink_to(url.removeprefix("sqlite:///"))
    with pytest.raises(StoreError) as caught:
        SqlStore.open(f"sqlite:///{other}" if link else url)
    assert str(os.getpid()) in str(caught.value)
    assert caught.value.hint
    store.close()
    SqlStore.open(url).close()
