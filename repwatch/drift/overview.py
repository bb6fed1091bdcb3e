"""What is known of a cluster's data at a moment: what was proved when, the check that runs, and the last ones."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from repwatch.drift.progress import Progress
from repwatch.drift.proving import TableProof
from repwatch.drift.report import DriftReport, Verdict
from repwatch.drift.throttle import Hold, Strain


class RunOutcome(StrEnum):
    """What became of a check."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"  # by the end of the service, and taken up by a later one
    FAILED = "failed"  # no server could be asked
    IDENTICAL = "identical"
    DRIFTED = "drifted"
    UNDECIDED = "undecided"

    @classmethod
    def of(cls, verdict: Verdict) -> "RunOutcome":
        """A check that came to a report."""
        return cls(verdict.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """The size of a check. `whole`: of all tables; `tables` is how many were asked for, then how many were looked at."""

    whole: bool
    tables: int
    rows_proved: int = 0  # of all replicas
    differences: int = 0

    @classmethod
    def of(cls, report: DriftReport, *, whole: bool) -> "RunSummary":
        """Of a check that came to a report."""
        tables = [table for replica in report.replicas for table in replica.tables]
        beside = sum(len(replica.objects) for replica in report.replicas)
        return cls(
            whole=whole,
            tables=len({(table.schema, table.table) for table in tables}),
            rows_proved=sum(table.rows_proved for table in tables),
            differences=sum(table.difference_count for table in tables) + beside,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRun:
    """One check by the service, as it is kept. `finished` is `started` while it runs."""

    number: int
    started: datetime
    finished: datetime
    outcome: RunOutcome
    summary: RunSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningCheck:
    """A check that runs now; `tables` is how many were asked for, 0 for all. `replica`: of it alone, as its data is suspect."""

    started: datetime
    tables: int
    replica: str = ""
    progress: Progress | None = None

    @property
    def is_paused(self) -> bool:
        """True if somebody has said so."""
        waits = self.progress.waits if self.progress else None
        return isinstance(waits, Hold) and waits.strain is Strain.PAUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofSummary:
    """The tables of one replica by when they were last proved. `fresh`: within the time allowed; ever, where none is set."""

    server: str
    name: str | None
    channel: str
    tables: int
    fresh: int
    never: int
    drifted: int
    oldest: datetime | None  # None if a table was never proved
    oldest_table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftOverview:
    """One cluster. `recent`: the last check, the last of all tables and the last that found drift, the newest first."""

    cluster: str
    as_of: datetime
    prove_within: timedelta | None
    replicas: tuple[ProofSummary, ...] = ()
    running: RunningCheck | None = None
    suspect: RunningCheck | None = None  # the check of suspect data that runs, beside the other or not
    recent: tuple[DriftRun, ...] = ()
    reports: frozenset[int] = frozenset()  # the numbers of those whose report is kept


def summarise(
    proofs: Iterable[TableProof], names: Mapping[str, str | None], now: datetime, within: timedelta | None
) -> tuple[ProofSummary, ...]:
    """One summary for each replica's channel; `names` by address, in the order to show."""
    of_channel: dict[tuple[str, str], list[TableProof]] = {}
    for proof in proofs:
        of_channel.setdefault((proof.server, proof.channel), []).append(proof)
    order = {server: place for place, server in enumerate(names)}
    known = sorted((key for key in of_channel if key[0] in order), key=lambda key: (order[key[0]], key[1]))
    return tuple(_summary(names[server], of_channel[server, channel], now, within) for server, channel in known)


def _summary(name: str | None, proofs: Sequence[TableProof], now: datetime, within: timedelta | None) -> ProofSummary:
    oldest = min(proofs, key=lambda proof: (proof.last_proved, proof.table))
    return ProofSummary(
        server=oldest.server,
        name=name,
        channel=oldest.channel,
        tables=len(proofs),
        fresh=sum(proof.proved is not None and (within is None or proof.proved >= now - within) for proof in proofs),
        never=sum(proof.proved is None for proof in proofs),
        drifted=sum(proof.verdict is Verdict.DRIFTED for proof in proofs),
        oldest=oldest.proved,
        oldest_table=oldest.table,
    )


def worth_showing(runs: Iterable[DriftRun]) -> tuple[DriftRun, ...]:
    """Of all that are over, the newest first: the last, the last of all tables, the last that found drift."""
    over = [run for run in runs if run.outcome is not RunOutcome.RUNNING]
    shown: list[DriftRun] = []
    whole = (run for run in over if run.summary.whole)
    drifted = (run for run in over if run.outcome is RunOutcome.DRIFTED)
    for chosen in (iter(over), whole, drifted):
        run = next(chosen, None)
        if run is not None and run not in shown:
            shown.append(run)
    return tuple(sorted(shown, key=lambda run: -run.number))
