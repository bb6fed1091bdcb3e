"""How long a clean drift check takes, beside the plain scan limit and pt-table-checksum, on a star of real servers.

    python -m bench.drift --flavour mariadb --runs 5

Each round runs every candidate once, in turn, so that what else the machine does meets all of them; medians are printed.
"""

import argparse
import hashlib
import os
import platform
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import click

from repwatch.model.endpoint import LiteralSecret
from repwatch.model.server import Flavour
from repwatch.sandbox import Account, Sandbox, SandboxServer

SCHEMA = "bench"
TABLES = tuple(f"sbtest{number}" for number in range(1, 5))
COLUMNS = ("id", "k", "c", "pad")
BATCH = 5000

WEAKEST = f"SELECT COUNT(*), BIT_XOR(CRC32(CONCAT_WS('#', {', '.join(COLUMNS)})))"


def fill(box: Sandbox, rows: int, tables: Sequence[str] = TABLES) -> None:
    """Tables like sysbench's, about 190 bytes a row, in every server's memory."""
    for server in box.servers:
        server.sql("SET GLOBAL innodb_buffer_pool_size = 1073741824")
    box.source.sql(f"CREATE DATABASE {SCHEMA}")
    for table in tables:
        box.source.sql(
            f"CREATE TABLE {SCHEMA}.{table} (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL, "
            "c CHAR(120) NOT NULL, pad CHAR(60) NOT NULL, KEY k_1 (k))"
        )
    threads = [threading.Thread(target=_fill_table, args=(box.source, table, rows)) for table in tables]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    box.wait_caught_up(1800)
    for server in box.servers:
        for table in tables:
            server.sql(f"ANALYZE NO_WRITE_TO_BINLOG TABLE {SCHEMA}.{table}")


def _fill_table(source: SandboxServer, table: str, rows: int) -> None:
    with source.connect() as db:
        for start in range(1, rows + 1, BATCH):
            values = ", ".join(_row(number) for number in range(start, min(start + BATCH, rows + 1)))
            db.execute(f"INSERT INTO {SCHEMA}.{table} VALUES {values}")


def _row(number: int) -> str:
    digits = str(int(hashlib.sha512(str(number).encode()).hexdigest(), 16))
    groups = [digits[at : at + 11] for at in range(0, 143, 11)]
    return f"({number}, {number * 7919 % 500000}, '{'-'.join(groups[:10])}', '{'-'.join(groups[8:13])}')"


