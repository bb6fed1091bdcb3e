"""How long it takes to make a drifted replica right: with each method, and by hand with other tools, on real servers.

    python -m bench.reseed --flavour mariadb --rows 1000000 --wrong 1000 --runs 3
    python -m bench.reseed --flavour mariadb --rows 4000000 --tables 1   # one large table

Each round damages the replica and runs every candidate once, in turn. The source is idle. For `repwatch reseed` the clock stops
when the replica has caught up; the final proof is told beside it, and how much of the time had gone before it first changed
anything: the start of the program and its look at both servers. By hand nothing is looked at, marked or proved. A dump is loaded
into a stopped replica, which then starts. A round that would not end within `--minutes` is not begun. How long writers wait for a
snapshot: `bench.reseed_stalls`.
"""

import argparse
import compileall
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import click

import repwatch
from bench.drift import SCHEMA, TABLES, fill
from repwatch.errors import ServerError
from repwatch.model.endpoint import LiteralSecret
from repwatch.model.server import Flavour
from repwatch.ports.database import Timeouts
from repwatch.sandbox import Account, Sandbox, SandboxServer, statements
from repwatch.sql import replication

LOCAL = "SET SESSION sql_log_bin = 0"
THREADS = 4  # of mydumper and myloader: as many sessions as repwatch copies with


@dataclass(frozen=True, kw_only=True)
class Run:
    """Seconds until the replica replicates, until anything is changed, of the proof; the greatest memory of repwatch in MiB."""

    seconds: float
    before: float = 0.0
    proof: float = 0.0
    memory: float = 0.0


Candidate = Callable[[Sandbox], Run]


