"""A large cluster that fails for one cause: people are told once, and once that it is over, however many replicas there are."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from repwatch.flows.book import Book
from repwatch.flows.suspects import Suspects
from repwatch.flows.watch import Watcher
from repwatch.health.incident import Phase
from repwatch.health.notice import Audience
from repwatch.health.rules import diagnose
from repwatch.model.finding import FindingCode
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.model.observation import ChannelObservation, ProbeFailure, ProbeResult, Pulse, ThreadError, ThreadState
from repwatch.model.server import Flavour
from repwatch.model.topology import ClusterSpec, ServerSpec
from tests.unit.health.worlds import channel, observation, spec, unobserved
from tests.unit.watch.fleet import RECEIVERS, Fuse, ModelStore
from tests.unit.watch.handclock import HandClock

REPLICAS = 200
SOURCE, AILING = 1, 7  # numbers of servers; db7 has a failure of its own
POLL = timedelta(seconds=5)
DOWN, FAILED = (FindingCode.SERVER_UNREACHABLE, "db1"), (FindingCode.APPLIER_ERROR, f"db{AILING}")


def gone(link: ChannelObservation) -> ChannelObservation:
    """The source is down, and the replica is told so."""
    lost = ThreadError(errno=2003, text="error connecting to source 'r@h:3306'; Can't connect")
    return replace(link, receiver=ThreadState.CONNECTING, receiver_error=lost, pulse=Pulse(period=POLL))


def frozen(link: ChannelObservation) -> ChannelObservation:
    """The source is frozen, and both threads say that they run."""
    return replace(link, pulse=Pulse(heartbeats=7, period=POLL))


@dataclass
class Looks:
    """Looks at all of them (`flows.probing.Rounds`)."""

    flavour: Flavour
    clock: HandClock
    loses: Callable[[ChannelObservation], ChannelObservation]
    lost: bool = False
    ailing: bool = False
    refused: Collection[int] = ()  # replicas, by their source
    count: int = 10

    def round(
        self, servers: Iterable[ServerSpec], *, wait_for: Collection[str], seconds: float, urgent: bool = False
    ) -> Mapping[str, ProbeResult]:
        del wait_for, seconds, urgent
        self.count += 1
        return {server.label: self._look(int(server.label.removeprefix("db"))) for server in servers}

    def _look(self, number: int) -> ProbeResult:
        now = self.clock.now()
        if number == SOURCE:
            return unobserved(ProbeFailure.TIMED_OUT, at=now) if self.lost else observation(self.flavour, SOURCE, at=now)
        link = channel(self.flavour, SOURCE, pulse=Pulse(heartbeats=self.count, period=POLL))
        if self.ailing and number == AILING:
            missing = ThreadError(errno=1146, text="Error executing row event: 'Table 's.t' doesn't exist'")
            link = replace(link, applier=ThreadState.STOPPED, applier_error=missing)
        if number in self.refused:
            denied = ThreadError(errno=1045, text="error connecting to source 'r@h:3306'; Access denied")
            link = replace(link, receiver=ThreadState.CONNECTING, receiver_error=denied)
        return observation(self.flavour, number, self.loses(link) if self.lost else link, at=now)


class Cluster:
    """The watch over one source with its replicas."""

    def __init__(self, looks: Looks) -> None:
        servers = tuple(spec(number) for number in range(1, REPLICAS + 2))
        self.looks, self.store = looks, ModelStore(Fuse())
        names = {str(each.endpoint.address): each.label for each in servers}
        self.watcher = Watcher(
            cluster=ClusterSpec(name="shop", source="db1", servers=servers, poll_interval=POLL),
            diagnose=diagnose,
            probing=looks,
            book=Book(self.store, looks.clock, "shop"),
            audience=Audience(receivers=RECEIVERS[:1], names=names),
            clock=looks.clock,
            suspects=Suspects(self.store, "shop"),
        )

    def polls(self, count: int) -> None:
        for _ in range(count):
            self.looks.clock.sleep(POLL.total_seconds())
            self.watcher.tick()

    def told(self, event: NoticeEvent) -> Iterator[Notice]:
        return (row.posting.notice for row in self.store.rows if row.posting.notice.event is event)

    def places(self, event: NoticeEvent) -> list[tuple[FindingCode, str | None]]:
        return sorted((notice.subject.code, notice.server_name) for notice in self.told(event))


@pytest.mark.parametrize("loses", [gone, frozen])
def test_of_many_replicas_that_lose_their_source_one_notice_tells(
    loses: Callable[[ChannelObservation], ChannelObservation],
) -> None:
    """Beside it, of one that fails for a reason of its own."""
    cluster = Cluster(Looks(Flavour.MYSQL, HandClock(), loses))
    cluster.polls(2)
    assert not cluster.store.incidents
    cluster.looks.lost = cluster.looks.ailing = True
    cluster.polls(5)
    assert cluster.places(NoticeEvent.OPENED) == sorted([DOWN, FAILED])
    assert len(cluster.store.incidents) == REPLICAS + 2, "the facts are not suppressed"
    notice = next(each for each in cluster.told(NoticeEvent.OPENED) if each.subject.code is DOWN[0])
    assert notice.impact is not None
    assert notice.impact.below.count == REPLICAS
    cluster.looks.lost = False
    cluster.polls(3)
    assert cluster.places(NoticeEvent.RESOLVED) == [DOWN]
    assert len(cluster.store.rows) == 3
    assert [each.subject.code for each in cluster.store.incidents.values() if each.phase is not Phase.RESOLVED] == [FAILED[0]]


def test_of_many_replicas_that_their_source_refuses_one_notice_tells() -> None:
    """Also if more of them are refused later; and when that one is let in again, one other is told of in its place."""
    retrying, everyone = FindingCode.RECEIVER_RETRYING, range(2, REPLICAS + 2)
    cluster = Cluster(Looks(Flavour.MYSQL, HandClock(), gone))
    cluster.looks.refused = everyone[3:]
    cluster.polls(1)
    cluster.looks.refused = everyone
    cluster.polls(4)
    assert cluster.places(NoticeEvent.OPENED) == [(retrying, "db5")]
    assert len(cluster.store.incidents) == REPLICAS, "the facts are not suppressed"
    (notice,) = cluster.told(NoticeEvent.OPENED)
    assert f"{retrying} on db6" in notice.evidence["symptoms"]
    cluster.looks.refused = set(everyone) - {5}
    cluster.polls(20)
    assert cluster.places(NoticeEvent.RESOLVED) == [(retrying, "db5")]
    assert cluster.places(NoticeEvent.OPENED) == [(retrying, "db5"), (retrying, "db6")]
    cluster.looks.refused = ()
    cluster.polls(3)
    assert cluster.places(NoticeEvent.RESOLVED) == [(retrying, "db5"), (retrying, "db6")]
