"""For how long a look tells the writer of the heartbeat where to beat, and that no source waits for another."""

import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from repwatch.errors import Unreachable
from repwatch.flows.heartbeat import PAUSES, HeartWriter
from repwatch.health.world import World
from repwatch.model.endpoint import Endpoint
from repwatch.model.server import Flavour
from repwatch.ports.database import Database, Timeouts
from tests.unit.health.worlds import address, observation, star, world
from tests.unit.watch.handclock import HandClock


@pytest.mark.parametrize(
    ("poll", "after", "beats"),
    [(5, 14, True), (5, 16, False), (60, 16, True), (60, 119, True), (60, 121, False), (600, 1199, True)],
)
def test_it_beats_for_as_long_as_a_look_tells_of_now(poll: int, after: int, beats: bool) -> None:
    tried: list[Endpoint] = []

    def connect(endpoint: Endpoint, timeouts: Timeouts | None = None) -> Database:
        tried.append(endpoint)
        raise Unreachable("down", server="db1")

    clock = HandClock()
    writer = HeartWriter("shop", "repwatch", connect, clock)
    seen = world(star(Flavour.MYSQL))
    writer.aim(replace(seen, cluster=replace(seen.cluster, poll_interval=timedelta(seconds=poll))))
    clock.sleep(after)
    writer.beat()
    assert bool(tried) == beats


def two_sources() -> World:
    """db3 replicates from both, and was not looked at."""
    seen = world([observation(Flavour.MYSQL, number) for number in (1, 2)], source=None)
    third = replace(seen.cluster.servers[0], name="db3", channels={"one": "db1", "two": "db2"})
    return replace(seen, cluster=replace(seen.cluster, source="db1", servers=(*seen.cluster.servers, third)))


def test_a_source_that_hangs_delays_the_beats_of_no_other() -> None:
    hangs, tried = threading.Event(), threading.Semaphore(0)

    def connect(endpoint: Endpoint, timeouts: Timeouts | None = None) -> Database:
        if endpoint.address == address(1):
            hangs.wait(60)
        else:
            tried.release()
        raise Unreachable("down", server=str(endpoint.address))

    clock = HandClock()
    writer = HeartWriter("shop", "repwatch", connect, clock)
    seen = two_sources()
    writer.aim(seen)
    deadline = time.monotonic() + 60
    for _ in range(3):
        while not tried.acquire(timeout=0.1):  # the beat before may not have come back yet
            assert time.monotonic() < deadline, "the other one was not beaten on"
            clock.sleep(PAUSES.longest / 10)
            writer.beat()
    told = writer.aim(seen).problems
    assert told == {"db2": "down"}, "it has not come back, so nobody knows"
    hangs.set()


def test_a_mistake_in_it_ends_no_thread() -> None:
    def connect(endpoint: Endpoint, timeouts: Timeouts | None = None) -> Database:
        raise AttributeError(endpoint.user)

    writer = HeartWriter("shop", "repwatch", connect, HandClock())
    writer.aim(world(star(Flavour.MYSQL)))
    writer.beat()
    assert writer.aim(world(star(Flavour.MYSQL))).problems.keys() == {"db1"}


def test_a_machine_without_room_for_threads_ends_no_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(endpoint: Endpoint, timeouts: Timeouts | None = None) -> Database:
        raise Unreachable("down", server=str(endpoint.address))

    def full(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    writer = HeartWriter("shop", "repwatch", connect, HandClock())
    two = two_sources()
    writer.aim(two)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", full)
        writer.beat()
    assert set(writer.aim(two).problems.values()) == {"no thread could be started for it"}
    deadline = time.monotonic() + 60
    while set(writer.aim(two).problems.values()) != {"down"}:
        assert time.monotonic() < deadline
        writer.beat()
        writer.clock.sleep(1)
