"""Drift checks of the service: at their scheduled time, and now and then so that each table is proved within a time.

Results are recorded; a drifted replica is a finding until a check clears it, and so is a proof that is overdue.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

from repwatch.drift.overview import DriftRun, RunningCheck, RunOutcome, RunSummary
from repwatch.drift.progress import Progress
from repwatch.drift.proving import TableProof, after_check, due_tables, in_window, kept_for, of_servers, overdue, with_last_proved
from repwatch.drift.report import DriftReport, ReplicaReport, Verdict
from repwatch.errors import RepwatchError
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.topology import ClusterSpec
from repwatch.ports.clock import Clock
from repwatch.ports.store import Standing

log = logging.getLogger("repwatch.drift")

BATCH: Final = 50  # tables proved in one go; then it is seen again what is most urgent
STOPPED_SECONDS: Final = 3600.0  # for so long nothing is proved after somebody has stopped a check
_SHOWN = 5


class Ended(NamedTuple):
    """A check that came to a report. `by_person`: because somebody said so."""

    report: DriftReport
    by_person: bool


class Check(Protocol):
    """Checks tables (none: all); goes on from where an earlier check was interrupted. Raises RepwatchError."""

    def __call__(self, tables: Sequence[str], *, cancelled: Callable[[], bool], progress: Callable[[Progress], None]) -> Ended:
        """`cancelled` is asked often."""
        ...


class DriftLedger(Standing, Protocol):
    """Where results of checks go."""

    def begin_drift_run(self, cluster: str, started: datetime, summary: RunSummary) -> int:
        """Note a check that begins; its number. One that the cluster had running was interrupted."""
        ...

    def end_drift_run(self, number: int, finished: datetime, outcome: RunOutcome, summary: RunSummary) -> None:
        """Note what became of it."""
        ...

    def drift_runs(self, cluster: str) -> tuple[DriftRun, ...]:
        """Those that are kept, the newest first."""
        ...

    def proofs(self, cluster: str) -> tuple[TableProof, ...]:
        """What was proved when."""
        ...

    def record_proofs(self, cluster: str, found: Iterable[TableProof], tables: Iterable[str]) -> None:
        """Keep what a check came to; tables that are no longer among `tables` are forgotten."""
        ...


@dataclass(slots=True, kw_only=True)
class DriftRunner:
    """Checks one cluster when told. `keep` is handed each report with the number of its check."""

    cluster: ClusterSpec
    check: Check
    list_tables: Callable[[], tuple[str, ...]]
    keep: Callable[[int, DriftReport], None]
    ledger: DriftLedger
    clock: Clock
    now: RunningCheck | None = None  # the check that runs
    changes: int = 0  # grows whenever the ledger holds something new of this cluster
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _one: threading.Lock = field(default_factory=threading.Lock)
    _recording: threading.Lock = field(default_factory=threading.Lock)
    _rests_until: float = 0.0  # monotonic
    _took_up: bool = False

    @property
    def running(self) -> bool:
        """True while a check runs."""
        return self._one.locked()

    def cancel(self) -> None:
        """Let a check that runs end as soon as it can: the service ends, and its next start goes on."""
        self._cancelled.set()

    def run(self) -> None:
        """Check everything once. Raises StoreError; what a server does is part of the result."""
        with self._one:
            if self._is_open():
                self._run(())

    def take_up(self) -> None:
        """Go on with the check of everything that an end of the service has interrupted. Raises StoreError."""
        with self._one:
            self._take_up()

    def prove(self) -> None:
        """Check what has to be proved next, while the window is open. Nothing while another check runs. Raises StoreError."""
        within = self.cluster.drift.prove_within
        if within is None or not self._one.acquire(blocking=False):
            return
        begun = self.clock.now()
        try:
            self._take_up()
            while self._may_prove() and self._prove_some(within, begun):
                pass
        finally:
            self._one.release()

    def proofs(self) -> tuple[TableProof, ...]:
        """What was proved when, on the servers that there are. Raises StoreError."""
        return of_servers(self.ledger.proofs(self.cluster.name), self.cluster.servers)

    def _may_prove(self) -> bool:
        rests = self.clock.monotonic() < self._rests_until
        return self._is_open() and not rests and not self._cancelled.is_set()

    def _take_up(self) -> None:
        if self._took_up or not self._is_open():
            return
        self._took_up = True
        last = next(iter(self.ledger.drift_runs(self.cluster.name)), None)
        oldest = self.clock.now() - kept_for(self.cluster.drift.prove_within)
        if last is not None and last.outcome is RunOutcome.RUNNING and last.summary.whole and last.started > oldest:
            self._run(())

    def _prove_some(self, within: timedelta, begun: datetime) -> bool:
        """True if there may be more to do."""
        proofs = self.proofs()
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
        planned = RunSummary(whole=not tables, tables=len(tables))
        self.now = RunningCheck(started=self.clock.now(), tables=len(tables))
        try:
            number = self.ledger.begin_drift_run(self.cluster.name, self.now.started, planned)
            self.changes += 1
            log.info("drift.started cluster=%s number=%d tables=%s", self.cluster.name, number, len(tables) or "all")
            try:
                ended = self.check(tables, cancelled=self._ends, progress=self._note)
            except RepwatchError as error:
                log.warning("drift.failed cluster=%s number=%d: %s", self.cluster.name, number, error)
                self.ledger.end_drift_run(number, self.clock.now(), RunOutcome.FAILED, planned)
                return False
            log.info("drift.finished cluster=%s number=%d verdict=%s", self.cluster.name, number, ended.report.verdict)
            self._record(number, ended, whole=not tables)
            return True
        finally:
            self.now = None  # not before all is recorded: who looks then finds it
            self.changes += 1

    def _note(self, progress: Progress) -> None:
        if self.now is not None:
            self.now = replace(self.now, progress=progress)

    def _record(self, number: int, ended: Ended, *, whole: bool) -> None:
        report = self.record(ended.report, whole=whole)
        if ended.by_person:
            self._rests_until = self.clock.monotonic() + STOPPED_SECONDS
        if not self._cancelled.is_set():  # else it stays open, for the next start of the service to go on with
            summary = RunSummary.of(report, whole=whole)
            self.ledger.end_drift_run(number, self.clock.now(), RunOutcome.of(report.verdict), summary)
            self.keep(number, report)

    def record(self, report: DriftReport, *, whole: bool) -> DriftReport:
        """Keep what a check proved and found; the report, with when what drifted was last proved. Raises StoreError.

        `whole`: it was of all tables of all replicas. A check of suspect data may come at the same time.
        """
        with self._recording:
            before = self.ledger.proofs(self.cluster.name)
            report = with_last_proved(report, before)
            found = after_check(before, report)
            known = {proof.table for proof in (*before, *found)}
            # Where a replica could not be asked for its tables at all, nobody knows which are no more.
            told = all(replica.tables or replica.not_replicated for replica in report.replicas)
            gone = {proof.table for proof in before} - {proof.table for proof in found} if whole and told else set()
            self.ledger.record_proofs(self.cluster.name, found, known - gone)
            self.changes += 1
            proofs = self.proofs()
            for replica in report.replicas:
                mine = [proof for proof in proofs if (proof.server, proof.channel) == (replica.server, replica.channel)]
                self._judge(replica, mine, report.finished)
            return report

    def _judge(self, replica: ReplicaReport, proofs: Sequence[TableProof], at: datetime) -> None:
        """Drift stands until every table that showed it was proved identical."""
        subject = Subject(self.cluster.name, replica.server, replica.channel, FindingCode.DRIFTED)
        if replica.verdict is Verdict.DRIFTED:
            self.ledger.set_standing(_drifted(subject, replica, at))
        elif replica.verdict is Verdict.IDENTICAL and not any(proof.verdict is Verdict.DRIFTED for proof in proofs):
            self.ledger.clear_standing(subject)

    def _tell_overdue(self, within: timedelta) -> None:
        proofs, now = self.proofs(), self.clock.now()
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
