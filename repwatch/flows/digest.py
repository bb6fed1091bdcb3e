"""Digests, at the times that receivers want them. Level-triggered: a time that passed while nothing ran is made up for.

A digest is written to the store before it is sent, once for each receiver and time; a courier brings it there.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from repwatch.drift.proving import TableProof, of_servers
from repwatch.errors import StoreError
from repwatch.health.digest import Material, Peaks, make_digest, period, slot
from repwatch.health.incident import Incident
from repwatch.model.digest import Digest
from repwatch.model.risks import Suspicion
from repwatch.model.settings import Receiver
from repwatch.model.topology import ClusterSpec
from repwatch.model.view import View
from repwatch.ports.clock import Clock

log = logging.getLogger("repwatch.deliver")


class DigestLedger(Protocol):
    """Which digest each receiver has had. Every method may raise StoreError."""

    def last(self, receiver: str, now: datetime) -> datetime | None:
        """The time of its last digest up to now, or of its first sight; None if it is new."""
        ...

    def begin(self, receiver: str, now: datetime) -> None:
        """From now on it gets digests."""
        ...

    def add(self, receiver: str, digest: Digest, now: datetime) -> None:
        """Put one on its way; nothing happens if the receiver has, or had, the one of that time."""
        ...


class Records(Protocol):
    """What is kept of the past. Every method may raise StoreError."""

    def history(self, resolved_since: datetime) -> tuple[Incident, ...]:
        """The open ones of all clusters and those that ended since a time."""
        ...

    def proofs(self, cluster: str) -> tuple[TableProof, ...]:
        """When each table was last proved on each replica."""
        ...

    def suspicions(self, cluster: str) -> tuple[Suspicion, ...]:
        """All of a cluster."""
        ...


@dataclass(slots=True, kw_only=True)
class Digester:
    """Makes the digests of all receivers that want them. `turn` is called often, by one thread at a time."""

    receivers: Sequence[Receiver]
    clusters: Sequence[ClusterSpec]
    ledger: DigestLedger
    records: Records
    clock: Clock
    _peaks: Peaks = field(default_factory=Peaks)

    def turn(self, view: View) -> int:
        """Remember how much replicas lag, and make the digests that are due; how many. Never raises for the store."""
        self._peaks.add(view)
        try:
            return sum(self._tell(receiver, view) for receiver in self.receivers)
        except StoreError as error:  # told as a problem by the book, which writes the same store; the next turn tries again
            log.debug("digest.failed: %s", error)
            return 0

    def _tell(self, receiver: Receiver, view: View) -> bool:
        now = self.clock.now()
        last, due = self.ledger.last(receiver.id, now), slot(receiver.digest, now)
        if last is None:
            self.ledger.begin(receiver.id, now)
        if last is None or due <= last:
            return False
        self.ledger.add(receiver.id, make_digest(receiver, due, self._material(view, due - period(receiver.digest))), now)
        log.info("digest.made to=%s at=%s", receiver.id, due.isoformat())
        return True

    def _material(self, view: View, since: datetime) -> Material:
        return Material(
            view=view,
            clusters=self.clusters,
            incidents=self.records.history(since),
            proofs={each.name: of_servers(self.records.proofs(each.name), each.servers) for each in self.clusters},
            suspicions={cluster.name: self.records.suspicions(cluster.name) for cluster in self.clusters},
            peaks=self._peaks,
        )
