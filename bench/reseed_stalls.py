"""How long a writer on the source waits while a snapshot for repair or reseed is taken, with and without a long query beside it.

    python -m bench.reseed_stalls --flavour mysql --snapshots 10

Four writers change single rows as fast as they can; what counts is the longest change. The long query reads one of the copied
tables for eight seconds, again and again: what FLUSH TABLES WITH READ LOCK would wait for, with all writers behind it.
"""

import argparse
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import click

from bench.drift import SCHEMA, TABLES, fill
from repwatch.adapters.clock import SystemClock
from repwatch.adapters.mysql.session import Session
from repwatch.flows.snapshot import take_snapshot
from repwatch.model.schema import TableName
from repwatch.model.server import Flavour
from repwatch.sandbox import Account, Sandbox

QUERY_SECONDS = 8
PAUSE = 1.0  # seconds between two snapshots


@dataclass
class Writers:
    """What the changes took since `begin`, in seconds."""

    took: list[float] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def write(self, box: Sandbox, table: str) -> None:
        """Until it is told to stop."""
        with box.source.connect() as db:
            number = 0
            while not self.stop.is_set():
                number = number % 1000 + 1
                started = time.monotonic()
                db.execute(f"UPDATE {SCHEMA}.{table} SET k = k + 1 WHERE id = {number}")
                self.took.append(time.monotonic() - started)


@contextmanager
def writing(box: Sandbox) -> Iterator[Writers]:
    """Four writers, each on a table of its own."""
    writers = Writers()
    threads = [threading.Thread(target=writers.write, args=(box, table)) for table in TABLES]
    for thread in threads:
        thread.start()
    try:
        yield writers
    finally:
        writers.stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def long_query(box: Sandbox) -> Iterator[None]:
    """Somebody reads for eight seconds, without an end."""
    stop = threading.Event()

    def read() -> None:
        with box.source.connect() as db:
            while not stop.is_set():
                db.query(f"SELECT SLEEP({QUERY_SECONDS} / 100) FROM {SCHEMA}.{TABLES[0]} LIMIT 100")

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def measure(box: Sandbox, snapshots: int, *, take: bool) -> tuple[int, float, float]:
    """Changes, the longest one and the slowest of a thousand, in milliseconds."""
    names = [TableName(SCHEMA, table) for table in TABLES]
    with writing(box) as writers:
        for _ in range(snapshots):
            if take:
                take_snapshot(
                    Session.connect, box.source.endpoint(Account.OPERATOR), names, clock=SystemClock(), sessions=4
                ).close()
            time.sleep(PAUSE)
    took = sorted(writers.took)
    return len(took), took[-1] * 1000, took[len(took) * 999 // 1000] * 1000


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flavour", type=Flavour, choices=list(Flavour), default=Flavour.MARIADB)
    parser.add_argument("--rows", type=int, default=100_000, help="of each of the four tables")
    parser.add_argument("--snapshots", type=int, default=10)
    options = parser.parse_args()
    click.echo("| | changes | longest, ms | of a thousand, ms |")
    click.echo("|---|--:|--:|--:|")
    with Sandbox.start(options.flavour, replicas=0) as box:
        fill(box, options.rows)
        rows = [("writers alone", measure(box, options.snapshots, take=False))]
        rows.append((f"{options.snapshots} snapshots", measure(box, options.snapshots, take=True)))
        with long_query(box):
            rows.append(("the same beside a query of 8 s", measure(box, options.snapshots, take=True)))
        version = box.source.sql("SELECT VERSION()")[0][0]
    for name, (count, longest, slow) in rows:
        click.echo(f"| {name} | {count:,} | {longest:.1f} | {slow:.1f} |")
    click.echo(f"\n{version}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
