"""A switch-over is announced once, whether the service runs meanwhile, does not, or is killed at any moment of it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from repwatch.flows.book import Book
from repwatch.flows.suspects import Suspects
from repwatch.flows.watch import Watcher
from repwatch.health.notice import Audience
from repwatch.health.rules import diagnose
from repwatch.health.settled import ANNOUNCED
from repwatch.model.finding import FindingCode
from repwatch.model.notice import Notice, NoticeEvent
from repwatch.model.observation import Observation, ProbeFailure, ProbeResult
from repwatch.model.server import Address, Flavour
from repwatch.model.topology import AUTO, ClusterSpec, ServerSpec
from tests.unit.health.worlds import channel, observation, spec, unobserved
from tests.unit.watch.fleet import RECEIVERS, Fuse, Killed, ModelStore
from tests.unit.watch.handclock import HandClock

MY = Flavour.MYSQL
POLL = timedelta(seconds=5)


@dataclass
class Looks:
    """Looks at db1, db2, db3, of which all replicate from one (`flows.probing.Rounds`)."""

    clock: HandClock
    source: int = 1
    dark: set[int] = field(default_factory=set)
    address: Address | None = None  # what the replicas call it

    def round(
        self, servers: Iterable[ServerSpec], *, wait_for: Collection[str], seconds: float, urgent: bool = False
    ) -> Mapping[str, ProbeResult]:
        del wait_for, seconds, urgent
        return {server.label: self._look(int(server.label.removeprefix("db"))) for server in servers}

    def _look(self, number: int) -> ProbeResult:
        if number in self.dark:
            return unobserved(ProbeFailure.UNREACHABLE, at=self.clock.now())
        return self._seen(number)

    def _seen(self, number: int) -> Observation:
        now = self.clock.now()
        if number == self.source:
            return observation(MY, number, at=now)
        link = channel(MY, self.source)
        return observation(MY, number, replace(link, source=self.address or link.source), at=now)


class Cluster:
    """The service over it. What is in memory goes with each restart."""

    def __init__(self, source: str = AUTO) -> None:
        self.fuse = Fuse()
        self.store, self.looks, self.source = ModelStore(self.fuse), Looks(HandClock()), source
        self.numbers: tuple[int, ...] = (1, 2, 3)
        self.start()

    def start(self) -> None:
        servers = tuple(spec(number) for number in self.numbers)
        self.watcher = Watcher(
            cluster=ClusterSpec(name="shop", source=self.source, servers=servers, poll_interval=POLL),
            diagnose=diagnose,
            probing=self.looks,
            book=Book(self.store, self.looks.clock, "shop"),
            audience=Audience(receivers=RECEIVERS[:1]),
            clock=self.looks.clock,
            suspects=Suspects(self.store, "shop"),
        )

    def polls(self, count: int) -> None:
        for _ in range(count):
            self.looks.clock.sleep(POLL.total_seconds())
            self.watcher.tick()

    def told(self, event: NoticeEvent = NoticeEvent.OPENED) -> list[Notice]:
        notices = (row.posting.notice for row in self.store.rows)
        return [each for each in notices if each.event is event and each.subject.code is FindingCode.SOURCE_CHANGED]


def places(notices: Iterable[Notice]) -> list[str]:
    return [notice.subject.server for notice in notices]


@pytest.fixture
def cluster() -> Cluster:
    """db1 is the source, and that is known."""
    made = Cluster()
    made.polls(3)
    assert not made.store.rows
    return made


DB1, DB2 = "10.0.0.1:3306", "10.0.0.2:3306"


@pytest.mark.parametrize("dark", [(), (1,)])
def test_a_change_while_the_service_is_down_is_told_once_with_when_the_old_source_was_last_known(
    cluster: Cluster, dark: tuple[int, ...]
) -> None:
    cluster.polls(100)
    last = cluster.looks.clock.now()
    cluster.looks.clock.sleep(3600.0)
    cluster.looks.source, cluster.looks.dark = 2, set(dark)
    cluster.start()
    cluster.polls(3)
    (notice,) = cluster.told()
    assert notice.subject.server == DB2
    assert (notice.evidence["before"], notice.evidence["after"]) == (DB1, DB2)
    known = notice.evidence["last_known"]
    assert (last - timedelta(minutes=2)).isoformat() <= known <= last.isoformat()
    for _ in range(3):
        cluster.start()
        cluster.polls(3)
    assert places(cluster.told()) == [DB2]
    assert not cluster.told(NoticeEvent.RESOLVED), "it is told of for its time, whatever becomes of the service"
    cluster.looks.clock.sleep(ANNOUNCED.total_seconds())
    cluster.polls(3)
    assert places(cluster.told(NoticeEvent.RESOLVED)) == [DB2]
    cluster.start()
    cluster.polls(3)
    assert places(cluster.told()) == [DB2]


@pytest.mark.parametrize("moment", range(14))
@pytest.mark.parametrize("away", [0.0, 3600.0])
def test_a_kill_at_any_moment_neither_loses_nor_repeats_it(cluster: Cluster, moment: int, away: float) -> None:
    cluster.looks.source = 2
    cluster.fuse.left = moment
    try:
        cluster.polls(6)
    except Killed:
        cluster.looks.clock.sleep(away)
        cluster.start()
    cluster.fuse.left = None
    cluster.polls(6)
    cluster.start()
    cluster.polls(3)
    assert places(cluster.told()) == [DB2]


def test_what_passed_by_unconfirmed_is_not_told(cluster: Cluster) -> None:
    for _ in range(2):
        cluster.looks.source = 2
        cluster.polls(1)
        cluster.looks.source = 1
        cluster.start()
        cluster.polls(3)
    assert not cluster.told()


def test_a_change_there_and_back_is_told_twice(cluster: Cluster) -> None:
    for number in (2, 1):
        cluster.looks.source = number
        cluster.polls(3)
    assert places(cluster.told()) == [DB2, DB1]


def test_a_store_that_fails_meanwhile_loses_nothing(cluster: Cluster) -> None:
    cluster.looks.source = 2
    cluster.store.full = True
    cluster.polls(4)
    assert not cluster.told()
    cluster.store.full = False
    cluster.polls(1)
    cluster.start()
    cluster.polls(3)
    assert places(cluster.told()) == [DB2]


def test_what_cannot_be_read_at_the_start_is_not_taken_for_nothing(cluster: Cluster) -> None:
    cluster.looks.source = 2
    cluster.store.unreadable = True
    cluster.start()
    cluster.polls(2)
    cluster.store.unreadable = False
    cluster.polls(3)
    assert places(cluster.told()) == [DB2]


def test_a_fixed_source_is_not_followed() -> None:
    cluster = Cluster(source="db1")
    cluster.polls(3)
    cluster.looks.source = 2
    cluster.start()
    cluster.polls(3)
    assert not cluster.told()
    assert not cluster.store.sources


def test_of_a_source_that_is_no_longer_configured_nothing_is_told(cluster: Cluster) -> None:
    cluster.looks.source, cluster.numbers = 2, (2, 3)
    cluster.start()
    cluster.polls(3)
    assert not cluster.told()
    cluster.looks.source = 3
    cluster.polls(3)
    assert places(cluster.told()) == ["10.0.0.3:3306"]


def test_the_source_stays_in_force_over_a_start_that_does_not_see_who_it_is(cluster: Cluster) -> None:
    cluster.looks.dark = {2, 3}
    cluster.start()
    cluster.polls(1)
    assert cluster.watcher.source == "db1"


def test_the_middle_of_a_chain_is_no_new_source_before_its_own_source_was_seen() -> None:
    """It is called by another address than the configuration has, and so known by its identity alone."""
    chain = Cluster()
    chain.looks = ChainLooks(chain.looks.clock, address=Address("192.168.7.1", 33061))
    chain.start()
    chain.polls(3)
    assert chain.watcher.source == "db1"
    for dark in ({1}, {2}, {1, 2}):
        chain.looks.dark = dark
        chain.start()
        chain.polls(3)
    chain.looks.dark = set()
    chain.polls(3)
    assert chain.watcher.source == "db1"
    assert not chain.told()


class ChainLooks(Looks):
    """db3 replicates from db2, and that from db1."""

    def _seen(self, number: int) -> Observation:
        if number == 3:
            return observation(MY, 3, channel(MY, 2), at=self.clock.now())
        return super()._seen(number)
