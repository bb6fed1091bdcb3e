"""The line that tells how far a check is."""

from dataclasses import replace

from repwatch.drift.progress import Phase, Progress
from repwatch.render.drift_progress import progress_line


def test_the_pace_is_told_while_pieces_are_read() -> None:
    progress = Progress(
        phase=Phase.SCANNING, tables_done=0, tables=1, table="d.t", rows=5, rows_expected=9, seconds=2, piece_rows=4321
    )
    assert "4,321" in progress_line(progress)
    assert "4,321" not in progress_line(replace(progress, phase=Phase.SETTLING))
    assert progress_line(replace(progress, piece_rows=0))
