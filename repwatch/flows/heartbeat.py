"""Writes the heartbeat of one cluster: a row a second on its source, where the configuration wants it and nowhere else.

It writes on what the latest looks have seen to be a source, and asks the server itself before each beat. A server that does not
answer is tried again with growing pauses, and its connection is ended: nothing piles up on it.
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from repwatch.errors import RepwatchError
from repwatch.health.heart import BEAT, targets
from repwatch.health.world import Heart, World
from repwatch.model.topology import ServerSpec
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect, Database, Timeouts
from repwatch.sql import heartbeat as sql

log = logging.getLogger("repwatch.watch")

TIMEOUTS = Timeouts(connect=2.0, read=3.0)  # longer than what a beat waits for a lock
LONGEST_PAUSE = 30.0  # seconds
AIM_SECONDS = 15.0  # what was seen to be a source longer ago need not be one any more


@dataclass(slots=True)
class _Lane:
    """What is kept for one source between two beats."""

    database: Database | None = None
    pause: float = 0.0  # seconds; doubled by each failure
    rests_until: float = 0.0  # monotonic

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
    _aimed: float = 0.0  # monotonic
    _lanes: dict[str, _Lane] = field(default_factory=dict)

    def aim(self, world: World) -> Heart:
        """Beat on the sources of this world from now on; how the heart is."""
        self._sources = tuple(server.spec for server in targets(world))
        self._aimed = self.clock.monotonic()
        return self._state

    def run(self, stop: threading.Event) -> None:
        """Beat until told to stop."""
        while not stop.wait(BEAT.total_seconds()):
            self.beat()
        for lane in self._lanes.values():
            lane.drop()

    def beat(self) -> None:
        """One beat on each source."""
        now = self.clock.monotonic()
        sources = self._sources if now - self._aimed <= AIM_SECONDS else ()
        for gone in self._lanes.keys() - {source.label for source in sources}:
            self._lanes.pop(gone).drop()
        if not sources:
            return
        if self._state.since is None:
            self._state = replace(self._state, since=self.clock.now())
        self._tell({source.label: self._beat_on(source, self._lanes.setdefault(source.label, _Lane())) for source in sources})

    def _beat_on(self, source: ServerSpec, lane: _Lane) -> str:
        """What is wrong, "" if nothing is."""
        if self.clock.monotonic() < lane.rests_until:
            return self._state.problems.get(source.label, "")
        try:
            problem = self._write(source, lane)
        except RepwatchError as error:
            problem = getattr(error, "text", str(error))
            lane.drop()
        lane.pause = min(2 * lane.pause or BEAT.total_seconds(), LONGEST_PAUSE) if problem else 0.0
        lane.rests_until = self.clock.monotonic() + lane.pause
        return problem

    def _write(self, source: ServerSpec, lane: _Lane) -> str:
        if lane.database is None:
            lane.database = self.connect(source.endpoint, TIMEOUTS)
            lane.database.execute(sql.SETUP)
        server_id, read_only = lane.database.text_row(sql.WRITABLE)
        if read_only not in ("0", "OFF"):
            return "it has become read-only"
        lane.database.execute(sql.beat(self.database), (server_id,))
        return ""

    def _tell(self, problems: Mapping[str, str]) -> None:
        for label, problem in problems.items():
            if problem != self._state.problems.get(label, ""):
                log.warning("heartbeat.%s server=%s: %s", "failed" if problem else "beats", label, problem or "it beats again")
        self._state = replace(self._state, problems={label: text for label, text in problems.items() if text})
