"""Of a cluster that the service does not get to look at: no look can tell that, so that the service itself does."""

from datetime import timedelta

from repwatch.health.world import stale_after
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.topology import ClusterSpec

HELD_UP = timedelta(seconds=30)
"""What a busy machine or a slow store may add to the age from which a look says nothing about now."""


def is_unwatched(cluster: ClusterSpec, age: timedelta) -> bool:
    """Whether the last finished look, so old by a clock that never jumps, ought to have been followed by another."""
    return age > stale_after(cluster.poll_interval) + HELD_UP


def unwatched(cluster: ClusterSpec, age: timedelta) -> Finding:
    """It belongs to repwatch, not to the cluster: nobody who looks at that could end it. The channel is the cluster's name."""
    return Finding(
        subject=Subject("", "", cluster.name, FindingCode.OBSERVATION_STALE),
        severity=Severity.CRITICAL,
        summary=f"repwatch has not got to look at cluster {cluster.name} for {age.total_seconds():.0f} s",
        meaning="Nothing is known about any of its servers meanwhile, and nobody is told of what happens to them.",
        remedy="Read repwatch's own log: `job.failed` names a mistake in repwatch, `job.overdue` a look that hangs. Then restart "
        "`repwatch run`; see that its host has memory and threads left, and that its store answers.",
        avoid="Do not read the last known state as the present one.",
        evidence={"cluster": cluster.name},
        settled=False,
    )
