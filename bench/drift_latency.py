"""What a drift check does to those who work on the source: a writer at a fixed rate, without and with a check.

python -m bench.drift_latency --flavour mariadb
"""

import argparse
import os
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import click

from bench.drift import SCHEMA, TABLES, WEAKEST, fill, repwatch
from repwatch.model.server import Flavour
from repwatch.sandbox import Sandbox, SandboxServer

RATE = 100  # statements a second
PIECE = 5_000  # rows
CHECKS = {"during a check": (), "with `--load 100`": ("--load", "100"), "with `--load 10`": ("--load", "10")}


class Writer:
    """Updates one row at a time, at its rate, and notes how long each took; a late one does not make the next ones wait."""

    def __init__(self, server: SandboxServer, rows: int) -> None:
        self._server, self._rows = server, rows
        self._over = threading.Event()
        self.seconds: list[float] = []

    def __enter__(self) -> "Writer":
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        with self._server.connect() as db:
            due = time.monotonic()
            number = 0
            while not self._over.is_set():
                number += 1
                table, key = TABLES[number % len(TABLES)], 1 + number * 7919 % self._rows
                started = time.monotonic()
                db.execute(f"UPDATE {SCHEMA}.{table} SET k = k + 1 WHERE id = {key}")
                self.seconds.append(time.monotonic() - started)
                due += 1 / RATE
                time.sleep(max(0.0, due - time.monotonic()))

    def p95(self) -> float:
        """Milliseconds."""
        return statistics.quantiles(self.seconds, n=20)[-1] * 1000


def lag(server: SandboxServer) -> float:
    """Seconds_Behind of a replica; unknown is infinite."""
    status = "SHOW SLAVE STATUS" if server.flavour is Flavour.MARIADB else "SHOW REPLICA STATUS"
    with server.connect() as db:
        row = db.texts(status)[0]
    value = row.get("Seconds_Behind_Master", row.get("Seconds_Behind_Source"))
    return float("inf") if value is None else float(value)


@dataclass(kw_only=True)
class Beside:
    """What came of one reading, and of the writer beside it."""

    p95: float  # milliseconds
    lag: float  # the greatest seen, in seconds
    seconds: float


def watched(box: Sandbox, goes_on: Callable[[], bool]) -> float:
    """The greatest lag while something goes on. Seldom looked at, and beside the writer alone too: a look delays updates."""
    worst = 0.0
    while goes_on():
        worst = max(worst, *(lag(replica) for replica in box.replicas))
        time.sleep(2)
    return worst


def weakest(box: Sandbox, rows: int) -> None:
    """The least that a comparison can do, and as gently: the weakest checksum of small pieces, on one server at a time."""
    for server in box.servers:
        with server.connect() as db:
            for table in TABLES:
                for first in range(1, rows + 1, PIECE):
                    db.query(f"{WEAKEST} FROM {SCHEMA}.{table} WHERE id BETWEEN {first} AND {first + PIECE - 1}")


def beside(box: Sandbox, rows: int, read: Callable[[], object]) -> Beside:
    """Read, once the writer has been at work for a while."""
    with Writer(box.source, rows) as writer:
        time.sleep(1)
        writer.seconds.clear()
        started = time.monotonic()
        reader = threading.Thread(target=read)
        reader.start()
        worst = watched(box, reader.is_alive)
        reader.join()
        seconds = time.monotonic() - started
    return Beside(p95=writer.p95(), lag=worst, seconds=seconds)


def alone(box: Sandbox, rows: int, seconds: float) -> float:
    """p95 of the writer without a check."""
    until = time.monotonic() + seconds
    with Writer(box.source, rows) as writer:
        watched(box, lambda: time.monotonic() < until)
    return writer.p95()


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flavour", type=Flavour, choices=list(Flavour), default=Flavour.MARIADB)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of each of the four tables")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with Sandbox.start(options.flavour, replicas=2) as box:
        fill(box, options.rows)
        version = box.source.sql("SELECT VERSION()")[0][0]
        before: list[float] = []
        readers: dict[str, Callable[[], object]] = {
            name: partial(repwatch, box, options=chosen) for name, chosen in CHECKS.items()
        }
        readers["beside the weakest checksum, one small piece at a time"] = partial(weakest, box, options.rows)
        during: dict[str, list[Beside]] = {name: [] for name in readers}
        for _ in range(options.runs):
            before.append(alone(box, options.rows, 5))
            for name, read in readers.items():
                during[name].append(beside(box, options.rows, read))
    click.echo(f"{version}, {RATE} updates a second, 4 tables of {options.rows:,} rows; {os.cpu_count()} cores\n")
    click.echo("| | p95 of an update, ms | to the writer alone | greatest lag, s | check, s |\n|---|--:|--:|--:|--:|")
    base = statistics.median(before)
    click.echo(f"| alone | {base:.2f} | 1.00 | | |")
    for name, found in during.items():
        p95 = statistics.median(each.p95 for each in found)
        seconds = statistics.median(each.seconds for each in found)
        worst = max(each.lag for each in found)
        click.echo(f"| {name} | {p95:.2f} | {p95 / base:.2f} | {worst:.0f} | {seconds:.1f} |")


if __name__ == "__main__":
    main()
