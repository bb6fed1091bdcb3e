"""What lies in the state folder of checks: words to them, and their reports."""

import os
from pathlib import Path

import pytest

from repwatch.adapters.check_control import CheckControl, tell
from repwatch.adapters.check_journal import FileCheckJournal
from repwatch.adapters.check_reports import KEPT_CLEAN, KEPT_OTHERS, CheckReports
from repwatch.drift.control import Word
from repwatch.ports.checks import ReportForm


def test_a_word_reaches_the_checks_of_its_cluster_alone(tmp_path: Path) -> None:
    paths = {cluster: tmp_path / f"{cluster}-0123456789ab.jsonl" for cluster in ("shop", "shop-eu", "eu")}
    journals = [FileCheckJournal(path, resume=False) for path in paths.values()]
    controls = {cluster: CheckControl(path) for cluster, path in paths.items()}
    assert tell(tmp_path, "shop", Word.PAUSE) == 1
    assert {cluster for cluster, control in controls.items() if control.paused()} == {"shop"}
    for journal in journals:
        journal.close()
    assert tell(tmp_path, "shop", Word.STOP) == 0, "nobody listens"


@pytest.mark.parametrize(("word", "stays"), [(Word.PAUSE, True), (Word.STOP, False), (Word.RESUME, False)])
def test_only_a_pause_outlives_a_check_that_goes_on_by_itself(tmp_path: Path, word: Word, stays: bool) -> None:
    path = tmp_path / "shop-0123456789ab.jsonl"
    with FileCheckJournal(path, resume=False):
        CheckControl(path)
        tell(tmp_path, "shop", word)
        again = CheckControl(path, goes_on=True)
        assert (again.paused(), again.stopped()) == (stays, False)
        by_hand = CheckControl(path)
        assert (by_hand.paused(), by_hand.stopped()) == (False, False)


def test_a_bounded_number_of_reports_is_kept_and_clean_ones_push_out_no_others(tmp_path: Path) -> None:
    reports = CheckReports(tmp_path)
    for number in range(1, 100):
        reports.save("shop", number, {form: f"{number} {form}" for form in ReportForm}, clean=number > 30)
        for path in tmp_path.glob(f"shop/*/{number}.*"):
            os.utime(path, ns=(number, number))
    kept = {*range(31 - KEPT_OTHERS, 31), *range(100 - KEPT_CLEAN, 100)}
    assert reports.numbers("shop") == kept
    assert reports.load(30, ReportForm.HTML) == "30 html"
    assert reports.load(99, ReportForm.JSON) == "99 json"
    assert reports.load(31, ReportForm.HTML) is None
    assert (reports.numbers("sho"), reports.load(9, ReportForm.JSON)) == (frozenset(), None)


def test_a_report_that_cannot_be_kept_hinders_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    reports = CheckReports(tmp_path / "file")
    reports.save("shop", 1, {ReportForm.HTML: "x"}, clean=True)
    assert reports.load(1, ReportForm.HTML) is None


def test_after_a_new_store_the_new_report_of_a_number_is_shown(tmp_path: Path) -> None:
    reports = CheckReports(tmp_path)
    reports.save("shop", 1, {ReportForm.HTML: "old"}, clean=False)
    os.utime(tmp_path / "shop" / "others" / "1.html", ns=(1, 1))
    reports.save("shop", 1, {ReportForm.HTML: "new"}, clean=True)
    assert reports.load(1, ReportForm.HTML) == "new"
