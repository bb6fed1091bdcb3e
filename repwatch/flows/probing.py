"""Looks at all servers at once. A slow one delays no other: its answer counts for the round in which it arrives."""

import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Protocol

from repwatch.flows.crowd import Crowd
from repwatch.flows.hands import Hands
from repwatch.model.observation import ProbeFailure, ProbeResult, Unobserved
from repwatch.model.topology import ServerSpec
from repwatch.ports.clock import Clock
from repwatch.ports.probe import Probe

BUDGET = 6.0  # seconds for which a first look is waited for
LATE = 4.0  # seconds after which one that has not come back counts as one that saw nothing; most end by themselves

LOOKS = Crowd(abreast=8, pace=0.004)  # of all clusters: 250 looks a second begin, also where servers hang


@dataclass(slots=True)
class _InFlight:
    server: ServerSpec
    urgent: bool
    begun: float | None = None  # None while it stands in line


class Rounds(Protocol):
    """Where looks come from."""

    def round(
        self, servers: Iterable[ServerSpec], *, wait_for: Collection[str], seconds: float, urgent: bool = False
    ) -> Mapping[str, ProbeResult]:
        """What has arrived, by label."""
        ...


@dataclass(slots=True)
class Probing:
    """One look in flight for each server. Threads only look and hand over; they are daemons, so that none holds up an exit."""

    probe: Probe
    clock: Clock
    beside: Hands = field(default_factory=lambda: Hands("probe"))
    _arrived: dict[str, ProbeResult] = field(default_factory=dict)
    _flying: dict[str, _InFlight] = field(default_factory=dict)
    _awaited: Collection[str] = ()
    _news: threading.Condition = field(default_factory=threading.Condition)

    def round(
        self, servers: Iterable[ServerSpec], *, wait_for: Collection[str], seconds: float, urgent: bool = False
    ) -> dict[str, ProbeResult]:
        """Ask servers that are not being asked already; what has arrived, by label.

        Waits for those named, for each until `seconds` after the look at it began: one that stands in line is no slow server.
        What arrived since the last round is part of it, unless something newer did. What is urgent goes before all else in line.
        """
        for server in servers:
            self._ask(server, urgent=urgent)
        with self._news:
            self._awaited = wait_for
            while (rest := self._patience(seconds)) > 0:
                self._news.wait(rest)
            arrived, self._arrived = self._arrived, {}
            return self._overdue() | arrived

    def _patience(self, seconds: float) -> float:
        """For how long it is worth waiting, if none of them begins later; 0 if for none."""
        now = self.clock.monotonic()
        begun = (flight.begun for label, flight in self._flying.items() if label in self._awaited)
        return max((seconds if since is None else since + seconds - now for since in begun), default=0.0)

    def _ask(self, server: ServerSpec, *, urgent: bool) -> None:
        with self._news:
            if server.label in self._flying:
                return
            flight = self._flying[server.label] = _InFlight(server, urgent)
        try:
            self.beside(partial(self._look, flight))
        except RuntimeError:  # there are too many threads on this machine; the next round asks again
            self._arrive(flight, self._blind("no thread could be started for it"))

    def _look(self, flight: _InFlight) -> None:
        try:
            with LOOKS.in_line(urgent=flight.urgent):
                flight.begun = self.clock.monotonic()
                result = self.probe(flight.server)
        except Exception as error:  # noqa: BLE001 - a look that never lands would leave its server unseen for ever
            result = self._blind(f"the look at it failed: {type(error).__name__}")
        self._arrive(flight, result)

    def _arrive(self, flight: _InFlight, result: ProbeResult) -> None:
        with self._news:
            self._arrived[flight.server.label] = result
            del self._flying[flight.server.label]
            if not self._flying.keys() & self._awaited:
                self._news.notify_all()

    def _blind(self, text: str) -> Unobserved:
        return Unobserved(at=self.clock.now(), took=timedelta(0), failure=ProbeFailure.NOT_ASKED, text=text)

    def _overdue(self) -> dict[str, ProbeResult]:
        now = self.clock.monotonic()
        begun = {label: flight.begun for label, flight in self._flying.items() if flight.begun is not None}
        late = {label: now - since for label, since in begun.items() if now - since > LATE}
        return {
            label: Unobserved(
                at=self.clock.now(),
                took=timedelta(seconds=took),
                failure=ProbeFailure.TIMED_OUT,
                text=f"a look at it has not come back for {took:.0f} s",
            )
            for label, took in late.items()
        }
