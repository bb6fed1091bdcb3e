"""A rule about the clocks of a cluster's servers."""

from collections.abc import Iterator

from repwatch.health.clocks import SKEW, surely_ahead, usual
from repwatch.health.inventory import label
from repwatch.health.rules_common import evidence, seen, subject
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.observation import ClockReading


def clock_skew(world: World) -> Iterator[Finding]:
    """A server's clock is not that of the others. One server alone cannot be told from repwatch's own machine."""
    readings = clocks_seen(world)
    if len(readings) < 2:
        return
    middle = usual([reading for _, reading in readings])
    for server, reading in readings:
        if abs(surely_ahead(reading, middle)) > SKEW:
            yield _skewed(world, server, reading, middle)


def clocks_seen(world: World) -> list[tuple[ServerNow, ClockReading]]:
    """The clocks that are seen now."""
    return [(server, observation.reading) for server, observation in seen(world) if observation.reading is not None]


def _skewed(world: World, server: ServerNow, reading: ClockReading, middle: ClockReading) -> Finding:
    apart = (reading.ahead - middle.ahead).total_seconds()
    return Finding(
        subject=subject(world, server, FindingCode.CLOCK_SKEW),
        severity=Severity.WARNING,
        summary=f"{label(server)}: its clock is {abs(apart):.1f} s {'ahead of' if apart > 0 else 'behind'} those of the others",
        meaning="Lag that is told by comparing the clocks of source and replica is wrong by as much, and so are the ages of "
        "binary logs and the times in logs. Replication itself goes on.",
        remedy=f"See why the clock of {label(server)}'s machine is not kept: `chronyc tracking` or `timedatectl` there. Let the "
        "time service correct it slowly; then `STOP` and `START` the receivers that read from it, and its own: they compare the "
        "clocks when they connect.",
        avoid="Do not set the clock back in one step under a running server: rows, binary logs and leases would get times that "
        "come twice.",
        evidence=evidence(
            {
                "ahead_seconds": f"{apart:.3f}",
                "error_seconds": f"{(reading.error + middle.error).total_seconds():.3f}",
                "ahead_of_repwatch_seconds": f"{reading.ahead.total_seconds():.3f}",
            }
        ),
        settled=False,
    )
