"""Whether repwatch may start a stopped replication thread again, and if not, why not. Pure.

It may where the configuration says so, for errors that pass by themselves alone, and never twice for one transaction: what
fails again needs a person. Whatever may be a person's doing stays as it is. The error does not tell: STOP leaves a receiver
that tries to connect with its error, and an applier of MySQL that waits for a row ends with 1205. The count of STOPs does.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from repwatch.health.errors_applier import APPLIER_ERRORS
from repwatch.health.errors_catalogue import ErrorClass, advise
from repwatch.health.errors_receiver import RECEIVER_ERRORS
from repwatch.health.inventory import source_of, wanted_source
from repwatch.health.limits import is_held
from repwatch.health.rules_common import channels, is_stale, subject
from repwatch.health.world import Done, ServerNow, World
from repwatch.model.finding import FindingCode
from repwatch.model.observation import ChannelObservation, Observation, ThreadError, ThreadState
from repwatch.model.restart import ChannelThread, Restart, RestartOutcome

BUDGET: Final = 3
WINDOW: Final = timedelta(minutes=30)
"""So many restarts of one channel within this time at most."""

PAUSES: Final = (timedelta(0), timedelta(minutes=1), timedelta(minutes=5))
"""Time to the restart before, by how many there were in the window."""

_TLS_ERROR = 2026  # of the network class, and nothing that passes
_CODES = {
    ChannelThread.APPLIER: FindingCode.APPLIER_ERROR,
    ChannelThread.RECEIVER: FindingCode.RECEIVER_ERROR,
}


class Stay(StrEnum):
    """Why a thread is not started. Stable: it stands in the evidence of findings."""

    NOT_ALLOWED = "not-allowed"  # the configuration does not say that it may
    NOT_STOPPED = "not-stopped"  # by an error, that is
    NOT_TRANSIENT = "not-transient"
    PERSON = "person"  # somebody has stopped it, or may have
    SOURCE_AWAY = "source-away"
    OTHER_SOURCE = "other-source"  # the channel does not read from the server that it should
    HALF_LOADED = "half-loaded"
    HELD = "held"  # by a repair, a reseed or an exact check
    DELAYED = "delayed"  # by intention: its applier is stopped on purpose when it matters
    SKIP_PENDING = "skip-pending"  # to start it would leave out a transaction
    SILENCED = "silenced"  # by a person, or in maintenance: somebody is at work
    NO_RECORD = "no-record"  # what was done before is not known
    UNSETTLED = "unsettled"  # what became of the last one is not known yet
    SAME_TRANSACTION = "same-transaction"
    BUDGET = "budget"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class Go:
    """It may be started now, for the `number`-th time in the window."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A thread to be started now, as it was seen."""

    server: ServerNow
    channel: ChannelObservation
    thread: ChannelThread
    error: ThreadError
    number: int


def due(world: World) -> tuple[Due, ...]:
    """All threads that may be started now."""
    return tuple(
        Due(server=server, channel=channel, thread=thread, error=error, number=decision.number)
        for server, channel in channels(world)
        for thread in ChannelThread
        if (error := stopped_on(channel, thread)) is not None
        and isinstance(decision := decide(world, server, channel, thread), Go)
    )


def stopped_on(channel: ChannelObservation, thread: ChannelThread) -> ThreadError | None:
    """The error that has stopped the thread; None if it is not stopped, or stopped without one."""
    if thread is ChannelThread.APPLIER:
        return channel.applier_error if channel.applier is ThreadState.STOPPED else None
    return channel.receiver_error if channel.receiver is ThreadState.STOPPED else None


def decide(world: World, server: ServerNow, channel: ChannelObservation, thread: ChannelThread) -> Go | Stay:
    """Start it, or why not; of several reasons that which stays the longest."""
    if not world.cluster.restarts(server.spec):
        return Stay.NOT_ALLOWED
    error = stopped_on(channel, thread)
    if error is None:
        return Stay.NOT_STOPPED
    if (stay := _of_error(error, thread) or _of_channel(world, server, channel, thread)) is not None:
        return stay
    if world.restarts is None:
        return Stay.NO_RECORD
    own = [each for each in world.restarts.done if _is_of(each.restart, server.address, channel.name)]
    return _of_history(own, channel, thread, passes=_error_class(error, thread) is ErrorClass.NETWORK)


def _error_class(error: ThreadError, thread: ChannelThread) -> ErrorClass:
    entries = APPLIER_ERRORS if thread is ChannelThread.APPLIER else RECEIVER_ERRORS
    return advise(error.errno, error.text, entries).error_class


def _of_error(error: ThreadError, thread: ChannelThread) -> Stay | None:
    """A receiver that has lost its source tries again by itself, until a person stops it or its retries are used up."""
    match _error_class(error, thread):
        case ErrorClass.TRANSIENT:
            return None
        case ErrorClass.NETWORK if thread is ChannelThread.RECEIVER and error.errno != _TLS_ERROR:
            return None
        case _:
            return Stay.NOT_TRANSIENT


