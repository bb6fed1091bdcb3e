"""All servers of many clusters go away at once, and come back: each is told of once, and is over once."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bench.watch import SERVERS, configuration
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox
from repwatch.sandbox.standins_webhook import WebhookCatcher
from tests.server.watching import PATIENT, Service, until

CLUSTERS = 60
Place = tuple[str, str]
"""Cluster, name of the server."""


@pytest.fixture
def box(flavour: Flavour) -> Iterator[Sandbox]:
    """Four servers, that are those of all clusters, each under an address of its own."""
    options = ("--bind-address=0.0.0.0", "--max-connections=1000")
    with Sandbox.start(flavour, replicas=SERVERS - 1, options=options) as started:
        yield started


@pytest.fixture
def hook() -> Iterator[WebhookCatcher]:
    with WebhookCatcher() as catcher:
        yield catcher


@pytest.fixture
def service(box: Sandbox, hook: WebhookCatcher, tmp_path: Path) -> Iterator[Service]:
    running = Service(box, tmp_path, hook)
    assert configuration(box, CLUSTERS, tmp_path, hook) == running.config
    running.start()
    until(running.healthy, "everything is healthy", 2 * PATIENT)
    yield running
    running.close()


def posts(hook: WebhookCatcher, event: str) -> list[Mapping[str, object]]:
    """What was told, each id once: on a busy machine a notice is sent again whose answer came too late."""
    told = {str(post.json["id"]): post.json for post in hook.posts}
    return [body for body in told.values() if body["event"] == event]


def place(body: Mapping[str, object]) -> Place:
    return str(body["cluster"]), str(body["name"])


def occurrence(body: Mapping[str, object]) -> tuple[str, str]:
    return str(body["key"]), str(body["since"])


def unreachable(hook: WebhookCatcher) -> list[Mapping[str, object]]:
    return [body for body in posts(hook, "opened") if body["code"] == "server-unreachable"]


def is_away(body: Mapping[str, object]) -> bool:
    """Nobody answers there. That a server does not answer in time may be found of any before, on a machine that is busy."""
    evidence = body["evidence"]
    assert isinstance(evidence, dict)
    return bool(evidence["failure"] == "unreachable")


@pytest.mark.long
def test_all_servers_of_many_clusters_go_away_and_come_back(box: Sandbox, service: Service, hook: WebhookCatcher) -> None:
    everywhere = {(f"c{number}", server.name) for number in range(CLUSTERS) for server in box.servers}
    for server in box.servers:
        server.kill()
    until(lambda: set(map(place, unreachable(hook))) == everywhere, "each is told of", 2 * PATIENT)
    for server in box.servers:
        server.start()
    box.wait_connected(90)
    until(service.healthy, "everything is healthy again", 3 * PATIENT)
    until(lambda: occurrences(hook, "opened") == occurrences(hook, "resolved"), "each is told to be over, once", 2 * PATIENT)
    assert set(Counter(map(place, filter(is_away, unreachable(hook)))).values()) <= {1}, "none is told of twice"
    assert len({(post.json["id"], post.body) for post in hook.posts}) == len({post.json["id"] for post in hook.posts})
    assert service.process is not None
    assert service.process.poll() is None
    assert "Traceback" not in service.log


def occurrences(hook: WebhookCatcher, event: str) -> Counter[tuple[str, str]]:
    return Counter(map(occurrence, posts(hook, event)))
