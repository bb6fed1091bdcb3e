"""Rules about a channel: its receiver, its applier, its lag."""

from collections.abc import Iterator
from datetime import timedelta

from repwatch.health import commands
from repwatch.health.connecting import judge
from repwatch.health.errors_applier import APPLIER_ERRORS
from repwatch.health.errors_catalogue import Advice, ErrorClass, advise
from repwatch.health.inventory import label
from repwatch.health.lag import caught_up_in, lag_of
from repwatch.health.limits import MANY_LIMITS, intended_delay, is_held, lag_limit
from repwatch.health.progress import lost_source
from repwatch.health.restart_told import told
from repwatch.health.rules_common import channels, evidence, of_channel, subject
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding, FindingCode, Severity
from repwatch.model.gtid import missing_count
from repwatch.model.observation import ChannelObservation, Lag, ThreadError, ThreadState

GIVES_UP_SOON = timedelta(minutes=15)
"""Or half of all its attempts, if those last less. A receiver that has given up stays stopped when the source is back, until a
person starts it."""

HOLD_PATIENCE = timedelta(minutes=10)
"""A repair or a reseed that holds an applier for longer was killed, or is so large that people want to know."""


def receiver_stopped(world: World) -> Iterator[Finding]:
    """Not running, and no error: a person stopped it, or nobody started it."""
    for server, channel in channels(world):
        if channel.receiver is ThreadState.STOPPED and channel.receiver_error is None:
            never = not channel.source_server_id
            yield Finding(
                subject=subject(world, server, FindingCode.RECEIVER_STOPPED, channel.name),
                severity=Severity.WARNING,
                summary=f"{label(server)}{of_channel(channel)}: the receiver "
                + ("has never connected and is stopped" if never else "is stopped, without an error"),
                meaning="Somebody stopped it, or the server started without starting it. The replica gets nothing new meanwhile, "
                "and the source may delete binary logs that it has not read.",
                remedy=_fill("Ask who stopped it and why. When the reason is gone: {start_receiver}", world, server, channel),
                avoid="Do not leave it stopped for longer than the source keeps its binary logs.",
                evidence=_evidence(channel),
            )


def receiver_retrying(world: World) -> Iterator[Finding]:
    """It tries to connect, again and again."""
    for server, channel in channels(world):
        if channel.receiver is ThreadState.CONNECTING:
            error = channel.receiver_error
            advice, reconnect = judge(world, server, channel)
            cause = lost_source(world, server, channel)
            why = f"error {error.errno} ({advice.error_class.value})" if error else "no error shown yet"
            left = _retries(channel)
            why += f"; it gives up in {left['gives_up_in_seconds']} s" if left.get("nearly_used_up") else ""
            yield Finding(
                subject=subject(world, server, FindingCode.RECEIVER_RETRYING, channel.name),
                severity=Severity.WARNING if cause and not left.get("nearly_used_up") else Severity.CRITICAL,
                summary=f"{label(server)}{of_channel(channel)} cannot connect to its source {channel.source}: {why}",
                meaning=_fill(advice.meaning, world, server, channel),
                remedy=_fill(advice.remedy, world, server, channel),
                avoid=advice.avoid,
                evidence=_evidence(channel, error, advice)
                | evidence({"connection": reconnect})
                | left
                | ({"cause": FindingCode.SERVER_UNREACHABLE.value, "cause_server": cause.address} if cause else {}),
                settled=False,
            )


def _retries(channel: ChannelObservation) -> dict[str, str]:
    """How many of its attempts a receiver has used, where the server counts them (10 by default in MySQL from 8.4 on)."""
    counted = channel.attempts
    if counted is None:
        return {}
    pause = counted.pause.total_seconds()  # a server may be told of more attempts than a timedelta holds
    left = max(0, counted.most - counted.made) * pause
    found = {"attempts": f"{counted.made} of {counted.most}", "gives_up_in_seconds": f"{left:.0f}"}
    soon = min(GIVES_UP_SOON.total_seconds(), counted.most * pause / 2)
    return found | ({"nearly_used_up": "yes"} if left <= soon else {})


def receiver_error(world: World) -> Iterator[Finding]:
    """It gave up on an error, or is in a state that nobody knows."""
    for server, channel in channels(world):
        error = channel.receiver_error
        if channel.receiver is ThreadState.STOPPED and error:
            advice, reconnect = judge(world, server, channel)
            used = _retries(channel).get("attempts") if reconnect else None
            finding = Finding(
                subject=subject(world, server, FindingCode.RECEIVER_ERROR, channel.name),
                severity=Severity.CRITICAL,
                summary=f"{label(server)}{of_channel(channel)}: the receiver stopped on error {error.errno} "
                f"({advice.error_class.value})",
                meaning=_fill(advice.meaning, world, server, channel),
                remedy=_fill(advice.remedy, world, server, channel),
                avoid=advice.avoid,
                evidence=_evidence(channel, error, advice) | evidence({"connection": reconnect, "attempts": used}),
            )
            yield told(finding, world, server, channel)
        elif channel.receiver is ThreadState.UNKNOWN:
            yield _not_understood(world, server, channel, FindingCode.RECEIVER_ERROR, "receiver")


