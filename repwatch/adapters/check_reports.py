"""Reports of the service's checks as files, of which a bounded number is kept."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from repwatch.adapters.records import FileRecords
from repwatch.errors import StoreError
from repwatch.ports.checks import ReportForm

log = logging.getLogger("repwatch.drift")

KEPT_CLEAN: Final = 10  # of each cluster
KEPT_OTHERS: Final = 20  # beside them: the many clean ones would else push out those that say something


class CheckReports:
    """`FOLDER/CLUSTER/clean` and `FOLDER/CLUSTER/others` with `NUMBER.html` and `NUMBER.json`. They hold rows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, cluster: str, number: int, texts: Mapping[ReportForm, str], *, clean: bool) -> None:
        """Keep a report in each form, and drop old ones. What cannot be kept is told in the log: its check is recorded."""
        folder = self._folder / cluster / ("clean" if clean else "others")
        try:
            for form, text in texts.items():
                FileRecords(folder).save(f"{number}.{form}", text)
            kept = (KEPT_CLEAN if clean else KEPT_OTHERS) * len(ReportForm)
            # By age and not by number: after a new store numbers begin at 1 again.
            for old in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)[kept:]:
                old.unlink()
        except (StoreError, OSError) as error:
            log.warning("drift.report number=%d cannot be kept: %s", number, error)

    def load(self, number: int, form: ReportForm) -> str | None:
        """A report, None if there is none (any more). Raises StoreError."""
        found = sorted(self._folder.glob(f"*/*/{number}.{form}"), key=lambda path: path.stat().st_mtime_ns)
        return FileRecords(found[-1].parent).load(found[-1].name) if found else None

    def numbers(self, cluster: str) -> frozenset[int]:
        """The checks of a cluster whose report is kept."""
        return frozenset(int(path.stem) for path in (self._folder / cluster).glob(f"*/*.{ReportForm.HTML}"))
