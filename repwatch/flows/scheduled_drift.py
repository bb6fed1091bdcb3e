"""A drift check at its scheduled time: the result is recorded, and a drifted replica is a finding until a check clears it."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from repwatch.drift.report import DriftReport, ReplicaReport, Verdict
from repwatch.errors import RepwatchError
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.topology import ClusterSpec
from repwatch.ports.clock import Clock
from repwatch.ports.store import Standing

log = logging.getLogger("repwatch.drift")

Check = Callable[[Callable[[], bool]], DriftReport]
Render = Callable[[DriftReport], str]


class DriftLedger(Standing, Protocol):
    """Where results of checks go."""

    def record_drift_run(self, cluster: str, started: datetime, finished: datetime, outcome: str, body: str) -> None:
        """Keep one result."""
        ...


@dataclass(slots=True, kw_only=True)
class DriftRunner:
    """Checks one cluster when told. `check` takes the question whether it should end early."""

    cluster: ClusterSpec
    schedule: str
    check: Check
    render: Render
    ledger: DriftLedger
    clock: Clock
    running: bool = False
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Let a check that runs end as soon as it can."""
        self._cancelled.set()

    def run(self) -> None:
        """Check once. Raises StoreError; what a server does is part of the result."""
        self.running = True
        try:
            self._run()
        finally:
            self.running = False

    def _run(self) -> None:
        started = self.clock.now()
        log.info("drift.started cluster=%s", self.cluster.name)
        try:
            report = self.check(self._cancelled.is_set)
        except RepwatchError as error:
            log.warning("drift.failed cluster=%s: %s", self.cluster.name, error)
            self.ledger.record_drift_run(self.cluster.name, started, self.clock.now(), "failed", "")
            return
        log.info("drift.finished cluster=%s verdict=%s", self.cluster.name, report.verdict)
        self.ledger.record_drift_run(self.cluster.name, started, self.clock.now(), report.verdict, self.render(report))
        for replica in report.replicas:
            self._judge(replica, report.finished)

    def _judge(self, replica: ReplicaReport, at: datetime) -> None:
        subject = Subject(self.cluster.name, replica.server, replica.channel, FindingCode.DRIFTED)
        if replica.verdict is Verdict.DRIFTED:
            self.ledger.set_standing(_finding(subject, replica, at))
        elif replica.verdict is Verdict.IDENTICAL:
            self.ledger.clear_standing(subject)


def _finding(subject: Subject, replica: ReplicaReport, at: datetime) -> Finding:
    drifted = [table for table in replica.tables if table.verdict is Verdict.DRIFTED]
    rows = sum(table.difference_count for table in drifted)
    names = ", ".join(f"{table.schema}.{table.table}" for table in drifted[:5]) + (", …" if len(drifted) > 5 else "")
    return Finding(
        subject=subject,
        severity=Severity.CRITICAL,
        summary=f"the replica's data differs from its source: {rows} differences in {names}",
        meaning="Replication runs, and the data is wrong all the same. Reads from this replica may give wrong answers.",
        remedy="See the differences with `repwatch drift`, then put them right with `repwatch repair`.",
        avoid="Do not fail over to it, and do not take backups from it.",
        evidence={"tables": names, "differences": str(rows), "checked": at.isoformat()},
    )
