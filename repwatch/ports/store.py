"""The port to what must survive a restart. `adapters/store` implements it; every method may raise StoreError.

Invariant: a change of an incident and the outbox rows that it causes are written in one transaction, so that being killed at any
moment neither loses nor doubles a notice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from repwatch.errors import StoreError
from repwatch.health.bundled import Tally
from repwatch.health.flaps import Ended
from repwatch.health.incident import Change, Incident
from repwatch.health.notice import Posting
from repwatch.health.view import DatedView
from repwatch.health.world import SettledSource
from repwatch.model.digest import Digest
from repwatch.model.finding import Finding, Subject
from repwatch.model.notice import Bundle, Notice
from repwatch.model.silence import Silence
from repwatch.ports.notifier import Thread


class StoreConflict(StoreError):
    """Somebody else changed the incident since it was read: nothing was written; read again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one look leaves behind. Each change's `after` carries the revision that follows its `before`."""

    changes: tuple[Change, ...] = ()
    postings: tuple[Posting, ...] = ()
    view: DatedView | None = None
    source: SettledSource | None = None  # None: as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One notice or digest on its way to one receiver. `reached` tells whether an earlier notice of the incident arrived there.

    A digest has no incident and no thread.
    """

    seq: int
    incident_id: str
    receiver: str
    notice: Notice | Digest
    attempts: int
    thread: Thread
    reached: bool
    message: str = ""  # id of the message in which it is told, once that is recorded: its own, or a bundle's


class Fate(StrEnum):
    """What becomes of a notice after an attempt, or without one."""

    DELIVERED = "delivered"  # never again
    POSTPONED = "postponed"
    REFUSED = "refused"  # it will not arrive as configured; kept, and tried again after the next start
    MOOT = "moot"  # nobody waits for it: the end of what was not told there; kept likewise, for its beginning may be told then


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """One notice's fate. `at` is when that was known or, of what is postponed, the earliest time to try again."""

    envelope: Envelope
    fate: Fate
    at: datetime
    thread: Thread  # what the receiver wants to remember of the incident
    text: str = ""  # why it did not arrive, or did not reach everybody
    rewritable: bool = False  # the message can be brought up to date


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldBundle:
    """A bundle that has arrived, with its members as they are now, and what its message shows of them."""

    receiver: str
    bundle: Bundle
    thread: Thread
    shown: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is stored of a cluster, at one moment."""

    incidents: tuple[Incident, ...] = ()  # the pending and open ones
    standing: tuple[Finding, ...] = ()  # what no look at a server can show or clear: drift, a receiver that refuses
    source: SettledSource | None = None
    silences: tuple[Silence, ...] = ()  # of all clusters: what people want nobody to be told of, as far as it is not over


class Ledger(Protocol):
    """Incidents, and the findings that hold until somebody clears them."""

    def known(self, cluster: str, now: datetime) -> Known:
        """What a look starts from; "" is repwatch itself."""
        ...

    def ended(self, cluster: str, since: datetime) -> Mapping[Subject, Ended]:
        """The last end of each subject's incidents since that time."""
        ...

    def record(self, entry: Entry, now: datetime) -> None:
        """Write all or nothing. Raises StoreConflict if an incident is not at the revision that its change starts from."""
        ...


class Standing(Protocol):
    """Sets and clears findings that hold until then."""

    def set_standing(self, finding: Finding) -> None:
        """Set; repeating it replaces the texts."""
        ...

    def clear_standing(self, subject: Subject) -> None:
        """Clear; nothing happens where there is none."""
        ...


class Outbox(Standing, Protocol):
    """Notices on their way."""

    def due(self, receiver: str, now: datetime, most: int) -> tuple[Envelope, ...]:
        """The receiver's oldest notices that may be tried now, `most` of them. One of each subject: its notices stay in order."""
        ...

    def settle(self, settled: Sequence[Settled]) -> None:
        """Keep what became of them, all or nothing. Doing it twice does no harm."""
        ...


class BundlingOutbox(Outbox, Protocol):
    """Where it is recorded, before anything is sent, which notices are told in one message."""

    def gather(self, message: str, envelopes: Sequence[Envelope]) -> None:
        """They are told in that message and in no other, whatever happens."""
        ...

    def told_in(self, receiver: str, message: str) -> tuple[Envelope, ...]:
        """What of that message is not delivered yet: all of it or nothing."""
        ...


class Shelf(Protocol):
    """Bundles that have arrived, and what their messages show."""

    def outdated(self, receiver: str) -> ToldBundle | None:
        """One whose message is no longer true: that which has waited longest. None if there is none."""
        ...

    def shows(self, told: ToldBundle, shown: Tally, now: datetime) -> None:
        """Its message shows that. What shows that all is over is done with."""
        ...

    def leave(self, told: ToldBundle) -> None:
        """Its message stays as it is."""
        ...
