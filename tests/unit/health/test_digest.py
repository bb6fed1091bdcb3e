"""When a digest is due, and what is in it: what a receiver may hear of, and nothing of before."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.app.config_values import digest_time
from repwatch.drift.proving import TableProof
from repwatch.drift.report import Verdict
from repwatch.health.digest import MOST, Material, Peaks, make_digest, period, slot
from repwatch.health.incident import Incident, Phase
from repwatch.health.maintenance import DAYS
from repwatch.health.view import build_view
from repwatch.model.digest import Digest
from repwatch.model.finding import Finding, FindingCode, Severity, Subject
from repwatch.model.observation import Lag, LagBasis, ProbeFailure
from repwatch.model.risks import Suspicion, SuspicionCause
from repwatch.model.server import Flavour
from repwatch.model.settings import EmailReceiver, Receiver
from repwatch.model.topology import DriftSpec
from repwatch.model.view import State
from tests.unit.health.worlds import NOW, channel, observation, unobserved, world

HOUR = timedelta(hours=1)
MAIL = EmailReceiver(to=("a@example.com",), sender="b@example.com", host="m", port=25)
RECEIVER = Receiver(name="all", channel=MAIL, digest="02:00")
AT = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)  # a Sunday, an hour before NOW
DB2 = "10.0.0.2:3306"


@pytest.mark.parametrize(
    ("when", "now", "due"),
    [
        ("08:00", "2026-11-22T08:00:00", "2026-11-22T08:00:00"),
        ("08:00", "2026-11-22T07:59:59", "2026-11-21T08:00:00"),
        ("08:00", "2026-11-22T23:00:00", "2026-11-22T08:00:00"),
        ("00:00", "2026-11-22T00:00:00", "2026-11-22T00:00:00"),
        ("sun 08:00", "2026-11-22T08:00:00", "2026-11-22T08:00:00"),
        ("sun 08:00", "2026-11-22T07:00:00", "2026-11-15T08:00:00"),
        ("mon 08:00", "2026-11-22T08:00:00", "2026-11-16T08:00:00"),
        ("sat 08:00", "2026-11-22T08:00:00", "2026-11-21T08:00:00"),
    ],
)
def test_the_latest_time_of_a_digest(when: str, now: str, due: str) -> None:
    assert slot(when, datetime.fromisoformat(now).replace(tzinfo=UTC)) == datetime.fromisoformat(due).replace(tzinfo=UTC)


@given(
    st.sampled_from(("", *(f"{day} " for day in DAYS))),
    st.times().map(lambda each: f"{each:%H:%M}"),
    st.timedeltas(timedelta(0), timedelta(days=20000)).map(lambda each: datetime(2000, 1, 1, tzinfo=UTC) + each),
)
def test_digests_follow_one_another_without_a_gap(day: str, clock: str, now: datetime) -> None:
    due = slot(day + clock, now)
    assert due <= now < due + period(day + clock)
    assert slot(day + clock, due) == due
    assert slot(day + clock, due - timedelta(microseconds=1)) == due - period(day + clock)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("08:00", "08:00"),
        ("Mon 08:00 ", "mon 08:00"),
        ("mon  08:00", None),
        ("8:00", None),
        ("24:00", None),
        ("0 8 * * *", None),
        ("xyz 08:00", None),
        ("", None),
        (8, None),
    ],
)
def test_a_time_as_typed(typed: object, kept: str | None) -> None:
    if kept is None:
        with pytest.raises(ValueError, match="must be"):
            digest_time(typed)
    else:
        assert digest_time(typed) == kept


def incident(code: FindingCode = FindingCode.LAGGING, server: str = DB2, **changes: object) -> Incident:
    severity = changes.pop("severity", Severity.WARNING)
    finding = Finding(subject=Subject("shop", server, "", code), severity=severity, summary="s", meaning="", remedy="")  # type: ignore[arg-type]
    made = Incident(id=code, finding=finding, since=AT - 2 * HOUR, phase=Phase.OPEN)
    return replace(made, **changes)  # type: ignore[arg-type]


def over(code: FindingCode, ago: timedelta) -> Incident:
    return incident(code, phase=Phase.RESOLVED, since=AT - ago - HOUR, resolved=AT - ago)


LAG = Lag(seconds=7.0, basis=LagBasis.STATUS)
WORLD = world(
    [
        observation(Flavour.MYSQL, 1),
        observation(Flavour.MYSQL, 2, channel(Flavour.MYSQL, 1, lag=LAG)),
        unobserved(ProbeFailure.UNREACHABLE),
    ],
    drift=DriftSpec(prove_within=timedelta(days=7)),
)


def made(*incidents: Incident, receiver: Receiver = RECEIVER, **changes: object) -> Digest:
    view = build_view([WORLD], (), (), NOW)
    peaks = Peaks()
    peaks.add(view)
    material = Material(view=view, clusters=[WORLD.cluster], incidents=incidents, proofs={}, suspicions={}, peaks=peaks)
    return make_digest(receiver, AT, replace(material, **changes))  # type: ignore[arg-type]


def codes(digest: Digest) -> list[tuple[str, bool]]:
    return [(each.code, each.resolved is None) for each in digest.incidents]


def test_everything_stands_in_it() -> None:
    digest = made()
    (shop,) = digest.clusters
    assert (digest.state, shop.state, shop.servers, shop.servers_ok) == (State.UNKNOWN, State.UNKNOWN, 3, 2)
    assert shop.peak
    assert (shop.peak.server, shop.peak.seconds, shop.peak.at) == ("db2", 7.0, NOW)
    assert (digest.at, digest.since) == (AT, AT - timedelta(days=1))
    assert (digest.opened, digest.resolved) == (0, 0)


def test_open_incidents_come_first_and_the_critical_ones_before_the_others() -> None:
    digest = made(
        over(FindingCode.DRIFTED, HOUR),
        incident(FindingCode.LAGGING),
        incident(FindingCode.APPLIER_ERROR, severity=Severity.CRITICAL),
        over(FindingCode.RECEIVER_ERROR, timedelta(hours=23, minutes=59)),
        over(FindingCode.DISK_FULL, timedelta(hours=24, minutes=1)),  # told the last time
    )
    assert codes(digest) == [("applier-error", True), ("lagging", True), ("receiver-error", False), ("drifted", False)]
    assert (digest.opened, digest.resolved) == (2, 2)


def test_what_people_said() -> None:
    until = NOW + HOUR
    (said, silenced) = made(
        incident(FindingCode.DRIFTED, acknowledged=True, acknowledged_by="ann", since=AT - 3 * HOUR),
        incident(FindingCode.LAGGING, silenced_until=until),
    ).incidents
    assert (said.acknowledged_by, said.silenced_until) == ("ann", None)
    assert (silenced.acknowledged_by, silenced.silenced_until) == ("", until)
    assert made(incident(acknowledged=True)).incidents[0].acknowledged_by


def test_a_receiver_hears_of_what_it_wants() -> None:
    critical = replace(RECEIVER, min_severity=Severity.CRITICAL)
    assert codes(made(incident(), incident(FindingCode.DRIFTED, severity=Severity.CRITICAL), receiver=critical)) == [
        ("drifted", True)
    ]
    other = replace(RECEIVER, match=("billing", "sh*p/db3"))
    assert made(incident(), receiver=other).incidents == ()
    assert len(made(incident(), receiver=other).clusters) == 1
    nothing = made(incident(), receiver=replace(RECEIVER, match=("billing",)))
    assert (nothing.clusters, nothing.incidents, nothing.state) == ((), (), State.OK)


def test_a_storm_is_cut_and_counted() -> None:
    digest = made(*(incident(since=AT - number * HOUR) for number in range(MOST + 20)))
    assert (len(digest.incidents), digest.opened) == (MOST, MOST + 20)


def proof(table: str, proved: timedelta | None, verdict: Verdict = Verdict.IDENTICAL) -> TableProof:
    since = NOW - timedelta(days=6, hours=12)
    return TableProof(
        server=DB2, channel="", table=table, since=since, checked=NOW, verdict=verdict, proved=NOW - proved if proved else None
    )


def test_proofs_and_suspects() -> None:
    day = timedelta(days=1)
    proofs = [proof("a", day), proof("b", 6.5 * day), proof("c", 8 * day), proof("d", None, Verdict.DRIFTED)]
    suspicions = [
        Suspicion(server=DB2, channel="", cause=SuspicionCause.ERRANT, details=(), since=NOW - HOUR),
        Suspicion(server=DB2, channel="", cause=SuspicionCause.SKIPPED, details=(), since=NOW - 2 * HOUR),
        Suspicion(server=DB2, channel="x", cause=SuspicionCause.SKIPPED, details=(), since=NOW - HOUR, cleared=NOW),
    ]
    (shop,) = made(proofs={"shop": proofs}, suspicions={"shop": suspicions}).clusters
    (replica,) = shop.proofs
    assert (replica.server, replica.tables, replica.fresh, replica.never, replica.drifted) == ("db2", 4, 2, 1, 1)
    assert replica.soon == 2  # b, and d, which was first seen six days and a half ago
    assert replica.oldest is None
    (suspect,) = shop.suspects
    assert (suspect.server, suspect.causes) == ("db2", ("errant-transactions", "skipped-transactions"))
    assert suspect.since == NOW - 2 * HOUR


def test_the_highest_lag_of_the_time_of_the_digest() -> None:
    peaks, view = Peaks(), build_view([WORLD], (), (), NOW)
    (shop,) = view.clusters
    for hours, seconds in ((0, 50.0), (2, 9.0), (2.5, 11.0), (3, None), (25, 3.0)):
        servers = tuple(replace(server, lag_seconds=seconds) for server in shop.servers)
        peaks.add(replace(view, as_of=NOW + hours * HOUR, clusters=(replace(shop, servers=servers),)))
    assert [peak and peak.seconds for peak in (peaks.of("shop", NOW + n * HOUR) for n in (0, 1, 3, 26))] == [
        50.0,
        11.0,
        3.0,
        None,
    ]
    assert peaks.of("other", NOW) is None
