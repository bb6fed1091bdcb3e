"""A cluster whose looks fail or hang: nobody sees it, so that repwatch itself has to tell, once, and of its end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.flows.book import Book
from repwatch.flows.probing import Probing
from repwatch.flows.suspects import Suspects
from repwatch.flows.watch import SelfWatcher, Watcher
from repwatch.health.notice import Audience, wants
from repwatch.health.unwatched import HELD_UP, is_unwatched
from repwatch.health.world import World, stale_after
from repwatch.model.finding import Finding, FindingCode
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.model.observation import ProbeFailure, ProbeResult
from repwatch.model.settings import Receiver, WebhookReceiver
from repwatch.model.topology import ClusterSpec, ServerSpec
from repwatch.ports.store import Fate, Settled
from tests.unit.health.worlds import spec, unobserved
from tests.unit.watch.handclock import HandClock

RECEIVER = Receiver(name="oncall", channel=WebhookReceiver(url="http://127.0.0.1:1/"))
POLL = timedelta(seconds=5)
CLUSTER = ClusterSpec(name="shop", source="db1", servers=(spec(1),), poll_interval=POLL)


@dataclass
class Service:
    """A watcher whose rules fail at times, and the one that watches it."""

    store: SqlStore
    clock: HandClock = field(default_factory=HandClock)
    broken: bool = False
    receiver: Receiver = RECEIVER

    def __post_init__(self) -> None:
        audience = Audience(receivers=(self.receiver,))
        book, suspects = Book(self.store, self.clock, "shop"), Suspects(self.store, "shop")
        self.watcher = Watcher(CLUSTER, self.diagnose, Probing(self.probe, self.clock), book, audience, self.clock, suspects)
        self.own = SelfWatcher(Book(self.store, self.clock, ""), audience, self.clock, (self.watcher,))

    def probe(self, server: ServerSpec) -> ProbeResult:
        return unobserved(ProbeFailure.UNREACHABLE, at=self.clock.now())

    def diagnose(self, world: World) -> Sequence[Finding]:
        if self.broken:
            raise ZeroDivisionError
        return ()

    def run(self, span: timedelta) -> None:
        """So much time: a poll, and then the looks at repwatch itself until the next."""
        end = self.clock.now() + span
        while self.clock.now() < end:
            if self.broken:
                with pytest.raises(ZeroDivisionError):
                    self.watcher.tick()
            else:
                self.watcher.tick()
            for _ in range(int(POLL.total_seconds())):
                self.clock.sleep(1)
                self.own.tick()

    def told(self) -> list[tuple[FindingCode, str, NoticeEvent]]:
        found, now = [], self.clock.now()
        while due := self.store.due(self.receiver.id, now, 9):
            found += [(n.subject.code, n.subject.channel, n.event) for each in due if isinstance(n := each.notice, Notice)]
            self.store.settle([Settled(envelope=each, fate=Fate.DELIVERED, at=now, thread={}) for each in due])
        return found


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    store = SqlStore.open(f"sqlite:///{tmp_path}/s.db")
    yield Service(store)
    store.close()


def test_a_cluster_that_is_not_looked_at_is_told_of_once_and_so_is_its_end(service: Service) -> None:
    service.run(timedelta(minutes=5))
    assert service.told() == []
    service.broken = True
    service.run(timedelta(minutes=1))
    assert service.told() == [(FindingCode.OBSERVATION_STALE, "shop", NoticeEvent.OPENED)]
    assert [finding.subject.code for finding in service.own.findings] == [FindingCode.OBSERVATION_STALE]
    service.run(timedelta(minutes=10))
    assert service.told() == []
    service.broken = False
    service.run(timedelta(minutes=1))
    assert service.told() == [(FindingCode.OBSERVATION_STALE, "shop", NoticeEvent.RESOLVED)]


def test_one_that_never_got_its_first_look_is_told_of(service: Service) -> None:
    service.broken = True
    service.run(timedelta(minutes=1))
    assert [event for _, _, event in service.told()] == [NoticeEvent.OPENED]


@pytest.mark.parametrize(("poll", "late"), [(timedelta(seconds=1), 41), (POLL, 41), (timedelta(minutes=1), 151)])
def test_looks_may_be_as_late_as_a_busy_machine_makes_them(poll: timedelta, late: int) -> None:
    cluster = replace(CLUSTER, poll_interval=poll)
    assert stale_after(poll) + HELD_UP == timedelta(seconds=late - 1)
    assert not is_unwatched(cluster, timedelta(seconds=late - 1))
    assert is_unwatched(cluster, timedelta(seconds=late))


@pytest.mark.parametrize(("match", "told"), [((), 1), (("shop",), 1), (("sh*/db1",), 0), (("billing",), 0)])
def test_it_goes_to_those_who_want_to_hear_of_that_cluster(tmp_path: Path, match: tuple[str, ...], told: int) -> None:
    store = SqlStore.open(f"sqlite:///{tmp_path}/s.db")
    service = Service(store, receiver=replace(RECEIVER, match=match), broken=True)
    service.run(timedelta(minutes=1))
    assert len(service.told()) == told
    (incident,) = store.known("", service.clock.now()).incidents
    assert wants(service.receiver, incident, None) == bool(told)
    store.close()
