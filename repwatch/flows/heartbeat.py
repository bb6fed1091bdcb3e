"""Writes the heartbeat of one cluster: a row a second on its source, where the configuration wants it and nowhere else.

It writes on what the latest looks have seen to be a source, and asks the server itself before each beat whether it may be written
to and replicates from nobody. A server that does not answer is tried again with growing pauses, and its connection is ended:
nothing piles up on it. Each source is beaten on in a lane of its own: one that hangs delays the beats of no other.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from repwatch.errors import RepwatchError
from repwatch.health.beating import BEAT, Beating
from repwatch.health.heart import targets
from repwatch.health.world import Heart, World, stale_after
from repwatch.model.pause import Pauses
from repwatch.model.topology import ServerSpec
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Database, Timeouts
from repwatch.sql import heartbeat as sql
from repwatch.sql.replication import show_channels
from repwatch.sql.status_rows import has_channels

log = logging.getLogger("repwatch.watch")

TIMEOUTS = Timeouts(connect=2.0, read=3.0)  # longer than what a beat waits for a lock
PAUSES = Pauses(first=BEAT.total_seconds(), longest=30.0)
HANGS_AFTER = 0.5  # seconds; what a beat that hangs may delay the others
AIM = timedelta(seconds=15)  # what was seen to be a source longer ago need not be one any more; longer where looks are far apart


@dataclass(slots=True)
class _Lane:
    """What is kept for one source between two beats. Written by the thread that holds `busy` alone."""

    database: Database | None = None
    failures: int = 0  # in a row
    rests_until: float = 0.0  # monotonic
    beating: Beating | None = None  # None: no beat yet
    problem: str = ""  # of the last beat
    left: bool = False  # nobody beats here any more
    busy: threading.Lock = field(default_factory=threading.Lock)

    def leave(self) -> None:
        """A beat that is in flight closes what is open when it comes back."""
        self.left = True
        if self.busy.acquire(blocking=False):
            self.drop()
            self.busy.release()

    def drop(self) -> None:
        if self.database is not None:
            self.database.close()
            self.database = None


@dataclass(slots=True)
class HeartWriter:
    """`run` belongs to a thread of its own, `aim` to the one that watches."""

    cluster: str
    database: str
    connect: Connect
    clock: Clock
    _state: Heart = field(default_factory=Heart)
    _sources: tuple[ServerSpec, ...] = ()
    _aimed_until: float = 0.0  # monotonic
    _lanes: dict[str, _Lane] = field(default_factory=dict)

    def aim(self, world: World) -> Heart:
        """Beat on the sources of this world from now on; how the heart is."""
        self._sources = tuple(server.spec for server in targets(world))
        self._aimed_until = self.clock.monotonic() + max(AIM, stale_after(world.cluster.poll_interval)).total_seconds()
        return self._state

    def run(self, stop: threading.Event) -> None:
        """Beat until told to stop."""
        while not stop.wait(BEAT.total_seconds()):
            self.beat()
        for lane in self._lanes.values():
            lane.leave()

    def beat(self) -> None:
        """One beat on each source."""
        sources = self._sources if self.clock.monotonic() <= self._aimed_until else ()
        for gone in self._lanes.keys() - {source.label for source in sources}:
            self._lanes.pop(gone).leave()
        if not sources:
            return
        if self._state.since is None:
            self._state = replace(self._state, since=self.clock.now())
        self._beat_on_all([(source, self._lanes.setdefault(source.label, _Lane())) for source in sources])
        self._tell({label: lane.problem for label, lane in self._lanes.items()})

    def _beat_on_all(self, lanes: Sequence[tuple[ServerSpec, _Lane]]) -> None:
        """Nobody waits for a source that is alone, so that one needs no thread of its own."""
        if len(lanes) == 1:
            self._beat_on(*lanes[0])
            return
        threads = []
        for source, lane in lanes:
            thread = threading.Thread(target=self._beat_on, args=(source, lane), name=f"beat-{source.label}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # there are too many on this machine
                lane.problem = "no thread could be started for it"
                continue
            threads.append(thread)
        until = self.clock.monotonic() + HANGS_AFTER
        for thread in threads:
            thread.join(max(0.0, until - self.clock.monotonic()))

    def _beat_on(self, source: ServerSpec, lane: _Lane) -> None:
        if not lane.busy.acquire(blocking=False):
            return  # the beat before has not come back yet
        try:
            if self.clock.monotonic() >= lane.rests_until:
                self._try(source, lane)
        finally:
            lane.busy.release()
        if lane.left:
            lane.leave()

    def _try(self, source: ServerSpec, lane: _Lane) -> None:
        try:
            lane.problem = self._write(source, lane)
        except RepwatchError as error:
            lane.problem = getattr(error, "text", str(error))
            lane.drop()
        except Exception as error:  # noqa: BLE001 - it would end the thread, and nothing would beat any more
            lane.problem = f"a mistake in repwatch: {type(error).__name__}"
            lane.drop()
        lane.failures = lane.failures + 1 if lane.problem else 0
        lane.rests_until = self.clock.monotonic() + (PAUSES.after(lane.failures) if lane.failures else 0.0)

    def _write(self, source: ServerSpec, lane: _Lane) -> str:
        if lane.database is None:
            lane.database = self.connect(source.endpoint, TIMEOUTS)
            lane.database.execute(sql.SETUP)
        found = sql.writable_of(next(iter(lane.database.texts(sql.WRITABLE)), {}))
        if found.read_only:
            return "it has become read-only"
        if has_channels(lane.database.texts(show_channels(lane.database.version))):
            return "it has become a replica"
        lane.database.execute(sql.beat(self.database), (found.server_id,))
        if found.now is not None:
            lane.beating = lane.beating.then(found.now) if lane.beating else Beating.begun(found.now)
        return ""

    def _tell(self, problems: Mapping[str, str]) -> None:
        for label, problem in problems.items():
            if problem != self._state.problems.get(label, ""):
                log.warning("heartbeat.%s server=%s: %s", "failed" if problem else "beats", label, problem or "it beats again")
        self._state = replace(
            self._state,
            problems={label: text for label, text in problems.items() if text},
            beats={label: lane.beating for label, lane in self._lanes.items() if lane.beating},
        )