def scan(box: Sandbox) -> None:
    """The least that any comparison can do: each server reads each row once, all at once, with the weakest checksum."""

    def read(server: SandboxServer) -> None:
        with server.connect() as db:
            for table in TABLES:
                db.query(f"{WEAKEST} FROM {SCHEMA}.{table}")

    threads = [threading.Thread(target=read, args=(server,)) for server in box.servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def repwatch(box: Sandbox, tables: str = f"{SCHEMA}.*", *, options: Sequence[str] = (), expected: int = 0) -> int:
    """The command, as a user runs it, start of the program included; its greatest resident memory, in KiB."""
    urls = [_url(server) for server in box.servers]
    command = [sys.executable, "-m", "repwatch", "drift", "--source", urls[0], "--format", "json", "--tables", tables, *options]
    command += [part for url in urls[1:] for part in ("--replica", url)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == expected, f"exit status {process.returncode}"
    return usage.ru_maxrss


def repwatch_ten_wrong(box: Sandbox) -> None:
    """The same, with ten wrong rows on the second replica, which are put right again afterwards."""
    places = [(table, number) for table in TABLES for number in (17, 4711, 9999)][:10]
    replica = box.replicas[1]
    replica.sql("SET SESSION sql_log_bin = 0", *(f"UPDATE {SCHEMA}.{t} SET k = k + 1 WHERE id = {n}" for t, n in places))
    try:
        repwatch(box, expected=1)
    finally:
        replica.sql("SET SESSION sql_log_bin = 0", *(f"UPDATE {SCHEMA}.{t} SET k = k - 1 WHERE id = {n}" for t, n in places))


def _url(server: SandboxServer) -> str:
    endpoint = server.endpoint(Account.WATCH)
    assert isinstance(endpoint.password, LiteralSecret)
    return f"mysql://{endpoint.user}:{quote(endpoint.password.text)}@{endpoint.address}"


def pt_table_checksum(box: Sandbox) -> None:
    """With its defaults. Its exit status is not 0 for its own findings; it must have seen every table without a difference."""
    endpoint = box.source.endpoint(Account.ROOT)
    assert isinstance(endpoint.password, LiteralSecret)
    dsn = f"h=127.0.0.1,P={endpoint.address.port},u=root"
    done = subprocess.run(
        [
            "pt-table-checksum",
            dsn,
            f"--password={endpoint.password.text}",
            f"--databases={SCHEMA}",
            "--recursion-method=hosts",
            "--no-check-binlog-format",
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert all(f"{SCHEMA}.{table}" in done.stdout for table in TABLES), done.stdout + done.stderr


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one run, in seconds: on the clock, and of processors on all servers together and in the client."""

    clock: float
    servers: float
    client: float


def cost(box: Sandbox, candidate: Callable[[Sandbox], object]) -> Cost:
    """Run a candidate. Processor time tells more than the clock where the machine has other work to do."""
    started, servers, client = time.monotonic(), _servers_seconds(box), _client_seconds()
    candidate(box)
    return Cost(clock=time.monotonic() - started, servers=_servers_seconds(box) - servers, client=_client_seconds() - client)


def _servers_seconds(box: Sandbox) -> float:
    ticks = 0
    for server in box.servers:
        fields = Path(f"/proc/{server.pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _client_seconds() -> float:
    return sum(os.times()[:4])


def measure(box: Sandbox, candidates: Sequence[Callable[[Sandbox], object]], runs: int) -> dict[str, list[Cost]]:
    """The costs of each run; the first round warms up and does not count."""
    costs: dict[str, list[Cost]] = {candidate.__name__: [] for candidate in candidates}
    for number in range(runs + 1):
        for candidate in candidates:
            found = cost(box, candidate)
            if number:
                costs[candidate.__name__].append(found)
            click.echo(f"  round {number}: {candidate.__name__} {found}, load {os.getloadavg()[0]:.1f}", err=True)
    return costs


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flavour", type=Flavour, choices=list(Flavour), default=Flavour.MARIADB)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of each of the four tables")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    candidates: list[Callable[[Sandbox], object]] = [scan, repwatch, repwatch_ten_wrong]
    if options.flavour is Flavour.MARIADB and shutil.which("pt-table-checksum"):
        candidates.append(pt_table_checksum)
    with Sandbox.start(options.flavour, replicas=2) as box:
        fill(box, options.rows)
        version = box.source.sql("SELECT VERSION()")[0][0]
        before = os.getloadavg()[0]
        costs = measure(box, candidates, options.runs)
    click.echo(
        f"{version}, source and 2 replicas, 4 tables of {options.rows:,} rows; {os.cpu_count()} cores, {platform.machine()}"
    )
    click.echo(f"load {before:.1f} at the start and {os.getloadavg()[0]:.1f} at the end; medians of {options.runs} runs\n")
    click.echo("| candidate | clock, s | to the scan | servers' processors, s | to the scan | client's, s |")
    click.echo("|---|--:|--:|--:|--:|--:|")
    clock, servers = _median(costs["scan"], "clock"), _median(costs["scan"], "servers")
    for name, taken in costs.items():
        mine = _median(taken, "clock"), _median(taken, "servers"), _median(taken, "client")
        click.echo(
            f"| {name} | {mine[0]:.2f} | {mine[0] / clock:.2f} | {mine[1]:.2f} | {mine[1] / servers:.2f} | {mine[2]:.2f} |"
        )


def _median(costs: Sequence[Cost], what: Literal["clock", "servers", "client"]) -> float:
    seconds: list[float] = [getattr(cost, what) for cost in costs]
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
