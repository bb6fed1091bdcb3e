"""What is shown: nothing unseen as if it were seen, nothing stale as if it were true."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from repwatch.health.incident import Incident
from repwatch.health.view import DatedView, build_cluster_view, build_view, combine
from repwatch.health.world import ServerNow, World
from repwatch.model.endpoint import Endpoint
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.observation import (
    ChannelObservation,
    Lag,
    LagBasis,
    LagQuality,
    Observation,
    ProbeFailure,
    ProbeResult,
    ThreadState,
    Unobserved,
)
from repwatch.model.server import Address, ServerVersion
from repwatch.model.topology import ClusterSpec, ServerSpec
from repwatch.model.view import Role, ServerView, State

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SPECS = tuple(
    ServerSpec(endpoint=Endpoint(Address("10.0.0.1", number), "repwatch"), name=f"db{number}", replicates_from=upstream)
    for number, upstream in ((1, None), (2, None), (3, "db2"))
)
CLUSTER = ClusterSpec(name="shop", source="db1", servers=SPECS, poll_interval=timedelta(seconds=20))


def channel(name: str = "", seconds: float | None = 1.5) -> ChannelObservation:
    return ChannelObservation(
        name=name, source=Address("10.0.0.1", 1), source_server_id=1, source_uuid="", receiver=ThreadState.RUNNING,
        applier=ThreadState.RUNNING, receiver_text="", applier_text="", lag=Lag(seconds=seconds, basis=LagBasis.STATUS),
    )  # fmt: skip


def observation(*channels: ChannelObservation) -> Observation:
    return Observation(
        at=NOW, took=timedelta(milliseconds=20), version=ServerVersion.parse("10.11.1-MariaDB"), server_id=1, server_uuid="",
        read_only=True, log_bin=True, gtid_executed="0-1-1", channels=channels,
    )  # fmt: skip


SILENT = Unobserved(at=NOW, took=timedelta(seconds=4), failure=ProbeFailure.TIMED_OUT, text="no answer")


def world(*results: ProbeResult, last_good: Observation | None = None) -> World:
    servers = tuple(
        ServerNow(spec=spec, result=result, last_good=result if isinstance(result, Observation) else last_good)
        for spec, result in zip(SPECS, results, strict=True)
    )
    return World(cluster=CLUSTER, source="db1", servers=servers, now=NOW)


def finding(server: int = 2, severity: Severity = Severity.WARNING, cluster: str = "shop") -> Finding:
    subject = Subject(cluster, f"10.0.0.1:{server}" if server else "", "", FindingCode.LAGGING)
    return Finding(subject=subject, severity=severity, summary="s", meaning="m", remedy="r")


HEALTHY = world(observation(), observation(channel()), observation(channel()))


def shown(of: World, *findings: Finding) -> tuple[ServerView, ...]:
    return build_cluster_view(of, findings, ()).servers


def test_roles() -> None:
    assert [server.role for server in shown(HEALTHY)] == [Role.SOURCE, Role.INTERMEDIATE, Role.REPLICA]


def test_the_further_source_of_a_replica_is_a_source() -> None:
    fed = replace(SPECS[2], replicates_from=None, channels={"first": "db1", "second": "db2"})
    of = replace(HEALTHY, cluster=replace(CLUSTER, servers=(*SPECS[:2], fed)))
    of = replace(of, servers=(*HEALTHY.servers[:2], replace(HEALTHY.servers[2], spec=fed)))
    assert [server.role for server in shown(of)] == [Role.SOURCE, Role.SOURCE, Role.REPLICA]


@pytest.mark.parametrize(
    ("findings", "state"),
    [
        ((), State.OK),
        ((finding(),), State.WARNING),
        ((finding(), finding(3, Severity.CRITICAL)), State.CRITICAL),
        ((finding(0),), State.WARNING),
        ((finding(0, cluster=""),), State.WARNING),
        ((finding(cluster="other"),), State.OK),
    ],
)
def test_the_worst_finding_is_the_state(findings: tuple[Finding, ...], state: State) -> None:
    assert build_view([HEALTHY], findings, (), NOW).state is state


def test_an_unseen_server_shows_nothing_old_as_new() -> None:
    server = shown(world(observation(), SILENT, observation(channel()), last_good=observation(channel())))[1]
    assert server.state is State.UNKNOWN
    assert server.lag_seconds is None
    assert (server.channels[0].receiver, server.channels[0].applier) == (ThreadState.UNKNOWN, ThreadState.UNKNOWN)
    assert server.channels[0].lag_seconds is None
    assert (server.lag_quality, server.lag_source) == (LagQuality.UNKNOWN, None)
    assert server.read_only is None
    assert server.probe_seconds is None
    assert server.observed == NOW


def test_unknown_ranks_above_warning_and_below_critical() -> None:
    silent = world(observation(), SILENT, observation(channel()))
    assert shown(silent, finding())[1].state is State.UNKNOWN
    assert shown(silent, finding(severity=Severity.CRITICAL))[1].state is State.CRITICAL


@pytest.mark.parametrize(("seconds", "lag"), [((1.0, 3.0), 3.0), ((1.0, None), None), ((0.0,), 0.0), ((), None)])
def test_lag_is_the_worst_channel_s_and_unknown_if_one_is(seconds: tuple[float | None, ...], lag: float | None) -> None:
    channels = [channel(str(number), value) for number, value in enumerate(seconds)]
    server = shown(world(observation(), observation(*channels), observation()))[1]
    assert server.lag_seconds == lag
    unknown = LagQuality.UNKNOWN if seconds else None
    assert server.lag_quality is (unknown if lag is None else LagQuality.EXACT)
    assert server.lag_source is (None if lag is None else LagBasis.STATUS)


def test_a_finding_is_as_old_as_its_incident() -> None:
    incident = Incident(id="i", finding=finding(), since=NOW - timedelta(hours=1), acknowledged=True)
    (view,) = build_cluster_view(HEALTHY, [finding()], [incident]).servers[1].findings
    assert (view.since, view.acknowledged) == (NOW - timedelta(hours=1), True)


def test_the_worst_finding_comes_first() -> None:
    other = finding(severity=Severity.CRITICAL)
    other = replace(other, subject=replace(other.subject, code=FindingCode.APPLIER_ERROR))
    findings = build_cluster_view(HEALTHY, [finding(), other], ()).servers[1].findings
    assert [view.code for view in findings] == [FindingCode.APPLIER_ERROR, FindingCode.LAGGING]


@pytest.mark.parametrize(
    ("poll", "age", "stale"),
    [
        (20, 40, False),
        (20, 41, True),
        (1, 10, False),
        (1, 11, True),
        (5, 10, False),
        (5, 10.5, True),
        (5, -9, False),
        (5, -11, True),
    ],
)
def test_older_than_two_polls_and_ten_seconds_is_stale(poll: int, age: float, stale: bool) -> None:
    cluster = build_cluster_view(HEALTHY, [finding(severity=Severity.CRITICAL)], ())
    dated = DatedView(cluster=cluster, as_of=NOW, poll_interval=timedelta(seconds=poll))
    view = combine([dated], (), NOW + timedelta(seconds=age))
    assert view.as_of == NOW
    assert view.state is (State.UNKNOWN if stale else State.CRITICAL)
    assert view.clusters[0].servers[1].findings == cluster.servers[1].findings
    assert [f.code for f in view.clusters[0].findings] == ([FindingCode.OBSERVATION_STALE] if stale else [])


def test_nothing_watched_is_not_healthy() -> None:
    assert combine([], (), NOW).state is State.UNKNOWN
    assert (
        build_view([World(cluster=replace(CLUSTER, servers=()), source=None, servers=(), now=NOW)], (), (), NOW).state
        is State.UNKNOWN
    )
