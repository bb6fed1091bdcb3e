"""`repwatch run` on real servers: told soon, told once, told when it is over, whatever happens in between."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox
from repwatch.sandbox.standins_webhook import WebhookCatcher
from tests.conftest import start as start_star
from tests.server.watching import PATIENT, POLL_SECONDS, Service, collide, mend, told, until

measured = logging.getLogger("measured")

Watch = Callable[..., Service]
KEYS = count(1)
OPENED, RESOLVED = ("opened", "applier-error", "replica1"), ("resolved", "applier-error", "replica1")


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


def heard(hook: WebhookCatcher, event: str, code: str = "applier-error", name: str = "replica1") -> Mapping[str, Any]:
    """The notice of that event; others may have been told of that were late on a busy machine."""
    wanted = (event, code, name)
    return next(post.json for post in hook.posts if (post.json["event"], post.json["code"], post.json["name"]) == wanted)


def test_a_halt_is_told_soon_and_once_and_so_is_its_end(box: Sandbox, hook: WebhookCatcher, watch: Watch) -> None:
    service, replica, key = watch(hook), box.replicas[0], next(KEYS)
    halted = collide(box, replica, "w", key)
    until(lambda: told(hook) == [OPENED], "it is told")
    measured.warning("halt to notice: %.2f s", time.monotonic() - halted)
    note = heard(hook, "opened")
    assert note["server"] == str(replica.address)
    assert isinstance(note["evidence"], dict)
    assert (note["evidence"]["errno"], note["evidence"]["table"]) == ("1062", "w.t")
    assert (note["evidence"]["impact_others"], note["evidence"]["link_runbook"]) == (
        "1",
        "https://wiki.example.com/applier-error",
    )
    until(lambda: service.status("--format", "json")[0] == 2, "the status is critical")  # of a view too old it is unknown
    until(lambda: time.monotonic() - halted > 5 * POLL_SECONDS, "five polls have passed")
    assert told(hook) == [OPENED]
    mend(replica, "w", key)
    until(lambda: told(hook) == [OPENED, RESOLVED], "its end is told")
    end = heard(hook, "resolved")
    assert (end["key"], end["since"]) == (note["key"], note["since"])
    until(service.healthy, "everything is healthy again")
    status, seconds = service.stop()
    assert status == 0
    assert seconds < 30
    assert "Traceback" not in service.log


def test_a_stop_in_the_middle_neither_forgets_nor_repeats(box: Sandbox, hook: WebhookCatcher, watch: Watch) -> None:
    service, replica, key = watch(hook), box.replicas[0], next(KEYS)
    collide(box, replica, "w", key)
    until(lambda: told(hook) == [OPENED], "it is told")
    service.stop()
    service.start()
    begun = time.monotonic()
    until(lambda: time.monotonic() - begun > 4 * POLL_SECONDS and "applier-error" in service.api(), "it is seen again")
    service.kill()
    mend(replica, "w", key)
    service.start()
    until(lambda: told(hook) == [OPENED, RESOLVED], "its end is told, and its beginning once")
    assert heard(hook, "opened")["since"] == heard(hook, "resolved")["since"]


def test_replicas_that_lost_their_source_are_part_of_its_outage(box: Sandbox, hook: WebhookCatcher, watch: Watch) -> None:
    service = watch(hook)
    box.source.kill()
    until(lambda: told(hook) == [("opened", "server-unreachable", "source")], "the outage is told")
    assert heard(hook, "opened", "server-unreachable", "source")["evidence"]["impact_below"] == "replica1, replica2"
    until(lambda: "receiver-retrying" in service.api(), "the symptom is shown")
    box.source.start()
    until(lambda: len(told(hook)) == 2, "its end is told")
    until(service.healthy, "everything is healthy again")
    assert told(hook) == [("opened", "server-unreachable", "source"), ("resolved", "server-unreachable", "source")]


def test_a_frozen_server_delays_no_other(box: Sandbox, hook: WebhookCatcher, watch: Watch) -> None:
    service, key, frozen = watch(hook), next(KEYS), ("replica2",)
    box.replicas[1].freeze()
    try:
        until(lambda: told(hook, frozen) == [("opened", "server-unreachable", "replica2")], "it is told")
        halted = collide(box, box.replicas[0], "w", key)
        until(lambda: told(hook) == [OPENED], "the other one is told of, while it is frozen")
        measured.warning("halt to notice: %.2f s", time.monotonic() - halted)
    finally:
        box.replicas[1].thaw()
    mend(box.replicas[0], "w", key)
    until(lambda: len(told(hook, frozen)) == 4, "both are over")
    assert sorted(told(hook, frozen)[2:]) == [RESOLVED, ("resolved", "server-unreachable", "replica2")]
    assert service.stop()[0] == 0
