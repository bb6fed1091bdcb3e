"""The check of suspect data of one cluster, put together."""

from collections.abc import Callable, Sequence
from functools import partial

from repwatch.adapters.mysql.session import Session
from repwatch.app.checking import limits_of
from repwatch.app.targets import source_of
from repwatch.drift.report import DriftReport
from repwatch.drift.selection import exactly
from repwatch.flows.discover import settle_source
from repwatch.flows.drift import CheckRequest, check
from repwatch.flows.scheduled_drift import DriftRunner
from repwatch.flows.suspect_check import SuspectChecker
from repwatch.flows.suspects import Suspects
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.clock import Clock


def suspect_checker(runner: DriftRunner, suspects: Suspects, clock: Clock) -> SuspectChecker:
    """Checks channels of the runner's cluster, and has the runner keep what comes of it.

    Nothing of an earlier check is taken up: what was read before the suspicion proves nothing about it.
    """

    def run(target: ReplicaTarget, tables: Sequence[str], cancelled: Callable[[], bool]) -> DriftReport:
        spec = settle_source(runner.cluster, connect=Session.connect, clock=clock)
        source = source_of(spec, target.server, target.channel)
        patterns, limits = tuple(map(exactly, tables)), limits_of(spec)
        request = CheckRequest(source=source, replicas=(target,), tables=patterns, limits=limits)
        return check(request, connect=Session.connect, clock=clock, cancelled=cancelled)

    return SuspectChecker(check=run, record=partial(runner.record, whole=False), suspects=suspects, clock=clock)
