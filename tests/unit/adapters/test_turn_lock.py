"""Whose turn it is."""

from pathlib import Path

import pytest

from repwatch.adapters.turn_lock import alone
from repwatch.errors import Refused, StoreError


def test_one_at_a_time(tmp_path: Path) -> None:
    journal = tmp_path / "state" / "h_1.jsonl"
    with alone(journal):
        with alone(journal.with_name("h_2.jsonl")):
            pass
        with pytest.raises(Refused), alone(journal):
            pass
    with alone(journal):
        pass


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file", encoding="ascii")
    with pytest.raises(StoreError), alone(tmp_path / "state" / "h_1.jsonl"):
        pass
