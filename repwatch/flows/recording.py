"""Looks that are written down, and looks that are read back: the same watcher over both finds and tells the same."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from repwatch.flows.book import Book, living
from repwatch.flows.probing import Rounds
from repwatch.flows.suspects import Suspects
from repwatch.flows.watch import Diagnose, Watcher
from repwatch.health.flaps import Ended
from repwatch.health.incident import Incident
from repwatch.health.notice import Audience, Posting
from repwatch.health.world import SettledSource, World
from repwatch.model.finding import Finding, Subject
from repwatch.model.notice import Notice
from repwatch.model.observation import ProbeResult
from repwatch.model.risks import Suspicion
from repwatch.model.settings import Receiver, WebhookReceiver
from repwatch.model.topology import ClusterSpec, ServerSpec
from repwatch.ports.clock import Clock
from repwatch.ports.store import Entry, Known

EVERYBODY = Receiver(name="replay", channel=WebhookReceiver(url=""))
"""Who hears of everything, at once; nothing is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What had arrived at a moment, by the server's label."""

    at: datetime
    results: Mapping[str, ProbeResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A poll, and the second look where one followed."""

    rounds: tuple[Round, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a tick came to."""

    at: datetime
    findings: tuple[Finding, ...]
    notices: tuple[Notice, ...]


def _at_once(_: float) -> None:
    """The time of what comes next was recorded."""


@dataclass(slots=True)
class Moment:
    """A clock that stands between two rounds, so that a look has one time (`ports.clock.Clock`)."""

    pause: Callable[[float], None] = _at_once
    at: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        """The time of the last round."""
        return self.at

    def monotonic(self) -> float:
        """The same as seconds."""
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        """As long as it has to be."""
        self.pause(seconds)


@dataclass(slots=True)
class Replaying:
    """Rounds that are read back (`flows.probing.Rounds`). A look that was not recorded sees nothing, and time stands still."""

    moment: Moment
    waiting: deque[Round] = field(default_factory=deque)

    def round(
        self, servers: Iterable[ServerSpec], *, wait_for: Collection[str], seconds: float, urgent: bool = False
    ) -> Mapping[str, ProbeResult]:
        """The next one. What the others ask for was asked when it was recorded."""
        if not self.waiting:
            return {}
        found = self.waiting.popleft()
        self.moment.at = found.at
        return found.results


@dataclass(slots=True)
class Recording:
    """Rounds that are written down (`flows.probing.Rounds`)."""

    asking: Rounds
    clock: Clock
    moment: Moment
    rounds: list[Round] = field(default_factory=list)

    def round(
        self, servers: Iterable[ServerSpec], *, wait_for: Collection[str], seconds: float, urgent: bool = False
    ) -> Mapping[str, ProbeResult]:
        """A real one."""
        results = self.asking.round(servers, wait_for=wait_for, seconds=seconds, urgent=urgent)
        self.moment.at = self.clock.now()
        self.rounds.append(Round(at=self.moment.at, results=dict(results)))
        return results


@dataclass(slots=True)
class _Memory:
    """A ledger that lasts as long as its process (`ports.store.Ledger`)."""

    incidents: tuple[Incident, ...] = ()
    source: SettledSource | None = None
    postings: list[Posting] = field(default_factory=list)

    def known(self, cluster: str, now: datetime) -> Known:
        return Known(incidents=self.incidents, source=self.source)

    def ended(self, cluster: str, since: datetime) -> Mapping[Subject, Ended]:
        return {}

    def suspicions(self, cluster: str) -> tuple[Suspicion, ...]:
        return ()

    def record_suspicions(self, cluster: str, all_of_it: Iterable[Suspicion]) -> None:
        return

    def record(self, entry: Entry, now: datetime) -> None:
        self.incidents = living(self.incidents, entry.changes)
        self.postings += entry.postings
        self.source = entry.source or self.source


class Observer:
    """A watcher without a store, over rounds of either kind."""

    def __init__(self, cluster: ClusterSpec, diagnose: Diagnose, asking: Rounds, moment: Moment) -> None:
        self._memory = _Memory()
        self._moment = moment
        self._rules = diagnose
        self._findings: tuple[Finding, ...] = ()
        self._watcher = Watcher(
            cluster=cluster,
            diagnose=self._diagnose,
            probing=asking,
            book=Book(self._memory, moment, cluster.name),
            audience=Audience(receivers=(EVERYBODY,), names={str(s.endpoint.address): s.name for s in cluster.servers if s.name}),
            clock=moment,
            suspects=Suspects(self._memory, cluster.name),
        )

    def _diagnose(self, world: World) -> Sequence[Finding]:
        self._findings = tuple(self._rules(world))
        return self._findings

    def tick(self) -> Seen:
        """Look once, as the service does."""
        self._memory.postings.clear()
        self._watcher.tick()
        notices = tuple(posting.notice for posting in self._memory.postings)
        return Seen(at=self._moment.at, findings=self._findings, notices=notices)


def replay(cluster: ClusterSpec, diagnose: Diagnose, ticks: Iterable[Tick]) -> Iterator[Seen]:
    """What each recorded tick comes to, by the rules of today."""
    moment = Moment()
    asking = Replaying(moment)
    observer = Observer(cluster, diagnose, asking, moment)
    for tick in ticks:
        asking.waiting = deque(tick.rounds)
        yield observer.tick()


def record(cluster: ClusterSpec, diagnose: Diagnose, asking: Rounds, clock: Clock) -> Iterator[tuple[Tick, Seen]]:
    """Look once for each tick that is asked for: what was seen, and what it comes to."""
    moment = Moment(clock.sleep)
    recording = Recording(asking, clock, moment)
    observer = Observer(cluster, diagnose, recording, moment)
    while True:
        recording.rounds.clear()
        seen = observer.tick()
        yield Tick(rounds=tuple(recording.rounds)), seen
