"""Whether a drift check costs the same a row and a table whatever their number, and what memory it takes.

    python -m bench.drift_scaling --flavour mariadb

One table of a million rows beside one of many more; a hundred small tables beside a thousand; a million wrong rows.
"""

import argparse
import os
import statistics
import time

import click

from bench.drift import SCHEMA, repwatch
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox, SandboxServer

SMALL_ROWS = 50
COLUMNS = "id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL, c CHAR(120) NOT NULL, pad CHAR(60) NOT NULL"
DOUBLE_AT_ONCE = 250_000


def fill_large(box: Sandbox, table: str, rows: int) -> None:
    """A table like sysbench's, made by the server itself."""
    name = f"{SCHEMA}.{table}"
    value = "REPEAT(SHA2(CONCAT(n, 'x'), 256), 2)"
    numbers = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 1000) SELECT a.n * 1000 + b.n AS n"
    start = min(rows, 1_000_000)
    box.source.sql(
        f"CREATE TABLE {name} ({COLUMNS})",
        f"INSERT INTO {name} (k, c, pad) SELECT n, LEFT({value}, 119), LEFT({value}, 59) FROM "
        f"({numbers} FROM s AS a, s AS b LIMIT {start}) AS d",
    )
    while start < rows:
        for low in range(0, start, DOUBLE_AT_ONCE):  # no transaction larger than this
            box.source.sql(
                f"INSERT INTO {name} (k, c, pad) SELECT k + 1, c, pad FROM {name} "
                f"WHERE id > {low} AND id <= {low + DOUBLE_AT_ONCE} LIMIT {min(DOUBLE_AT_ONCE, rows - start)}"
            )
        start = int(box.source.sql(f"SELECT COUNT(*) FROM {name}")[0][0] or 0)
    box.wait_caught_up(3600)


def fill_small(box: Sandbox, schema: str, count: int) -> None:
    """Many tables of a few rows."""
    box.source.sql(f"CREATE DATABASE {schema}")
    with box.source.connect() as db:
        for number in range(count):
            db.execute(f"CREATE TABLE {schema}.t{number} (id INT PRIMARY KEY, v VARCHAR(40), n INT)")
            values = ", ".join(f"({row}, 'value {row}', {row})" for row in range(SMALL_ROWS))
            db.execute(f"INSERT INTO {schema}.t{number} VALUES {values}")
    box.wait_caught_up(3600)


def timed(box: Sandbox, tables: str, runs: int, *, expected: int = 0) -> tuple[float, float]:
    """Median seconds and greatest memory in MiB of a check."""
    seconds, memory = [], []
    for number in range(runs + 1):
        started = time.monotonic()
        used = repwatch(box, tables, expected=expected)
        if number:
            seconds.append(time.monotonic() - started)
            memory.append(used / 1024)
    return statistics.median(seconds), max(memory)


def spoil(server: SandboxServer, table: str) -> None:
    """Every row another one, without a trace in the binary log."""
    server.sql("SET SESSION sql_log_bin = 0", f"UPDATE {SCHEMA}.{table} SET k = k + 1")


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flavour", type=Flavour, choices=list(Flavour), default=Flavour.MARIADB)
    parser.add_argument("--rows", type=int, default=16_000_000, help="of the large table")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with Sandbox.start(options.flavour, replicas=2) as box:
        for server in box.servers:
            server.sql("SET GLOBAL innodb_buffer_pool_size = 4294967296")
        version = box.source.sql("SELECT VERSION()")[0][0]
        click.echo(f"{version}, source and 2 replicas; {os.cpu_count()} cores; medians of {options.runs} runs\n")
        click.echo("| what | s | each | memory, MiB |\n|---|--:|--:|--:|")
        box.source.sql(f"CREATE DATABASE {SCHEMA}")
        for table, rows in (("one", 1_000_000), ("many", options.rows)):
            fill_large(box, table, rows)
            seconds, memory = timed(box, f"{SCHEMA}.{table}", options.runs)
            click.echo(f"| 1 table of {rows:,} rows | {seconds:.2f} | {seconds / rows * 1e6:.2f} µs a row | {memory:.0f} |")
        for schema, count in (("hundred", 100), ("thousand", 1_000)):
            fill_small(box, schema, count)
            seconds, memory = timed(box, f"{schema}.*", options.runs)
            click.echo(
                f"| {count:,} tables of {SMALL_ROWS} rows | {seconds:.2f} | {seconds / count * 1e3:.2f} ms a table | "
                f"{memory:.0f} |"
            )
        spoil(box.replicas[1], "one")
        seconds, memory = timed(box, f"{SCHEMA}.one", 1, expected=1)
        click.echo(f"| 1,000,000 wrong rows | {seconds:.2f} | {seconds:.2f} µs a row | {memory:.0f} |")


if __name__ == "__main__":
    main()
