"""One tick of one cluster: look at every server, diagnose, advance the incidents, record them with their notices and the view.

Level-triggered: a tick rebuilds everything from what it sees and what is stored, so it may die anywhere and the next one goes on.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from repwatch.errors import StoreError
from repwatch.flows.book import Book, living
from repwatch.flows.crowd import Crowd
from repwatch.flows.heartbeat import HeartWriter
from repwatch.flows.probing import BUDGET, Rounds
from repwatch.flows.restart import Restarter
from repwatch.flows.suspects import Suspects
from repwatch.health.blockers import blamed
from repwatch.health.causes import causes
from repwatch.health.impact import impact_of
from repwatch.health.incident import Change, Incident, Look, LookKind, step
from repwatch.health.inventory import agreed_source, is_settled
from repwatch.health.lag import follow_lags
from repwatch.health.maintenance import maintenance
from repwatch.health.movement import Progress
from repwatch.health.notice import Audience, hush, is_for_nobody, post
from repwatch.health.overdue import Overdue, unheard, untold
from repwatch.health.progress import remember
from repwatch.health.restart_told import remembered
from repwatch.health.settled import change_of, in_force, settle
from repwatch.health.skips import recall
from repwatch.health.trend import LagTrend
from repwatch.health.unjudged import unjudged
from repwatch.health.unwatched import is_unwatched, unwatched
from repwatch.health.view import DatedView, build_cluster_view, build_service_view, date_view
from repwatch.health.world import ServerNow, SourceChange, World
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.observation import Observation, ProbeFailure, ProbeResult, Unobserved
from repwatch.model.past import Past
from repwatch.model.topology import AUTO, ClusterSpec, ServerSpec
from repwatch.ports.clock import Clock
from repwatch.ports.store import Entry

log = logging.getLogger("repwatch.watch")

JUDGING = Crowd(abreast=1, pace=0.02)  # of all clusters: also where the store hangs, 50 begin each second
PATIENCE = 1.0  # seconds that a tick waits for servers that answered last time; a later answer counts in the next tick
CONFIRM_AFTER = 0.4  # seconds between a new sight and the second look at it
CONFIRM_PATIENCE = 3.0  # seconds that is waited for the second look: what comes later is confirmed by the next tick

Diagnose = Callable[[World], Sequence[Finding]]
Debts = Callable[[Collection[str], datetime], Sequence[Overdue]]
"""Those of the receivers that are owed a notice for too long at that time. Raises StoreError."""


@dataclass(slots=True)
class Watcher:
    """Watches one cluster. `tick` is called by one thread at a time; `view` may be read by any."""

    cluster: ClusterSpec
    diagnose: Diagnose
    probing: Rounds
    book: Book
    audience: Audience
    clock: Clock
    suspects: Suspects
    heart: HeartWriter | None = None
    restarter: Restarter | None = None  # None: no server of the cluster allows it
    view: DatedView | None = None
    world: World | None = None  # as of the latest look
    source: str | None = None  # label of the source in force, None while `auto` is not settled
    looked: float = field(init=False)  # when a look was last finished, on the monotonic clock; from the start, none
    _latest: dict[str, ProbeResult] = field(default_factory=dict)
    _good: dict[str, Observation] = field(default_factory=dict)
    _progress: Progress = field(default_factory=Progress)
    _lags: Mapping[tuple[str, str], LagTrend] = field(default_factory=dict)
    _past: Mapping[str, Past] = field(default_factory=dict)
    _source_change: SourceChange | None = None

    def __post_init__(self) -> None:
        self.looked = self.clock.monotonic()

    def tick(self) -> int:
        """Look once, and again within a second where something new needs confirming; the number of notices made."""
        made, doubtful = self._look(self.cluster.servers, LookKind.POLL)
        if doubtful:
            self.clock.sleep(CONFIRM_AFTER)
            made += self._look(doubtful, LookKind.CONFIRM)[0]
        return made

    def _look(self, servers: Sequence[ServerSpec], kind: LookKind) -> tuple[int, tuple[ServerSpec, ...]]:
        results = self._ask(servers, urgent=kind is LookKind.CONFIRM)
        with JUDGING.in_line(urgent=kind is LookKind.CONFIRM):
            entry = self._judge(results, kind)
        self.book.record(entry)  # not in line: what many have to record at once is written together
        report(entry)
        self.looked = self.clock.monotonic()
        return len(entry.postings), self._doubtful(entry.changes)

    def _judge(self, results: Mapping[str, ProbeResult], kind: LookKind) -> Entry:
        incidents, standing = self.book.read()
        world = _world(self.cluster, self._latest, self._good, self.source, self.clock.now())
        world = in_force(world, self.book.source)
        self.source = world.source
        self._source_change = change_of(world, self.book.source, self._source_change)
        self._progress = remember(replace(world, progress=self._progress))
        world = replace(world, progress=self._progress)
        self._past = recall(self._past, world)
        world = replace(world, past=self._past, source_change=self._source_change)
        world = replace(world, heart=self.heart.aim(world) if self.heart else None)
        self._lags = follow_lags(self._lags, world)
        world = replace(world, lags=self._lags)
        silences = (*self.book.silences, *maintenance(self.cluster.name, self.cluster.maintenance, world.now))
        world = replace(world, silences=silences, restarts=self.restarter.after(world) if self.restarter else None)
        self.world = world = replace(world, suspicions=self.suspects.after(world))
        incidents = remembered(incidents, world)
        places = {"", *(server.address for server in world.servers)}
        findings = (*self.diagnose(world), *(finding for finding in standing if finding.subject.server in places))
        explained = causes(world, findings, incidents)
        findings = blamed(world, findings, explained, incidents)
        look = self._seen(world, results, kind, incidents)
        audience = replace(self.audience, silences=silences, assess=partial(impact_of, world, findings))
        entry = advance(incidents, findings, look, audience, explained)
        incidents = living(incidents, entry.changes)
        self.view = date_view(world, build_cluster_view(world, findings, incidents))
        settled = settle(world, self.book.source, incidents) if self.book.has_read else None
        return replace(entry, view=self.view, source=settled)

    def _ask(self, servers: Sequence[ServerSpec], *, urgent: bool) -> Mapping[str, ProbeResult]:
        """Ask them all; wait for those that answered last time, and for everyone the first time."""
        patience = CONFIRM_PATIENCE if urgent else PATIENCE
        fresh = {server.label for server in servers if server.label not in self._latest}
        prompt = {server.label for server in servers if isinstance(self._latest.get(server.label), Observation)}
        results = self.probing.round(servers, wait_for=fresh | prompt, seconds=BUDGET if fresh else patience, urgent=urgent)
        self._latest |= results
        self._good |= {label: result for label, result in results.items() if isinstance(result, Observation)}
        return results

    def _seen(self, world: World, results: Mapping[str, ProbeResult], kind: LookKind, incidents: Iterable[Incident]) -> Look:
        asked = {s.address for s in world.servers if s.spec.label in results}
        observed = {s.address for s in world.servers if isinstance(results.get(s.spec.label), Observation)}
        if kind is LookKind.POLL:
            # What belongs to the cluster as a whole is judged where every server was seen, or enough of them to know; a server
            # that is no longer configured has nothing wrong with it any more.
            configured = {s.address for s in world.servers}
            gone = {incident.subject.server for incident in incidents} - configured - {""}
            asked |= gone | {""}
            observed |= gone | ({""} if observed >= configured or is_settled(world) else set())
        return Look(
            at=world.now,
            kind=kind,
            asked=frozenset(asked),
            observed=frozenset(observed),
            unknown=frozenset(unjudged(world)),
            ended=self.book.ended,
        )

    def _doubtful(self, changes: Iterable[Change]) -> tuple[ServerSpec, ...]:
        new = {
            change.after.subject.server
            for change in changes
            if change.before is None and change.after is not None and change.after.finding.settled
        }
        return tuple(spec for spec in self.cluster.servers if str(spec.endpoint.address) in new)


@dataclass(slots=True)
class SelfWatcher:
    """Turns into incidents what is wrong with repwatch itself: what stands, clusters unwatched, receivers that do not hear."""

    book: Book
    audience: Audience
    clock: Clock
    watchers: Sequence[Watcher] = ()
    debts: Debts | None = None
    findings: tuple[Finding, ...] = ()
    incidents: tuple[Incident, ...] = ()
    _owed: Sequence[Overdue] = ()

    def tick(self) -> int:
        """One look; the number of notices made."""
        incidents, standing = self.book.read()
        self.findings = tuple(self._findings(standing))
        look = Look(
            at=self.clock.now(), kind=LookKind.POLL, asked=frozenset({""}), observed=frozenset({""}), ended=self.book.ended
        )
        entry = advance(incidents, self.findings, look, self.audience, {})
        self.incidents = living(incidents, entry.changes)
        if entry.changes or self.book.problem:  # what could not be written waits for the next record
            view = build_service_view(self.findings, self.incidents, look.at)
            self.book.record(replace(entry, view=view))
            report(entry)
        return len(entry.postings)

    def _findings(self, standing: Iterable[Finding]) -> Iterator[Finding]:
        receivers = {receiver.id for receiver in self.audience.receivers}
        now = self.clock.now()
        with suppress(StoreError):  # told by the book, which reads the same store
            self._owed = self.debts(receivers, now) if self.debts else ()
        owed = {each.receiver for each in self._owed}
        stands = [each for each in standing if each.subject.channel in receivers and not _is_outdone(each, owed)]
        yield from (self._to_somebody(finding) for finding in stands)
        refusing = {finding.subject.channel for finding in stands if finding.subject.code is FindingCode.RECEIVER_UNDELIVERABLE}
        yield from (self._to_somebody(unheard(each, now)) for each in self._owed if each.receiver not in refusing)
        for watcher in self.watchers:
            age = timedelta(seconds=self.clock.monotonic() - watcher.looked)
            if is_unwatched(watcher.cluster, age):
                yield unwatched(watcher.cluster, age)

    def _to_somebody(self, finding: Finding) -> Finding:
        return untold(finding) if is_for_nobody(finding, self.audience.receivers) else finding


def _is_outdone(finding: Finding, owed: Collection[str]) -> bool:
    """True if some recipients of a receiver were refused, and by now none of them gets what they are owed."""
    partly = finding.subject.code is FindingCode.RECEIVER_UNDELIVERABLE and finding.severity is Severity.WARNING
    return partly and finding.subject.channel in owed


def retire(book: Book, audience: Audience, clock: Clock) -> None:
    """End every incident of a cluster that is no longer configured, and tell those who know of it."""
    incidents, _standing = book.read()
    servers = frozenset(incident.subject.server for incident in incidents)
    look = Look(at=clock.now(), kind=LookKind.LAST, asked=servers, observed=servers)
    entry = advance(incidents, (), look, audience, {})
    book.record(entry)
    report(entry)


def look_once(cluster: ClusterSpec, diagnose: Diagnose, probing: Rounds, clock: Clock) -> tuple[World, tuple[Finding, ...]]:
    """One look at a cluster without a store: what was seen, and what is wrong with it."""
    labels = {server.label for server in cluster.servers}
    results = probing.round(cluster.servers, wait_for=labels, seconds=BUDGET)
    now = clock.now()
    good = {label: result for label, result in results.items() if isinstance(result, Observation)}
    world = _world(cluster, results, good, None, now)
    return world, tuple(diagnose(world))


def advance(
    incidents: Iterable[Incident],
    findings: Sequence[Finding],
    look: Look,
    audience: Audience,
    explained: Mapping[Subject, Subject],
) -> Entry:
    """What a look changes and what is to be said about it. Pure."""
    stepped = step(incidents, findings, look, explained)
    present = [change.after for change in stepped if change.after is not None]
    changes: list[Change] = []
    entry = Entry()
    for change in stepped:
        before = change.before
        after = told = change.after and hush(change.after, audience, look.at)
        if after is not None:
            symptoms = [incident for incident in present if incident.cause == after.subject.key]
            told, postings = post(after, audience, symptoms, look.at)
            entry = replace(entry, postings=(*entry.postings, *postings))
        if told != before:
            revision = before.revision + 1 if before else 1
            changes.append(Change(before, told and replace(told, revision=revision)))
    return replace(entry, changes=tuple(changes))


def report(entry: Entry) -> None:
    """One line in the log for each transition, none for a look that changed nothing."""
    for change in entry.changes:
        incident = change.after or change.before
        phase = change.after.phase if change.after else "dropped"
        if incident is not None and phase != (change.before.phase if change.before else ""):
            log.info("incident.%s key=%s: %s", phase, incident.subject.key, incident.finding.summary)
    for posting in entry.postings:
        to = ",".join(posting.receivers)
        log.info("notice.%s id=%s key=%s to=%s", posting.notice.event, posting.notice.id, posting.notice.subject.key, to)


def _world(
    cluster: ClusterSpec,
    latest: Mapping[str, ProbeResult],
    good: Mapping[str, Observation],
    source: str | None,
    now: datetime,
) -> World:
    servers = tuple(
        ServerNow(spec=spec, result=latest.get(spec.label) or _not_yet(now), last_good=good.get(spec.label))
        for spec in cluster.servers
    )
    world = World(cluster=cluster, source=None if cluster.source == AUTO else cluster.source, servers=servers, now=now)
    # Where the replicas do not agree, the source that they last agreed on stays in force.
    return replace(world, source=agreed_source(world) or source) if cluster.source == AUTO else world


def _not_yet(now: datetime) -> Unobserved:
    return Unobserved(at=now, took=timedelta(0), failure=ProbeFailure.TIMED_OUT, text="it has not answered yet")
