"""`/metrics`: samples built anew from the View at each scrape, so that a removed server's series vanishes at once.

A series never disappears because a value is NULL: an unknown lag is NaN, and `repwatch_lag_known` says so.
"""

import math
from collections.abc import Callable, Iterator
from importlib.metadata import version

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, StateSetMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from repwatch import __version__
from repwatch.model.observation import ThreadState
from repwatch.model.restart import ChannelThread
from repwatch.model.view import ChannelView, ClusterView, FindingView, Health, ServerView, State, View
from repwatch.ports.checks import NO_CHECKS, Checks
from repwatch.web.metrics_checks import check_metrics, proof_metrics

SERVER = ("cluster", "server", "name")
CHANNEL = (*SERVER, "channel")


class ViewCollector(Collector):
    """Turns the latest view and repwatch's own health into samples."""

    def __init__(self, view: Callable[[], View | None], health: Callable[[], Health], checks: Checks) -> None:
        self._view = view
        self._health = health
        self._checks = checks

    def collect(self) -> Iterator[Metric]:
        """All families; those of servers are empty until the first look is done."""
        view = self._view()
        clusters = view.clusters if view else ()
        health = self._health()
        yield from _own_metrics(health)
        yield _restart_metric(clusters, health)
        yield from _server_metrics(clusters)
        yield from _channel_metrics(clusters)
        yield _finding_metric(view.findings if view else (), clusters)
        overviews = self._checks.overviews()
        yield from proof_metrics(overviews)
        yield from check_metrics(overviews)


def exposition(view: Callable[[], View | None], health: Callable[[], Health], checks: Checks = NO_CHECKS) -> bytes:
    """The text that Prometheus scrapes."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ViewCollector(view, health, checks))
    return generate_latest(registry)


def _own_metrics(health: Health) -> Iterator[Metric]:
    build = InfoMetricFamily("repwatch_build", "Versions of repwatch and of its database driver.")
    build.add_metric([], {"version": __version__, "driver": version("mysql-connector-python")})
    yield build
    yield GaugeMetricFamily("repwatch_healthy", "1 if repwatch itself has no problem.", value=float(health.ok))
    yield GaugeMetricFamily(
        "repwatch_last_tick_timestamp_seconds",
        "When the cluster that was looked at longest ago was looked at.",
        value=health.last_tick.timestamp() if health.last_tick else math.nan,
    )
    yield GaugeMetricFamily(
        "repwatch_notices_waiting", "Notices in the outbox that are not delivered yet.", value=health.undelivered
    )
    delivered = CounterMetricFamily("repwatch_notices_delivered", "Notices delivered since the start.")
    delivered.add_metric([], health.delivered)
    yield delivered


def _restart_metric(clusters: tuple[ClusterView, ...], health: Health) -> Metric:
    family = CounterMetricFamily(
        "repwatch_thread_restarts", "Threads that repwatch started again, since its own start.", labels=(*CHANNEL, "thread")
    )
    for labels, channel in _channels(clusters):
        counts = health.restarts.get(labels[0])
        if counts is None:
            continue
        for thread in ChannelThread:
            family.add_metric([*labels, thread.value], counts.get((labels[1], channel.name, thread), 0))
    return family


def _server_metrics(clusters: tuple[ClusterView, ...]) -> Iterator[Metric]:
    up = GaugeMetricFamily("repwatch_up", "1 if the latest look at the server saw something.", labels=SERVER)
    state = StateSetMetricFamily("repwatch_server_state", "State of the server.", labels=SERVER)
    seen = GaugeMetricFamily("repwatch_observed_timestamp_seconds", "When the server was last seen.", labels=SERVER)
    took = GaugeMetricFamily("repwatch_probe_duration_seconds", "Duration of the last look.", labels=SERVER)
    read_only = GaugeMetricFamily("repwatch_read_only", "1 if the server refuses ordinary writes.", labels=SERVER)
    for labels, server in _servers(clusters):
        up.add_metric(labels, float(server.probe_seconds is not None))
        state.add_metric(labels, {each.value: each is server.state for each in State})
        seen.add_metric(labels, server.observed.timestamp() if server.observed else math.nan)
        took.add_metric(labels, _or_nan(server.probe_seconds))
        read_only.add_metric(labels, math.nan if server.read_only is None else float(server.read_only))
    yield from (up, state, seen, took, read_only)


def _channel_metrics(clusters: tuple[ClusterView, ...]) -> Iterator[Metric]:
    receiver = StateSetMetricFamily("repwatch_receiver_state", "State of the receiver thread.", labels=CHANNEL)
    applier = StateSetMetricFamily("repwatch_applier_state", "State of the applier thread.", labels=CHANNEL)
    lag = GaugeMetricFamily("repwatch_lag_seconds", "Seconds behind the source; NaN when unknown.", labels=CHANNEL)
    known = GaugeMetricFamily("repwatch_lag_known", "1 if the lag is known.", labels=CHANNEL)
    bound = GaugeMetricFamily("repwatch_lag_lower_bound", "1 if the lag is at least that, and perhaps more.", labels=CHANNEL)
    delay = GaugeMetricFamily("repwatch_configured_delay_seconds", "Intended delay of the replica.", labels=CHANNEL)
    purge = GaugeMetricFamily(
        "repwatch_purge_seconds_left",
        "Seconds until the source may delete binary logs that the replica lacks; NaN when it lacks nothing, or it is unknown.",
        labels=CHANNEL,
    )
    for labels, channel in _channels(clusters):
        receiver.add_metric(labels, {each.value: each == channel.receiver for each in ThreadState})
        applier.add_metric(
            labels, {each.value: each == channel.applier for each in ThreadState if each is not ThreadState.CONNECTING}
        )
        lag.add_metric(labels, _or_nan(channel.lag_seconds))
        known.add_metric(labels, float(channel.lag_seconds is not None))
        bound.add_metric(labels, float(channel.lag_at_least))
        delay.add_metric(labels, channel.delay_seconds)
        purge.add_metric(labels, _or_nan(channel.purge_seconds_left))
    yield from (receiver, applier, lag, known, bound, delay, purge)


def _finding_metric(own: tuple[FindingView, ...], clusters: tuple[ClusterView, ...]) -> Metric:
    """Those of repwatch itself belong to no cluster."""
    family = GaugeMetricFamily("repwatch_finding", "1 for each condition that holds now.", labels=(*CHANNEL, "code", "severity"))
    for finding in own:
        family.add_metric(["", "", "", *_finding_labels(finding)], 1)
    for cluster in clusters:
        for finding in cluster.findings:
            family.add_metric([cluster.name, "", "", *_finding_labels(finding)], 1)
    for labels, server in _servers(clusters):
        for finding in server.findings:
            family.add_metric([*labels, *_finding_labels(finding)], 1)
    return family


def _finding_labels(finding: FindingView) -> list[str]:
    return [finding.channel, finding.code.value, finding.severity.value]


def _servers(clusters: tuple[ClusterView, ...]) -> Iterator[tuple[list[str], ServerView]]:
    for cluster in clusters:
        for server in cluster.servers:
            yield [cluster.name, server.server, server.name or ""], server


def _channels(clusters: tuple[ClusterView, ...]) -> Iterator[tuple[list[str], ChannelView]]:
    for labels, server in _servers(clusters):
        for channel in server.channels:
            yield [*labels, channel.name], channel


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
