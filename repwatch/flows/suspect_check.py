"""Checks of suspect data: at once, whatever the schedule and the window say, and again until they come out clean.

Only the suspect channel is read, and of it only the tables in question where they are known. For a cluster there is at a time one
such check of known tables and one of all, which may take hours and keeps nobody waiting; and a scheduled check, if one runs.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Final, Protocol

from repwatch.drift.overview import RunningCheck
from repwatch.drift.progress import Progress
from repwatch.drift.report import DriftReport, Reason, ReplicaReport, Verdict
from repwatch.errors import RepwatchError, StoreError, UsageError
from repwatch.flows.scheduled_drift import STOPPED_SECONDS, Ended
from repwatch.flows.suspects import Suspects
from repwatch.health.world import World
from repwatch.model.observation import ThreadState
from repwatch.model.risks import Suspicion
from repwatch.model.topology import ReplicaTarget
from repwatch.ports.clock import Clock

log = logging.getLogger("repwatch.drift")

PAUSE: Final = 30.0  # seconds at least between two checks of one channel
REST: Final = 20  # and so many times what the last one took: a suspicion that stays costs a twentieth of the time

Channel = tuple[str, str]  # the server's address, the channel's name
Due = tuple[ReplicaTarget, tuple[Suspicion, ...]]  # a channel to be checked, and why


class Check(Protocol):
    """Compares one channel with its source: these tables, or all. Raises RepwatchError."""

    def __call__(
        self,
        target: ReplicaTarget,
        tables: Sequence[str],
        *,
        cancelled: Callable[[], bool],
        progress: Callable[[Progress], None],
    ) -> Ended:
        """`cancelled` is asked often."""
        ...


@dataclass(slots=True, kw_only=True)
class SuspectChecker:
    """`record` keeps what a check came to."""

    check: Check
    record: Callable[[DriftReport], object]
    suspects: Suspects
    clock: Clock
    _running: dict[Channel, RunningCheck] = field(default_factory=dict)
    _taken: set[Channel] = field(default_factory=set)  # they are checked, or are next in a lane
    _due: dict[Channel, float] = field(default_factory=dict)  # monotonic
    _checked_since: dict[Channel, datetime] = field(default_factory=dict)  # the latest suspicion that the last check was made for
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _of_known: threading.Lock = field(default_factory=threading.Lock)
    _of_all: threading.Lock = field(default_factory=threading.Lock)

    @property
    def running(self) -> bool:
        """True while a check runs."""
        return self._of_known.locked() or self._of_all.locked()

    @property
    def now(self) -> RunningCheck | None:
        """The check that runs; of two the one that began first."""
        return next(iter(tuple(self._running.values())), None)

    def cancel(self) -> None:
        """Let a check that runs end as soon as it can, and begin no other."""
        self._cancelled.set()

    def begin(self, world: World) -> None:
        """After a look: start a check on a thread of its own where one is due and its lane is free. Returns at once."""
        targets = self._targets(world)
        self._begin_in(self._of_known, [due for due in targets if _tables(due[1])])
        self._begin_in(self._of_all, [due for due in targets if not _tables(due[1])])

    def _begin_in(self, lane: threading.Lock, targets: list[Due]) -> None:
        if not targets or self._cancelled.is_set() or not lane.acquire(blocking=False):
            return
        places = {_place(target) for target, _ in targets}
        self._taken |= places
        name = f"suspect-{self.suspects.cluster}"
        try:
            threading.Thread(target=self._run, args=(lane, targets), name=name, daemon=True).start()
        except RuntimeError:  # there is no room for another thread at this moment; the next look tries again
            self._taken -= places
            lane.release()

    def _targets(self, world: World) -> list[Due]:
        """The channels whose check is due and that could be checked now."""
        running = {
            (server.address, channel.name): server.spec
            for server in world.servers
            if server.observation
            for channel in server.observation.channels
            if channel.applier is ThreadState.RUNNING and channel.receiver is ThreadState.RUNNING
        }
        of_channel: dict[Channel, list[Suspicion]] = {}
        for suspicion in self.suspects.open():
            of_channel.setdefault((suspicion.server, suspicion.channel), []).append(suspicion)
        return [
            (ReplicaTarget(server=running[place], channel=place[1]), tuple(suspicions))
            for place, suspicions in of_channel.items()
            if place in running and place not in self._taken and self._is_due(place, tuple(suspicions))
        ]

    def _is_due(self, place: Channel, suspicions: tuple[Suspicion, ...]) -> bool:
        """What has become suspect anew is not kept waiting for what was checked a moment ago."""
        return _latest(suspicions) != self._checked_since.get(place) or self.clock.monotonic() >= self._due.get(place, 0.0)

    def _run(self, lane: threading.Lock, targets: list[Due]) -> None:
        try:
            for target, suspicions in targets:
                if not self._cancelled.is_set():
                    self._settle(target, suspicions)
                self._taken.discard(_place(target))
        finally:
            lane.release()

    def _settle(self, target: ReplicaTarget, suspicions: tuple[Suspicion, ...]) -> None:
        place, begun, tables = _place(target), self.clock.monotonic(), _tables(suspicions)
        log.info("suspect.started server=%s channel=%s tables=%s", *place, ",".join(tables) or "all")
        rest = 0.0
        try:
            report, by_person = self._checked(target, tables)
            rest = STOPPED_SECONDS if by_person else 0.0
            self.record(report)
            for replica in report.replicas:
                if replica.errant and replica.errant.tables:
                    self.suspects.name(replica.server, replica.errant.tables)
            clean = bool(report.replicas) and all(_is_clean(replica) for replica in report.replicas)
            log.info("suspect.finished server=%s channel=%s verdict=%s", *place, report.verdict)
            if clean and not self._cancelled.is_set():
                self.suspects.clear(suspicions, report.finished)  # what was added to them meanwhile stays
        except StoreError as error:
            log.warning("suspect.unrecorded server=%s channel=%s: %s", *place, error)
        except RepwatchError as error:
            log.warning("suspect.failed server=%s channel=%s: %s", *place, error)
        except Exception as error:  # noqa: BLE001 - the service must outlive a mistake in one check; it is tried again
            log.error("suspect.failed server=%s channel=%s: %s", *place, type(error).__name__)  # noqa: TRY400 - shows no values
        finally:
            self._running.pop(place, None)
        self._checked_since[place] = _latest(suspicions)
        took = self.clock.monotonic() - begun
        self._due[place] = self.clock.monotonic() + max(PAUSE, REST * took, rest)

    def _checked(self, target: ReplicaTarget, tables: Sequence[str]) -> Ended:
        place = _place(target)
        self._running[place] = RunningCheck(started=self.clock.now(), tables=len(tables), replica=target.server.label)
        note = partial(self._note, place)
        try:
            return self.check(target, tables, cancelled=self._cancelled.is_set, progress=note)
        except UsageError:  # a table is no more, and nobody knows what became of its rows
            if not tables:
                raise
            self._running[place] = replace(self._running[place], tables=0)
            return self.check(target, (), cancelled=self._cancelled.is_set, progress=note)

    def _note(self, place: Channel, progress: Progress) -> None:
        self._running[place] = replace(self._running[place], progress=progress)


def _place(target: ReplicaTarget) -> Channel:
    return str(target.server.endpoint.address), target.channel


def _tables(suspicions: Sequence[Suspicion]) -> list[str]:
    """Those in question; none where they are not all known."""
    known = all(suspicion.tables for suspicion in suspicions)
    return sorted({table for suspicion in suspicions for table in suspicion.tables}) if known else []


def _latest(suspicions: Sequence[Suspicion]) -> datetime:
    return max(suspicion.since for suspicion in suspicions)


def _is_clean(replica: ReplicaReport) -> bool:
    if replica.verdict is Verdict.UNDECIDED:
        return replica.reason is Reason.NOTHING_REPLICATED
    return replica.verdict is Verdict.IDENTICAL
