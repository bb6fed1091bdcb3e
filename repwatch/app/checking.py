"""Runs the drift check of a cluster, one part for each source, each with its journal and its ear for what a person says."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from repwatch.adapters.check_control import CheckControl
from repwatch.adapters.check_journal import FileCheckJournal
from repwatch.adapters.mysql.session import Session
from repwatch.drift.progress import Progress
from repwatch.drift.report import DriftReport
from repwatch.drift.summary import merged, unchecked
from repwatch.drift.throttle import DEFAULT_LIMITS, Limits
from repwatch.errors import ServerError
from repwatch.flows.drift import CheckRequest, check
from repwatch.flows.drift_other_sources import beside_other_sources
from repwatch.flows.drift_reach import fall_reason
from repwatch.flows.drift_stand import ExactMeans
from repwatch.model.topology import ClusterSpec, ServerSpec
from repwatch.ports.clock import Clock


def limits_of(
    cluster: ClusterSpec, *, threads_running: int | None = None, lag: timedelta | None = None, load: int | None = None
) -> Limits:
    """When a check of a cluster holds back: as said now, else as configured, else as usual."""
    return Limits(
        threads_running=threads_running or cluster.drift.max_threads_running or DEFAULT_LIMITS.threads_running,
        lag=(lag or cluster.max_lag).total_seconds(),
        load=load or cluster.drift.load,
    )


class Checked(NamedTuple):
    """What a check came to. `failure`: of the last source that could not be read; the report says so as well."""

    report: DriftReport
    stopped: bool  # a person said so
    failure: ServerError | None


class Part(NamedTuple):
    """The check of one source's replicas, what an interrupted run has left of it, and what is said to it."""

    request: CheckRequest
    journal: FileCheckJournal
    control: CheckControl


class CheckParts:
    """The parts of one check, their journals held while it lasts."""

    def __init__(
        self,
        stack: ExitStack,
        parts: Sequence[tuple[CheckRequest, Path]],
        servers: Sequence[ServerSpec],
        *,
        resume: bool,
        goes_on: bool = False,
    ):
        """`servers`: all of the inventory. `goes_on`: it is taken up by the service, not by a person: a paused check stays so.

        Raises UsageError if one of them is running already.
        """
        self._servers = servers
        self._parts = [
            Part(request, stack.enter_context(FileCheckJournal(path, resume=resume)), CheckControl(path, goes_on=goes_on))
            for request, path in parts
        ]

    @property
    def resumes(self) -> bool:
        """True if an earlier run left something to go on from."""
        return any(part.journal.resumes for part in self._parts)

    def run(
        self,
        clock: Clock,
        cancelled: Callable[[], bool],
        progress: Callable[[Progress], None],
        exact: ExactMeans | None = None,
    ) -> Checked:
        """Check part after part. Unless the check was ended before its end, nothing is left to go on from.

        Raises UsageError and Refused as `flows.drift.check` does.
        """

        def stopped() -> bool:
            return any(part.control.stopped() for part in self._parts)

        def ends() -> bool:
            return cancelled() or stopped()

        reports: list[DriftReport] = []
        failure: ServerError | None = None
        for request, journal, control in self._parts:
            started = clock.now()
            try:
                report = check(
                    request,
                    connect=Session.connect,
                    clock=clock,
                    progress=progress,
                    cancelled=ends,
                    paused=control.paused,
                    journal=journal,
                    exact=exact,
                )
            except ServerError as error:  # of the source; the report says so, as it says everything else
                failure = error
                read = request.reference.server if request.reference else request.source
                report = unchecked(read, request.replicas, fall_reason(error), started, clock.now())
            reports.append(report)
        by_person, over = stopped(), not ends()
        for part in self._parts:
            if over:
                part.journal.remove()
            if over or by_person:  # else who goes on finds what was said
                part.control.forget()
        return Checked(beside_other_sources(merged(reports), self._servers, Session.connect), by_person, failure)


def journal_path(folder: Path, cluster: str, request: CheckRequest, proof: str) -> Path:
    """One file for each kind of check: another selection of tables, replicas or rows is another check."""
    selection = (request.tables, request.exclude, request.where, request.static, proof)
    return _path(folder, cluster, repr((*_between(request), *selection)))


def service_journal_path(folder: Path, cluster: str, request: CheckRequest) -> Path:
    """The service's own, whichever tables it checks: what it has read of a table counts in its next check of it."""
    return _path(folder, cluster, repr((*_between(request), "service")))


def suspect_journal_path(folder: Path, cluster: str, request: CheckRequest) -> Path:
    """That of a check of suspect data, beside which the service may run one of all."""
    return _path(folder, cluster, repr((*_between(request), "suspect")))


def _between(request: CheckRequest) -> tuple[str, list[tuple[str, str]]]:
    replicas = [(str(target.server.endpoint.address), target.channel) for target in request.replicas]
    read = request.reference.server if request.reference else request.source
    return str(read.endpoint.address), replicas


def _path(folder: Path, cluster: str, told: str) -> Path:
    return folder / f"{cluster}-{hashlib.sha256(told.encode()).hexdigest()[:12]}.jsonl"
