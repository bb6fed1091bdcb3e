"""What a source still has of what a replica by file and position needs, where no GTID tells: on MySQL neither server has any."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from repwatch.adapters.mysql import look
from repwatch.health.view import build_cluster_view
from repwatch.model.finding import FindingCode
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox
from tests.server.diagnosing import Watcher, watching, words
from tests.server.without_gtids import pair_by_place

PATIENT = 90.0
KEEP = timedelta(hours=2)  # nothing is near before half of it is over: what is shown is told long before
UNSAFE = ("replica1", "unsafe-settings")  # without GTIDs its relay log would have to be recovered


@pytest.fixture
def pair(flavour: Flavour, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    monkeypatch.setattr(look, "LOG_FILES_EVERY", timedelta(0))
    with pair_by_place(flavour) as box:
        box.source.sql(f"SET GLOBAL binlog_expire_logs_seconds = {KEEP.seconds}")
        yield box


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENT
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def is_level_since(watcher: Watcher, moment: datetime) -> bool:
    """True once the replica is seen to have all of a list of logs that is younger than that moment."""
    watcher.look()
    reach = watcher.progress.channels["replica1", ""].reach
    return reach is not None and reach.is_place and reach.level is not None and reach.level > moment


def seconds_left(watcher: Watcher) -> float | None:
    view = build_cluster_view(watcher.look(), (), ())
    return next(channel.purge_seconds_left for server in view.servers for channel in server.channels)


def test_what_is_left_and_what_is_gone(pair: Sandbox) -> None:
    source, replica, word = pair.source, pair.replicas[0], words(pair.flavour)
    with watching(pair) as watcher:
        watcher.expect(UNSAFE)
        for statement in ("CREATE DATABASE d", "FLUSH BINARY LOGS"):
            source.sql(statement)
            now = watcher.clock.now()
            until(lambda: is_level_since(watcher, now), f"it is not seen to have everything: {statement}")  # noqa: B023
        assert seconds_left(watcher) is None
        replica.sql(f"STOP {word} IO_THREAD")
        assert seconds_left(watcher) is None, "it has all"
        source.sql("CREATE DATABASE e", "FLUSH BINARY LOGS")
        until(lambda: seconds_left(watcher) is not None, "it lacks something")
        left = seconds_left(watcher)
        assert left is not None
        assert 0 < left < KEEP.total_seconds()
        watcher.expect(UNSAFE, ("replica1", "receiver-stopped"))

        def purged() -> bool:
            logs = [str(row[0]) for row in source.sql("SHOW BINARY LOGS")]
            source.sql(f"PURGE BINARY LOGS TO '{logs[-1]}'")
            return len(logs) == 1

        until(purged, "the logs are not purged")
        found = watcher.expect(UNSAFE, ("replica1", "binlog-purged"), ("replica1", "receiver-stopped"))
        told = found["replica1", FindingCode.BINLOG_PURGED.value].evidence
        assert told["source_log"].partition(":")[0] < told["oldest_log"]
        replica.sql(f"START {word} IO_THREAD")
        watcher.expect(UNSAFE, ("replica1", "binlog-purged"), ("replica1", "receiver-error"))
