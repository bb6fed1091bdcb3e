"""Rules over worlds made by hand: what a real server cannot easily be brought to, and what must not be said."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repwatch.health.connecting import Reconnect
from repwatch.health.inventory import agreed_source
from repwatch.health.rules import RULES, diagnose
from repwatch.health.rules_channel import HOLD_PATIENCE
from repwatch.health.world import World
from repwatch.model.endpoint import Endpoint
from repwatch.model.finding import FindingCode, Severity
from repwatch.model.observation import (
    ChannelObservation,
    Lag,
    LagBasis,
    Observation,
    ProbeFailure,
    ThreadError,
    ThreadState,
    Unobserved,
)
from repwatch.model.risks import Risks
from repwatch.model.server import Address, Flavour
from repwatch.model.topology import AUTO, ServerSpec
from repwatch.sql.replication import HOLD_DELAY
from tests.unit.health.worlds import NOW, address, channel, observation, spec, star, unobserved, uuid, world

FLAVOURS = pytest.mark.parametrize("flavour", list(Flavour))
MY, MA = Flavour.MYSQL, Flavour.MARIADB


def codes(made: World) -> list[tuple[str, str, str]]:
    """(server, channel, code) of what is found; db2 for 10.0.0.2:3306."""
    return [
        (f.subject.server.removesuffix(":3306").replace("10.0.0.", "db"), f.subject.channel, f.subject.code.value)
        for f in diagnose(made)
    ]


def db2(flavour: Flavour = MY, wanted: ServerSpec | None = None, **changes: Any) -> World:
    """A healthy star but for db2's channel."""
    source, _, other = star(flavour)
    changed = observation(flavour, 2, channel(flavour, 1, **changes))
    return world([source, changed, other], spec(1), wanted or spec(2), spec(3))


@FLAVOURS
def test_a_healthy_star_has_no_findings(flavour: Flavour) -> None:
    assert codes(world(star(flavour))) == []
    assert codes(world(star(flavour), source=None)) == []


RUN, CONNECT, STOP, UNKNOWN = ThreadState.RUNNING, ThreadState.CONNECTING, ThreadState.STOPPED, ThreadState.UNKNOWN
REFUSED = ThreadError(errno=1045, text="Access denied")
PURGED = ThreadError(errno=13114, text="Got fatal error 1236 … purged required binary logs")
LOST = ThreadError(errno=2003, text="error connecting to source")
DUPLICATE = ThreadError(errno=1062, text="Duplicate entry")


@FLAVOURS
@pytest.mark.parametrize(
    ("receiver", "receiver_error", "applier", "applier_error", "found"),
    [
        (STOP, None, RUN, None, ["receiver-stopped"]),
        (STOP, PURGED, RUN, None, ["binlog-purged", "receiver-error"]),
        (CONNECT, None, RUN, None, ["receiver-retrying"]),
        (CONNECT, REFUSED, RUN, None, ["receiver-retrying"]),
        (UNKNOWN, None, RUN, None, ["receiver-error"]),
        (RUN, None, STOP, None, ["applier-stopped"]),
        (RUN, None, STOP, DUPLICATE, ["applier-error"]),
        (RUN, None, UNKNOWN, None, ["applier-error"]),
        (RUN, REFUSED, RUN, DUPLICATE, []),  # left over from an earlier trouble
        (STOP, None, STOP, DUPLICATE, ["applier-error", "receiver-stopped"]),
        (STOP, None, STOP, None, ["applier-stopped", "receiver-stopped"]),
    ],
)
def test_each_state_of_a_channel_has_its_code(  # noqa: PLR0917
    flavour: Flavour,
    receiver: ThreadState,
    receiver_error: ThreadError | None,
    applier: ThreadState,
    applier_error: ThreadError | None,
    found: list[str],
) -> None:
    states: dict[str, Any] = {
        "receiver": receiver,
        "receiver_error": receiver_error,
        "applier": applier,
        "applier_error": applier_error,
    }
    made = db2(flavour, **states, lag=Lag(seconds=0.0 if receiver is applier is RUN else None, basis=LagBasis.STATUS))
    assert codes(made) == [("db2", "", code) for code in found]


