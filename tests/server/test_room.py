"""Room that runs out on real servers: found before it is used up, or as soon as replication waits for it."""

from collections.abc import Iterator, Mapping

import pytest

from repwatch.model.finding import Finding, Severity
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox
from tests.server.diagnosing import watching, words
from tests.server.watching import until

ODD = "a-b"


@pytest.fixture(scope="module")
def box(flavour: Flavour) -> Iterator[Sandbox]:
    """One replica that may keep 64 kB of relay logs."""
    with Sandbox.start(flavour, replicas=1, options=("--relay-log-space-limit=65536", "--max-relay-log-size=4096")) as started:
        yield started


def test_a_receiver_that_waits_for_room(box: Sandbox, flavour: Flavour) -> None:
    source, replica = box.source, box.replicas[0]
    source.sql("CREATE DATABASE w", "CREATE TABLE w.t (id INT PRIMARY KEY, v LONGTEXT)")
    box.wait_caught_up(60)
    replica.sql(f"STOP {words(flavour)} SQL_THREAD")
    source.sql(*(f"INSERT INTO w.t VALUES ({number}, '{'x' * 10000}')" for number in range(30)))
    with watching(box) as watcher:
        found = watcher.expect(("replica1", "applier-stopped"), ("replica1", "relay-space-full"))
        assert found["replica1", "relay-space-full"].evidence["relay_log_space_limit"] == "65536"
        until(lambda: waits(watcher.expect(("replica1", "applier-stopped"), ("replica1", "relay-space-full"))), "it waits")
        replica.sql(f"START {words(flavour)} SQL_THREAD")
        watcher.expect()
    box.wait_caught_up(60)


def waits(found: Mapping[tuple[str, str], Finding]) -> bool:
    """Whether the receiver has stopped reading."""
    return found["replica1", "relay-space-full"].severity is Severity.CRITICAL


def test_numbers_that_run_out(box: Sandbox) -> None:
    source = box.source
    source.sql(
        f"CREATE DATABASE `{ODD}`",
        f"CREATE TABLE `{ODD}`.`t$ä` (id TINYINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, v INT)",
        f"INSERT INTO `{ODD}`.`t$ä` VALUES (240, 1)",
        f"CREATE TABLE `{ODD}`.parts (id INT AUTO_INCREMENT, d INT, PRIMARY KEY (id, d)) PARTITION BY HASH (d) PARTITIONS 3",
        f"INSERT INTO `{ODD}`.parts VALUES (2000000000, 1)",
        f"CREATE TABLE `{ODD}`.few (id INT AUTO_INCREMENT PRIMARY KEY)",
        f"INSERT INTO `{ODD}`.few VALUES (110)",  # the end of a smaller type
    )
    box.wait_caught_up(60)
    with watching(box) as watcher:
        (finding,) = watcher.expect(("source", "auto-increment-exhaustion")).values()
        assert finding.evidence["tables"].split("; ")[0].startswith(f"{ODD}.t$ä.id (tinyint")
        assert f"{ODD}.parts.id (int" in finding.evidence["tables"]
        assert "few" not in finding.evidence["tables"]
    source.sql(f"ALTER TABLE `{ODD}`.`t$ä` MODIFY id BIGINT AUTO_INCREMENT", f"DROP TABLE `{ODD}`.parts")
    box.wait_caught_up(60)
    with watching(box) as watcher:  # another hour
        watcher.expect()
    source.sql(f"DROP DATABASE `{ODD}`")
