"""`doctor`: look at every server of every cluster at once, and say what is wrong."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from repwatch.errors import RepwatchError
from repwatch.flows.look import TIMEOUTS, all_at_once, failed, look_at, try_login
from repwatch.health.checkup import ClusterCheckup, Failed, Look
from repwatch.health.checkup_rules import check_cluster
from repwatch.model.topology import AUTO, ClusterSpec, HostSpec, ServerSpec
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect
from repwatch.ports.shell import Job, Shell
from repwatch.reseed import host_scripts
from repwatch.reseed.hosts import HostFacts
from repwatch.sql import clone, heartbeat
from repwatch.sql.filters import NO_DATABASE_FILTERS, DatabaseFilters, log_status, parse_log_status

_MACHINE_SECONDS = 8.0  # for one to answer; all of a server's looks have one deadline


def examine(clusters: Sequence[ClusterSpec], *, connect: Connect, clock: Clock, shell: Shell) -> tuple[ClusterCheckup, ...]:
    """Every remark on the servers of these clusters. Bounded by one deadline; changes nothing."""
    jobs: dict[str, Callable[[], Look]] = {}
    for cluster in clusters:
        for server in cluster.servers:
            jobs[f"{cluster.name}/{server.label}"] = partial(_look, cluster, server, connect, shell)
    results = all_at_once(jobs, clock)
    return tuple(
        check_cluster(cluster, {server.label: results[f"{cluster.name}/{server.label}"] for server in cluster.servers})
        for cluster in clusters
    )


def _look(cluster: ClusterSpec, server: ServerSpec, connect: Connect, shell: Shell) -> Look:
    look = look_at(server.endpoint, connect)
    if clone.supports(look.version):
        with connect(server.endpoint, TIMEOUTS) as db:
            plugins = {(row["PLUGIN_NAME"] or "").lower() for row in db.texts(clone.PLUGINS)}
        look = replace(look, can_clone=clone.PLUGIN in plugins)
    if server.host is not None and look.version.is_mariadb:
        look = replace(look, machine=_machine(server.host, look.variables.get("datadir", ""), shell))
    if server.operator is not None:
        look = replace(look, operator=try_login(server.operator, connect))
    account = cluster.replication
    feeds = cluster.source == AUTO or server.is_called(cluster.source)
    if cluster.heartbeat is not None and feeds:
        with connect(server.endpoint, TIMEOUTS) as db:
            found = db.scalar(heartbeat.FIND, (cluster.heartbeat, heartbeat.TABLE))
        look = replace(look, heartbeat=found not in (None, "0"))
    if feeds and look.is_on("log_bin"):
        look = replace(look, logged=_logged(server, connect))
    if account is not None and feeds:
        endpoint = replace(server.endpoint, user=account.user, password=account.password, tls=account.tls)
        look = replace(look, replication=try_login(endpoint, connect))
    return look


def _logged(server: ServerSpec, connect: Connect) -> DatabaseFilters:
    """Over a connection of its own: where a full disk holds up the binary log, this does not come back."""
    try:
        with connect(server.endpoint, TIMEOUTS) as db:
            return parse_log_status(db.texts(log_status(db.version)))
    except RepwatchError:
        return NO_DATABASE_FILTERS


def _machine(host: HostSpec, folder: str, shell: Shell) -> HostFacts | Failed:
    job = Job(host=host, script=host_scripts.glance(folder.rstrip("/"), (host.stop, host.start)), seconds=_MACHINE_SECONDS)
    try:
        return HostFacts.parse(shell.run(job))
    except RepwatchError as error:
        return failed(error)