@FLAVOURS
def test_a_held_applier_is_no_news_for_a_while(flavour: Flavour) -> None:
    lag = Lag(seconds=None, basis=LagBasis.STATUS)
    made = db2(flavour, applier=STOP, lag=lag, delay=timedelta(seconds=HOLD_DELAY))
    (held,) = diagnose(made)
    assert (held.subject.code, held.patience) == (FindingCode.APPLIER_STOPPED, HOLD_PATIENCE)
    (stopped,) = diagnose(db2(flavour, applier=STOP, lag=lag))
    assert stopped.patience == timedelta(0)


def test_the_class_of_an_error_is_evidence() -> None:
    (found,) = diagnose(db2(applier=STOP, applier_error=DUPLICATE, failed_table="shop.orders", failed_gtid="u:6"))
    assert {name: found.evidence[name] for name in ("errno", "error_class", "table", "transaction")} == {
        "errno": "1062",
        "error_class": "duplicate-key",
        "table": "shop.orders",
        "transaction": "u:6",
    }
    assert ("1062" in found.summary, "shop.orders" in found.summary, "db2" in found.summary) == (True, True, True)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (ProbeFailure.UNREACHABLE, "server-unreachable"),
        (ProbeFailure.TIMED_OUT, "server-unreachable"),
        (ProbeFailure.NOT_MYSQL, "server-unreachable"),
        (ProbeFailure.FAILED, "server-unreachable"),
        (ProbeFailure.NOT_ASKED, "observation-stale"),
        (ProbeFailure.LOGIN_REFUSED, "login-refused"),
        (ProbeFailure.PRIVILEGE_MISSING, "privilege-missing"),
    ],
)
def test_what_is_not_seen_is_said_and_nothing_else_of_it(failure: ProbeFailure, code: str) -> None:
    source, _, other = star(MY)
    made = world([source, unobserved(failure), other])
    broken = observation(MY, 2, channel(MY, 1, applier=STOP, applier_error=DUPLICATE), read_only=False)
    remembered = replace(made.servers[1], last_good=broken)
    assert codes(replace(made, servers=(made.servers[0], remembered, made.servers[2]))) == [("db2", "", code)]


def test_an_old_look_says_nothing_but_its_age() -> None:
    source, _, other = star(MY)
    old = observation(MY, 2, channel(MY, 1, applier=STOP), at=NOW - timedelta(seconds=11))
    assert codes(world([source, old, other])) == [("db2", "", "observation-stale")]
    assert codes(world([source, old, other], poll_interval=timedelta(seconds=6))) == [("db2", "", "applier-stopped")]
    blind = unobserved(ProbeFailure.UNREACHABLE, at=NOW - timedelta(hours=1))
    assert codes(world([source, blind, other])) == [("db2", "", "observation-stale")]


@pytest.mark.parametrize("failure", list(ProbeFailure))
def test_a_retrying_receiver_names_its_unreachable_source(failure: ProbeFailure) -> None:
    _, _, other = star(MY)
    cut_off = observation(MY, 2, channel(MY, 1, receiver=CONNECT, lag=Lag(seconds=None, basis=LagBasis.STATUS)))
    made = world([unobserved(failure), cut_off, other])
    (found,) = [f for f in diagnose(made) if f.subject.code is FindingCode.RECEIVER_RETRYING]
    down = failure in (ProbeFailure.UNREACHABLE, ProbeFailure.TIMED_OUT)
    assert found.evidence.get("cause") == ("server-unreachable" if down else None)
    assert found.evidence.get("cause_server") == (str(address(1)) if down else None)
    assert found.severity is (Severity.WARNING if down else Severity.CRITICAL)


@pytest.mark.parametrize(
    ("state", "error", "kind"),
    [
        (CONNECT, None, Reconnect.WITHOUT_ERROR),
        (CONNECT, LOST, Reconnect.TRYING),
        (CONNECT, REFUSED, None),
        (STOP, LOST, Reconnect.NOT_TRYING),
        (STOP, REFUSED, None),
    ],
)
def test_whether_a_receiver_still_tries(state: ThreadState, error: ThreadError | None, kind: Reconnect | None) -> None:
    made = db2(receiver=state, receiver_error=error, lag=Lag(seconds=None, basis=LagBasis.STATUS))
    (found,) = diagnose(made)
    assert found.evidence.get("connection") == kind
    if kind is not None:  # what is a consequence of a lost source goes by the class
        assert found.evidence["error_class"] == "network"
    away = replace(made, servers=(replace(made.servers[0], result=unobserved(ProbeFailure.UNREACHABLE)), *made.servers[1:]))
    (found,) = [each for each in diagnose(away) if each.subject.server == str(address(2))]
    assert found.evidence.get("connection") == (Reconnect.TRYING if error is None else kind)


