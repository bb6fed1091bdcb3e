"""A simulated fleet: clusters that share sites, a store in memory, receivers that misbehave, and a fuse that kills the service.

One receiver is a machine, the others are people, who get bundles.

Everything that decides is the real thing: rules, incidents, notices, watchers, couriers. What is simulated is what they touch:
servers, the store (`ports/store.py`, each write all or nothing) and receivers. Each write and each delivery is an effect, and the
fuse can kill the service right before and right after any of them.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from repwatch.errors import StoreError
from repwatch.flows.book import Book
from repwatch.flows.deliver import Courier, undeliverable
from repwatch.flows.sorting import Bundling, Singly
from repwatch.flows.suspects import Suspects
from repwatch.flows.watch import SelfWatcher, Watcher
from repwatch.health.flaps import Ended
from repwatch.health.incident import Change, Incident, Phase
from repwatch.health.notice import Audience, Posting
from repwatch.health.rules import diagnose
from repwatch.health.view import DatedView
from repwatch.health.world import SettledSource, stale_after
from repwatch.model.digest import Digest
from repwatch.model.finding import Finding, Subject
from repwatch.model.notice import Bundle, Notice
from repwatch.model.observation import Observation, ProbeFailure, ProbeResult, Pulse, ThreadError, ThreadState
from repwatch.model.risks import Suspicion
from repwatch.model.server import Flavour
from repwatch.model.settings import EmailReceiver, Receiver, WebhookReceiver
from repwatch.model.silence import Silence
from repwatch.model.topology import ClusterSpec, ServerSpec
from repwatch.model.view import State
from repwatch.ports.notifier import BUNDLE, Delivery, DeliveryOutcome, Letter, Thread
from repwatch.ports.store import Entry, Envelope, Fate, Known, Settled, StoreConflict
from tests.unit.health.worlds import channel, observation, spec, unobserved
from tests.unit.watch.handclock import HandClock

CLUSTERS = ("blog", "shop", "wiki")
SIZE = 4  # servers of a cluster: the first is the source; the n-th stands at the n-th site
HOOK = WebhookReceiver(url="http://127.0.0.1:1/")
MAIL = EmailReceiver(to=("a@example.com",), sender="b@example.com", host="127.0.0.1", port=25)
FIRST = Receiver(name="oncall", channel=MAIL, remind_every=timedelta(minutes=30))
OTHER = Receiver(name="log", channel=HOOK, remind_every=timedelta(0))
CHIEF = Receiver(name="chief", channel=MAIL, escalate_after=timedelta(minutes=1))
RECEIVERS = (FIRST, OTHER, CHIEF)
LANES = 3
POLL = timedelta(seconds=5)


class Killed(BaseException):
    """The service is killed here: nothing may catch it."""


@dataclass
class Fuse:
    """Kills at the n-th moment from now, as far as it is lit."""

    left: int | None = None

    def burn(self) -> None:
        """One moment passes."""
        if self.left is None:
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            raise Killed


class Mood(StrEnum):
    """What a receiver does with a notice."""

    WELL = "well"
    DEAF = "deaf"  # it does not get through
    BUSY = "busy"  # 429, asks for half a minute
    MUTE = "mute"  # takes it, and the answer is lost
    SURLY = "surly"  # refuses for good


@dataclass
class Ear:
    """A receiver. `lost` counts the messages whose answers it gave and nobody heard."""

    fuse: Fuse
    heard: list[Notice] = field(default_factory=list)  # also what it heard in bundles
    messages: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)  # id, and ids of the notices
    began: dict[str, str] = field(default_factory=dict)  # the message in which it first heard of an incident
    mood: Mood = Mood.WELL
    lost: int = 0
    refused: int = 0

    def send(self, letter: Letter, thread: Thread) -> Delivery:
        """Take it, or not."""
        assert not isinstance(letter, Digest)
        self.fuse.burn()
        match self.mood:
            case Mood.DEAF:
                return Delivery(outcome=DeliveryOutcome.RETRY, text="deaf", thread=thread)
            case Mood.BUSY:
                return Delivery(outcome=DeliveryOutcome.RETRY, text="busy", retry_after=timedelta(seconds=30), thread=thread)
            case Mood.SURLY:
                self.refused += 1
                return Delivery(outcome=DeliveryOutcome.REFUSED, text="no")
        remembered = self._hear(letter, thread)
        self.fuse.burn()
        if self.mood is Mood.MUTE:
            self.lost += 1
            return Delivery(outcome=DeliveryOutcome.RETRY, text="no answer", thread=thread)
        return Delivery(outcome=DeliveryOutcome.DELIVERED, thread=remembered)

    def _hear(self, letter: Notice | Bundle, thread: Thread) -> Thread:
        """What there is to remember. What was remembered of an incident is the message that began it."""
        if isinstance(letter, Bundle):
            told = [(member.notice, member.thread) for member in letter.members]
            remembered: Thread = {"first": letter.id, BUNDLE: letter.id}
        else:
            told, remembered = [(letter, thread)], {"first": letter.id, **thread}
        for notice, known in told:
            first = self.began.setdefault(incident_of(notice), letter.id)
            assert not known or known["first"] == first or self.lost or self.refused
        self.heard += [notice for notice, _ in told]
        self.messages.append((letter.id, tuple(notice.id for notice, _ in told)))
        return remembered

    @property
    def once(self) -> list[Notice]:
        """What it heard, if it drops repeated ids."""
        return list({notice.id: notice for notice in reversed(self.heard)}.values())[::-1]

    @property
    def repeats(self) -> int:
        """How often it got a message that it had."""
        return len(self.messages) - len({name for name, _ in self.messages})


def incident_of(notice: Notice) -> str:
    """The incident's id."""
    return notice.id.partition("-")[0]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the outbox."""

    seq: int
    posting: Posting
    receiver: str
    fate: Fate = Fate.POSTPONED
    attempts: int = 0
    tried: bool = False  # in vain; no start forgets it
    ripe: datetime
    message: str = ""


class ModelStore:
    """The store's port in memory; it survives kills, may be full, and remembers everything that was ever recorded."""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse
        self.full = False
        self.unreadable = False
        self.incidents: dict[str, Incident] = {}
        self.rows: list[Row] = []
        self.threads: dict[tuple[str, str], Thread] = {}
        self.findings: dict[Subject, Finding] = {}
        self.views: dict[str, DatedView] = {}
        self.answers: dict[str, str] = {}  # incident -> who acknowledged it
        self.wishes: list[Silence] = []
        self.suspected: dict[str, tuple[Suspicion, ...]] = {}
        self.sources: dict[str, SettledSource] = {}
        self.tellable: set[str] = set()  # incidents that were recorded as open, unsilenced and unexplained

    @contextmanager
    def _effect(self) -> Iterator[None]:
        if self.full:
            raise StoreError("full")
        self.fuse.burn()
        yield
        self.fuse.burn()

    def known(self, cluster: str, now: datetime) -> Known:
        if self.unreadable:
            raise StoreError("unreadable")
        return Known(
            incidents=self._living(cluster),
            standing=self.standing(cluster),
            silences=tuple(each for each in self.wishes if each.until > now),
            source=self.sources.get(cluster),
        )

    def _living(self, cluster: str) -> tuple[Incident, ...]:
        mine = [each for each in self.incidents.values() if each.subject.cluster == cluster and each.phase is not Phase.RESOLVED]
        return tuple(
            replace(each, acknowledged=each.id in self.answers, acknowledged_by=self.answers.get(each.id, "")) for each in mine
        )

    def standing(self, cluster: str) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings.values() if each.subject.cluster == cluster)

    def ended(self, cluster: str, since: datetime) -> dict[Subject, Ended]:
        over = sorted((each.resolved, each.id) for each in self.incidents.values() if each.resolved and each.resolved >= since)
        found = [self.incidents[name] for _, name in over]
        return {each.subject: Ended(each.resolved, each.flaps) for each in found if each.resolved}

    def record(self, entry: Entry, now: datetime) -> None:
        with self._effect():
            after = dict(self.incidents)
            for change in entry.changes:
                self._apply(after, change)
            self.incidents = after
            for posting in entry.postings:
                for receiver in posting.receivers:
                    self.rows.append(Row(seq=len(self.rows), posting=posting, receiver=receiver, ripe=now))
            if entry.source is not None:
                self.sources[entry.source.cluster] = entry.source
            if entry.view is not None:
                self.views[entry.view.cluster.name] = entry.view
            news = [change.after for change in entry.changes if change.after is not None]
            self.tellable |= {each.id for each in news if each.phase is Phase.OPEN and not each.cause and not each.silenced_until}
            self.tellable |= {posting.incident_id for posting in entry.postings}  # it may be over by now, on a disk that was full

    def _apply(self, incidents: dict[str, Incident], change: Change) -> None:
        before, after = change.before, change.after
        if before is not None and (before.id not in incidents or incidents[before.id].revision != before.revision):
            raise StoreConflict("somebody else")
        if after is None:
            assert before is not None
            del incidents[before.id]
            return
        incidents[after.id] = after
        living = Counter(each.subject for each in incidents.values() if each.phase is not Phase.RESOLVED)
        if living[after.subject] > 1:
            raise StoreConflict("a second open incident of one subject")

    def set_standing(self, finding: Finding) -> None:
        with self._effect():
            self.findings[finding.subject] = finding

    def clear_standing(self, subject: Subject) -> None:
        with self._effect():
            self.findings.pop(subject, None)

    def due(self, receiver: str, now: datetime, most: int) -> tuple[Envelope, ...]:
        heads: dict[Subject, Row] = {}
        for row in self.rows:
            if row.receiver == receiver and row.fate is Fate.POSTPONED:
                heads.setdefault(row.posting.notice.subject, row)
        ripe = sorted((row for row in heads.values() if row.ripe <= now), key=lambda row: row.seq)
        return tuple(self._envelope(row) for row in ripe[:most])

    def _envelope(self, row: Row) -> Envelope:
        name = row.posting.incident_id
        told = [each for each in self.rows[: row.seq] if (each.posting.incident_id, each.receiver) == (name, row.receiver)]
        return Envelope(
            seq=row.seq,
            incident_id=name,
            receiver=row.receiver,
            notice=row.posting.notice,
            attempts=row.attempts,
            thread=self.threads.get((name, row.receiver), {}),
            reached=any(each.fate is Fate.DELIVERED for each in told),
            message=row.message,
        )

    def gather(self, message: str, envelopes: Sequence[Envelope]) -> None:
        with self._effect():
            for each in envelopes:
                self.rows[each.seq] = replace(self.rows[each.seq], message=message)

    def told_in(self, receiver: str, message: str) -> tuple[Envelope, ...]:
        mine = [row for row in self.rows if (row.receiver, row.message, row.fate) == (receiver, message, Fate.POSTPONED)]
        return tuple(self._envelope(row) for row in mine)

    def settle(self, settled: Sequence[Settled]) -> None:
        with self._effect():
            for each in settled:
                row, envelope = self.rows[each.envelope.seq], each.envelope
                tried = row.tried or each.fate is Fate.POSTPONED
                self.rows[row.seq] = replace(row, fate=each.fate, attempts=envelope.attempts + 1, tried=tried, ripe=each.at)
                self.threads[envelope.incident_id, envelope.receiver] = each.thread

    def suspicions(self, cluster: str) -> tuple[Suspicion, ...]:
        return self.suspected.get(cluster, ())

    def record_suspicions(self, cluster: str, all_of_it: Iterable[Suspicion]) -> None:
        with self._effect():
            self.suspected[cluster] = tuple(all_of_it)

    def begin_service(self, now: datetime) -> None:
        """What was refused is tried again unless a later notice of its subject may have arrived, and back-off starts anew."""
        taken = [
            row for row in self.rows if row.fate is Fate.DELIVERED or row.tried or (row.fate is Fate.POSTPONED and row.message)
        ]
        last = {(row.receiver, row.posting.notice.subject): row.seq for row in taken}
        for row in self.rows:
            if row.fate is Fate.POSTPONED:
                self.rows[row.seq] = replace(row, attempts=0, ripe=now)
            elif row.fate is not Fate.DELIVERED and last.get((row.receiver, row.posting.notice.subject), -1) <= row.seq:
                self.rows[row.seq] = replace(row, fate=Fate.POSTPONED, attempts=0, ripe=now, message="")

    @property
    def waiting(self) -> int:
        """How many notices are on their way."""
        return sum(row.fate is Fate.POSTPONED for row in self.rows)