def damage(box: Sandbox, tables: Sequence[str], rows: int, wrong: int) -> None:
    """Wrong rows at even distances in all tables; half of them changed, the rest lost."""
    step = max(1, rows * len(tables) // wrong)
    for table in tables:
        box.replicas[0].sql(
            LOCAL,
            f"UPDATE {SCHEMA}.{table} SET k = k + 1 WHERE id % {2 * step} = 0",
            f"DELETE FROM {SCHEMA}.{table} WHERE id % {2 * step} = {step}",
        )


def differential(box: Sandbox) -> Run:
    """`repwatch reseed --method differential`."""
    return _reseed(box, "differential")


def logical(box: Sandbox) -> Run:
    """`repwatch reseed --method logical`."""
    return _reseed(box, "logical")


def physical(box: Sandbox) -> Run:
    """`repwatch reseed --method physical`."""
    return _reseed(box, "physical")


def clone(box: Sandbox) -> Run:
    """`repwatch reseed --method clone`."""
    return _reseed(box, "clone")


def _reseed(box: Sandbox, method: str) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        words = ("reseed", box.replicas[0].name, "--method", method, "--apply", "--yes", "--state", folder)
        started = time.time()
        memory = _command(box, folder, *words, expected=0)
        ended = time.time()
        (journal,) = Path(folder).glob("reseed/*.jsonl")
        entries = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    reached = next(entry["at"] for entry in entries if (entry["event"], entry.get("step")) == ("done", "caught-up"))
    running, began = (datetime.fromisoformat(at).timestamp() for at in (reached, entries[0]["at"]))
    return Run(seconds=running - started, before=began - started, proof=ended - running, memory=memory)


def drift_check(box: Sandbox) -> Run:
    """`repwatch drift` of the damaged replica."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        memory = _command(box, folder, "drift", "--tables", f"{SCHEMA}.*", "--state", folder, expected=1)
        return Run(seconds=time.monotonic() - started, memory=memory)


def _command(box: Sandbox, folder: str, *words: str, expected: int) -> float:
    configuration = Path(folder) / "repwatch.toml"
    configuration.write_text(box.configuration(), encoding="utf-8")
    command = [sys.executable, "-m", "repwatch", *words, "--config", str(configuration)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == expected, f"{words[0]}: exit status {process.returncode}"
    return usage.ru_maxrss / 1024


def dump_and_load(box: Sandbox) -> Run:
    """`mariadb-dump | mariadb`, as fast as they go."""
    dump = ["mariadb-dump", *_login(box.source), "--single-transaction", "--quick", "--databases", SCHEMA]
    load = ["mariadb", *_login(box.replicas[0]), f"--init-command={LOCAL}"]

    def run() -> None:
        with (
            subprocess.Popen(dump, stdout=subprocess.PIPE, env=_password(box.source)) as one,
            subprocess.Popen(load, stdin=one.stdout, env=_password(box.replicas[0])) as other,
        ):
            assert one.stdout is not None
            one.stdout.close()
            assert (one.wait(), other.wait()) == (0, 0)

    return _while_stopped(box, run)


def mydumper(box: Sandbox) -> Run:
    """`mydumper`, then `myloader`."""
    threads = f"--threads={THREADS}"

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            for tool, server, more in (
                ("mydumper", box.source, (f"--database={SCHEMA}",)),
                ("myloader", box.replicas[0], ("--overwrite-tables",)),
            ):
                words = (tool, *_login(server), *more, threads, "--outputdir" if tool == "mydumper" else "--directory", folder)
                subprocess.run(words, check=True, capture_output=True, env=_password(server))

    return _while_stopped(box, run)


def backup_by_hand(box: Sandbox) -> Run:
    """`mariadb-backup | mbstream`, prepared, put in the place of the replica's data folder, and attached."""
    replica = box.replicas[0]
    host, data = replica.spec().host, replica.folder / "data"
    copy = data.with_name("copy")
    assert host is not None
    started = time.monotonic()
    copy.mkdir()
    threads = f"--parallel={host.threads}"
    backup = [
        "mariadb-backup",
        "--no-defaults",
        "--backup",
        "--stream=mbstream",
        threads,
        f"--target-dir={tempfile.gettempdir()}",
    ]
    secret = _password(box.source)["MYSQL_PWD"]
    with subprocess.Popen(
        [*backup, *_login(box.source), f"--password={secret}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as one:
        subprocess.run(["mbstream", "--extract", f"--directory={copy}", threads], stdin=one.stdout, check=True)
        assert one.wait() == 0
    subprocess.run(["mariadb-backup", "--prepare", f"--target-dir={copy}"], check=True, capture_output=True)
    info = next(path for path in copy.iterdir() if path.name.endswith("_binlog_info"))
    position = info.read_text(encoding="ascii").split()[2]
    for command in (host.stop, f"mv {data} {data}.old; mv {copy} {data}", host.start):
        subprocess.run(["sh", "-c", command], check=True)
    replica.wait_ready()
    credentials = box.credentials.secret(Account.REPLICATION)
    replica.sql(
        "RESET MASTER",
        f"SET GLOBAL gtid_slave_pos = '{position}'",
        *statements.attach(box.flavour, "", box.source.address, Account.REPLICATION.value, credentials),
    )
    box.wait_caught_up(600)
    shutil.rmtree(f"{data}.old")
    return Run(seconds=time.monotonic() - started)


def clone_by_hand(box: Sandbox) -> Run:
    """`CLONE INSTANCE`, the restart that its keeper makes, and attached."""
    replica = box.replicas[0]
    root, donor = replica.endpoint(Account.ROOT), box.source.address
    assert isinstance(root.password, LiteralSecret)
    started = time.monotonic()
    with replica.connect(timeouts=Timeouts(connect=30, read=3600)) as db:
        for statement in (
            "STOP REPLICA",
            "SET GLOBAL super_read_only = OFF",
            f"SET GLOBAL clone_valid_donor_list = '{donor}'",
        ):
            db.execute(statement)
        with suppress(ServerError):  # the restart ends the session
            db.execute(f"CLONE INSTANCE FROM 'root'@'{donor.host}':{donor.port} IDENTIFIED BY '{root.password.text}'")
    replica.wait_ready()
    assert replica.sql("SELECT STATE FROM performance_schema.clone_status") == [("Completed",)]
    credentials = box.credentials.secret(Account.REPLICATION)
    replica.sql(*statements.attach(box.flavour, "", donor, Account.REPLICATION.value, credentials))
    box.wait_caught_up(600)
    return Run(seconds=time.monotonic() - started)


def _login(server: SandboxServer) -> tuple[str, ...]:
    return ("--host=127.0.0.1", f"--port={server.port}", "--user=root")


def _password(server: SandboxServer) -> dict[str, str]:
    secret = server.endpoint(Account.ROOT).password
    assert isinstance(secret, LiteralSecret)
    return {**os.environ, "MYSQL_PWD": secret.text}


def _while_stopped(box: Sandbox, load: Callable[[], None]) -> Run:
    with box.replicas[0].connect() as db:
        started = time.monotonic()
        db.execute(replication.stop_channel(db.version, ""))
        load()
        db.execute(replication.start_channel(db.version, ""))
    box.wait_caught_up(600)
    return Run(seconds=time.monotonic() - started)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flavour", type=Flavour, choices=list(Flavour), default=Flavour.MARIADB)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of each table")
    parser.add_argument("--wrong", type=int, default=1_000, help="rows, in all tables together")
    parser.add_argument("--tables", type=int, default=len(TABLES), choices=range(1, len(TABLES) + 1))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=25.0, help="within which it has to end")
    options = parser.parse_args()
    tables = TABLES[: options.tables]
    compileall.compile_dir(Path(repwatch.__file__).parent, quiet=1)  # as an installed command is; a quarter of its start
    began = time.monotonic()
    plugin = ("--plugin-load-add=mysql_clone.so",) if options.flavour is Flavour.MYSQL else ()
    with Sandbox.start(options.flavour, replicas=1, options=plugin) as box:
        fill(box, options.rows, tables)
        runs: dict[Candidate, list[Run]] = {candidate: [] for candidate in _candidates(options.flavour)}
        longest = rounds = 0.0
        while rounds < options.runs and time.monotonic() - began + longest < options.minutes * 60:
            started = time.monotonic()
            for candidate in list(runs):
                damage(box, tables, options.rows, options.wrong)
                try:
                    found = candidate(box)
                    if candidate is not drift_check:
                        _check_loaded(box, tables)
                except (subprocess.CalledProcessError, NotLoaded) as error:  # an old mydumper and a new MySQL, say
                    click.echo(f"  {candidate.__name__} does not work here, and is left out: {_said(error)}", err=True)
                    del runs[candidate]
                    continue
                runs[candidate].append(found)
                click.echo(f"  round {rounds:.0f}: {candidate.__name__} {found}, load {os.getloadavg()[0]:.1f}", err=True)
            rounds += 1
            longest = max(longest, time.monotonic() - started)
        version = box.source.sql("SELECT VERSION()")[0][0]
    cores = os.cpu_count()
    click.echo(f"{version}, {len(tables)} tables of {options.rows:,} rows, {options.wrong:,} wrong; {cores} cores")
    click.echo(f"load {os.getloadavg()[0]:.1f} at the end; medians of {rounds:.0f} runs\n")
    click.echo(
        "| candidate | until it replicates, s | of it before any change | to the drift check | the proof, s | memory, MiB |"
    )
    click.echo("|---|--:|--:|--:|--:|--:|")
    check = _median(runs[drift_check]).seconds
    for candidate, measured in runs.items():
        run = _median(measured)
        click.echo(
            f"| {candidate.__name__} | {run.seconds:.2f} | {run.before:.2f} | {run.seconds / check:.2f} | {run.proof:.2f} "
            f"| {run.memory:.0f} |"
        )


def _candidates(flavour: Flavour) -> Iterator[Candidate]:
    yield from (drift_check, differential, logical, dump_and_load)
    if flavour is Flavour.MARIADB:
        yield from (physical, backup_by_hand)
    else:
        yield from (clone, clone_by_hand)
    if shutil.which("mydumper") and shutil.which("myloader"):
        yield mydumper


class NotLoaded(Exception):
    """A candidate ended well, and the replica is wrong."""


def _check_loaded(box: Sandbox, tables: Sequence[str]) -> None:
    for table in tables:
        statement = f"SELECT COUNT(*), SUM(k) FROM {SCHEMA}.{table}"
        if box.source.sql(statement) != box.replicas[0].sql(statement):
            raise NotLoaded(f"{table} is not what it is on the source")


def _said(error: Exception) -> str:
    if not isinstance(error, subprocess.CalledProcessError):
        return str(error)
    lines = bytes(error.stderr or b"").decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"exit status {error.returncode}"


def _median(runs: list[Run]) -> Run:
    return replace(
        max(runs, key=lambda run: run.memory),
        seconds=statistics.median(run.seconds for run in runs),
        before=statistics.median(run.before for run in runs),
        proof=statistics.median(run.proof for run in runs),
    )


if __name__ == "__main__":
    main()
