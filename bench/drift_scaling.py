"""Whether a drift check costs the same a row and a table whatever their number, how long it takes to start, and its memory.

    python -m bench.drift_scaling --flavour mariadb

One row; one table of a million rows beside one of sixteen; a million wrong rows; a hundred small tables beside a thousand; twenty
thousand in one schema. About six minutes where nothing else runs. Each server makes its rows itself, the same on all of them:
nothing has to be replicated, and what is checked is a star that replicates all the same.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import click

from bench.drift import SCHEMA, repwatch
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox, SandboxServer

SMALL_ROWS = 50
COLUMNS = "id INT NOT NULL PRIMARY KEY, k INT NOT NULL, c CHAR(40) CHARACTER SET ascii NOT NULL"
FIRST_ROWS = 1_000
AT_ONCE = 250_000  # rows of a statement; no transaction is larger than this
POOL = 2 * 1024**3  # of each server: all rows lie in memory
CREATORS = 8


def on_all(box: Sandbox, work: Callable[[SandboxServer], None]) -> None:
    """The same on each server, at once."""
    with ThreadPoolExecutor(len(box.servers)) as pool:
        list(pool.map(work, box.servers))


def fill_large(server: SandboxServer, table: str, rows: int) -> None:
    """A table of so many rows, unlike each other, without a word in the binary log."""
    name, start = f"{SCHEMA}.{table}", min(rows, FIRST_ROWS)
    row = "SELECT {id}, {id} * 7919 % 500000, LEFT(SHA2({id}, 256), 40)"
    numbers = f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {start})"
    with server.connect() as db:
        db.execute("SET SESSION sql_log_bin = 0")
        db.execute(f"CREATE TABLE {name} ({COLUMNS})")
        db.execute(f"INSERT INTO {name} {numbers} {row.format(id='n')} FROM s")
        while start < rows:
            for low in range(0, min(start, rows - start), AT_ONCE):
                high = min(low + AT_ONCE, start, rows - start)
                db.execute(f"INSERT INTO {name} {row.format(id=f'id + {start}')} FROM {name} WHERE id > {low} AND id <= {high}")
            start = min(rows, 2 * start)


def fill_small(server: SandboxServer, schema: str, count: int, rows: int) -> None:
    """Many tables of a few rows in one schema, without a word in the binary log."""
    values = ", ".join(f"({row}, 'value {row}', {row})" for row in range(rows))

    def create(numbers: range) -> None:
        with server.connect() as db:
            db.execute("SET SESSION sql_log_bin = 0")
            for number in numbers:
                db.execute(f"CREATE TABLE {schema}.t{number} (id INT PRIMARY KEY, v VARCHAR(40), n INT)")
                if rows:
                    db.execute(f"INSERT INTO {schema}.t{number} VALUES {values}")

    with ThreadPoolExecutor(CREATORS) as pool:
        list(pool.map(create, (range(first, count, CREATORS) for first in range(CREATORS))))


def timed(box: Sandbox, tables: str, runs: int, *, expected: int = 0) -> tuple[float, float]:
    """Median seconds and greatest memory in MiB of a check; of several runs the first does not count."""
    seconds, memory = [], []
    for number in range(runs + 1 if runs > 1 else 1):
        started = time.monotonic()
        used = repwatch(box, tables, expected=expected)
        if number or runs == 1:
            seconds.append(time.monotonic() - started)
            memory.append(used / 1024)
    return statistics.median(seconds), max(memory)


def spoil(server: SandboxServer, table: str) -> None:
    """Every row another one, without a trace in the binary log."""
    server.sql("SET SESSION sql_log_bin = 0", f"UPDATE {SCHEMA}.{table} SET k = k + 1")


@dataclass(frozen=True, kw_only=True)
class Line:
    """What one check cost. `seconds` with the start of the program, `memory` in MiB."""

    what: str
    count: int  # rows or tables
    seconds: float
    memory: float


def by_row(box: Sandbox, options: argparse.Namespace) -> Iterator[Line]:
    """A table beside one that is many times as large; then all rows of the former are wrong."""
    small = min(1_000_000, options.rows)
    for table, rows, runs in (("one", small, options.runs), ("many", options.rows, 1)):
        on_all(box, partial(fill_large, table=table, rows=rows))
        seconds, memory = timed(box, f"{SCHEMA}.{table}", runs)
        yield Line(what=f"1 table of {rows:,} rows", count=rows, seconds=seconds, memory=memory)
    spoil(box.replicas[1], "one")
    seconds, memory = timed(box, f"{SCHEMA}.one", 1, expected=1)
    yield Line(what=f"{small:,} wrong rows", count=small, seconds=seconds, memory=memory)


def by_table(box: Sandbox, options: argparse.Namespace) -> Iterator[Line]:
    """Schemas of few and of many small tables."""
    for count, rows, runs in ((100, SMALL_ROWS, options.runs), (1_000, SMALL_ROWS, options.runs), (options.tables, 0, 1)):
        schema = f"with_{count}"
        box.source.sql(f"CREATE DATABASE {schema}")
        box.wait_caught_up(60)
        on_all(box, partial(fill_small, schema=schema, count=count, rows=rows))
        seconds, memory = timed(box, f"{schema}.*", runs)
        yield Line(what=f"{count:,} tables of {rows} rows", count=count, seconds=seconds, memory=memory)


PARTS: dict[str, Callable[[Sandbox, argparse.Namespace], Iterator[Line]]] = {"rows": by_row, "tables": by_table}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flavour", type=Flavour, choices=list(Flavour), default=Flavour.MARIADB)
    parser.add_argument("--rows", type=int, default=16_000_000, help="of the large table")
    parser.add_argument("--tables", type=int, default=20_000, help="of the large schema")
    parser.add_argument("--runs", type=int, default=3, help="of the small checks; the large ones run once")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    options = parser.parse_args()
    with Sandbox.start(options.flavour, replicas=2) as box:
        for server in box.servers:
            server.sql(f"SET GLOBAL innodb_buffer_pool_size = {POOL}")
        box.source.sql(f"CREATE DATABASE {SCHEMA}")
        box.wait_caught_up(60)
        version = box.source.sql("SELECT VERSION()")[0][0]
        click.echo(f"{version}, source and 2 replicas; {os.cpu_count()} cores; medians of {options.runs} runs\n")
        click.echo("| what | s | each, without the start, µs | memory, MiB |\n|---|--:|--:|--:|")
        on_all(box, partial(fill_large, table="row", rows=1))
        start, memory = timed(box, f"{SCHEMA}.row", options.runs)
        click.echo(f"| 1 row: the start | {start:.2f} | | {memory:.0f} |")
        for part in options.parts:
            for line in PARTS[part](box, options):
                each = (line.seconds - start) / line.count * 1e6
                click.echo(f"| {line.what} | {line.seconds:.2f} | {each:,.2f} | {line.memory:.0f} |")


if __name__ == "__main__":
    main()
