"""Looks at a sandbox as the service does, for tests that break something and wait for what is said of it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.probe import Prober
from repwatch.adapters.mysql.session import Session
from repwatch.health.movement import Progress
from repwatch.health.progress import remember
from repwatch.health.rules import diagnose
from repwatch.health.skips import recall
from repwatch.health.suspicion import suspect
from repwatch.health.world import ServerNow, World
from repwatch.model.finding import Finding
from repwatch.model.observation import Observation, ProbeResult
from repwatch.model.past import Past
from repwatch.model.risks import Suspicion
from repwatch.model.server import Flavour
from repwatch.model.topology import ClusterSpec, ServerSpec
from repwatch.sandbox import Sandbox, SandboxServer

PATIENT = 30.0  # seconds for a look, where a test is not about time: the machine may be busy


@dataclass
class Watcher:
    """One prober with its memory of what was seen last."""

    box: Sandbox
    cluster: ClusterSpec
    deadline: float = PATIENT
    last_good: dict[str, Observation] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)
    past: Mapping[str, Past] = field(default_factory=dict)
    suspicions: tuple[Suspicion, ...] | None = None  # None: what an error makes suspect is not looked at

    def __post_init__(self) -> None:
        self.clock = SystemClock()
        self.prober = Prober(Session.connect_for_looks, self.clock, heartbeat=self.cluster.heartbeat, deadline=self.deadline)

    def look(self) -> World:
        """Look at all servers, one after the other."""
        results = [(spec, self.prober(spec)) for spec in self.cluster.servers]
        servers = tuple(self._now(spec, result) for spec, result in results)
        world = World(cluster=self.cluster, source="source", servers=servers, now=self.clock.now(), progress=self.progress)
        self.progress = remember(world)
        self.past = recall(self.past, world)
        world = replace(world, progress=self.progress, past=self.past)
        if self.suspicions is None:
            return world
        self.suspicions = suspect(self.suspicions, world)
        return replace(world, suspicions=self.suspicions)

    def _now(self, spec: ServerSpec, result: ProbeResult) -> ServerNow:
        if isinstance(result, Observation):
            self.last_good[spec.label] = result
        return ServerNow(spec=spec, result=result, last_good=self.last_good.get(spec.label))

    def expect(self, *wanted: tuple[str, str], seconds: float = 90) -> dict[tuple[str, str], Finding]:
        """Look until exactly these (server's name, code) are found. Fails with what was found instead."""
        names = {str(spec.endpoint.address): spec.label for spec in self.cluster.servers} | {"": ""}
        until = time.monotonic() + seconds
        while True:
            findings = {(names[f.subject.server], f.subject.code.value): f for f in diagnose(self.look())}
            if set(findings) == set(wanted):
                return findings
            assert time.monotonic() < until, f"wanted {sorted(wanted)}, found {[f.summary for f in findings.values()]}"
            time.sleep(0.1)


@contextmanager
def watching(box: Sandbox, cluster: ClusterSpec | None = None, deadline: float = PATIENT) -> Iterator[Watcher]:
    """A watcher of the sandbox, or of an inventory that says something else about it."""
    watcher = Watcher(box, cluster or box.cluster(poll_interval=timedelta(seconds=60)), deadline)
    try:
        yield watcher
    finally:
        watcher.prober.close()


def with_server(cluster: ClusterSpec, changed: ServerSpec) -> ClusterSpec:
    """The inventory with one server's entry replaced."""
    return replace(cluster, servers=tuple(changed if s.name == changed.name else s for s in cluster.servers))


def words(flavour: Flavour) -> str:
    """What the flavour calls a replica in its statements."""
    return "SLAVE" if flavour is Flavour.MARIADB else "REPLICA"


def locally(server: SandboxServer, *statements: str) -> None:
    """Write on one server alone: nothing of it reaches the binary log."""
    server.sql("SET SESSION sql_log_bin = 0", *statements)
