"""Room that runs out on real servers: found before it is used up, or as soon as replication waits for it."""

from collections.abc import Iterator

import pytest

from repwatch.health.rules_room import relay_space_full
from repwatch.model.finding import Finding, Severity
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox
from tests.server.diagnosing import Watcher, watching, words
from tests.server.watching import until

ODD = "a-b"
SLOW = 180.0  # seconds


@pytest.fixture
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
        until(lambda: bool(relay_space(watcher)), "it is found", SLOW)
        assert relay_space(watcher)[0].evidence["relay_log_space_limit"] == "65536"
        until(lambda: [each.severity for each in relay_space(watcher)] == [Severity.CRITICAL], "the receiver waits", SLOW)


def relay_space(watcher: Watcher) -> list[Finding]:
    """What is found of relay log space; whatever else a busy machine brings about is not this test's matter."""
    return list(relay_space_full(watcher.look()))


def test_numbers_that_run_out(fresh_star: Sandbox) -> None:
    box, source = fresh_star, fresh_star.source
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
