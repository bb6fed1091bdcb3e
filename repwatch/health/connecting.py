"""What is said of a receiver that does not reach its source: whether it still tries, and what may keep it away."""

from dataclasses import replace
from enum import StrEnum

from repwatch.health.errors_catalogue import Advice, ErrorClass, advise
from repwatch.health.errors_receiver import RECEIVER_ERRORS
from repwatch.health.progress import lost_source
from repwatch.health.world import ServerNow, World
from repwatch.model.observation import Attempts, ChannelObservation, ThreadState


class Reconnect(StrEnum):
    """How a receiver stands that has no connection, and was not refused one."""

    TRYING = "trying"  # it meets an error each time, or its source is away
    WITHOUT_ERROR = "without-error"  # it shows none, and its source is not seen to be away
    NOT_TRYING = "not-trying"  # its attempts are used up; or a person stopped it, which leaves the same error behind


# MariaDB shows errno 0 both of a replica that a twin throws out, and of one whose next binary log file its source has lost.
_WITHOUT_ERROR = Advice(
    ErrorClass.NETWORK,
    "It shows no error. Either an attempt is still under way, as where the source or the way to it does not answer; or it "
    "connects again and again, and the source ends the connection: two replicas have one server_id, or a file of the source's "
    "binary log is missing.",
    "The replica's error log says which. See whether another replica has its server_id, and whether the source still has all its "
    "binary log files; from the replica's host, try host and port of the source.",
    "Do not re-create the channel, and do not reseed, before it is clear which of these it is.",
)
_STILL_TRIES = " The receiver tries again by itself, and goes on as soon as it gets through."
_START = " When the way is free: {start_receiver}"


def judge(world: World, server: ServerNow, channel: ChannelObservation) -> tuple[Advice, Reconnect | None]:
    """What its error means; None: it is another one than that of a lost connection."""
    error = channel.receiver_error
    advice = advise(error.errno if error else 0, error.text if error else "", RECEIVER_ERRORS)
    if advice.error_class is not ErrorClass.NETWORK:
        return advice, None
    if channel.receiver is ThreadState.STOPPED:
        meaning = f"{advice.meaning} {_why_stopped(channel.attempts)}"
        return replace(advice, meaning=meaning, remedy=advice.remedy + _START), Reconnect.NOT_TRYING
    if error is None and lost_source(world, server, channel) is None:
        return _WITHOUT_ERROR, Reconnect.WITHOUT_ERROR
    return replace(advice, remedy=advice.remedy + _STILL_TRIES), Reconnect.TRYING


def _why_stopped(attempts: Attempts | None) -> str:
    if attempts is not None and attempts.made >= attempts.most:
        return f"It has used up its {attempts.most} attempts and given up: it does not come back by itself."
    return "It does not try any more, as its attempts are used up or somebody stopped it: it does not come back by itself."
