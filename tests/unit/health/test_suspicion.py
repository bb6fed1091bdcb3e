"""What becomes suspect, what a check clears, and what must not be checked over and over."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from repwatch.health.errant import errant_transactions
from repwatch.health.rules import diagnose
from repwatch.health.suspicion import cleared, suspect
from repwatch.health.world import World
from repwatch.model.finding import FindingCode
from repwatch.model.observation import Observation, ProbeFailure, ThreadError, ThreadState, Unobserved
from repwatch.model.past import Past
from repwatch.model.risks import Risks, SuspicionCause
from repwatch.model.server import Flavour
from tests.unit.health.worlds import NOW, channel, observation, spec, star, unobserved, uuid, world

MY, MA = Flavour.MYSQL, Flavour.MARIADB
FLAVOURS = pytest.mark.parametrize("flavour", list(Flavour))
SOURCE, OURS = uuid(MY, 1), uuid(MY, 2)
STOP = ThreadState.STOPPED


def broken(errno: int, table: str = "", gtid: str = "x:1") -> Observation:
    error = ThreadError(errno=errno, text="")
    return observation(MY, 2, channel(MY, 1, applier=STOP, applier_error=error, failed_table=table, failed_gtid=gtid))


def with_settings(**settings: str) -> Observation:
    return observation(MY, 2, channel(MY, 1), risks=Risks(settings=settings))


def pair(replica: Observation | Unobserved, **changes: Any) -> World:
    return replace(world([observation(MY, 1), replica]), **changes)


def later(made: World, seconds: int) -> World:
    """The same world, looked at so much later."""
    at = NOW + timedelta(seconds=seconds)
    servers = tuple(replace(server, result=replace(server.result, at=at)) for server in made.servers)
    return replace(made, servers=servers, now=at)


@pytest.mark.parametrize(
    ("replica", "cause", "tables"),
    [
        (broken(1062, "w.t"), SuspicionCause.APPLIER_ERROR, ("w.t",)),
        (broken(1032), SuspicionCause.APPLIER_ERROR, ()),
        (broken(1590), SuspicionCause.APPLIER_ERROR, ()),
        (broken(1146, "w.t"), None, ()),
        (broken(1205, "w.t"), None, ()),
        (with_settings(replica_exec_mode="idempotent"), SuspicionCause.IDEMPOTENT, ()),
        (with_settings(replica_exec_mode="strict", replica_skip_errors="off"), None, ()),
        (with_settings(replica_skip_errors="1062"), SuspicionCause.SKIPS_ERRORS, ()),
    ],
)
def test_what_makes_data_suspect(replica: Observation, cause: SuspicionCause | None, tables: tuple[str, ...]) -> None:
    found = suspect((), pair(replica))
    assert [(each.cause, each.tables, each.since) for each in found] == ([(cause, tables, NOW)] if cause else [])
    assert suspect((), pair(replace(replica, half_loaded=True))) == ()


def test_a_suspicion_outlives_its_cause_until_a_check_clears_it() -> None:
    found = suspect((), pair(broken(1062, "w.t")))
    healthy = later(pair(star(MY)[1]), 5)
    assert suspect(found, healthy) == found
    assert suspect(found, pair(unobserved(ProbeFailure.UNREACHABLE))) == found
    done = cleared(found, found, NOW)
    assert suspect(done, healthy) == ()


def test_what_lasts_is_checked_once() -> None:
    lasting = pair(with_settings(replica_exec_mode="idempotent"))
    done = cleared(suspect((), lasting), suspect((), lasting), NOW)
    assert suspect(done, later(lasting, 5)) == done
    off = suspect(done, later(pair(with_settings(replica_exec_mode="strict")), 10))
    assert off == ()
    (again,) = suspect(off, later(lasting, 15))
    assert again.cleared is None


def test_what_is_new_during_a_check_is_not_cleared_by_it() -> None:
    first = suspect((), pair(broken(1062, "w.t")))
    second = suspect(first, later(pair(broken(1062, "w.u", "x:2")), 5))
    assert [(each.tables, each.cleared) for each in second] == [(("w.t", "w.u"), None)]
    assert cleared(second, first, NOW) == second
    unknown = suspect(second, later(pair(broken(1062, "", "x:3")), 10))
    assert [each.tables for each in unknown] == [()]


def test_a_server_that_is_no_longer_configured_is_forgotten() -> None:
    found = suspect((), pair(broken(1062)))
    assert suspect(found, world([observation(MY, 1)])) == ()


def test_it_is_shown_while_it_is_not_cleared() -> None:
    found = suspect((), pair(broken(1062, "w.t")))
    made = pair(star(MY)[1], suspicions=found)
    (finding,) = diagnose(made)
    assert (finding.subject.code, finding.evidence["tables"]) == (FindingCode.SUSPECT_DATA, "w.t")
    assert diagnose(replace(made, suspicions=cleared(found, found, NOW))) == ()
    blind = pair(unobserved(ProbeFailure.UNREACHABLE), suspicions=found)
    assert FindingCode.SUSPECT_DATA in {each.subject.code for each in diagnose(blind)}


@pytest.mark.parametrize(
    ("tables", "narrowed"),
    [
        (("w.t",), " --tables 'w.t'"),
        (("w.t", "w.u"), " --tables 'w.t' --tables 'w.u'"),
        ((), ""),
        (tuple(f"w.t{number}" for number in range(9)), ""),
    ],
)
def test_the_check_that_it_names_is_of_the_tables_in_question(tables: tuple[str, ...], narrowed: str) -> None:
    (found,) = suspect((), pair(broken(1062, "w.t")))
    (finding,) = diagnose(pair(star(MY)[1], suspicions=(replace(found, tables=tables),)))
    assert f"`repwatch drift shop{narrowed}`" in finding.remedy


def test_a_skip_that_is_to_come_is_told_of() -> None:
    (finding,) = diagnose(pair(observation(MY, 2, channel(MY, 1, skip_pending=1))))
    assert finding.subject.code is FindingCode.SKIPPED_TRANSACTIONS


def history(flavour: Flavour, number: int, text: str, *channels: Any, **changes: Any) -> Observation:
    """A server with that history; on MariaDB it is that of its binary log."""
    logged = {"gtid_logged": text} if flavour is MA else {}
    return observation(flavour, number, *channels, gtid_executed=text, risks=Risks(), **logged, **changes)


EARLIER, LATER = NOW - timedelta(seconds=9), NOW


@pytest.mark.parametrize(
    ("flavour", "replica", "source", "before", "errant"),
    [
        (MY, f"{SOURCE}:1-9,{OURS}:1-2", f"{SOURCE}:1-9", None, f"{OURS}:1-2"),
        (MY, f"{SOURCE}:1-9,{OURS}:1-2:tag:1", f"{SOURCE}:1-9,{OURS}:1-2", None, f"{OURS}:tag:1"),
        (MY, f"{SOURCE}:1-9,{OURS}:1-2", f"{SOURCE}:1-9,{OURS}:1-2", None, ""),  # it was the source once
        (MY, f"{SOURCE}:1-9", f"{SOURCE}:1-7", None, ""),  # the source was read a little earlier
        (MY, f"{SOURCE}:1-9", f"{SOURCE}:1-7", f"{SOURCE}:1-7", ""),
        (MY, f"{SOURCE}:1-9", f"{SOURCE}:1-7", f"{SOURCE}:1-8", f"{SOURCE}:8"),  # the source has lost one
        (MA, "0-1-9,0-2-10", "0-1-9", None, "0-2-10"),
        (MA, "0-1-9,0-2-10", "0-1-30", None, "0-2-10"),
        (MA, "0-1-9,0-2-10", "0-1-9,0-2-10", None, ""),
        (MA, "0-1-9,0-3-4", "0-1-9", None, ""),  # of a server that wrote to the domain long ago
        (MA, "0-1-9", "0-1-7", None, ""),
        (MA, "0-1-9", "0-1-7", "0-1-8", "0-1-8"),
        (MA, "0-1-9,5-2-1", "0-1-9", None, "5-2-1"),  # a domain of its own
        (MY, "garbage", f"{SOURCE}:1-7", None, ""),
    ],
)
def test_errant_transactions(flavour: Flavour, replica: str, source: str, before: str | None, errant: str) -> None:
    made = world([history(flavour, 1, source), history(flavour, 2, replica, channel(flavour, 1))])
    if before is not None:
        old = history(flavour, 2, before, channel(flavour, 1), at=EARLIER)
        made = replace(made, past={"db2": Past(before=old)})
    assert errant_transactions(made, made.servers[1]) == errant


@FLAVOURS
def test_a_source_that_was_read_before_the_replica_proves_nothing(flavour: Flavour) -> None:
    ours, theirs = ("0-1-9", "0-1-7") if flavour is MA else (f"{SOURCE}:1-9", f"{SOURCE}:1-7")
    source = history(flavour, 1, theirs)
    replica = history(flavour, 2, ours, channel(flavour, 1))
    for took, errant in ((timedelta(seconds=9), True), (timedelta(seconds=10), False)):
        made = world([replace(source, took=took), replica])
        made = replace(made, past={"db2": Past(before=replace(replica, at=EARLIER))})
        assert bool(errant_transactions(made, made.servers[1])) == errant


@FLAVOURS
def test_nothing_is_errant_where_it_is_meant_or_cannot_be_told(flavour: Flavour) -> None:
    theirs, ours = ("0-1-9", "0-1-9,0-2-10") if flavour is MA else (f"{SOURCE}:1-9", f"{SOURCE}:1-9,{OURS}:1-2")
    source, replica = history(flavour, 1, theirs), history(flavour, 2, ours, channel(flavour, 1))
    for made in (
        world([source, replica], spec(1), spec(2, writable=True)),
        world([source, replica], spec(1), spec(2, local_tables=("l.*",))),
        world([unobserved(ProbeFailure.UNREACHABLE), replica]),
        world([replace(source, channels=(channel(flavour, 2),)), replica]),  # they replicate from each other
        world([source, replace(replica, risks=Risks(assigns_gtids=True))]),
        world([source, replace(replica, risks=None)]),
    ):
        assert errant_transactions(made, made.servers[1]) == ""


@FLAVOURS
def test_errant_transactions_of_an_intermediate_are_its_own(flavour: Flavour) -> None:
    theirs, ours = ("0-1-9", "0-1-9,0-2-10") if flavour is MA else (f"{SOURCE}:1-9", f"{SOURCE}:1-9,{OURS}:1-2")
    middle = history(flavour, 2, ours, channel(flavour, 1))
    last = history(flavour, 3, ours, channel(flavour, 2))
    made = world([history(flavour, 1, theirs), middle, last], spec(1), spec(2), spec(3, replicates_from="db2"))
    found = {finding.subject.server for finding in diagnose(made) if finding.subject.code is FindingCode.ERRANT_TRANSACTIONS}
    assert found == {"10.0.0.2:3306"}


@FLAVOURS
def test_a_demoted_source_that_took_writes_of_its_own_is_suspect_until_it_is_checked_as_a_replica(flavour: Flavour) -> None:
    theirs, ours = (
        ("0-1-9,0-2-10", "0-2-10,0-1-12") if flavour is MA else (f"{SOURCE}:1-9,{OURS}:1-2", f"{SOURCE}:1-12,{OURS}:1-2")
    )
    old, new = history(flavour, 1, ours, read_only=True), history(flavour, 2, theirs)
    made = world([old, new, history(flavour, 3, theirs, channel(flavour, 2))], source="db2")
    found = suspect((), made)
    assert [(each.server, each.channel, each.cause) for each in found] == [("10.0.0.1:3306", "", SuspicionCause.ERRANT)]
    assert suspect(found, made) == found, "it is one suspicion for as long as it lasts"
    told = {(each.subject.server, each.subject.code) for each in diagnose(replace(made, suspicions=found))}
    assert ("10.0.0.1:3306", FindingCode.SUSPECT_DATA) in told
    back = [replace(old, gtid_executed=theirs, gtid_logged=theirs, channels=(channel(flavour, 2),)), new]
    assert suspect(found, world(back, source="db2")) == found
    (under_a_name,) = suspect(found, world([replace(back[0], channels=(channel(flavour, 2, name="x"),)), new], source="db2"))
    assert under_a_name == replace(found[0], channel="x"), "nothing would check the channel that it has not"
    others = [history(flavour, number, ours, channel(flavour, 1)) for number in (2, 3)]
    assert suspect(found, world([old, *others])) == (), "it is the source again"
    assert suspect(found, world([unobserved(ProbeFailure.UNREACHABLE), *others])) == found


@FLAVOURS
def test_who_has_no_source_to_be_compared_with_is_not_suspect(flavour: Flavour) -> None:
    gtids = "0-1-12" if flavour is MA else f"{SOURCE}:1-12"
    fewer = "0-1-9" if flavour is MA else f"{SOURCE}:1-9"
    source, other = history(flavour, 1, gtids), history(flavour, 2, fewer, channel(flavour, 1))
    assert suspect((), world([source, other])) == ()
    assert suspect((), world([source, other], source=None)) == ()
    again = history(flavour, 1, fewer)  # the very same server under another address, read a moment earlier or later
    for looks in ([again, source, other], [source, again, other]):
        assert suspect((), world(looks, spec(1), spec(3), spec(2))) == ()
        assert suspect((), world(looks, spec(1), spec(3), spec(2), source="db3")) == ()