@pytest.mark.parametrize(
    ("seconds", "max_lag", "intended", "on_server", "severity"),
    [
        (30.0, None, 0, 0, None),
        (31.0, None, 0, 0, Severity.WARNING),
        (301.0, None, 0, 0, Severity.CRITICAL),
        (31.0, 60, 0, 0, None),
        (0.0, None, 0, 0, None),
        (None, None, 0, 0, Severity.WARNING),
        (3625.0, None, 3600, 3600, None),
        (3631.0, None, 3600, 3600, Severity.WARNING),
        (3625.0, None, 0, 3600, None),
        (631.0, None, 600, 3600, Severity.WARNING),  # the inventory's word counts
        (400.0, None, 0, HOLD_DELAY, Severity.CRITICAL),  # a hold that was left behind excuses nothing
    ],
)
def test_lag_is_measured_beyond_the_intended_delay(
    seconds: float | None, max_lag: int | None, intended: int, on_server: int, severity: Severity | None
) -> None:
    wanted = spec(2, delay=timedelta(seconds=intended), max_lag=None if max_lag is None else timedelta(seconds=max_lag))
    made = db2(MY, wanted, lag=Lag(seconds=seconds, basis=LagBasis.STATUS), delay=timedelta(seconds=on_server))
    found = [f for f in diagnose(made) if f.subject.code is FindingCode.LAGGING]
    assert [f.severity for f in found] == ([severity] if severity else [])


def test_lag_of_a_channel_that_does_not_run_is_not_its_trouble() -> None:
    hours = Lag(seconds=9999.0, basis=LagBasis.STATUS)
    assert codes(db2(receiver=STOP, lag=hours)) == [("db2", "", "receiver-stopped")]
    assert codes(db2(applier=STOP, lag=hours)) == [("db2", "", "applier-stopped")]


@FLAVOURS
def test_a_writable_replica(flavour: Flavour) -> None:
    source, _, other = star(flavour)
    writable = observation(flavour, 2, channel(flavour, 1), read_only=False)
    assert codes(world([source, writable, other])) == [("db2", "", "replica-writable")]
    assert codes(world([source, writable, other], spec(1), spec(2, writable=True), spec(3))) == []


@FLAVOURS
def test_a_writable_server_that_replicates_from_nobody_is_worse(flavour: Flavour) -> None:
    source, _, other = star(flavour)
    made = world([source, observation(flavour, 2, read_only=False), other])
    (finding,) = [each for each in diagnose(made) if each.subject.code is FindingCode.REPLICA_WRITABLE]
    assert finding.severity is Severity.CRITICAL
    assert finding.evidence["takes_writes_too"] == str(address(1))


TWO = {MY: (f"{uuid(MY, 1)}:1-10", f"{uuid(MY, 1)}:1-9,{uuid(MY, 2)}:1"), MA: ("0-1-10", "0-1-9,0-2-10")}


@FLAVOURS
@pytest.mark.parametrize("follows", [True, False])
def test_an_old_source_that_takes_writes_has_transactions_of_its_own(flavour: Flavour, follows: bool) -> None:
    """db1 is the old source, db2 was promoted, and db3 may follow it."""
    looks = [
        observation(flavour, number, risks=Risks(), gtid_executed=gtids, gtid_logged=gtids if flavour is MA else "")
        for number, gtids in zip((1, 2), TWO[flavour], strict=True)
    ]
    third = observation(flavour, 3, channel(flavour, 2 if follows else 1), risks=None)
    if follows:
        auto = replace(world([*looks, third], source=None), source="db2")
        assert ("db1", "", "errant-transactions") in codes(auto)
    named = world([*looks, third], source="db1")
    assert (("db2", "", "errant-transactions") in codes(named)) is not follows  # all follow db2: it may be the source


@FLAVOURS
def test_missing_replication(flavour: Flavour) -> None:
    source, _, other = star(flavour)
    alone = observation(flavour, 2, read_only=True)
    assert codes(world([source, alone, other])) == [("db2", "", "replication-missing")]