def applier_stopped(world: World) -> Iterator[Finding]:
    """Not running, and no error: a person stopped it, nobody started it, or repwatch holds it."""
    for server, channel in channels(world):
        if channel.applier is ThreadState.STOPPED and channel.applier_error is None:
            yield _held(world, server, channel) if is_held(channel) else _stopped(world, server, channel)


def _stopped(world: World, server: ServerNow, channel: ChannelObservation) -> Finding:
    both = channel.receiver is ThreadState.STOPPED and channel.receiver_error is None
    start = "{start}" if both else "{start_applier}"
    return Finding(
        subject=subject(world, server, FindingCode.APPLIER_STOPPED, channel.name),
        severity=Severity.WARNING,
        summary=f"{label(server)}{of_channel(channel)}: the applier {'and the receiver are' if both else 'is'} stopped, "
        "without an error",
        meaning="Somebody stopped it, it reached the end that START … UNTIL gave it, or the server started without "
        "starting it. What is read from this replica gets older by the second.",
        remedy=_fill(f"Ask who stopped it and why. When the reason is gone: {start}", world, server, channel),
        avoid="Do not send readers here meanwhile.",
        evidence=_evidence(channel),
    )


def _held(world: World, server: ServerNow, channel: ChannelObservation) -> Finding:
    replica = f"{world.cluster.name}/{server.spec.label}"
    return Finding(
        subject=subject(world, server, FindingCode.APPLIER_STOPPED, channel.name),
        severity=Severity.WARNING,
        summary=f"{label(server)}{of_channel(channel)}: the applier is held by a repair or a reseed",
        meaning="repwatch stopped it and gave the channel a delay of 68 years, so that nothing is applied before the rows are "
        "right. It lets go by itself, unless it was killed. What is read from this replica gets older by the second.",
        remedy=f"See whether a repair or a reseed of it runs. If it was interrupted, finish it: `repwatch repair {replica}`.",
        avoid="Do not start the applier by hand: the delay would hold it all the same.",
        evidence=_evidence(channel),
        patience=HOLD_PATIENCE,
    )


def applier_error(world: World) -> Iterator[Finding]:
    """It stopped on an error, or is in a state that nobody knows."""
    for server, channel in channels(world):
        error = channel.applier_error
        if channel.applier is ThreadState.STOPPED and error:
            advice = advise(error.errno, error.text, APPLIER_ERRORS)
            where = f" in {channel.failed_table}" if channel.failed_table else ""
            finding = Finding(
                subject=subject(world, server, FindingCode.APPLIER_ERROR, channel.name),
                severity=Severity.CRITICAL,
                summary=f"{label(server)}{of_channel(channel)}: the applier stopped on error {error.errno} "
                f"({advice.error_class.value}){where}",
                meaning=_fill(advice.meaning, world, server, channel),
                remedy=_fill(advice.remedy, world, server, channel),
                avoid=advice.avoid,
                evidence=_evidence(channel, error, advice),
            )
            yield told(finding, world, server, channel)
        elif channel.applier in (ThreadState.UNKNOWN, ThreadState.CONNECTING):
            yield _not_understood(world, server, channel, FindingCode.APPLIER_ERROR, "applier")


def _not_understood(world: World, server: ServerNow, channel: ChannelObservation, code: FindingCode, thread: str) -> Finding:
    return Finding(
        subject=subject(world, server, code, channel.name),
        severity=Severity.WARNING,
        summary=f"{label(server)}{of_channel(channel)}: the state of the {thread} is not known",
        meaning="The server shows a state that repwatch does not know. It may be healthy or not.",
        remedy="Look at the replica's own status, and tell the makers of repwatch the server's version.",
        evidence=_evidence(channel, None, Advice(ErrorClass.OTHER, "", "")),
        settled=False,
    )


_SLOW = (
    "See what the applier does (its state is below): a long transaction or DDL of the source, a lock that somebody holds on the "
    "replica, a table without a primary key, too little disk or too few workers."
)
_TOO_LONG_A_DELAY = (
    "Its channel has a longer delay than is intended. If it is to stay, set delay = … for it in the configuration. If not: "
    "{undelay}"
)


