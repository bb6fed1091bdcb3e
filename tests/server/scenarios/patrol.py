"""The service's own watch over a sandbox, tick by tick: its probes, rules, incidents, notices, and checks of suspect data.

The poll interval is long and the ticks are run by hand, so that a slow machine makes nothing stale; what has to happen within an
interval and its confirmation is proved by the number of ticks.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.probe import Prober
from repwatch.adapters.mysql.session import Session
from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.app.drift_job import drift_runner
from repwatch.app.suspect_job import suspect_checker
from repwatch.flows.book import Book
from repwatch.flows.hands import Call, Hands
from repwatch.flows.probing import Probing
from repwatch.flows.suspect_check import SuspectChecker
from repwatch.flows.suspects import Suspects
from repwatch.flows.watch import Watcher
from repwatch.health.incident import Phase
from repwatch.health.notice import Audience
from repwatch.health.rules import diagnose
from repwatch.model.finding import Finding, Subject
from repwatch.model.notice import NoticeEvent
from repwatch.model.observation import ProbeResult
from repwatch.model.settings import Receiver, WebhookReceiver
from repwatch.model.topology import ClusterSpec, ServerSpec
from repwatch.ports.store import Entry

PATIENT = 30.0  # seconds for a look, where a scenario is not about silence: the machine may be busy
HASTE = 4.0  # seconds for a look at who does not answer
LONG = 180.0  # for what must come about at all

Place = tuple[str, str]
"""(server's name, code); "" for the cluster."""


class KeepsEntries(SqlStore):
    """The real store, which also hands on what it records."""

    entries: list[Entry]

    def record(self, entry: Entry, now: datetime) -> None:
        super().record(entry, now)
        self.entries.append(entry)


class Threads(Hands):
    """Those of a machine that may have none left."""

    used_up = False

    def __call__(self, call: Call) -> None:
        if self.used_up:
            raise RuntimeError("can't start new thread")
        super().__call__(call)


class WaitsForAll:
    """Looks that wait for every server, however long a busy machine takes."""

    def __init__(self, probing: Probing, seconds: float) -> None:
        self._probing = probing
        self._seconds = seconds

    def round(
        self, servers: Iterable[ServerSpec], *, wait_for: Collection[str], seconds: float, urgent: bool = False
    ) -> Mapping[str, ProbeResult]:
        asked = tuple(servers)
        return self._probing.round(asked, wait_for={server.label for server in asked}, seconds=self._seconds, urgent=urgent)


@dataclass
class Story:
    """What became of one incident, in ticks. What comes again after its end is another one."""

    place: Place
    finding: Finding
    seen: int
    opened: int | None = None
    told: int | None = None
    resolved: int | None = None
    resolution_told: bool = False
    stands: bool = True  # the latest look that could tell has seen it


@dataclass
class Patrol:
    """One watcher with its store. `checks`: whether suspect data are checked when they can be."""

    watcher: Watcher
    store: KeepsEntries
    checker: SuspectChecker
    ticks: int = 0
    checks: bool = True
    begun: list[float] = field(default_factory=list)  # when each tick began, on the monotonic clock
    stories: dict[str, Story] = field(default_factory=dict)  # by the incident's id, in the order of first sight

    def tick(self) -> None:
        """One poll, with its second look where something new was seen."""
        self.ticks += 1
        self.begun.append(time.monotonic())
        self.store.entries.clear()
        self.watcher.tick()
        for entry in self.store.entries:
            self._follow(entry)
        if self.checks and self.watcher.world is not None:
            self.checker.begin(self.watcher.world)

    def _follow(self, entry: Entry) -> None:
        for change in entry.changes:
            incident = change.after or change.before
            assert incident is not None
            if change.after is None:
                del self.stories[incident.id]  # it was never confirmed, and is no more
                continue
            story = self.stories.setdefault(incident.id, Story(self._place(incident.subject), incident.finding, self.ticks))
            story.finding = incident.finding
            story.stands = not incident.good_polls
            if incident.phase is Phase.OPEN and story.opened is None:
                story.opened = self.ticks
            if incident.phase is Phase.RESOLVED:
                story.resolved = self.ticks
        for posting in entry.postings:
            story = self.latest(self._place(posting.notice.subject))
            if posting.notice.event is NoticeEvent.OPENED:
                story.told = self.ticks
            if posting.notice.event is NoticeEvent.RESOLVED:
                story.resolution_told = True

    def _place(self, subject: Subject) -> Place:
        return self._names[subject.server], subject.code.value

    @property
    def _names(self) -> Mapping[str, str]:
        return {str(spec.endpoint.address): spec.label for spec in self.watcher.cluster.servers} | {"": ""}

    def latest(self, place: Place) -> Story:
        """The newest incident of a place."""
        return [story for story in self.stories.values() if story.place == place][-1]

    def told(self) -> set[Place]:
        """What somebody was told of."""
        return {story.place for story in self.stories.values() if story.told is not None}

    def finding(self, server: str, code: str) -> Finding:
        """As it was seen last."""
        return self.latest((server, code)).finding

    def opened(self) -> Counter[Place]:
        """What was confirmed, told or not, and how often."""
        return Counter(story.place for story in self.stories.values() if story.opened is not None)

    def standing(self) -> set[Place]:
        """What is open, and was there at the last look."""
        open_now = (story for story in self.stories.values() if story.opened is not None and story.resolved is None)
        return {story.place for story in open_now if story.stands}

    def living(self) -> dict[Place, Finding]:
        """What is not over, confirmed or not."""
        return {story.place: story.finding for story in self.stories.values() if story.resolved is None}

    def until_calm(self, seconds: float = LONG) -> None:
        """Tick until nothing is wrong, twice running."""
        deadline = time.monotonic() + seconds
        self.tick()
        while self.living() or self.watcher.suspects.open():
            assert time.monotonic() < deadline, f"it goes on: {[f.summary for f in self.living().values()]}"
            time.sleep(0.1)
            self.tick()

    def until_opened(self, places: Collection[Place], seconds: float = LONG) -> None:
        """Tick until each of these was confirmed."""
        deadline = time.monotonic() + seconds
        while not self.opened().keys() >= set(places):
            self.tick()
            assert time.monotonic() < deadline, f"wanted {sorted(places)}, found {self.summaries()}"
            time.sleep(0.1)

    def until_standing(self, places: Collection[Place], seconds: float = LONG) -> None:
        """Tick until a look sees all of these: between two attempts of an applier a lock keeps nobody waiting."""
        deadline = time.monotonic() + seconds
        while not self.standing() >= set(places):
            self.tick()
            assert time.monotonic() < deadline, f"wanted {sorted(places)}, found {self.summaries()}"
            time.sleep(0.1)

    def until_told(self, places: Collection[Place], seconds: float = LONG) -> None:
        """Tick until each of these was told of, or something else was."""
        deadline = time.monotonic() + seconds
        while not self.told() >= set(places):
            self.tick()
            assert time.monotonic() < deadline, f"wanted {sorted(places)}, found {self.summaries()}"
            time.sleep(0.1)

    def summaries(self) -> dict[Place, str]:
        """What is known of each condition, for failures."""
        return {story.place: f"{story.finding.summary} {dict(story.finding.evidence)}" for story in self.stories.values()}


@contextmanager
def patrol(cluster: ClusterSpec, folder: Path, threads: Threads, silent: Collection[str] = ()) -> Iterator[Patrol]:
    """A watch over a cluster as the service has it, with one receiver that is told everything; looks run on these `threads`.

    Those who are meant to be `silent` are not waited for long; of the others a busy machine may take its time.
    """
    clock = SystemClock()
    store = KeepsEntries.open(f"sqlite:///{folder}/repwatch.db")
    store.entries = []
    prober, hasty = (Prober(Session.connect_for_looks, clock, deadline=seconds) for seconds in (PATIENT, HASTE))
    suspects = Suspects(store, cluster.name)

    def probe(server: ServerSpec) -> ProbeResult:
        return (hasty if server.label in silent else prober)(server)

    watcher = Watcher(
        cluster=cluster,
        diagnose=diagnose,
        probing=WaitsForAll(Probing(probe, clock, threads), 2 * PATIENT),
        book=Book(store, clock, cluster.name),
        audience=Audience(receivers=(Receiver(name="oncall", channel=WebhookReceiver(url="http://127.0.0.1:1/")),)),
        clock=clock,
        suspects=suspects,
    )
    checker = suspect_checker(drift_runner(cluster, store, folder, clock), suspects, folder, clock)
    try:
        yield Patrol(watcher, store, checker)
    finally:
        checker.cancel()
        until = time.monotonic() + LONG
        while checker.running and time.monotonic() < until:
            time.sleep(0.05)
        prober.close()
        hasty.close()
        store.close()
