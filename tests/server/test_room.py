"""Numbers that run out on real servers: found before they are used up."""

from repwatch.sandbox import Sandbox
from tests.server.diagnosing import watching

ODD = "a-b"


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
