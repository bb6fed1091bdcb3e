"""The check of suspect data of one cluster, put together."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from repwatch.adapters.mysql.session import Session
from repwatch.app.checking import CheckParts, limits_of, suspect_journal_path
from repwatch.app.drift_job import FOLDER
from repwatch.app.targets import source_of
from repwatch.drift.progress import Progress
from repwatch.drift.selection import exactly
from repwatch.flows.discover import settle_source
from repwatch.flows.drift import CheckRequest
from repwatch.flows.scheduled_drift import DriftRunner, Ended
from repwatch.flows.suspect_check import SuspectChecker
from repwatch.flows.suspects import Suspects
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.clock import Clock


def suspect_checker(runner: DriftRunner, suspects: Suspects, state_dir: Path, clock: Clock) -> SuspectChecker:
    """Checks channels of the runner's cluster, and has the runner keep what comes of it.

    Nothing of an earlier check is taken up: what was read before the suspicion proves nothing about it.
    """

    def run(
        target: ReplicaTarget, tables: Sequence[str], *, cancelled: Callable[[], bool], progress: Callable[[Progress], None]
    ) -> Ended:
        spec = settle_source(runner.cluster, connect=Session.connect, clock=clock)
        source = source_of(spec, target.server, target.channel)
        patterns, limits = tuple(map(exactly, tables)), limits_of(spec)
        request = CheckRequest(source=source, replicas=(target,), tables=patterns, limits=limits)
        with ExitStack() as stack:
            path = suspect_journal_path(state_dir / FOLDER, spec.name, request)
            check = CheckParts(stack, [(request, path)], spec.servers, resume=False)
            report, stopped, failure = check.run(clock, cancelled, progress)
        if failure is not None:
            raise failure
        return Ended(report, stopped)

    return SuspectChecker(check=run, record=partial(runner.record, whole=False), suspects=suspects, clock=clock)
