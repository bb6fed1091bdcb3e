"""`repwatch run` on real servers: told soon, told once, told when it is over, whatever happens in between."""

import logging
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox
from repwatch.sandbox.standins_webhook import WebhookCatcher
from tests.conftest import start as start_star
from tests.server.watching import PATIENT, POLL_SECONDS, Service, body, collide, mend, told, until

measured = logging.getLogger("measured")

# One poll, the second look, and the delivery; the rest is for a machine that runs other tests beside this one.
LATENCY = POLL_SECONDS + 2.0
BUSY = 4.0

Watch = Callable[..., Service]
KEYS = count(1)


@pytest.fixture(scope="module")
def box(flavour: Flavour) -> Iterator[Sandbox]:
    """A star for this module; each test mends what it breaks."""
    with start_star(flavour) as sandbox:
        sandbox.source.sql("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY)")
        sandbox.wait_caught_up(PATIENT)
        yield sandbox


@pytest.fixture
def hook() -> Iterator[WebhookCatcher]:
    """Writes down what it is told."""
    with WebhookCatcher() as catcher:
        yield catcher


@pytest.fixture
def watch(box: Sandbox, tmp_path: Path) -> Iterator[Watch]:
    """Starts a service on the star."""
    services = []

    def begin(*hooks: WebhookCatcher) -> Service:
        service = Service(box, tmp_path, *hooks)
        services.append(service)
        service.start()
        until(service.healthy, "everything is healthy")
        return service

    yield begin
    for service in services:
        service.close()
    box.wait_caught_up(PATIENT)


def test_a_halt_is_told_soon_and_once_and_so_is_its_end(box: Sandbox, hook: WebhookCatcher, watch: Watch) -> None:
    service, replica, key = watch(hook), box.replicas[0], next(KEYS)
    halted = collide(box, replica, "w", key)
    assert hook.wait_for(lambda posts: len(posts) == 1, LATENCY + BUSY)
    measured.warning("halt to notice: %.2f s", time.monotonic() - halted)
    note = hook.posts[0].json
    assert (note["event"], note["code"], note["server"], note["name"]) == (
        "opened",
        "applier-error",
        str(replica.address),
        "replica1",
    )
    assert isinstance(note["evidence"], dict)
    assert (note["evidence"]["errno"], note["evidence"]["table"]) == ("1062", "w.t")
    code, text = service.status("--format", "json")
    assert (code, body(text)["state"]) == (2, "critical")
    until(lambda: time.monotonic() - halted > 5 * POLL_SECONDS, "five polls have passed")
    assert told(hook) == [("opened", "applier-error", "replica1")]
    mend(replica, "w", key)
    assert hook.wait_for(lambda posts: len(posts) == 2, PATIENT)
    end = hook.posts[1].json
    assert (end["event"], end["key"], end["since"]) == ("resolved", note["key"], note["since"])
    until(service.healthy, "everything is healthy again")
    status, seconds = service.stop()
    assert status == 0
    assert seconds < 6
    assert "Traceback" not in service.log


def test_a_stop_in_the_middle_neither_forgets_nor_repeats(box: Sandbox, hook: WebhookCatcher, watch: Watch) -> None:
    service, replica, key = watch(hook), box.replicas[0], next(KEYS)
    collide(box, replica, "w", key)
    assert hook.wait_for(lambda posts: len(posts) == 1, PATIENT)
    service.stop()
    service.start()
    begun = time.monotonic()
    until(lambda: time.monotonic() - begun > 4 * POLL_SECONDS and "applier-error" in service.api(), "it is seen again")
    service.kill()
    mend(replica, "w", key)
    service.start()
    assert hook.wait_for(lambda posts: len(posts) == 2, PATIENT)
    assert told(hook) == [("opened", "applier-error", "replica1"), ("resolved", "applier-error", "replica1")]
    assert hook.posts[0].json["since"] == hook.posts[1].json["since"]


def test_replicas_that_lost_their_source_are_part_of_its_outage(box: Sandbox, hook: WebhookCatcher, watch: Watch) -> None:
    service = watch(hook)
    box.source.kill()
    assert hook.wait_for(lambda posts: len(posts) == 1, PATIENT)
    outage = hook.posts[0].json
    assert (outage["event"], outage["code"], outage["name"]) == ("opened", "server-unreachable", "source")
    until(lambda: "receiver-retrying" in service.api(), "the symptom is shown")
    box.source.start()
    assert hook.wait_for(lambda posts: len(posts) == 2, PATIENT)
    until(service.healthy, "everything is healthy again")
    assert told(hook) == [("opened", "server-unreachable", "source"), ("resolved", "server-unreachable", "source")]


def test_a_frozen_server_delays_no_other(box: Sandbox, hook: WebhookCatcher, watch: Watch) -> None:
    service, key = watch(hook), next(KEYS)
    box.replicas[1].freeze()
    try:
        assert hook.wait_for(lambda posts: [p.json["code"] for p in posts] == ["server-unreachable"], PATIENT)
        halted = collide(box, box.replicas[0], "w", key)
        assert hook.wait_for(lambda posts: len(posts) == 2, LATENCY + BUSY)
        measured.warning("halt to notice: %.2f s", time.monotonic() - halted)
    finally:
        box.replicas[1].thaw()
    mend(box.replicas[0], "w", key)
    assert hook.wait_for(lambda posts: len(posts) == 4, PATIENT)
    assert sorted(told(hook)[2:]) == [("resolved", "applier-error", "replica1"), ("resolved", "server-unreachable", "replica2")]
    assert service.stop()[0] == 0