def numbers(cluster: str) -> tuple[int, ...]:
    """The numbers of a cluster's servers; the first is its source."""
    first = 1 + 10 * CLUSTERS.index(cluster)
    return tuple(range(first, first + SIZE))


ALL = tuple(number for cluster in CLUSTERS for number in numbers(cluster))
REPLICAS = tuple(number for number in ALL if number % 10 != 1)


def cluster_of(number: int) -> str:
    """Its cluster's name."""
    return CLUSTERS[number // 10]


def site_of(number: int) -> int:
    """Where it stands: 1 to SIZE."""
    return number % 10


def address_of(number: int) -> str:
    """`host:port`."""
    return f"10.0.0.{number}:3306"


@dataclass
class Truth:
    """What is so, whatever anybody sees."""

    dead: set[int] = field(default_factory=set)
    dark_sites: set[int] = field(default_factory=set)  # everything there is down
    hidden: set[int] = field(default_factory=set)  # alive, and repwatch does not reach it
    stuck: set[int] = field(default_factory=set)  # a look at it does not come back
    broken: set[int] = field(default_factory=set)  # replicas whose appliers have stopped

    def is_down(self, number: int) -> bool:
        """True if it does not run."""
        return number in self.dead or site_of(number) in self.dark_sites

    def heal(self) -> None:
        """Everything is well."""
        for each in (self.dead, self.dark_sites, self.hidden, self.stuck, self.broken):
            each.clear()


@dataclass
class Looks:
    """Looks at the servers of a cluster, as the truth has it (`flows.probing.Rounds`)."""

    truth: Truth
    clock: HandClock
    good: dict[int, datetime] = field(default_factory=dict)  # when each was last seen, and was seen well
    bad: dict[int, datetime] = field(default_factory=dict)  # … last seen, and not well
    count: int = 0

    def round(
        self, servers: Iterable[ServerSpec], *, wait_for: Collection[str], seconds: float, urgent: bool = False
    ) -> Mapping[str, ProbeResult]:
        """What has come back."""
        del wait_for, seconds, urgent
        asked = [int(server.label.removeprefix("db")) for server in servers]
        return {f"db{number}": self._look(number) for number in asked if number not in self.truth.stuck}

    def _look(self, number: int) -> ProbeResult:
        now = self.clock.now()
        self.count += 1
        if self.truth.is_down(number) or number in self.truth.hidden:
            return unobserved(ProbeFailure.UNREACHABLE, at=now)
        seen = self._seen(number, now)
        well = all((each.receiver, each.applier) == (ThreadState.RUNNING,) * 2 for each in seen.channels)
        (self.good if well else self.bad)[number] = now
        return seen

    def _seen(self, number: int, now: datetime) -> Observation:
        source = numbers(cluster_of(number))[0]
        if number == source:
            return observation(Flavour.MYSQL, number, at=now)
        link = channel(Flavour.MYSQL, source, source_log=f"b.1:{self.count}", pulse=Pulse(heartbeats=self.count, period=POLL))
        if self.truth.is_down(source):
            lost = ThreadError(errno=2003, text="error connecting to source 'r@h:3306' - retry-time: 60; Can't connect")
            link = replace(link, receiver=ThreadState.CONNECTING, receiver_error=lost, source_log="b.1:1", pulse=Pulse())
        if number in self.truth.broken:
            gone = ThreadError(errno=1146, text="Error executing row event: 'Table 's.t' doesn't exist'")
            link = replace(link, applier=ThreadState.STOPPED, applier_error=gone)
        return observation(Flavour.MYSQL, number, link, at=now)


class Fleet:
    """The service over the simulated world. What is in memory goes with each kill."""

    def __init__(self) -> None:
        self.fuse = Fuse()
        self.clock = HandClock()
        self.truth = Truth()
        self.store = ModelStore(self.fuse)
        self.ears = {receiver.id: Ear(self.fuse) for receiver in RECEIVERS}
        self.kills = 0
        self.start()

    def start(self) -> None:
        """Start the service with what the store has."""
        self.store.begin_service(self.clock.now())
        self.looks = {name: Looks(self.truth, self.clock) for name in CLUSTERS}
        self.watchers = [self._watcher(name) for name in CLUSTERS]
        self.own = SelfWatcher(Book(self.store, self.clock, ""), Audience(receivers=RECEIVERS), self.clock)
        refusing = {finding.subject for finding in self.store.standing("")}
        self.couriers = [self._courier(receiver, undeliverable(receiver.id) in refusing) for receiver in RECEIVERS]

    def _courier(self, receiver: Receiver, refusing: bool) -> Courier:
        name = receiver.id
        machine = isinstance(receiver.channel, WebhookReceiver)
        sorter = Singly(name, self.store) if machine else Bundling(name, self.store, self.clock)
        return Courier(
            name, self.ears[name], self.store, sorter, self.clock, LANES, refusing=refusing, beside=lambda call: call()
        )

    def _watcher(self, name: str) -> Watcher:
        servers = tuple(spec(number) for number in numbers(name))
        return Watcher(
            cluster=ClusterSpec(name=name, source=servers[0].label, servers=servers, poll_interval=POLL),
            diagnose=diagnose,
            probing=self.looks[name],
            book=Book(self.store, self.clock, name),
            audience=Audience(receivers=RECEIVERS),
            clock=self.clock,
            suspects=Suspects(self.store, name),
        )

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kills += 1
        self.fuse.left = None
        self.start()

    def tick(self) -> bool:
        """A poll interval passes: every cluster is looked at and notices go out. False if the service was killed in it."""
        self.clock.sleep(POLL.total_seconds())
        try:
            for watcher in self.watchers:
                watcher.tick()
                self._is_never_well_unseen(watcher)
            self.own.tick()
            self.deliver()
        except Killed:
            self.restart()
            return False
        return True

    def deliver(self) -> None:
        """Every courier works until it rests."""
        for courier in self.couriers:
            for _ in range(500):
                if not courier._safely(courier.turn):
                    break
            else:
                raise AssertionError("it never rests")

    def _is_never_well_unseen(self, watcher: Watcher) -> None:
        """What is shown as healthy was seen to be, and lately."""
        assert watcher.view is not None
        looks, now = self.looks[watcher.cluster.name], self.clock.now()
        for number, server in zip(numbers(watcher.cluster.name), watcher.view.cluster.servers, strict=True):
            if server.state is State.OK:
                seen = looks.good.get(number)
                assert seen is not None
                assert now - seen <= stale_after(POLL)
                assert looks.bad.get(number, seen) <= seen
        if watcher.view.cluster.state is State.OK:
            assert all(server.state is State.OK for server in watcher.view.cluster.servers)

    def open_subjects(self) -> set[Subject]:
        """Of the incidents that are recorded as open."""
        return {each.subject for each in self.store.incidents.values() if each.phase is Phase.OPEN}