def test_channels_that_the_inventory_names_must_be_there_by_name() -> None:
    source, _, other = star(MY)
    wanted = spec(2, channels={"a": "db1", "b": "db3"})
    one = observation(MY, 2, channel(MY, 1, name="a"))
    both = observation(MY, 2, channel(MY, 1, name="a"), channel(MY, 3, name="b"))
    crossed = observation(MY, 2, channel(MY, 3, name="a"), channel(MY, 1, name="b"))
    assert codes(world([source, one, other], spec(1), wanted, spec(3))) == [("db2", "b", "replication-missing")]
    assert codes(world([source, both, other], spec(1), wanted, spec(3))) == []
    assert codes(world([source, crossed, other], spec(1), wanted, spec(3))) == [
        ("db2", "a", "wrong-source"),
        ("db2", "b", "wrong-source"),
    ]


def test_a_server_that_only_channels_name_is_a_source() -> None:
    wanted = spec(2, channels={"a": "db1", "b": "db3"})
    both = observation(MY, 2, channel(MY, 1, name="a"), channel(MY, 3, name="b"))
    assert codes(world([observation(MY, 1), both, observation(MY, 3)], spec(1), wanted, spec(3))) == []


def test_a_channel_of_any_name_will_do_where_none_is_given() -> None:
    assert codes(db2(name="main")) == []


OTHER_NAME = Address("db1.example.com", 3306)


def elsewhere() -> Iterator[tuple[str, ChannelObservation, bool]]:
    """(what, db2's channel, whether it is surely wrong)"""
    yield "another name of the right server", channel(MY, 1, source=OTHER_NAME), False
    yield "another name of the right server, MariaDB", channel(MA, 1, source=OTHER_NAME), False
    yield "another server of the inventory", channel(MY, 3), True
    yield "another server of the inventory, MariaDB", channel(MA, 3), True
    yield "a server that nobody knows", channel(MY, 7), True
    yield "a server that nobody knows, MariaDB", channel(MA, 7), True
    yield "right address, another server answers there", channel(MY, 1, source_uuid="x", source_server_id=7), False
    yield "never connected to another server of the inventory", never(channel(MY, 3)), True
    yield "never connected to an unknown address", never(channel(MY, 7)), False
    yield "moved to the right one, with the id of the last", channel(MA, 1, source_server_id=3, receiver=CONNECT), False
    yield "moved to an unknown name, with the id of the last", channel(MA, 7, source_server_id=3, receiver=CONNECT), True
    yield "the last id is of nobody", channel(MA, 7, receiver=CONNECT), False


def never(there: ChannelObservation) -> ChannelObservation:
    return replace(there, receiver=CONNECT, source_server_id=0, source_uuid="")


@pytest.mark.parametrize(("what", "there", "wrong"), list(elsewhere()), ids=lambda value: value if isinstance(value, str) else "")
def test_the_source_is_known_by_identity_not_by_address_alone(what: str, there: ChannelObservation, wrong: bool) -> None:
    flavour = MA if "id of the last" in what or "MariaDB" in what or "last id" in what else MY
    source, _, other = star(flavour)
    found = codes(world([source, observation(flavour, 2, there), other]))
    assert (("db2", "", "wrong-source") in found) is wrong


def test_a_server_without_an_id_is_not_the_source_of_who_never_connected() -> None:
    source, _, other = star(MA)
    waiting = observation(MA, 2, never(channel(MA, 7)))
    assert ("db2", "", "wrong-source") not in codes(world([source, waiting, replace(other, server_id=0)]))


def test_a_chain_is_right_if_it_is_wanted() -> None:
    source, middle, _ = star(MY)
    last = observation(MY, 3, channel(MY, 2))
    assert codes(world([source, middle, last])) == [("db3", "", "wrong-source")]
    assert codes(world([source, middle, last], spec(1), spec(2), spec(3, replicates_from="db2"))) == []
    assert agreed_source(world([source, middle, last], source=None)) == "db1"


@FLAVOURS
def test_two_servers_with_one_identity(flavour: Flavour) -> None:
    source, replica, other = star(flavour)
    same_id = replace(other, server_id=2)
    assert codes(world([source, replica, same_id])) == [("db3", "", "duplicate-server-id")]


def test_a_copied_server_uuid() -> None:
    source, replica, other = star(MY)
    assert codes(world([source, replica, replace(other, server_uuid=replica.server_uuid)])) == [
        ("db3", "", "duplicate-server-id")
    ]


