"""What repwatch has done, where it is allowed to, about a replication thread that stopped on a passing error."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

REMEMBERED: Final = timedelta(days=7)
"""For so long it counts that a transaction was tried again."""


class ChannelThread(StrEnum):
    """One of a channel's two threads."""

    RECEIVER = "receiver"
    APPLIER = "applier"


class RestartOutcome(StrEnum):
    """What became of a START. That the server took it does not mean that it helped."""

    STARTED = "started"
    REFUSED = "refused"
    NOT_SENT = "not-sent"  # the server was asked later: nobody has sent one since
    UNKNOWN = "unknown"  # the answer was lost or never recorded, and the server does not tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """One START of one thread. It is recorded without an outcome before it is sent, and again with one afterwards."""

    id: str
    cluster: str
    server: str  # host:port
    channel: str
    thread: ChannelThread
    at: datetime  # when it was intended
    number: int  # the how many-th within the time of the budget
    errno: int  # of the error that had stopped the thread
    transaction: str  # that had failed, "" if not known
    position: str  # file:position of the source, where the thread stood; "" if not known
    starts: int  # how often the server had been told to start replication until then
    stops: int  # … and to stop it
    outcome: RestartOutcome | None = None
    text: str = ""  # what the server said to it
