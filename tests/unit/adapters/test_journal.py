"""The journal's invariant: what `append` returned from is read back, whole and in order, whatever tail a crash left behind."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.adapters.journal import FileJournal
from repwatch.errors import StoreError

ENTRIES = st.lists(st.dictionaries(st.text(max_size=20), st.text(max_size=200), max_size=5), max_size=8)


@given(entries=ENTRIES, torn=st.binary(max_size=300).map(lambda data: data.replace(b"\n", b"")))
def test_a_torn_tail_never_happened_and_harms_nothing(
    tmp_path_factory: pytest.TempPathFactory, entries: list[dict[str, str]], torn: bytes
) -> None:
    path = tmp_path_factory.mktemp("journal") / "a" / "j.jsonl"
    for entry in entries:
        FileJournal(path).append(entry)
        with path.open("ab") as file:
            file.write(torn)
    assert FileJournal(path).entries() == entries


def test_a_torn_tail_longer_than_a_block_is_cut(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "j")
    journal.append({"a": "1"})
    with journal.path.open("ab") as file:
        file.write(b"x" * 200_000)
    journal.append({"b": "2"})
    assert journal.entries() == [{"a": "1"}, {"b": "2"}]


def test_no_file_is_no_entries(tmp_path: Path) -> None:
    assert FileJournal(tmp_path / "none").entries() == []


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "folder" / "j")
    journal.append({})
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("line", [b"no json\n", b"[1]\n", b"\xff\n"])
def test_a_file_that_is_no_journal_is_told(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "j"
    path.write_bytes(line)
    with pytest.raises(StoreError):
        FileJournal(path).entries()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        FileJournal(tmp_path / "file" / "j").append({})


def test_a_full_disk_is_told_and_the_journal_stays_readable() -> None:
    full = FileJournal(Path("/dev/full"))
    with pytest.raises(StoreError):
        full.append({"a": "b"})


def test_appending_reaches_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File and folder are synced before `append` returns; nothing else could survive a power cut."""
    synced: list[str] = []
    real = os.fsync

    def spy(handle: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        real(handle)

    monkeypatch.setattr(os, "fsync", spy)
    FileJournal(tmp_path / "j").append({})
    assert synced == [str(tmp_path / "j"), str(tmp_path)]