@FLAVOURS
def test_the_source_listed_as_a_replica_is_only_that(flavour: Flavour) -> None:
    source, replica, _ = star(flavour)
    assert codes(world([source, replica, source])) == [("db3", "", "duplicate-server-id")]


@FLAVOURS
def test_who_the_replicas_agree_on(flavour: Flavour) -> None:
    source, one, two = star(flavour)
    assert agreed_source(world([source, one, two], source=None)) == "db1"
    ring = observation(flavour, 1, channel(flavour, 2), read_only=False)
    assert agreed_source(world([ring, one, two], source=None)) == "db1"
    both_writable = world([ring, replace(one, read_only=False)], source=None)
    assert agreed_source(both_writable) is None
    foreign = observation(flavour, 2, channel(flavour, 9))
    assert agreed_source(world([source, foreign], source=None)) is None
    split = world([source, one, observation(flavour, 3), observation(flavour, 4, channel(flavour, 3))], source=None)
    assert agreed_source(split) is None


def test_a_source_that_went_down_stays_the_agreed_one() -> None:
    source, one, two = star(MY)
    made = world([source, one, two], source=None)
    down = replace(made.servers[0], result=unobserved(ProbeFailure.UNREACHABLE))
    assert agreed_source(replace(made, servers=(down, *made.servers[1:]))) == "db1"


def test_auto_that_cannot_settle_is_said_of_the_cluster() -> None:
    source, _, _ = star(MY)
    alone = [observation(MY, 1), observation(MY, 2)]
    assert codes(world(alone, source=None)) == [("", "", "replication-missing")]
    foreign = observation(MY, 2, channel(MY, 9))
    assert codes(world([source, foreign], source=None)) == [("", "", "wrong-source")]
    assert codes(world([source, unobserved(ProbeFailure.UNREACHABLE)], source=None)) == [("db2", "", "server-unreachable")]


RESULTS = st.one_of(
    st.builds(unobserved, st.sampled_from(ProbeFailure)),
    st.builds(
        lambda number, links, read_only: observation(MY, number, *links, read_only=read_only),
        st.integers(0, 3),
        st.lists(
            st.builds(
                lambda source, receiver, applier, error, lag: channel(
                    MY, source, receiver=receiver, applier=applier, receiver_error=error, applier_error=error, lag=lag
                ),
                st.integers(0, 4),
                st.sampled_from(ThreadState),
                st.sampled_from(ThreadState),
                st.sampled_from([None, REFUSED, PURGED, DUPLICATE, ThreadError(errno=65000, text="{start} %s")]),
                st.builds(Lag, seconds=st.sampled_from([None, 0.0, 1e9]), basis=st.just(LagBasis.STATUS)),
            ),
            max_size=1,
        ),
        st.booleans(),
    ),
)


@given(st.lists(RESULTS, min_size=1, max_size=4), st.sampled_from(["db1", None]))
def test_in_any_world(results: list[Observation | Unobserved], source: str | None) -> None:
    """No rule raises; subjects are unique; every unseen server is spoken of, once; every channel that does not run is."""
    made = world(results, source=source)
    found = diagnose(made)
    subjects = [f.subject for f in found]
    assert len(subjects) == len(set(subjects))
    assert {f.subject.code for f in found} <= {rule.code for rule in RULES}
    for server in made.servers:
        own = [f for f in found if f.subject.server == server.address]
        if isinstance(server.result, Unobserved):
            assert len(own) == 1
            continue
        for each in server.result.channels:
            if (each.receiver, each.applier) != (RUN, RUN):
                assert own
    for f in found:
        assert all(f.evidence.values())
        assert f.summary
        assert "\n" not in f.summary


def test_servers_without_names_are_named_by_url() -> None:
    plain = [ServerSpec(endpoint=Endpoint(address(number), "w")) for number in (1, 2)]
    source, _, _ = star(MY)
    broken = observation(MY, 2, channel(MY, 1, applier=STOP, applier_error=DUPLICATE))
    (found,) = diagnose(world([source, broken], *plain, source=str(address(1))))
    assert found.subject.server == "10.0.0.2:3306"
    assert "--source mysql://…@10.0.0.1:3306 --replica mysql://…@10.0.0.2:3306" in found.remedy


def test_auto_is_a_cluster_without_a_fixed_source() -> None:
    assert world(star(MY), source=None).cluster.source == AUTO
