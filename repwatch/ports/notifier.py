"""The port to one receiver of notices: Slack, e-mail, webhook."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from repwatch.model.digest import Digest
from repwatch.model.notice import Bundle, Notice

# What goes to a receiver; bundles go to people alone.
Letter = Notice | Digest | Bundle
# What a receiver wants to remember about one incident between its notices (a Slack timestamp, a Message-ID).
Thread = Mapping[str, str]
BUNDLE = "bundle"
"""A thread that begins with a bundle says so under this name: its first message speaks of others, too."""


class DeliveryOutcome(StrEnum):
    """What became of one attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"  # may work later: rate limit, timeout, 5xx, 4yz
    REFUSED = "refused"  # will not work as configured: bad token, unknown channel, all recipients refused for good


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The result of one attempt. `thread` is what to remember; it replaces what was remembered before."""

    outcome: DeliveryOutcome
    text: str = ""  # why not, or of what was delivered: whom it did not reach, and why; never contains a secret
    retry_after: timedelta | None = None
    thread: Thread = field(default_factory=dict)
    rewritable: bool = False  # of a bundle: its message can be brought up to date


class Notifier(Protocol):
    """Sends one letter; never raises for what the network or the receiver does. Bounded to about 15 s a call."""

    def send(self, notice: Letter, thread: Thread) -> Delivery:
        """Deliver. `thread` is empty for the first notice of an incident, and for a digest, which leaves nothing to remember.

        It is empty for a bundle as well, whose members have their own; what is remembered of it is for those that have none.
        """
        ...


class Rewriting(Protocol):
    """Changes what was sent; never raises for what the network or the receiver does."""

    def rewrite(self, bundle: Bundle, thread: Thread) -> Delivery:
        """Put that into the place of a bundle's message. `thread`: what was to be remembered of it. REFUSED: it can never be."""
        ...
