"""When what belongs to a cluster as a whole is over: also while the server that it began with is down, as after a failover."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from repwatch.adapters.store.sqlstore import SqlStore
from repwatch.flows.book import Book
from repwatch.flows.probing import Probing
from repwatch.flows.suspects import Suspects
from repwatch.flows.watch import Watcher
from repwatch.health.incident import Change, Incident, Phase
from repwatch.health.notice import Audience
from repwatch.health.rules import diagnose
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.observation import Observation, ProbeFailure, ProbeResult
from repwatch.model.server import Flavour
from repwatch.model.topology import ClusterSpec, ServerSpec
from repwatch.ports.store import Entry
from tests.unit.health.worlds import channel, observation, spec, unobserved
from tests.unit.watch.handclock import HandClock

SUBJECT = Subject("shop", "", "", FindingCode.WRONG_SOURCE)
DISAGREEMENT = Finding(subject=SUBJECT, severity=Severity.CRITICAL, summary="s", meaning="m", remedy="r", settled=False)
FLAVOURS = pytest.mark.parametrize("flavour", list(Flavour))
DOWN = ProbeFailure.UNREACHABLE


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = SqlStore.open(f"sqlite:///{tmp_path}/s.db")
    yield opened
    opened.close()


def is_over(store: SqlStore, source: str, *seen: Observation | ProbeFailure) -> bool:
    """Whether the disagreement has ended after some polls that saw these servers, db1, db2, …"""
    clock = HandClock()
    results = {f"db{number}": each for number, each in enumerate(seen, start=1)}

    def probe(server: ServerSpec) -> ProbeResult:
        found = results[server.label]
        at = clock.now()
        return replace(found, at=at) if isinstance(found, Observation) else unobserved(found, at=at)

    since = clock.now() - timedelta(hours=1)
    incident = Incident(id="i", finding=DISAGREEMENT, since=since, phase=Phase.OPEN, looks=9, polls=9, revision=1)
    store.record(Entry(changes=(Change(None, incident),)), since)
    servers = tuple(spec(number) for number in range(1, len(seen) + 1))
    cluster = ClusterSpec(name="shop", source=source, servers=servers, poll_interval=timedelta(seconds=5))
    book, suspects = Book(store, clock, "shop"), Suspects(store, "shop")
    watcher = Watcher(cluster, diagnose, Probing(probe, clock), book, Audience(receivers=()), clock, suspects)
    for _ in range(4):
        watcher.tick()
        clock.sleep(5)
    return SUBJECT not in {each.subject for each in store.known("shop", clock.now()).incidents}


@FLAVOURS
@pytest.mark.parametrize("source", ["db2", "auto"])
def test_the_old_source_need_not_come_back_for_a_switch_over_to_be_settled(
    store: SqlStore, flavour: Flavour, source: str
) -> None:
    new, replica = observation(flavour, 2), observation(flavour, 3, channel(flavour, 2))
    assert is_over(store, source, DOWN, new, replica)


@FLAVOURS
@pytest.mark.parametrize("blind", [(), (2,), (3,), (2, 3), (1, 2, 3)])
def test_it_is_settled_by_what_is_seen_alone(store: SqlStore, flavour: Flavour, blind: tuple[int, ...]) -> None:
    """Invariant: unknown is not healthy."""
    old, new = observation(flavour, 1, channel(flavour, 2)), observation(flavour, 2)
    seen = (old, new, observation(flavour, 3, channel(flavour, 2)))
    shown = [DOWN if number in blind else each for number, each in enumerate(seen, start=1)]
    assert is_over(store, "db2", *shown) == (blind in ((), (3,)))


@FLAVOURS
def test_a_replica_that_still_reads_from_the_old_source_leaves_it_open(store: SqlStore, flavour: Flavour) -> None:
    behind = observation(flavour, 3, channel(flavour, 1))
    following = observation(flavour, 4, channel(flavour, 2))
    assert not is_over(store, "db2", DOWN, observation(flavour, 2), behind, following)
