"""Drift checks of the service: at their scheduled time, and now and then so that each table is proved within a time.

Results are recorded; a drifted replica is a finding until a check clears it, and so is a proof that is overdue.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from repwatch.drift.proving import TableProof, after_check, due_tables, in_window, overdue
from repwatch.drift.report import DriftReport, ReplicaReport, Verdict
from repwatch.errors import RepwatchError
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.topology import ClusterSpec
from repwatch.ports.clock import Clock
from repwatch.ports.store import Standing

log = logging.getLogger("repwatch.drift")

BATCH: Final = 50  # tables proved in one go; then it is seen again what is most urgent
_SHOWN = 5

Check = Callable[[Sequence[str], Callable[[], bool]], DriftReport]
Render = Callable[[DriftReport], str]


class DriftLedger(Standing, Protocol):
    """Where results of checks go."""

    def record_drift_run(self, cluster: str, started: datetime, finished: datetime, outcome: str, body: str) -> None:
        """Keep one result."""
        ...

    def proofs(self, cluster: str) -> tuple[TableProof, ...]:
        """What was proved when."""
        ...

    def record_proofs(self, cluster: str, found: Iterable[TableProof], tables: Iterable[str]) -> None:
        """Keep what a check came to; tables that are no longer among `tables` are forgotten."""
        ...


@dataclass(slots=True, kw_only=True)
class DriftRunner:
    """Checks one cluster when told. `check` takes the tables (none: all) and the question whether it should end early."""

    cluster: ClusterSpec
    check: Check
    list_tables: Callable[[], tuple[str, ...]]
    render: Render
    ledger: DriftLedger
    clock: Clock
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _one: threading.Lock = field(default_factory=threading.Lock)
    _recording: threading.Lock = field(default_factory=threading.Lock)

    @property
    def running(self) -> bool:
        """True while a check runs."""
        return self._one.locked()

    def cancel(self) -> None:
        """Let a check that runs end as soon as it can."""
        self._cancelled.set()

    def run(self) -> None:
        """Check everything once. Raises StoreError; what a server does is part of the result."""
        with self._one:
            if self._is_open():
                self._run(())

    def prove(self) -> None:
        """Check what has to be proved next, while the window is open. Nothing while another check runs. Raises StoreError."""
        within = self.cluster.drift.prove_within
        if within is None or not self._one.acquire(blocking=False):
            return
        begun = self.clock.now()
        try:
            while self._is_open() and not self._cancelled.is_set() and self._prove_some(within, begun):
                pass
        finally:
            self._one.release()

    def _prove_some(self, within: timedelta, begun: datetime) -> bool:
        """True if there may be more to do."""
        proofs = self.ledger.proofs(self.cluster.name)
        try:
            wanted = due_tables(self.list_tables(), proofs, self.clock.now(), within)
        except RepwatchError as error:
            log.warning("drift.failed cluster=%s: %s", self.cluster.name, error)
            return False
        # What was tried since this began and stayed undecided would else be tried again and again.
        tried = {proof.table for proof in proofs if proof.checked >= begun}
        due = [table for table in wanted if table not in tried]
        done = self._run(due[:BATCH]) if due else False
        self._tell_overdue(within)
        return done and len(due) > BATCH

    def _is_open(self) -> bool:
        return in_window(self.cluster.drift.window, self.clock.now())

    def _ends(self) -> bool:
        return self._cancelled.is_set() or not self._is_open()

    def _run(self, tables: Sequence[str]) -> bool:
        """True if the check came to a report."""
        started = self.clock.now()
        log.info("drift.started cluster=%s tables=%s", self.cluster.name, len(tables) or "all")
        try:
            report = self.check(tables, self._ends)
        except RepwatchError as error:
            log.warning("drift.failed cluster=%s: %s", self.cluster.name, error)
            self.ledger.record_drift_run(self.cluster.name, started, self.clock.now(), "failed", "")
            return False
        log.info("drift.finished cluster=%s verdict=%s", self.cluster.name, report.verdict)
        self.ledger.record_drift_run(self.cluster.name, started, self.clock.now(), report.verdict, self.render(report))
        self.record(report, whole=not tables)
        return True

    def record(self, report: DriftReport, *, whole: bool) -> None:
        """Keep what a check proved, and what it found. `whole`: of all tables of all replicas. Raises StoreError."""
        with self._recording:
            before = self.ledger.proofs(self.cluster.name)
            found = after_check(before, report)
            known = {proof.table for proof in (*before, *found)}
            gone = {proof.table for proof in before} - {proof.table for proof in found} if whole else set()
            self.ledger.record_proofs(self.cluster.name, found, known - gone)
            proofs = self.ledger.proofs(self.cluster.name)
            for replica in report.replicas:
                mine = [proof for proof in proofs if (proof.server, proof.channel) == (replica.server, replica.channel)]
                self._judge(replica, mine, report.finished)

    def _judge(self, replica: ReplicaReport, proofs: Sequence[TableProof], at: datetime) -> None:
        """Drift stands until every table that showed it was proved identical."""
        subject = Subject(self.cluster.name, replica.server, replica.channel, FindingCode.DRIFTED)
        if replica.verdict is Verdict.DRIFTED:
            self.ledger.set_standing(_drifted(subject, replica, at))
        elif replica.verdict is Verdict.IDENTICAL and not any(proof.verdict is Verdict.DRIFTED for proof in proofs):
            self.ledger.clear_standing(subject)

    def _tell_overdue(self, within: timedelta) -> None:
        proofs, now = self.ledger.proofs(self.cluster.name), self.clock.now()
        for server, channel in sorted({(proof.server, proof.channel) for proof in proofs}):
            mine = [proof for proof in proofs if (proof.server, proof.channel) == (server, channel)]
            subject = Subject(self.cluster.name, server, channel, FindingCode.PROOF_OVERDUE)
            if late := overdue(mine, now, within):
                self.ledger.set_standing(_overdue(subject, late, within))
            else:
                self.ledger.clear_standing(subject)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def _drifted(subject: Subject, replica: ReplicaReport, at: datetime) -> Finding:
    drifted = [table for table in replica.tables if table.verdict is Verdict.DRIFTED]
    rows = sum(table.difference_count for table in drifted)
    names = _listed([f"{table.schema}.{table.table}" for table in drifted])
    return Finding(
        subject=subject,
        severity=Severity.CRITICAL,
        summary=f"the replica's data differs from its source: {rows} differences in {names}",
        meaning="Replication runs, and the data is wrong all the same. Reads from this replica may give wrong answers.",
        remedy="See the differences with `repwatch drift`, then put them right with `repwatch repair`.",
        avoid="Do not fail over to it, and do not take backups from it.",
        evidence={"tables": names, "differences": str(rows), "checked": at.isoformat()},
    )


def _overdue(subject: Subject, late: Sequence[TableProof], within: timedelta) -> Finding:
    oldest = late[0]
    return Finding(
        subject=subject,
        severity=Severity.WARNING,
        summary=f"{len(late)} {'table was' if len(late) == 1 else 'tables were'} not proved identical within {within}",
        meaning="They need not differ; nobody knows. A check did not get to them, or could not decide.",
        remedy=f"Look at the oldest: `repwatch drift {subject.cluster} --tables '{oldest.table}'`. "
        "Widen `window` if checks do not get through.",
        avoid="Do not take them for identical.",
        evidence={
            "tables": _listed([proof.table for proof in late]),
            "last_proved": oldest.proved.isoformat() if oldest.proved else "never",
            "last_verdict": oldest.verdict.value,
        },
    )