def _of_channel(world: World, server: ServerNow, channel: ChannelObservation, thread: ChannelThread) -> Stay | None:
    source, wanted = source_of(world, channel), wanted_source(world, server, channel.name)
    applier = thread is ChannelThread.APPLIER
    reasons = (
        (Stay.HALF_LOADED, server.observation is None or server.observation.half_loaded),
        (Stay.HELD, is_held(channel)),
        (Stay.PERSON, _may_be_stopped_by_a_person(world, server, channel, thread)),
        (Stay.SKIP_PENDING, channel.skip_pending > 0),
        (Stay.DELAYED, applier and bool(channel.delay or server.spec.delay)),
        (Stay.OTHER_SOURCE, source is None or source is not wanted),
        (Stay.SILENCED, _is_silenced(world, server, channel, thread)),
        (Stay.SOURCE_AWAY, not applier and (source is None or not _answers(world, source))),
    )
    return next((stay for stay, holds in reasons if holds), None)


def _may_be_stopped_by_a_person(world: World, server: ServerNow, channel: ChannelObservation, thread: ChannelThread) -> bool:
    """True if a STOP was counted since the thread was seen to run, or if it never was: then who stopped it is not known.

    An intention that came to nothing has seen to that before.
    """
    risks, past = server.observation.risks if server.observation else None, world.past.get(server.spec.label)
    if risks is None:
        return True
    ran = past.ran.get((channel.name, thread)) if past else None
    if ran is not None:
        return risks.stops != ran
    return not any(
        each.restart.outcome is RestartOutcome.NOT_SENT
        and (each.restart.starts, each.restart.stops) == (risks.starts, risks.stops)
        for each in _of_thread(world, server.address, channel.name, thread)
    )


def _answers(world: World, source: ServerNow) -> bool:
    return source.observation is not None and not is_stale(world, source)


def _is_silenced(world: World, server: ServerNow, channel: ChannelObservation, thread: ChannelThread) -> bool:
    about = subject(world, server, _CODES[thread], channel.name)
    return any(silence.covers(about, server.spec.name, world.now) for silence in world.silences)


def _of_history(own: list[Done], channel: ChannelObservation, thread: ChannelThread, *, passes: bool) -> Go | Stay:
    """`passes`: no transaction is to blame for the error."""
    if any(each.restart.outcome is None for each in own):
        return Stay.UNSETTLED
    if not passes and any(_failed_before(each.restart, channel, thread) for each in own):
        return Stay.SAME_TRANSACTION
    recent = [each for each in own if each.age < WINDOW]
    if len(recent) >= BUDGET:
        return Stay.BUDGET
    if recent and min(each.age for each in recent) < PAUSES[len(recent)]:
        return Stay.PAUSE
    return Go(len(recent) + 1)


def _is_of(restart: Restart, server: str, channel: str) -> bool:
    return (restart.server, restart.channel) == (server, channel)


def transaction_of(channel: ChannelObservation, thread: ChannelThread) -> tuple[str, str]:
    """What the thread has stopped at: the transaction, and the place in the source's log; "" is not known."""
    if thread is ChannelThread.APPLIER:
        return channel.failed_gtid, channel.applied_log
    return "", channel.source_log


def _failed_before(restart: Restart, channel: ChannelObservation, thread: ChannelThread) -> bool:
    """True if it stands where a START has been sent before. If nothing is known of where, it may be."""
    if restart.thread is not thread or restart.outcome in (RestartOutcome.NOT_SENT, RestartOutcome.REFUSED):
        return False
    transaction, position = transaction_of(channel, thread)
    if transaction and restart.transaction:
        return transaction == restart.transaction
    return not position or not restart.position or position == restart.position


def settle(restart: Restart, world: World) -> Restart:
    """A restart of which no outcome was recorded, after a look at its server: was a START sent, or certainly not?"""
    server = next((each for each in world.servers if each.address == restart.server), None)
    if restart.outcome is not None or server is None or server.observation is None:
        return restart
    found = RestartOutcome.NOT_SENT if _nobody_started(restart, server.observation) else RestartOutcome.UNKNOWN
    return replace(restart, outcome=found)


def _nobody_started(restart: Restart, seen: Observation) -> bool:
    """The server counts the statement when it takes it up. A server that was restarted since has begun to count anew."""
    if seen.risks is None or seen.risks.starts != restart.starts:
        return False
    return timedelta(seconds=seen.risks.uptime) >= abs(seen.at - restart.at)


def last_of(world: World, server: str, channel: str, thread: ChannelThread) -> Restart | None:
    """The latest restart of a thread within the time of the budget."""
    found = [each for each in _of_thread(world, server, channel, thread) if each.age < WINDOW]
    return min(found, key=lambda each: each.age).restart if found else None


def _of_thread(world: World, server: str, channel: str, thread: ChannelThread) -> Iterable[Done]:
    done = world.restarts.done if world.restarts else ()
    return (each for each in done if _is_of(each.restart, server, channel) and each.restart.thread is thread)