def lagging(world: World) -> Iterator[Finding]:
    """Both threads run, and it is further behind than its limit, or soon will be; or nobody knows how far."""
    for server, channel in channels(world):
        if channel.receiver is not ThreadState.RUNNING or channel.applier is not ThreadState.RUNNING:
            continue
        lag = lag_of(world, server, channel)
        seconds = lag.seconds
        limit = lag_limit(world, server)
        delay = intended_delay(server, channel)
        behind = None if seconds is None else seconds - delay.total_seconds()
        if behind is None:
            summary = "how far it is behind is not known, though both threads run"
        elif behind > limit.total_seconds():
            least = "at least " if lag.at_least else ""
            summary = f"{least}{seconds:.0f} s behind, over its limit of {limit.total_seconds():g} s"
            summary += f" on top of its delay of {delay.total_seconds():g} s" if delay else ""
        elif behind > limit.total_seconds() / 2 and (rate := _falls_back(world, server, channel, behind)):
            over = (limit.total_seconds() - behind) / rate
            summary = (
                f"{seconds:.0f} s behind, and only ever further: over its limit of {limit.total_seconds():g} s in {over:.0f} s"
            )
        else:
            continue
        yield Finding(
            subject=subject(world, server, FindingCode.LAGGING, channel.name),
            severity=Severity.CRITICAL if behind and behind > MANY_LIMITS * limit.total_seconds() else Severity.WARNING,
            summary=f"{label(server)}{of_channel(channel)}: {summary}",
            meaning="Readers of this replica see old data, and a failover to it would take that long or lose that much.",
            remedy=_fill(_TOO_LONG_A_DELAY if delay < channel.delay and not is_held(channel) else _SLOW, world, server, channel),
            avoid="Do not restart the applier in the middle of a long transaction: it begins that one again.",
            evidence=_lag_evidence(server, channel, lag, limit, delay) | _heading(world, server, channel, lag),
            settled=False,
        )


def _falls_back(world: World, server: ServerNow, channel: ChannelObservation, behind: float) -> float | None:
    """Seconds by which it is further behind each second, if it has been so for many minutes without a break.

    None where most of what it is behind (seconds) is one transaction: that ends, and a load that is too much does not.
    """
    key = (label(server), channel.name)
    known, trend = world.progress.channels.get(key), world.lags.get(key)
    if known is not None and known.applier.still.total_seconds() > behind / 2:
        return None
    return trend.later.rate if trend and trend.later.only_grows else None


def _heading(world: World, server: ServerNow, channel: ChannelObservation, lag: Lag) -> dict[str, str]:
    trend, left = world.lags.get((label(server), channel.name)), caught_up_in(world, server, channel, lag)
    rate = trend.soon.rate if trend else None
    return evidence(
        {
            "lag_change_each_second": f"{rate:+.2f}" if rate is not None else "",
            "caught_up_in_seconds": f"{left:.0f}" if left is not None else "",
        }
    )


def _lag_evidence(server: ServerNow, channel: ChannelObservation, lag: Lag, limit: timedelta, delay: timedelta) -> dict[str, str]:
    seconds = lag.seconds
    return evidence(
        {
            "lag_seconds": "unknown" if seconds is None else f"{seconds:.1f}",
            "limit_seconds": f"{limit.total_seconds():g}",
            "delay_seconds": f"{delay.total_seconds():g}" if delay else "",
            "channel_delay_seconds": f"{channel.delay.total_seconds():g}" if channel.delay != delay else "",
            "basis": lag.basis.value,
            "quality": lag.quality.value,
            "transactions_behind": _transactions_behind(server, channel),
            "applier_state": channel.applier_text,
            "source": channel.source,
        }
    )


def _transactions_behind(server: ServerNow, channel: ChannelObservation) -> str:
    """Received and not yet applied; what the source has beyond that is not known here."""
    if not server.observation or not channel.gtid_received:
        return ""
    try:
        return str(missing_count(server.observation.version.flavour, channel.gtid_executed, channel.gtid_received))
    except ValueError:
        return ""


def _fill(template: str, world: World, server: ServerNow, channel: ChannelObservation) -> str:
    return template.format_map(commands.fields(world, server, channel.name, channel.failed_table))


def _evidence(channel: ChannelObservation, error: ThreadError | None = None, advice: Advice | None = None) -> dict[str, str]:
    return evidence(
        {
            "errno": error.errno if error else ("0" if advice else ""),
            "error_class": advice.error_class.value if advice else "",
            "error": error.text if error else "",
            "transaction": channel.failed_gtid,
            "table": channel.failed_table,
            "worker": error.worker if error else "",
            "failed_at": error.at.isoformat() if error and error.at else "",
            "receiver": channel.receiver.value,
            "applier": channel.applier.value,
            "source": channel.source,
            "gtid_received": channel.gtid_received,
            "gtid_executed": channel.gtid_executed,
        }
    )
