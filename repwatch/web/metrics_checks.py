"""Samples of the service's drift checks: what was proved when, and the check that runs."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client.core import GaugeMetricFamily, StateSetMetricFamily
from prometheus_client.metrics_core import Metric

from repwatch.drift.overview import DriftOverview, RunOutcome

CHANNEL: Final = ("cluster", "server", "name", "channel")
CLUSTER: Final = ("cluster",)
OUTCOMES: Final = tuple(outcome for outcome in RunOutcome if outcome is not RunOutcome.RUNNING)


def proof_metrics(overviews: Sequence[DriftOverview]) -> Iterator[Metric]:
    """Of each replica's channel that was checked."""
    last = GaugeMetricFamily(
        "repwatch_last_proved_seconds",
        "Seconds since the table that is longest unproved was proved identical; NaN if it never was.",
        labels=CHANNEL,
    )
    tables = GaugeMetricFamily("repwatch_tables", "Tables that checks know of.", labels=CHANNEL)
    fresh = GaugeMetricFamily(
        "repwatch_tables_proved", "Tables proved identical within `prove_within`; ever, where it is not set.", labels=CHANNEL
    )
    never = GaugeMetricFamily("repwatch_tables_never_proved", "Tables that never were proved identical.", labels=CHANNEL)
    drifted = GaugeMetricFamily("repwatch_tables_drifted", "Tables whose last verdict is drifted.", labels=CHANNEL)
    for overview in overviews:
        for replica in overview.replicas:
            labels = [overview.cluster, replica.server, replica.name or "", replica.channel]
            age = (overview.as_of - replica.oldest).total_seconds() if replica.oldest else math.nan
            last.add_metric(labels, age)
            tables.add_metric(labels, replica.tables)
            fresh.add_metric(labels, replica.fresh)
            never.add_metric(labels, replica.never)
            drifted.add_metric(labels, replica.drifted)
    yield from (last, tables, fresh, never, drifted)


def check_metrics(overviews: Sequence[DriftOverview]) -> Iterator[Metric]:
    """Of each cluster that is checked."""
    running = GaugeMetricFamily("repwatch_check_running", "1 while a drift check of the service runs.", labels=CLUSTER)
    waits = GaugeMetricFamily("repwatch_check_waits", "1 while the check holds back or is paused.", labels=CLUSTER)
    rows = GaugeMetricFamily("repwatch_check_rows", "Rows that the running check has read; NaN if none runs.", labels=CLUSTER)
    expected = GaugeMetricFamily("repwatch_check_rows_expected", "Rows that it expects; an estimate.", labels=CLUSTER)
    ended = GaugeMetricFamily(
        "repwatch_check_finished_timestamp_seconds", "When the last drift check of the service ended.", labels=CLUSTER
    )
    outcome = StateSetMetricFamily("repwatch_check_outcome", "What the last drift check came to.", labels=CLUSTER)
    for overview in overviews:
        labels, check = [overview.cluster], overview.running
        progress = check.progress if check else None
        running.add_metric(labels, float(check is not None))
        waits.add_metric(labels, float(progress is not None and progress.waits is not None))
        rows.add_metric(labels, progress.rows if progress else math.nan)
        expected.add_metric(labels, progress.rows_expected if progress else math.nan)
        if overview.recent:
            last = overview.recent[0]
            ended.add_metric(labels, last.finished.timestamp())
            outcome.add_metric(labels, {each.value: each is last.outcome for each in OUTCOMES})
    yield from (running, waits, rows, expected, ended, outcome)
