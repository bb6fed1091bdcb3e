"""Rules about what does not move though both threads say that they run."""

from collections.abc import Iterator
from datetime import timedelta

from repwatch.health import commands
from repwatch.health.inventory import label
from repwatch.health.movement import ChannelProgress
from repwatch.health.progress import GRACE, lost_source
from repwatch.health.rules_common import channels, evidence, of_channel, subject
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.observation import ChannelObservation, ThreadState

OWED = timedelta(seconds=15)
"""So long a receiver may take no notice of what its source is seen to have written."""


def receiver_stalled(world: World) -> Iterator[Finding]:
    """It says that it runs, and nothing arrives: neither what the source writes nor its heartbeats."""
    for server, channel in channels(world):
        known = world.progress.channels.get((label(server), channel.name))
        if known is None or channel.receiver is not ThreadState.RUNNING or channel.receiver_wait is not None:
            continue
        lost = lost_source(world, server, channel)
        if _owes(known) or _silent(channel, known, lost is not None):
            yield _stalled(world, server, channel, lost)


def _owes(known: ChannelProgress) -> bool:
    """The source has written something else since, and it did not come."""
    return known.receiver.still_since(known.owed_since) >= OWED


def _silent(channel: ChannelObservation, known: ChannelProgress, lost: bool) -> bool:
    """Heartbeats are overdue. One is enough where repwatch does not reach the source either; else two, for one may be late.

    Two periods are slave_net_timeout by default, after which the receiver itself sees that it is alone and says Connecting.
    """
    pulse = channel.pulse
    if pulse.heartbeats is None or not pulse.period:
        return False
    return known.receiver.still > (1 if lost else 2) * pulse.period + GRACE


def _stalled(world: World, server: ServerNow, channel: ChannelObservation, lost: ServerNow | None) -> Finding:
    known = world.progress.channels[label(server), channel.name]
    still = known.receiver.still.total_seconds()
    cause = {"cause": FindingCode.SERVER_UNREACHABLE.value, "cause_server": lost.address} if lost else {}
    restart = commands.fields(world, server, channel.name)
    return Finding(
        subject=subject(world, server, FindingCode.RECEIVER_STALLED, channel.name),
        severity=Severity.WARNING if lost else Severity.CRITICAL,
        summary=f"{label(server)}{of_channel(channel)}: the receiver says it runs, but nothing has arrived from "
        f"{channel.source} for {still:.0f} s",
        meaning="The connection to the source is dead and the server has not noticed: the source is frozen, or something between "
        "the two swallows packets. What the source writes does not reach this replica, and its lag shows 0 all the same.",
        remedy="See whether the source answers. If it does, make the replica connect anew: "
        f"{restart.get('restart_receiver', '')}. If it stalls again, look at firewalls and proxies between the two.",
        avoid="Do not take lag 0 as a sign that this replica is up to date, and do not promote it for it.",
        evidence=evidence(
            {
                "still_seconds": f"{still:.0f}",
                "last_movement": known.receiver.since.isoformat(),
                "heartbeat_period_seconds": f"{channel.pulse.period.total_seconds():g}" if channel.pulse.period else "",
                "unreceived_since": known.owed_since.isoformat() if known.owed_since else "",
                "gtid_received": channel.gtid_received,
                "source_log": channel.source_log,
                "receiver_state": channel.receiver_text,
                "source": channel.source,
            }
        )
        | cause,
        settled=False,
    )
