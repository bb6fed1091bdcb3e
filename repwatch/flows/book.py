"""Incidents as the ledger has them or, while it cannot be written, as they would be there.

What could not be written is merged into one entry, bounded by the number of incidents, and written with the next one that can be.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from repwatch.errors import StoreError
from repwatch.health.flaps import MEMORY, Ended
from repwatch.health.incident import Change, Incident, Phase
from repwatch.health.world import SettledSource
from repwatch.model.finding import Finding, Subject
from repwatch.model.silence import Silence
from repwatch.ports.clock import Clock
from repwatch.ports.store import Entry, Ledger, StoreConflict

log = logging.getLogger("repwatch.store")


@dataclass(slots=True)
class Book:
    """One cluster's incidents. `problem` is empty while the ledger works. Used by one thread at a time."""

    ledger: Ledger
    clock: Clock
    cluster: str
    problem: str = ""
    silences: tuple[Silence, ...] = ()
    source: SettledSource | None = None
    has_read: bool = False  # else nobody knows what is stored
    _unwritten: Entry = field(default_factory=Entry)
    _memory: tuple[Incident, ...] = ()
    _ended: dict[Subject, Ended] | None = None  # None: not read yet
    _standing: tuple[Finding, ...] = ()

    def read(self) -> tuple[tuple[Incident, ...], tuple[Finding, ...]]:
        """The pending and open incidents, and the findings that stand until they are cleared."""
        try:
            known = self.ledger.known(self.cluster, self.clock.now())
            if not self._unwritten.changes:
                self._memory = known.incidents
            if self._unwritten.source is None:
                self.source = known.source
            self._standing, self.silences = known.standing, known.silences
            self.has_read = True
            if self._ended is None:
                self._ended = dict(self.ledger.ended(self.cluster, self.clock.now() - MEMORY))
        except StoreError as error:
            self._failed(error)
        return self._memory, self._standing

    @property
    def ended(self) -> Mapping[Subject, Ended]:
        """The last end of each subject's incidents within the hour."""
        return self._ended or {}

    def _remember_ends(self, changes: Iterable[Change], now: datetime) -> None:
        known = self._ended or {}
        known |= {
            change.after.subject: Ended(change.after.resolved, change.after.flaps)
            for change in changes
            if change.after is not None and change.after.resolved is not None
        }
        self._ended = {subject: ended for subject, ended in known.items() if abs(now - ended.at) <= MEMORY}

    def record(self, entry: Entry) -> None:
        """Write the entry together with what could not be written before; what cannot be written now is kept."""
        self._memory, self.source = living(self._memory, entry.changes), entry.source or self.source
        self._remember_ends(entry.changes, self.clock.now())
        whole = merge(self._unwritten, entry)
        try:
            self.ledger.record(whole, self.clock.now())
        except StoreConflict as error:
            self._unwritten = Entry()  # what is stored is the truth; the next look starts from there
            self._failed(error)
        except StoreError as error:
            self._unwritten = whole
            self._failed(error)
        else:
            self._unwritten = Entry()
            if self.problem:
                log.warning("store.recovered cluster=%s", self.cluster)
            self.problem = ""

    def _failed(self, error: StoreError) -> None:
        text = f"{error}; {error.hint}" if error.hint else str(error)
        if text != self.problem:
            log.error("store.failed cluster=%s: %s", self.cluster, text)
        self.problem = text


def living(incidents: Iterable[Incident], changes: Iterable[Change]) -> tuple[Incident, ...]:
    """The incidents after the changes, without those that ended."""
    current = {incident.id: incident for incident in incidents}
    for change in changes:
        if change.before is not None:
            current.pop(change.before.id, None)
        if change.after is not None and change.after.phase is not Phase.RESOLVED:
            current[change.after.id] = change.after
    return tuple(current.values())


def merge(older: Entry, newer: Entry) -> Entry:
    """Two entries as one: of each incident the first `before` and the last `after`, all notices in order, the newer rest."""
    merged: dict[str, Change] = {}
    for change in (*older.changes, *newer.changes):
        name = _id(change)
        merged[name] = Change(merged[name].before, change.after) if name in merged else change
    changes = tuple(change for change in merged.values() if change.before is not None or change.after is not None)
    postings = (*older.postings, *newer.postings)
    return Entry(changes=changes, postings=postings, view=newer.view or older.view, source=newer.source or older.source)


def _id(change: Change) -> str:
    present: Sequence[Incident] = [incident for incident in (change.before, change.after) if incident is not None]
    return present[0].id
