"""`doctor`: look at every server of every cluster at once, and say what is wrong."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from repwatch.flows.look import TIMEOUTS, all_at_once, look_at, try_login
from repwatch.health.checkup import ClusterCheckup, Look
from repwatch.health.checkup_rules import check_cluster
from repwatch.model.topology import AUTO, ClusterSpec, ServerSpec
from repwatch.ports.clock import Clock
from repwatch.ports.database import Connect
from repwatch.sql import heartbeat


def examine(clusters: Sequence[ClusterSpec], *, connect: Connect, clock: Clock) -> tuple[ClusterCheckup, ...]:
    """Every remark on the servers of these clusters. Bounded by one deadline; changes nothing."""
    jobs: dict[str, Callable[[], Look]] = {}
    for cluster in clusters:
        for server in cluster.servers:
            jobs[f"{cluster.name}/{server.label}"] = partial(_look, cluster, server, connect)
    results = all_at_once(jobs, clock)
    return tuple(
        check_cluster(cluster, {server.label: results[f"{cluster.name}/{server.label}"] for server in cluster.servers})
        for cluster in clusters
    )


def _look(cluster: ClusterSpec, server: ServerSpec, connect: Connect) -> Look:
    look = look_at(server.endpoint, connect)
    if server.operator is not None:
        look = replace(look, operator=try_login(server.operator, connect))
    account = cluster.replication
    feeds = cluster.source == AUTO or server.is_called(cluster.source)
    if cluster.heartbeat is not None and feeds:
        with connect(server.endpoint, TIMEOUTS) as db:
            found = db.scalar(heartbeat.FIND, (cluster.heartbeat, heartbeat.TABLE))
        look = replace(look, heartbeat=found not in (None, "0"))
    if account is not None and feeds:
        endpoint = replace(server.endpoint, user=account.user, password=account.password, tls=account.tls)
        look = replace(look, replication=try_login(endpoint, connect))
    return look
