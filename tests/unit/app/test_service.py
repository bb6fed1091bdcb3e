"""What the service says of itself before it has seen everything, and when a part of it is gone."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from repwatch.adapters.store.tables import KEEP
from repwatch.app.config import load_config
from repwatch.app.service import Service
from repwatch.app.wiring import build_service
from repwatch.health.incident import Change, Incident, Phase
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.view import State
from repwatch.ports.store import Entry
from tests.unit.watch.handclock import HandClock

CONFIG = """
[web]
listen = "127.0.0.1:0"
[clusters.billing]
source = "db1"
[clusters.billing.servers.db1]
url = "mysql://w@127.0.0.1:1"
[clusters.shop]
source = "db1"
[clusters.shop.servers.db1]
url = "mysql://w@127.0.0.1:1"
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    path = tmp_path / "repwatch.toml"
    path.write_text(CONFIG)
    built = build_service(load_config(path), HandClock())
    yield built
    built.store.close()


def test_a_cluster_that_is_never_looked_at_hides_no_other(service: Service) -> None:
    service.watchers[0].tick()
    assert service.view() is None  # it has just been started
    service.clock.sleep(60)
    service.watchers[0].tick()
    view = service.view()
    assert view is not None
    seen, unseen = view.clusters
    assert [server.server for server in seen.servers] == ["127.0.0.1:1"]
    assert (unseen.name, unseen.state) == ("shop", State.UNKNOWN)
    assert [finding.code for finding in unseen.findings] == [FindingCode.OBSERVATION_STALE]


def test_old_history_goes_while_it_runs_and_not_at_a_start_alone(service: Service) -> None:
    old = service.clock.now() - KEEP - timedelta(days=1)
    finding = Finding(
        subject=Subject("shop", "a:1", "", FindingCode.LAGGING), severity=Severity.WARNING, summary="s", meaning="m", remedy="r"
    )
    over = Incident(id="i", finding=finding, since=old, phase=Phase.RESOLVED, resolved=old, revision=1)
    service.store.record(Entry(changes=(Change(None, over),)), old)
    service.start()
    deadline = time.monotonic() + 60
    while service.store.history(old):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    service.stop()


def test_a_thread_that_has_ended_is_a_problem_until_the_service_ends(service: Service) -> None:
    for watcher in service.watchers:
        watcher.tick()
    assert service.health().ok
    service._start_thread("heartbeat-shop", lambda stop: None)
    service._threads[0].join(60)
    assert not service.health().ok
    service._stopping.set()
    assert service.health().ok


def test_a_thread_that_runs_is_no_problem(service: Service) -> None:
    ended = threading.Event()
    for watcher in service.watchers:
        watcher.tick()
    service._start_thread("heartbeat-shop", lambda stop: _wait_for(ended))
    assert service.health().ok
    ended.set()


def _wait_for(event: threading.Event) -> None:
    event.wait(60)
