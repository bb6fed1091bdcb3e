"""What an interrupted check goes on from: the unbroken beginning of each table, and nothing of other definitions."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.adapters.check_journal import FileCheckJournal
from repwatch.drift.report import Proof
from repwatch.drift.resume import PieceRecord, unbroken
from repwatch.errors import UsageError
from repwatch.sql.keyrange import Key

EVERYONE = (0, 1)
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def piece(lower: int | None, upper: int | None, *, shape: str = "s", proved: tuple[int, ...] = EVERYONE) -> PieceRecord:
    def key(number: int | None) -> Key | None:
        return None if number is None else (str(number),)

    proofs = dict.fromkeys(proved, Proof.REREAD)
    return PieceRecord(table="d.t", shape=shape, lower=key(lower), upper=key(upper), rows=10, at=NOW, proved=proofs)


def gone_on(records: list[PieceRecord]) -> tuple[PieceRecord, ...]:
    return unbroken(records, "s", EVERYONE, NOW - DAY, NOW)


WHOLE = [piece(None, 1), *(piece(number, number + 1) for number in range(1, 8)), piece(8, None)]


@given(st.permutations(WHOLE), st.sets(st.integers(0, 8)))
def test_what_goes_on_is_the_beginning_without_a_gap(records: list[PieceRecord], lost: set[int]) -> None:
    """Invariant: whatever was judged in which order, nothing behind the first lost piece counts."""
    kept = [record for record in records if WHOLE.index(record) not in lost]
    first_lost = min(lost, default=len(WHOLE))
    assert list(gone_on(kept)) == WHOLE[:first_lost]


@pytest.mark.parametrize("bad", [piece(1, 2, shape="other"), piece(1, 2, proved=(0,)), piece(1, 2, proved=(0, 1, 2))])
def test_a_piece_of_other_definitions_or_replicas_is_a_gap(bad: PieceRecord) -> None:
    assert list(gone_on([WHOLE[0], bad, *WHOLE[2:]])) == WHOLE[:1]


@pytest.mark.parametrize(("age", "counts"), [(0 * DAY, True), (DAY, True), (1.01 * DAY, False), (-0.01 * DAY, False)])
def test_a_piece_that_is_too_old_or_of_a_time_to_come_is_a_gap(age: timedelta, counts: bool) -> None:
    old = [WHOLE[0], replace(WHOLE[1], at=NOW - age), *WHOLE[2:]]
    assert list(gone_on(old)) == (old if counts else WHOLE[:1])


def test_doubt_is_a_judgement() -> None:
    doubtful = PieceRecord(
        table="d.t", shape="s", lower=None, upper=None, rows=1, at=NOW, proved={0: Proof.SNAPSHOT}, doubtful=frozenset({1})
    )
    assert gone_on([doubtful]) == (doubtful,)


def test_the_file_gives_back_what_was_put_in_and_forgets_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "state" / "check.jsonl"
    odd = PieceRecord(
        table="d.ö`.", shape="s", lower=("ÿ", "1"), upper=None, rows=3, at=NOW, proved={0: Proof.REREAD}, doubtful=frozenset({1})
    )
    with FileCheckJournal(path, resume=False) as journal:
        for record in (*WHOLE, odd):
            journal.append(record)
    with path.open("ab") as file:
        file.write(json.dumps({"table": "d.t"}).encode())
    with FileCheckJournal(path, resume=True) as journal:
        assert journal.resumes
        assert (journal.of_table("d.t"), journal.of_table(odd.table)) == (WHOLE, [odd])
        journal.append(WHOLE[0])
    with FileCheckJournal(path, resume=True) as journal:
        assert journal.of_table("d.t") == [*WHOLE, WHOLE[0]]
    with FileCheckJournal(path, resume=False) as journal:
        assert not journal.resumes


def test_one_check_at_a_time_holds_the_file(tmp_path: Path) -> None:
    with FileCheckJournal(tmp_path / "j", resume=False), pytest.raises(UsageError):
        FileCheckJournal(tmp_path / "j", resume=True)
    FileCheckJournal(tmp_path / "j", resume=True).close()


def test_a_journal_that_cannot_be_written_hinders_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with FileCheckJournal(tmp_path / "file" / "j", resume=True) as journal:
        journal.append(WHOLE[0])
        assert not journal.resumes
