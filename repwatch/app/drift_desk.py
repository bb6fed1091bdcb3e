"""What the page, the API and the metrics are told of the service's drift checks, and what a person tells those checks."""

import logging
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from repwatch.adapters.check_control import tell
from repwatch.adapters.check_reports import CheckReports
from repwatch.app.drift_job import FOLDER, REPORTS
from repwatch.drift.control import Word
from repwatch.drift.overview import DriftOverview, summarise, worth_showing
from repwatch.errors import StoreError
from repwatch.flows.scheduled_drift import DriftLedger, DriftRunner
from repwatch.flows.suspect_check import SuspectChecker
from repwatch.ports.checks import ReportForm
from repwatch.ports.clock import Clock

log = logging.getLogger("repwatch.drift")

EVERY: Final = 60.0  # seconds after which proofs are read again although there is no new one: they grow older


@dataclass(slots=True)
class _Known:
    """What was last read of a cluster, of which of its changes, and when it is to be read again whether it changes or not."""

    overview: DriftOverview
    changes: int
    until: float


@dataclass(slots=True, kw_only=True)
class DriftDesk:
    """The service's `ports.checks.Checks`."""

    runners: Sequence[DriftRunner]
    suspects: Mapping[str, SuspectChecker]  # by cluster
    ledger: DriftLedger
    state_dir: Path
    clock: Clock
    _known: dict[str, _Known] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def overviews(self) -> tuple[DriftOverview, ...]:
        """All clusters. The store is asked after each check alone: hundreds of clusters would else keep it busy."""
        with self._lock:
            return tuple(
                replace(self._of(runner), running=runner.now, suspect=self.suspects[runner.cluster.name].now)
                for runner in self.runners
            )

    def tell(self, cluster: str, word: Word) -> int:
        """Say it to the checks of a cluster that run now on this machine. Raises UsageError."""
        return tell(self.state_dir / FOLDER, cluster, word)

    def report(self, number: int, form: ReportForm) -> str | None:
        """The report of a check, None if there is none (any more)."""
        try:
            return CheckReports(self.state_dir / REPORTS).load(number, form)
        except StoreError as error:
            log.warning("drift.report: %s", error)
            return None

    def _of(self, runner: DriftRunner) -> DriftOverview:
        name, now, changes = runner.cluster.name, self.clock.monotonic(), runner.changes
        known = self._known.get(name)
        if known is None or changes != known.changes or now >= known.until:
            try:
                overview = self._read(runner)
                until = now + EVERY if overview.replicas else math.inf
            except StoreError:  # told as a problem already, by whoever could not write
                overview, until = known.overview if known else self._empty(runner), now + EVERY
            known = self._known[name] = _Known(overview, changes, until)
        return known.overview

    def _empty(self, runner: DriftRunner) -> DriftOverview:
        within = runner.cluster.drift.prove_within
        return DriftOverview(cluster=runner.cluster.name, as_of=self.clock.now(), prove_within=within)

    def _read(self, runner: DriftRunner) -> DriftOverview:
        cluster, empty = runner.cluster, self._empty(runner)
        names = {str(server.endpoint.address): server.name for server in cluster.servers}
        return replace(
            empty,
            replicas=summarise(runner.proofs(), names, empty.as_of, empty.prove_within),
            recent=worth_showing(self.ledger.drift_runs(cluster.name)),
            reports=CheckReports(self.state_dir / REPORTS).numbers(cluster.name),
        )
