"""The port to what must survive a restart. `adapters/store` implements it; every method may raise StoreError.

Invariant: a change of an incident and the outbox rows that it causes are written in one transaction, so that being killed at any
moment neither loses nor doubles a notice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from repwatch.errors import StoreError
from repwatch.health.flaps import Ended
from repwatch.health.incident import Change, Incident
from repwatch.health.notice import Posting
from repwatch.health.view import DatedView
from repwatch.model.finding import Finding, Subject
from repwatch.model.silence import Silence
from repwatch.ports.notifier import Letter, Thread


class StoreConflict(StoreError):
    """Somebody else changed the incident since it was read: nothing was written; read again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one look leaves behind. Each change's `after` carries the revision that follows its `before`."""

    changes: tuple[Change, ...] = ()
    postings: tuple[Posting, ...] = ()
    view: DatedView | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One letter on its way to one receiver. `reached` tells whether an earlier notice of the incident arrived there.

    A digest has no incident and no thread.
    """

    seq: int
    incident_id: str
    receiver: str
    notice: Letter
    attempts: int
    thread: Thread
    reached: bool


class Ledger(Protocol):
    """Incidents, and the findings that hold until somebody clears them."""

    def open_incidents(self, cluster: str) -> tuple[Incident, ...]:
        """The pending and open ones of a cluster; "" is repwatch itself."""
        ...

    def standing(self, cluster: str) -> tuple[Finding, ...]:
        """Findings that no look at a server can show or clear: drift, a receiver that refuses."""
        ...

    def ended(self, cluster: str, since: datetime) -> Mapping[Subject, Ended]:
        """The last end of each subject's incidents since that time."""
        ...

    def silences(self, now: datetime) -> tuple[Silence, ...]:
        """What people want nobody to be told of, as far as it is not over."""
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

    def due(self, receiver: str, now: datetime) -> Envelope | None:
        """The receiver's oldest notice that may be tried now; an incident's notices stay in order."""
        ...

    def delivered(self, envelope: Envelope, thread: Thread, now: datetime) -> None:
        """It arrived: never again; and what the receiver wants to remember of the incident."""
        ...

    def postpone(self, envelope: Envelope, thread: Thread, until: datetime, text: str) -> None:
        """Try again, not before that time."""
        ...

    def give_up(self, envelope: Envelope, text: str) -> None:
        """It will not arrive as configured; kept, and tried again after the next start."""
        ...
