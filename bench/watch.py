"""What it costs to watch many servers, and how soon a halt is told: a real service, real connections, a real webhook.

    python -m bench.watch --flavour mariadb --servers 12 40 200 1000

Clusters of four: the servers are four real ones, each reached under as many loopback addresses as there are clusters. For each
size the service settles, its processor time and memory are taken over a while, then the applier of one real replica is stopped:
as many incidents as clusters at once, each handed over to a webhook. What the process takes when it looks at nothing is measured
first, and taken off before the cost of a server is told: whether that is flat shows only without it.
"""

import argparse
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from repwatch.model.endpoint import LiteralSecret
from repwatch.model.server import Flavour
from repwatch.sandbox import Account, Sandbox
from repwatch.sandbox.standins_webhook import WebhookCatcher

INTERVAL = 5.0  # seconds between two looks
SELDOM = 3600.0  # the same, of a process that is idle while it is measured
SERVERS = 4  # of a cluster
SETTLE = 30.0
PATIENCE = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One size. `processor` is the share of one core, `memory` MiB at most, `told` seconds from the halt to the webhook."""

    servers: int
    processor: float
    memory: float
    missed: int
    told: tuple[float, ...]

    @property
    def p99(self) -> float:
        """Of `told`."""
        return statistics.quantiles(self.told, n=100)[-1] if len(self.told) > 1 else self.told[0]


def configuration(box: Sandbox, clusters: int, folder: Path, hook: WebhookCatcher, interval: float = INTERVAL) -> Path:
    """A `repwatch.toml` of so many clusters; each server of each has an address of its own."""
    secret = box.source.endpoint(Account.WATCH).password
    assert isinstance(secret, LiteralSecret)
    password = folder / "password"
    password.write_text(secret.text, encoding="ascii")
    lines = ['[store]\nurl = "sqlite:///repwatch.db"', '[web]\nlisten = "127.0.0.1:0"']
    lines.append(f'[receivers.hook]\nwebhook = {{ url = "{hook.url}" }}')
    for number in range(clusters):
        lines.append(f'[clusters.c{number}]\nsource = "source"\npoll_interval = "{interval:g}s"')
        for place, server in enumerate(box.servers):
            address = f"127.{1 + number // 250}.{number % 250}.{place + 1}:{server.port}"
            lines.append(f'[clusters.c{number}.servers.{server.name}]\nurl = "mysql://{Account.WATCH.value}@{address}"')
            lines.append(f"password = {{ file = {json.dumps(str(password))} }}")
    path = folder / "repwatch.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@contextmanager
def service(config: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`repwatch run`, and the address of its page."""
    log = config.with_name("run.log")
    with log.open("ab") as output:
        command = [sys.executable, "-m", "repwatch", "run", "--config", str(config)]
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait(lambda: "listening on " in log.read_text(encoding="utf-8"), "the service has started")
        yield process, log.read_text(encoding="utf-8").rsplit("listening on ", 1)[1].split()[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def wait(holds: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < PATIENCE, f"not within {PATIENCE:g} s: {what}"
        time.sleep(0.1)


def used(pid: int) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """The greatest resident size so far, MiB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) / 1024


def ready(page: str) -> bool:
    """True once every server was seen and all is well."""
    try:
        with urllib.request.urlopen(page + "api/status", timeout=30) as answer:
            return bool(json.load(answer)["state"] == "ok")
    except (urllib.error.URLError, OSError):
        return False


def looks(page: str) -> dict[str, float]:
    """When each server was looked at last, as Prometheus would read it."""
    with urllib.request.urlopen(page + "metrics", timeout=30) as answer:
        text = answer.read().decode()
    return {
        name: float(value) for name, value in re.findall(r"^repwatch_observed_timestamp_seconds({.*}) (\S+)$", text, re.MULTILINE)
    }


def missed(page: str, seconds: float) -> int:
    """How often, over a while, a server was not looked at for one and a half intervals."""
    seen, count, until = looks(page), 0, time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(INTERVAL / 2)
        now = looks(page)
        count += sum(at - seen[name] > 1.5 * INTERVAL for name, at in now.items())
        seen = now
    return count


def settled_share(pid: int, page: str, seconds: float) -> float:
    """Of one core, over a while that begins when all is well and the start is over."""
    wait(lambda: ready(page), "all servers are seen and well")
    time.sleep(SETTLE)
    begun, before = time.monotonic(), used(pid)
    time.sleep(seconds)
    return (used(pid) - before) / (time.monotonic() - begun)


def idle(box: Sandbox, seconds: float) -> float:
    """What the process takes for itself: page, store, couriers, and one cluster that is not looked at meanwhile."""
    with (
        tempfile.TemporaryDirectory() as name,
        WebhookCatcher() as hook,
        service(configuration(box, 1, Path(name), hook, SELDOM)) as (process, page),
    ):
        return settled_share(process.pid, page, seconds)


def measure(box: Sandbox, clusters: int, seconds: float) -> Cost:
    """One size."""
    with tempfile.TemporaryDirectory() as name, WebhookCatcher() as hook:
        config = configuration(box, clusters, Path(name), hook)
        with service(config) as (process, page):
            processor = settled_share(process.pid, page, seconds)
            late = missed(page, seconds)
            told = halt(box, clusters, hook)
            return Cost(servers=clusters * SERVERS, processor=processor, memory=memory(process.pid), missed=late, told=told)


def halt(box: Sandbox, clusters: int, hook: WebhookCatcher) -> tuple[float, ...]:
    """Stop an applier; how long after that each cluster's notice came. Then start it again."""
    mariadb = box.flavour is Flavour.MARIADB
    replica = box.replicas[-1]
    arrived: dict[str, float] = {}
    known = 0
    replica.sql("STOP SLAVE SQL_THREAD" if mariadb else "STOP REPLICA SQL_THREAD")
    stopped = time.monotonic()

    def all_told() -> bool:
        nonlocal known
        posts, now = hook.posts, time.monotonic()
        for post in posts[known:]:  # each is read once: what measures shares the processors with what is measured
            if post.json["event"] == "opened":
                arrived.setdefault(str(post.json["cluster"]), now - stopped)
        known = len(posts)
        return len(arrived) == clusters

    wait(all_told, "every cluster's halt is told")
    replica.sql("START SLAVE" if mariadb else "START REPLICA")
    return tuple(arrived.values())


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flavour", choices=[flavour.value for flavour in Flavour], default=Flavour.MARIADB.value)
    parser.add_argument("--servers", type=int, nargs="+", default=[12, 40, 200, 1000])
    parser.add_argument("--seconds", type=float, default=60, help="how long processor time is taken")
    arguments = parser.parse_args()
    options = ("--bind-address=0.0.0.0", "--max-connections=2000")
    with Sandbox.start(Flavour(arguments.flavour), replicas=SERVERS - 1, options=options) as box:
        version = box.source.sql("SELECT VERSION()")[0][0]
        click.echo(f"{arguments.flavour} {version}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
        alone = idle(box, arguments.seconds)
        click.echo(f"A process that looks at nothing takes {alone:.3f} of a core; it is taken off what is told per server.\n")
        click.echo("| servers | share of a core | per server, ms a look | memory, MiB | looks missed | told: median | p99 |")
        click.echo("|---|---|---|---|---|---|---|")
        for servers in arguments.servers:
            cost = measure(box, servers // SERVERS, arguments.seconds)
            look = (cost.processor - alone) * INTERVAL / cost.servers * 1000
            click.echo(
                f"| {cost.servers} | {cost.processor:.2f} | {look:.2f} | {cost.memory:.0f} | {cost.missed} "
                f"| {statistics.median(cost.told):.1f} s | {cost.p99:.1f} s |"
            )


if __name__ == "__main__":
    main()
