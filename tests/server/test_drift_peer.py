"""What the field's usual tool says of a lost UPDATE, beside what repwatch says of it."""

import subprocess

import pytest

from repwatch.drift.report import Verdict
from repwatch.model.endpoint import LiteralSecret
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox, SandboxServer
from tests.server.drifting import Found, drift_on, fill, found_in, of_table, run_check


@pytest.mark.long
def test_pt_table_checksum_misses_the_lost_update_that_repwatch_names() -> None:
    """10,000 rows, 200 of them wrong, all in its first chunk: the XOR of an even number of equal changes is nothing.

    On MariaDB only: `pt-table-checksum` 3.2 cannot speak to MySQL 9 (`SHOW MASTER STATUS`).
    """
    with Sandbox.start(Flavour.MARIADB, replicas=1) as box:
        box.source.sql(
            "CREATE DATABASE shop",
            "CREATE TABLE shop.orders (id INT PRIMARY KEY, status CHAR(1) NOT NULL, amount DECIMAL(8,2) NOT NULL)",
        )
        fill(box.source, "shop.orders", [f"({number}, 'N', {number % 9}.50)" for number in range(1, 10_001)])
        box.wait_caught_up(60)
        drift_on(box.replicas[0], "UPDATE shop.orders SET status = 'X' WHERE id BETWEEN 201 AND 400")
        found = of_table(run_check(box, "shop.orders"), box.replicas[0], "orders")
        peer = pt_table_checksum(box.source, "shop")
    assert peer["TABLE"] == "shop.orders"
    assert (peer["ROWS"], peer["DIFFS"], peer["SKIPPED"]) == ("10000", "0", "0")
    assert found.verdict is Verdict.DRIFTED
    assert found_in(found) == {Found("changed", (str(number),), frozenset({"status"})) for number in range(201, 401)}


def pt_table_checksum(source: SandboxServer, schema: str) -> dict[str, str]:
    """Its only line about a table, with its defaults, by column. It finds the replica by itself, and fails if it finds none."""
    password = source.endpoint().password
    assert isinstance(password, LiteralSecret)
    done = subprocess.run(
        [
            "pt-table-checksum",
            f"h=127.0.0.1,P={source.port},u=root",
            f"--password={password.text}",
            f"--databases={schema}",
            "--recursion-method=hosts",
            "--no-check-binlog-format",  # MIXED is MariaDB's default
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, ""), done  # 8: no replicas found
    titles, line = (line.split() for line in done.stdout.splitlines() if "TABLE" in line or f"{schema}." in line)
    return dict(zip(titles, line, strict=True))
